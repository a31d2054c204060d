//! Redis as the replicas meet it: a master, a follower that may lag, at times two masters; it forgets, and it goes back.

use super::config::{Config, Mutant};
use super::rows::{LegNo, LegRow, Seq};
use super::view::Slot;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Redis {
    pub master: Slot,
    pub follower: Follower,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Follower {
    /// Has what the master has. A failover to it would be seen by nobody.
    InStep,
    /// Stopped following at an earlier call, and may be made the master.
    Behind(Slot),
    /// A master beside the other one. Each call goes to either, until one of them wins.
    Master { slot: Slot, calls_left: u8 },
}

/// Which of two masters a call reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Master,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    FollowerStops,
    Failover,
    Split,
    Survives(Side),
    /// Everything is gone, at the follower as well.
    Lost,
    /// A waiting or held leg vanishes from the view.
    Rot(LegNo),
}

impl Redis {
    pub fn new(master: Slot) -> Redis {
        Redis { master, follower: Follower::InStep }
    }

    /// Where a call may go.
    pub fn sides(&self) -> &'static [Side] {
        match self.follower {
            Follower::InStep | Follower::Behind(_) => &[Side::Master],
            Follower::Master { calls_left: 0, .. } => &[],
            Follower::Master { .. } => &[Side::Master, Side::Other],
        }
    }

    pub fn is_split(&self) -> bool {
        matches!(self.follower, Follower::Master { .. })
    }

    /// The slot on which a script runs.
    pub fn call(&mut self, side: Side) -> &mut Slot {
        match (&mut self.follower, side) {
            (Follower::Master { slot, calls_left }, Side::Other) => {
                *calls_left -= 1;
                slot
            }
            (Follower::Master { calls_left, .. }, Side::Master) => {
                *calls_left -= 1;
                &mut self.master
            }
            (Follower::InStep | Follower::Behind(_), _) => &mut self.master,
        }
    }

    pub fn at(&self, side: Side) -> &Slot {
        match (&self.follower, side) {
            (Follower::Master { slot, .. }, Side::Other) => slot,
            (Follower::InStep | Follower::Behind(_) | Follower::Master { .. }, _) => &self.master,
        }
    }

    /// Every slot that a later call can meet.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        let other = match &self.follower {
            Follower::InStep => None,
            Follower::Behind(slot) | Follower::Master { slot, .. } => Some(slot),
        };
        std::iter::once(&self.master).chain(other)
    }

    /// `None` when nothing would change.
    pub fn suffer(&mut self, config: &Config, fault: Fault) -> Option<()> {
        let follower = std::mem::replace(&mut self.follower, Follower::InStep);
        match (fault, follower) {
            (Fault::FollowerStops, Follower::InStep) => self.follower = Follower::Behind(self.master),
            (Fault::Failover, Follower::Behind(slot)) if slot != self.master => {
                let cursor = self.master.live().map(|view| view.cursor);
                self.master = slot;
                if config.has(Mutant::CursorOutsideRedis) {
                    self.keep_cursor(cursor);
                }
            }
            (Fault::Split, Follower::InStep) => {
                self.follower = Follower::Master { slot: self.master, calls_left: config.split_calls };
            }
            (Fault::Survives(Side::Master), Follower::Master { .. }) => {}
            (Fault::Survives(Side::Other), Follower::Master { slot, .. }) if slot != self.master => self.master = slot,
            (Fault::Lost, follower) if self.master != Slot::Empty => {
                self.follower = follower;
                self.master = Slot::Empty;
            }
            (Fault::Rot(leg), follower) => {
                self.follower = follower;
                let Slot::Live(view) = &mut self.master else { return None };
                let at = usize::from(leg);
                if view.rows.legs[at].ver == 0 {
                    return None;
                }
                view.rows.legs[at] = LegRow::ABSENT;
                view.holds[at] = None;
                view.is_rotten = true;
            }
            _ => return None,
        }
        Some(())
    }

    fn keep_cursor(&mut self, cursor: Option<Seq>) {
        if let (Slot::Live(view), Some(cursor)) = (&mut self.master, cursor) {
            view.cursor = cursor;
        }
    }
}
