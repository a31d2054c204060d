//! The quiet after the storm: every task has stopped for ever, and the sweeps of one new replica run until nothing is left.
//!
//! In the order of urgency: rebuild where the view is not of the store's epoch, proposals in hand, beats, tail, match, expire,
//! lift exclusions, anti-entropy. What must hold at the end is I5, I12 and that no agent is held for nothing.

use super::actor::page_of;
use super::broken::Broken;
use super::config::{Config, Mutant};
use super::reservation::Reservation;
use super::rows::{AgentNo, LegNo, Row};
use super::scripts::{self, Advanced};
use super::store::{Commit, Refused, Store};
use super::view::{Slot, View};

/// More steps than any repair takes that ends.
const ENOUGH: usize = 300;

struct Repair<'a> {
    config: &'a Config,
    store: Store,
    slot: Slot,
    in_hand: Vec<Reservation>,
}

pub fn run(config: &Config, store: Store, slot: Slot) -> Option<Broken> {
    let mut repair = Repair { config, store, slot, in_hand: Vec::new() };
    for _ in 0..ENOUGH {
        match repair.step() {
            Step::Done(found) => return found,
            Step::Again => {}
        }
    }
    Some(Broken::NoEnd)
}

enum Step {
    Again,
    Done(Option<Broken>),
}

impl Repair<'_> {
    fn step(&mut self) -> Step {
        let config = self.config;
        let epoch = self.store.epoch;
        let Some(view) = self.slot.live().filter(|view| view.epoch == epoch).copied() else {
            self.rebuild();
            return Step::Again;
        };
        if let Some(proposed) = self.in_hand.pop() {
            self.propose(&proposed);
            return Step::Again;
        }
        if let Some(agent) = view.suspects.iter().next() {
            self.in_hand = scripts::beat(config, &mut self.slot, epoch, agent);
            return Step::Again;
        }
        if view.cursor < self.store.head {
            self.tail(&view);
            return Step::Again;
        }
        if view.unmatched.is_some() {
            self.in_hand = scripts::match_waiting(config, &mut self.slot, epoch);
            return Step::Again;
        }
        let held = (0..config.legs).find(|leg| view.hold(*leg).is_some());
        if let Some(leg) = held.filter(|_| !config.has(Mutant::NoExpire)) {
            self.in_hand = scripts::expire(config, &mut self.slot, epoch, leg);
            return Step::Again;
        }
        let barred = (0..config.legs).find(|leg| self.store.must_lift(config, *leg));
        if let Some(leg) = barred.filter(|_| !config.has(Mutant::NeverLifted)) {
            self.store.end_exclusions(config, leg);
            return Step::Again;
        }
        if view.rows != scripts::view_of(&self.store.rows) && view.is_rotten && !config.has(Mutant::NoAntiEntropy) {
            self.store.raise_epoch();
            return Step::Again;
        }
        Step::Done(self.verdict(&view))
    }

    fn rebuild(&mut self) {
        let config = self.config;
        let epoch = self.store.raise_epoch();
        let head = self.store.head;
        scripts::begin(&mut self.slot, epoch);
        let pages = (0..=config.legs).filter_map(|page| page_of(config, &self.store.rows, page));
        let mut sent = 0;
        for rows in pages {
            scripts::load(config, &mut self.slot, epoch, sent, &rows);
            sent += 1;
        }
        scripts::flip(config, &mut self.slot, epoch, sent, head, head);
    }

    fn propose(&mut self, proposed: &Reservation) {
        match self.store.propose(self.config, proposed) {
            Ok(commit) => self.advance(&commit),
            Err(Refused { head }) => {
                let row = Row::Leg(proposed.leg, self.store.rows.leg(proposed.leg));
                self.in_hand.extend(scripts::refuse(self.config, &mut self.slot, proposed, head, row));
            }
        }
    }

    fn advance(&mut self, commit: &Commit) {
        let (epoch, Commit { from, to, rows }) = (self.store.epoch, commit);
        if let Advanced::Ok(made) = scripts::advance(self.config, &mut self.slot, epoch, *from, *to, rows) {
            self.in_hand.extend(made);
        }
    }

    fn tail(&mut self, view: &View) {
        let (from, to) = (view.cursor, self.store.head);
        let entries = self.store.log_between(from, to);
        let rows = entries.iter().map(|row| self.store.rows.same(*row)).collect();
        self.advance(&Commit { from, to, rows });
    }

    fn verdict(&self, view: &View) -> Option<Broken> {
        let (config, rows) = (self.config, &self.store.rows);
        let takes = |leg: LegNo, agent: AgentNo| {
            let (row, known) = (rows.leg(leg), rows.agent(agent));
            let has_room = rows.load(agent) < config.capacity;
            row.waits() && known.on_duty && has_room && row.lane.is_served_by(known.group) && !row.excluded.has(agent)
        };
        if (0..config.legs).any(|leg| (0..config.agents).any(|agent| takes(leg, agent))) {
            return Some(Broken::Stranded);
        }
        if (0..config.legs).any(|leg| self.store.must_lift(config, leg)) {
            return Some(Broken::NobodyLeft);
        }
        let is_limbo = |leg: &LegNo| {
            let row = rows.leg(*leg);
            row.state.is_open() && view.rows.leg(*leg).ver != row.ver
        };
        if (0..config.legs).any(|leg| is_limbo(&leg)) {
            return Some(Broken::Limbo);
        }
        let is_held = |agent: AgentNo| {
            view.is_free(config, agent) != (rows.agent(agent).on_duty && rows.load(agent) < config.capacity)
        };
        if view.holds.iter().any(Option::is_some) || (0..config.agents).any(is_held) {
            return Some(Broken::HeldForNothing);
        }
        (view.rows != scripts::view_of(rows)).then_some(Broken::NeedsAntiEntropy)
    }
}
