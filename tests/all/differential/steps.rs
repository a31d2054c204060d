//! Random calls: mostly sensible ones, given what the view holds, and of each kind some that are stale, foreign or too early.

use std::collections::VecDeque;

use handoff::availability::memory::Dump;
use handoff::availability::{AgentView, Ask, Beat, Booking, Change, LegView, Place, Reservation, Serves, Waiting};
use handoff::domain::id::{AgentNo, ConnectorId, GroupNo, LaneNo, LegId, TicketId};
use handoff::domain::requirement::Channel;
use handoff::domain::time::{Span, Time};
use handoff::routing::lanes::Rank;
use handoff::routing::order::OrderKey;
use uuid::Uuid;

use super::oracle::Reached;

#[derive(Clone, Debug)]
pub enum Step {
    Reserve { epoch: u64, seen: u64, asks: Vec<Ask> },
    Advance { epoch: u64, from: u64, to: u64, change: Change },
    Refuse { epoch: u64, leg: LegId, ver: u32, head: u64 },
    Expire { limit: usize },
    Beat { epoch: u64, beats: Vec<Beat> },
    Lost,
    Begin { epoch: u64, token: u128 },
    Load { token: u128, page: u32, change: Change },
    Flip { token: u128, pages: u32, cursor: u64, head: u64 },
    Rematch { epoch: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub agents: u32,
    pub groups: u32,
    pub lanes: u32,
    pub legs: u32,
}

pub struct Generator {
    chance: Chance,
    size: Size,
    now: Time,
    /// What comes next, before anything at random: the calls of a rebuild.
    script: VecDeque<(Span, Step)>,
    /// Reservations made lately, whatever became of them.
    made: VecDeque<Reservation>,
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % u64::from(limit)) as u32
    }

    fn percent(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.below(from.len() as u32) as usize].clone())
    }

    /// Different numbers below a limit.
    fn some_of(&mut self, count: u32, limit: u32) -> Vec<u32> {
        let mut numbers: Vec<u32> = (0..count).map(|_| self.below(limit)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

fn leg_id(number: u32) -> LegId {
    LegId { ticket: TicketId(Uuid::from_u128(u128::from(number))), leg: 1 }
}

fn channel_of(lane: u32) -> Channel {
    Channel::ALL[lane as usize % Channel::ALL.len()]
}

fn connector(number: u32) -> ConnectorId {
    ConnectorId::parse(&format!("c{number}")).expect("valid")
}

impl Generator {
    pub fn new(seed: u64, size: Size) -> Generator {
        let mut generator = Generator {
            chance: Chance(seed),
            size,
            now: Time(1_000_000_000),
            script: VecDeque::new(),
            made: VecDeque::new(),
        };
        let world = generator.world();
        generator.script_rebuild(1, vec![world], 0);
        generator
    }

    pub fn now(&self) -> Time {
        self.now
    }

    pub fn remember(&mut self, made: Vec<Reservation>) {
        self.made.extend(made);
        self.made.drain(..self.made.len().saturating_sub(8));
    }

    pub fn next(&mut self, epoch: u64, dump: Option<&Dump>, reached: &mut Reached) -> Step {
        let wait = [0, 0, 20, 300, 300, 600, 1_000][self.chance.below(7) as usize];
        let wait = if self.chance.percent(1) { 9_000 } else { wait };
        if let Some((wait, step)) = self.script.pop_front() {
            self.now = self.now + wait;
            return step;
        }
        self.now = self.now + Span::from_millis(wait);
        let foreign = self.chance.percent(4);
        let named = if foreign { epoch.wrapping_sub(1) } else { epoch };
        let Some(dump) = dump else { return self.rebuild(epoch, None) };
        match self.chance.below(100) {
            0..=14 => self.reserve(named, dump),
            15..=36 => self.advance(named, dump),
            37..=51 => self.confirm(named, dump, reached),
            52..=62 => self.finish(named, dump),
            63..=72 => self.refuse(named, dump),
            73..=80 => Step::Expire { limit: [1, 2, 256][self.chance.below(3) as usize] },
            81..=88 => self.beat(named, dump),
            89..=93 => Step::Lost,
            94 => Step::Rematch { epoch: named },
            95..=96 => self.silence(named, dump),
            _ => self.rebuild(epoch, Some(dump)),
        }
    }

    fn reserve(&mut self, epoch: u64, dump: &Dump) -> Step {
        let seen =
            (dump.cursor + u64::from(self.chance.percent(25))).saturating_sub(u64::from(self.chance.percent(40)));
        let asks = (0..1 + self.chance.below(3)).map(|_| {
            let beforehand = dump.reservations.iter().filter(|(one, _)| one.leg_ver == 0);
            let repeated = self.chance.pick(&beforehand.map(|(one, _)| one.leg).collect::<Vec<_>>());
            let number = self.chance.below(self.size.legs);
            let leg = repeated.filter(|_| self.chance.percent(60)).unwrap_or(leg_id(number));
            let mut waiting = self.waiting(leg);
            if self.chance.percent(20) {
                waiting.lane = LaneNo(99);
            }
            Ask { leg, waiting }
        });
        Step::Reserve { epoch, seen, asks: asks.collect() }
    }

    /// A change of the log at random, now and then one that the view must not take.
    fn advance(&mut self, epoch: u64, dump: &Dump) -> Step {
        let change = self.change(dump);
        self.moving(epoch, dump, change)
    }

    fn moving(&mut self, epoch: u64, dump: &Dump, change: Change) -> Step {
        let cursor = dump.cursor;
        let (from, to) = match self.chance.below(20) {
            0 => (cursor.saturating_sub(2), cursor),
            1 => (cursor + 1, cursor + 2),
            2..=4 => (cursor.saturating_sub(1), cursor + 1),
            _ => (cursor, cursor + 1 + u64::from(self.chance.below(3))),
        };
        Step::Advance { epoch, from, to, change }
    }

    /// A reservation, perhaps one that is no more, becomes an offer.
    fn confirm(&mut self, epoch: u64, dump: &Dump, reached: &mut Reached) -> Step {
        let made: Vec<Reservation> = self.made.iter().cloned().collect();
        let Some(reservation) = self.chance.pick(&made) else { return self.advance(epoch, dump) };
        let under_way = dump.reservations.iter().any(|(other, _)| *other == reservation);
        let ver = dump.legs.iter().find(|leg| leg.id == reservation.leg).map_or(0, |leg| leg.ver);
        reached.note("lapsed, then confirmed", !under_way && ver == reservation.leg_ver);
        let channel = Channel::ALL[self.chance.below(5) as usize];
        let channel = dump.legs.iter().find(|leg| leg.id == reservation.leg).map_or(channel, |leg| match &leg.place {
            Place::Waiting(waiting) => waiting.channel,
            Place::Idle | Place::Held { .. } | Place::Closed => channel,
        });
        let by = reservation.agents.iter();
        let by = by.map(|(agent, _)| Booking { agent: *agent, weight: channel.default_weight() }).collect();
        let view = LegView { id: reservation.leg, ver: reservation.leg_ver + 1, place: Place::Held { channel, by } };
        self.moving(epoch, dump, Change { legs: vec![view], ..Change::default() })
    }

    /// Held legs end or are given back.
    fn finish(&mut self, epoch: u64, dump: &Dump) -> Step {
        let held = dump.legs.iter().filter(|leg| matches!(leg.place, Place::Held { .. }));
        let held: Vec<LegView> = held.cloned().collect();
        let mut legs = vec![];
        for leg in held {
            if legs.len() < 3 && self.chance.percent(40) {
                let back = self.chance.percent(20).then(|| Place::Waiting(self.waiting(leg.id)));
                legs.push(LegView { id: leg.id, ver: leg.ver + 1, place: back.unwrap_or(Place::Closed) });
            }
        }
        self.moving(epoch, dump, Change { legs, ..Change::default() })
    }

    fn refuse(&mut self, epoch: u64, dump: &Dump) -> Step {
        let under_way: Vec<Reservation> =
            dump.reservations.iter().map(|(reservation, _)| reservation.clone()).collect();
        let Some(one) = self.chance.pick(&under_way) else { return self.finish(epoch, dump) };
        let ver = one.leg_ver + u32::from(self.chance.percent(10));
        let head = (dump.cursor + u64::from(self.chance.below(4))).saturating_sub(1);
        Step::Refuse { epoch, leg: one.leg, ver, head }
    }

    fn beat(&mut self, epoch: u64, dump: &Dump) -> Step {
        let mut beats = vec![];
        for agent in &dump.agents {
            let session = agent.view.as_ref().map_or(0, |view| view.session);
            if self.chance.percent(60) {
                beats.push(Beat { agent: agent.number, session: session + u64::from(self.chance.percent(5)) });
            }
        }
        Step::Beat { epoch, beats }
    }

    /// Sweeps and no beats, until sessions are suspect, and on some days lost; then some beat.
    fn silence(&mut self, epoch: u64, dump: &Dump) -> Step {
        for _ in 0..5 + self.chance.below(4) {
            self.script.push_back((Span::from_millis(4_500), Step::Lost));
        }
        let beat = self.beat(epoch, dump);
        self.script.push_back((Span::ZERO, beat));
        Step::Lost
    }

    /// The rows of now, or a new world, under a new epoch; sometimes with a page lost, repeated or foreign.
    fn rebuild(&mut self, epoch: u64, dump: Option<&Dump>) -> Step {
        let next = epoch + u64::from(!self.chance.percent(15));
        let cursor = dump.map_or(0, |dump| dump.cursor);
        let pages = match dump {
            Some(dump) if self.chance.percent(70) => self.rows(dump),
            Some(_) | None => vec![self.world()],
        };
        self.script_rebuild(next, pages, cursor);
        let (_, step) = self.script.pop_front().expect("a rebuild has calls");
        step
    }

    fn script_rebuild(&mut self, epoch: u64, pages: Vec<Change>, cursor: u64) {
        let token = u128::from(epoch) * 10 + u128::from(self.chance.below(2));
        let mut calls = vec![Step::Begin { epoch, token }];
        if self.chance.percent(70) {
            calls.push(Step::Begin { epoch: epoch - u64::from(self.chance.percent(50)), token: token + 1 });
        }
        let count = pages.len() as u32;
        for (page, change) in (0..).zip(pages) {
            if self.chance.percent(35) {
                let foreign = token + u128::from(self.chance.percent(50));
                calls.push(Step::Load { token: foreign, page: page + 1, change: change.clone() });
            }
            calls.push(Step::Load { token, page, change });
        }
        if self.chance.percent(70) {
            calls.push(Step::Flip { token, pages: count + 1, cursor, head: cursor });
        }
        let head = cursor + u64::from(self.chance.below(3));
        calls.push(Step::Flip { token, pages: count, cursor, head });
        calls.push(Step::Rematch { epoch });
        if self.chance.percent(60) {
            let change = self.world();
            calls.push(Step::Advance { epoch, from: cursor, to: cursor + 2, change });
            let leg = leg_id(self.chance.below(self.size.legs));
            calls.push(Step::Reserve { epoch, seen: 0, asks: vec![Ask { leg, waiting: self.waiting(leg) }] });
            calls.push(Step::Rematch { epoch });
        }
        self.script.extend(calls.into_iter().map(|call| (Span::from_millis(20), call)));
    }
}

mod rows;
