//! What a decision costs: reserve, advance over the offer, advance over the end; in this process and inside Redis. Prints; run by
//! hand in release.

use std::collections::VecDeque;
use std::time::Instant;

use handoff::availability::memory::MemoryIndex;
use handoff::availability::redis::RedisIndex;
use handoff::availability::{
    Advanced, AgentView, Ask, Availability, Booking, Change, LegView, PAGE, Place, Reservation, Serves, Waiting,
};
use handoff::clock::Clock;
use handoff::domain::id::{AgentNo, DeskId, DeskKey, GroupNo, LaneNo, LegId, TenantId, TicketId};
use handoff::domain::requirement::Channel;
use handoff::domain::time::Time;
use handoff::routing::lanes::Rank;
use handoff::routing::order::OrderKey;
use uuid::Uuid;

use super::ready;
use super::redis::options;
use crate::harness::redis::Server;

const LANES: u32 = 200;
const BATCH: u32 = 200;
const NOW: Time = Time(1_000_000_000);

#[test]
#[ignore = "prints durations; says something in release only"]
#[expect(clippy::print_stdout, reason = "a measurement is there to be read")]
fn a_decision_costs_about_the_same_whether_profiles_are_shared_or_not() {
    for agents in [100, 3_000] {
        for busy in [10, 50, 90, 99, 110] {
            let costs = [10, agents].map(|profiles| (profiles, nanoseconds(agents, profiles, busy)));
            println!("{agents:>5} agents, {busy:>3} % of capacity asked for: ns by profiles {costs:?}");
        }
    }
}

#[tokio::test]
#[ignore = "prints durations; says something in release only"]
#[expect(clippy::print_stdout, reason = "a measurement is there to be read")]
async fn a_decision_in_redis_costs_about_the_same_whether_profiles_are_shared_or_not() {
    for profiles in [10, 3_000] {
        for busy in [10, 50, 90, 99, 110] {
            let server = Server::start(&[]);
            let index = RedisIndex::connect(options(&server.url()), Clock::new(1)).await.expect("it connects");
            let mut desk = Desk::new(index, 3_000, profiles).await;
            for _ in 0..3_000 * busy / 100 {
                desk.open_one().await;
            }
            let mut parts = vec![];
            for _ in 0..BATCH {
                server.say(&["CONFIG", "RESETSTAT"]);
                let made = desk.reserve_one().await;
                parts.push(("reserve", spent(&server)));
                server.say(&["CONFIG", "RESETSTAT"]);
                desk.advance_one(made).await;
                parts.push(("advance", spent(&server)));
                server.say(&["CONFIG", "RESETSTAT"]);
                desk.end_one().await;
                parts.push(("end", spent(&server)));
            }
            let of = |part: &str| {
                let mut all: Vec<(f64, u64, u64)> =
                    parts.iter().filter(|(name, _)| *name == part).map(|(_, it)| *it).collect();
                all.sort_by(|one, other| one.0.total_cmp(&other.0));
                let (count, middle) = (all.len() as f64, all[all.len() / 2]);
                let mean = |field: fn(&(f64, u64, u64)) -> f64| all.iter().map(field).sum::<f64>() / count;
                let (us, scripts, calls) = (mean(|it| it.0), mean(|it| it.1 as f64), mean(|it| it.2 as f64));
                format!("{part} {us:.0} us (median {:.0}), {scripts:.1} scripts, {calls:.1} calls", middle.0)
            };
            println!("{profiles:>5} profiles, {busy:>3} %: {} | {} | {}", of("reserve"), of("advance"), of("end"));
        }
    }
}

/// Microseconds in scripts since the last reset, scripts, and commands that they called.
fn spent(server: &Server) -> (f64, u64, u64) {
    let said = server.say(&["INFO", "commandstats"]);
    let (mut us, mut scripts, mut calls) = (0.0, 0, 0);
    for line in said.lines().filter_map(|line| line.strip_prefix("cmdstat_")) {
        let (name, rest) = line.split_once(':').expect("a name");
        let field = |name: &str| {
            let value = rest.split(',').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
            value.and_then(|value| value.trim().parse::<f64>().ok()).expect("a number")
        };
        match name {
            "evalsha" | "eval" => {
                us += field("usec");
                scripts += field("calls") as u64;
            }
            "info" | "config|resetstat" => {}
            _ => calls += field("calls") as u64,
        }
    }
    (us, scripts, calls)
}

pub(super) struct Desk<A> {
    index: A,
    key: DeskKey,
    cursor: u64,
    legs: u128,
    /// Held or waiting, oldest first.
    open: VecDeque<LegId>,
}

/// Per decision, in a steady state with this percentage of the agents' capacity (one chat each) open, held or waiting.
fn nanoseconds(agents: u32, profiles: u32, busy: u32) -> u128 {
    let mut desk = ready(Desk::new(MemoryIndex::default(), agents, profiles));
    for _ in 0..agents * busy / 100 {
        ready(desk.open_one());
    }
    // The least of several batches: whatever else the machine does only adds to it.
    let batches = (0..if cfg!(debug_assertions) { 2 } else { 40 }).map(|_| {
        let start = Instant::now();
        for _ in 0..BATCH {
            ready(desk.open_one());
            ready(desk.end_one());
        }
        start.elapsed().as_nanos() / u128::from(BATCH)
    });
    batches.min().expect("at least one batch")
}

/// Spreads numbers out evenly.
fn scattered(number: u32, limit: u32) -> u32 {
    number.wrapping_mul(2_654_435_761).rotate_right(13) % limit
}

impl<A: Availability> Desk<A> {
    pub(super) async fn new(index: A, agents: u32, profiles: u32) -> Desk<A> {
        let pairs = (0..LANES).flat_map(|lane| (0..profiles).map(move |group| (lane, group)));
        let fitting = pairs.filter(|(lane, group)| scattered(lane * 7_919 + group, 100) < 40);
        let serves = fitting.map(|(lane, group)| {
            let dice = scattered(lane * 104_729 + group, 1 << 16);
            let rank = Rank { tier_surplus: (dice % 3) as u8, authority_surplus: 0, skill: dice / 3 % 12 };
            Serves { lane: LaneNo(lane), group: GroupNo(group), rank }
        });
        let agents = (0..agents).map(|number| AgentView {
            number: AgentNo(number),
            ver: 1,
            group: GroupNo(number % profiles),
            session: 1,
            on_duty: true,
            pools: [100, 100],
            weights: Channel::ALL.map(Channel::default_weight),
            maxima: [1; 5],
            blocked: 0,
            last_accept: Time(i64::from(scattered(number, 1 << 20))),
            deleted: false,
        });
        let desk = Desk { index, key: desk_key(), cursor: 0, legs: 0, open: VecDeque::new() };
        let serves: Vec<Serves> = serves.collect();
        let pages = serves.chunks(4 * PAGE).map(|serves| Change { serves: serves.to_vec(), ..Change::default() });
        let mut pages: Vec<Change> = pages.collect();
        pages.push(Change { agents: agents.collect(), ..Change::default() });
        let count = pages.len() as u32;
        desk.index.begin(&desk.key, 1, 1, NOW).await.expect("begins");
        for (page, change) in (0..).zip(pages) {
            desk.index.load(&desk.key, 1, page, change, NOW).await.expect("loads");
        }
        desk.index.flip(&desk.key, 1, count, 0, 0).await.expect("flips");
        desk.index.rematch(&desk.key, 1, NOW).await.expect("rematches");
        desk
    }

    /// A leg is created, offered if somebody is free, and held by whoever it is proposed to.
    async fn open_one(&mut self) {
        let made = self.reserve_one().await;
        self.advance_one(made).await;
    }

    fn waiting(&self) -> Waiting {
        let leg = LegId { ticket: TicketId(Uuid::from_u128(self.legs)), leg: 1 };
        let time = Time(self.legs as i64);
        Waiting {
            lane: LaneNo(scattered(self.legs as u32, LANES)),
            key: OrderKey { band: 1, time, enqueue: time, leg },
            channel: Channel::Chat,
            want: 1,
            excluded: vec![],
            prefer: None,
            connector: None,
        }
    }

    async fn reserve_one(&mut self) -> Option<Reservation> {
        self.reserve(1).await.into_iter().flatten().next()
    }

    /// For so many new legs at once.
    pub(super) async fn reserve(&mut self, count: u32) -> Vec<Option<Reservation>> {
        let ask = |_| {
            self.legs += 1;
            let waiting = self.waiting();
            Ask { leg: waiting.key.leg, waiting }
        };
        let asks = (0..count).map(ask).collect();
        self.index.reserve(&self.key, 1, self.cursor, asks, NOW).await.expect("of this epoch")
    }

    /// So many new legs come to wait at one entry of the log.
    pub(super) async fn arrive(&mut self, count: u32) -> Vec<Reservation> {
        let arriving = |_| {
            self.legs += 1;
            let waiting = self.waiting();
            LegView { id: waiting.key.leg, ver: 1, place: Place::Waiting(waiting) }
        };
        let change = Change { legs: (0..count).map(arriving).collect(), ..Change::default() };
        let (from, to) = (self.cursor, self.cursor + 1);
        self.cursor = to;
        match self.index.advance(&self.key, 1, from, to, change, NOW).await.expect("of this epoch") {
            Advanced::Applied { reservations, .. } => reservations,
            other => panic!("the only writer is never late: {other:?}"),
        }
    }

    pub(super) async fn rematch(&mut self) -> (Vec<Reservation>, bool) {
        self.index.rematch(&self.key, 1, NOW).await.expect("of this epoch")
    }

    /// What was reserved is held, and then over.
    pub(super) async fn serve(&mut self, made: Reservation) {
        self.advance(LegView { id: made.leg, ver: 1, place: held_by(made.agents[0].0) }).await;
        self.advance(LegView { id: made.leg, ver: 2, place: Place::Closed }).await;
    }

    async fn advance_one(&mut self, made: Option<Reservation>) {
        let waiting = self.waiting();
        let leg = waiting.key.leg;
        let place = match made {
            Some(made) => held_by(made.agents[0].0),
            None => Place::Waiting(waiting),
        };
        self.advance(LegView { id: leg, ver: 1, place }).await;
        self.open.push_back(leg);
    }

    async fn end_one(&mut self) {
        let leg = self.open.pop_front().expect("something is open");
        self.advance(LegView { id: leg, ver: 3, place: Place::Closed }).await;
    }

    /// Moves over a state, and over the offers that come of it.
    async fn advance(&mut self, view: LegView) {
        let mut views = VecDeque::from([view]);
        while let Some(view) = views.pop_front() {
            let change = Change { legs: vec![view], ..Change::default() };
            let (from, to) = (self.cursor, self.cursor + 1);
            let advanced = self.index.advance(&self.key, 1, from, to, change, NOW).await.expect("of this epoch");
            let Advanced::Applied { reservations, .. } = advanced else { panic!("the only writer is never late") };
            self.cursor = to;
            let offers = reservations.into_iter();
            views.extend(offers.map(|one| LegView { id: one.leg, ver: 2, place: held_by(one.agents[0].0) }));
        }
    }
}

pub(super) fn desk_key() -> DeskKey {
    DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse("main").expect("valid") }
}

fn held_by(agent: AgentNo) -> Place {
    let channel = Channel::Chat;
    Place::Held { channel, by: vec![Booking { agent, weight: channel.default_weight() }] }
}
