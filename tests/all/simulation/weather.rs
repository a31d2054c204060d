//! What goes wrong, and when: one seeded source for every call of every port, and the fuse of the kill.
//!
//! Each seed has a climate of its own (some kinds of fault often, some never), for many faults at once hide what one of them
//! would show. Every call of a port takes a seeded number of turns, sometimes time; it may fail before or after it did what it
//! was asked to. The fuse counts these calls: where it ends, the replica's tasks are dropped, wherever each of them is.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use handoff::clock::Clock;
use handoff::domain::time::{Span, Time};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;

use super::pause;
use super::trace::Trace;

/// The two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    Store,
    Index,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Well,
    /// It fails and has done nothing.
    Refused,
    /// It fails and has done what it was asked to.
    Unanswered,
}

/// How often what goes wrong, in ten thousandths of the calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Climate {
    refused: u32,
    unanswered: u32,
    /// A port stays away for a while.
    away: u32,
    wiped: u32,
    slow: u32,
    very_slow: u32,
    /// Calls that a replica lives for, at the most; 0: it is not killed.
    pub fuse: u32,
    /// The most that the clock is put forward or back between two lives.
    pub jump: Span,
    /// The most that the store's clock differs from the process's.
    pub skew: Span,
}

impl Climate {
    /// The same without the kill.
    pub fn endless(self) -> Climate {
        Climate { fuse: 0, ..self }
    }

    pub fn of(seed: u64) -> Climate {
        let mut dice = StdRng::seed_from_u64(seed ^ 0xc11a_7e00);
        let mut often = |most: u32| if dice.random_bool(0.4) { 0 } else { dice.random_range(1..=most) };
        Climate {
            refused: often(200),
            unanswered: often(200),
            away: often(20),
            wiped: often(15),
            slow: often(1_500),
            very_slow: often(60),
            fuse: often(6_000),
            jump: Span::from_millis(i64::from(often(20_000))),
            skew: Span::from_millis(i64::from(often(400))),
        }
    }
}

pub struct Weather {
    sky: Mutex<Sky>,
    /// Told when the fuse has burnt down; wakes in the order in which it is waited for, so that a seed leaves one trace.
    killed: Notify,
    clock: Clock,
    trace: Trace,
}

struct Sky {
    dice: StdRng,
    climate: Option<Climate>,
    fuse: Option<u32>,
    dead: bool,
    /// Until when each port is away.
    away: [Time; 2],
    faults: u32,
    /// What becomes of the next calls of a name, whatever the climate.
    script: BTreeMap<&'static str, VecDeque<Fate>>,
    /// How long the next call of a name takes.
    held: Option<(&'static str, Span)>,
    wiped: bool,
}

/// What a call has before it.
struct Course {
    fate: Fate,
    turns: u32,
    wait: Span,
    wiped: bool,
}

impl Weather {
    /// `climate: None`: nothing goes wrong any more.
    pub fn new(dice: StdRng, climate: Option<Climate>, clock: Clock, trace: Trace) -> Arc<Weather> {
        let mut sky = Sky {
            dice,
            climate,
            fuse: None,
            dead: false,
            away: [Time::default(); 2],
            faults: 0,
            script: BTreeMap::new(),
            held: None,
            wiped: false,
        };
        let most = climate.map_or(0, |climate| climate.fuse);
        sky.fuse = sky.burns(most);
        Arc::new(Weather { sky: Mutex::new(sky), killed: Notify::new(), clock, trace })
    }

    /// From now on things go wrong as in this climate.
    pub fn turn(&self, climate: Climate) {
        let mut sky = self.sky();
        sky.climate = Some(climate);
        sky.fuse = sky.burns(climate.fuse);
    }

    /// From now on nothing goes wrong, not even the end of this life.
    pub fn clear_up(&self) {
        let mut sky = self.sky();
        sky.climate = None;
        sky.fuse = None;
    }

    /// Returns when the replica in this weather is killed.
    pub async fn died(&self) {
        let told = self.killed.notified();
        if !self.sky().dead {
            told.await;
        }
    }

    /// Says what becomes of the next calls of this name.
    pub fn script(&self, what: &'static str, fates: impl IntoIterator<Item = Fate>) {
        self.sky().script.entry(what).or_default().extend(fates);
    }

    /// Has the next call of this name take so long.
    pub fn hold(&self, what: &'static str, span: Span) {
        self.sky().held = Some((what, span));
    }

    /// Has the index lose its memory with its next call.
    pub fn wipe(&self) {
        self.sky().wiped = true;
    }

    /// How many calls did not go well.
    pub fn faults(&self) -> u32 {
        self.sky().faults
    }

    /// A call begins: it takes its turns and its time. Answers what becomes of it, and whether the port lost its memory.
    pub async fn begins(&self, port: Port, what: &'static str) -> (Fate, bool) {
        let course = self.sky().course(port, what, self.clock.now());
        let Some(Course { fate, turns, wait, wiped }) = course else { return self.end_of_life().await };
        if fate != Fate::Well || wiped || wait > Span::from_millis(50) {
            self.trace.say(|| format!("{} {port:?} {what}: {fate:?} wiped {wiped} after {wait}", self.clock.now().0));
        }
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        if wait > Span::ZERO {
            pause::until(&self.clock, self.clock.now() + wait).await;
        }
        (fate, wiped)
    }

    /// A call has done its work and is about to answer.
    pub async fn ends(&self) {
        let turns = self.sky().turns();
        let Some(turns) = turns else { return self.end_of_life().await };
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }

    async fn end_of_life<T>(&self) -> T {
        self.killed.notify_waiters();
        std::future::pending().await
    }

    fn sky(&self) -> MutexGuard<'_, Sky> {
        self.sky.lock().expect("nothing that panics runs under this lock")
    }
}

impl Sky {
    /// How long a fuse burns that burns for so many calls at the most.
    fn burns(&mut self, most: u32) -> Option<u32> {
        (most > 0).then(|| self.dice.random_range(20..=most.max(21)))
    }

    /// `None`: the fuse has burnt down.
    fn turns(&mut self) -> Option<u32> {
        if let Some(fuse) = &mut self.fuse {
            *fuse = fuse.saturating_sub(1);
            self.dead |= *fuse == 0;
        }
        (!self.dead).then(|| self.dice.random_range(0..3))
    }

    /// As the script has it; what it does not mention goes well.
    fn scripted(&mut self, port: Port, what: &'static str, turns: u32) -> Course {
        let fate = self.script.get_mut(what).and_then(VecDeque::pop_front).unwrap_or(Fate::Well);
        let wait = self.held.take_if(|(held, _)| *held == what).map_or(Span::ZERO, |(_, span)| span);
        let wiped = port == Port::Index && std::mem::take(&mut self.wiped);
        Course { fate, turns, wait, wiped }
    }

    fn course(&mut self, port: Port, what: &'static str, now: Time) -> Option<Course> {
        let turns = self.turns()?;
        let Some(climate) = self.climate else { return Some(self.scripted(port, what, turns)) };
        let at = usize::from(port == Port::Index);
        if self.happens(climate.away) {
            self.away[at] = now + Span::from_millis(self.dice.random_range(200..4_000));
        }
        let fate = if now < self.away[at] || self.happens(climate.refused) {
            Fate::Refused
        } else if self.happens(climate.unanswered) {
            Fate::Unanswered
        } else {
            Fate::Well
        };
        let wait = if self.happens(climate.very_slow) {
            Span::from_millis(self.dice.random_range(500..3_000))
        } else if self.happens(climate.slow) {
            Span::from_millis(self.dice.random_range(1..120))
        } else {
            Span::ZERO
        };
        let wiped = port == Port::Index && self.happens(climate.wiped);
        self.faults += u32::from(fate != Fate::Well || wiped);
        Some(Course { fate, turns, wait, wiped })
    }

    fn happens(&mut self, in_ten_thousand: u32) -> bool {
        in_ten_thousand > 0 && self.dice.random_range(0..10_000) < in_ten_thousand
    }
}
