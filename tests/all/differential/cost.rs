//! What a decision costs: reserve, advance over the offer, advance over the end. Prints; run by hand in release.

use std::collections::VecDeque;
use std::time::Instant;

use handoff::availability::memory::MemoryIndex;
use handoff::availability::{AgentView, Ask, Availability, Booking, Change, LegView, Place, Serves, Waiting};
use handoff::domain::id::{AgentNo, DeskId, DeskKey, GroupNo, LaneNo, LegId, TenantId, TicketId};
use handoff::domain::requirement::Channel;
use handoff::domain::time::Time;
use handoff::routing::lanes::Rank;
use handoff::routing::order::OrderKey;
use uuid::Uuid;

use super::ready;

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

struct Desk {
    index: MemoryIndex,
    key: DeskKey,
    cursor: u64,
    legs: u128,
    /// Held or waiting, oldest first.
    open: VecDeque<LegId>,
}

/// Per decision, in a steady state with this percentage of the agents' capacity (one chat each) open, held or waiting.
fn nanoseconds(agents: u32, profiles: u32, busy: u32) -> u128 {
    let mut desk = Desk::new(agents, profiles);
    for _ in 0..agents * busy / 100 {
        desk.open_one();
    }
    // The least of several batches: whatever else the machine does only adds to it.
    let batches = (0..if cfg!(debug_assertions) { 2 } else { 40 }).map(|_| {
        let start = Instant::now();
        for _ in 0..BATCH {
            desk.open_one();
            desk.end_one();
        }
        start.elapsed().as_nanos() / u128::from(BATCH)
    });
    batches.min().expect("at least one batch")
}

/// Spreads numbers out evenly.
fn scattered(number: u32, limit: u32) -> u32 {
    number.wrapping_mul(2_654_435_761).rotate_right(13) % limit
}

impl Desk {
    fn new(agents: u32, profiles: u32) -> Desk {
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
        let desk = Desk {
            index: MemoryIndex::default(),
            key: DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse("main").expect("valid") },
            cursor: 0,
            legs: 0,
            open: VecDeque::new(),
        };
        let page = Change { serves: serves.collect(), agents: agents.collect(), ..Change::default() };
        ready(desk.index.begin(&desk.key, 1, 1, NOW)).expect("begins");
        ready(desk.index.load(&desk.key, 1, 0, page, NOW)).expect("loads");
        ready(desk.index.flip(&desk.key, 1, 1, 0, 0)).expect("flips");
        ready(desk.index.rematch(&desk.key, 1, NOW)).expect("rematches");
        desk
    }

    /// A leg is created, offered if somebody is free, and held by whoever it is proposed to.
    fn open_one(&mut self) {
        self.legs += 1;
        let leg = LegId { ticket: TicketId(Uuid::from_u128(self.legs)), leg: 1 };
        let time = Time(self.legs as i64);
        let waiting = Waiting {
            lane: LaneNo(scattered(self.legs as u32, LANES)),
            key: OrderKey { band: 1, time, enqueue: time, leg },
            channel: Channel::Chat,
            want: 1,
            excluded: vec![],
            prefer: None,
            connector: None,
        };
        let asks = vec![Ask { leg, waiting: waiting.clone() }];
        let answer = ready(self.index.reserve(&self.key, 1, self.cursor, asks, NOW)).expect("of this epoch");
        let place = match answer.into_iter().flatten().next() {
            Some(made) => held_by(made.agents[0].0),
            None => Place::Waiting(waiting),
        };
        self.advance(LegView { id: leg, ver: 1, place });
        self.open.push_back(leg);
    }

    fn end_one(&mut self) {
        let leg = self.open.pop_front().expect("something is open");
        self.advance(LegView { id: leg, ver: 3, place: Place::Closed });
    }

    /// Moves over a state, and over the offers that come of it.
    fn advance(&mut self, view: LegView) {
        let mut views = VecDeque::from([view]);
        while let Some(view) = views.pop_front() {
            let change = Change { legs: vec![view], ..Change::default() };
            let (from, to) = (self.cursor, self.cursor + 1);
            let advanced = ready(self.index.advance(&self.key, 1, from, to, change, NOW)).expect("of this epoch");
            let handoff::availability::Advanced::Applied { reservations, .. } = advanced else {
                panic!("the only writer is never late")
            };
            self.cursor = to;
            let offers = reservations.into_iter();
            views.extend(offers.map(|one| LegView { id: one.leg, ver: 2, place: held_by(one.agents[0].0) }));
        }
    }
}

fn held_by(agent: AgentNo) -> Place {
    let channel = Channel::Chat;
    Place::Held { channel, by: vec![Booking { agent, weight: channel.default_weight() }] }
}
