//! The legs that wait, in memory: what is known of why nobody takes them, so that it is diagnosed again when it changes.
//!
//! NEVER and ABSENT belong to a lane, CONNECTOR_AWAY to a connector, EXCLUDED to a leg; what is left is BUSY, for an index
//! keeps no waiting leg beside an agent who could take it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::decide::{LIFT_AFTER, leg_key};
use super::order::OrderKey;
use super::roster::{LaneMoved, Roster};
use crate::domain::connector::Connector;
use crate::domain::id::{AgentNo, ConnectorId, LaneNo, LegId, QueueId};
use crate::domain::leg::{ExclusionReason, Leg, LegState};
use crate::domain::requirement::Band;
use crate::domain::ticket::{Infeasibility, Ticket};
use crate::domain::time::Time;

/// A waiting leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiter {
    pub ver: u32,
    pub lane: LaneNo,
    queue: QueueId,
    key: OrderKey,
    excluded: Vec<AgentNo>,
    /// When the first exclusion may be lifted, should nobody else be on duty.
    lift_at: Option<Time>,
    /// Of a leg that somebody has to be subscribed for.
    connector: Option<ConnectorId>,
    /// What the log says.
    known: Option<Infeasibility>,
}

impl Waiter {
    /// The waiting leg as its row has it; `None` for one that does not wait, or pauses.
    pub fn of(roster: &Roster, ticket: &Ticket, leg: &Leg) -> Option<Waiter> {
        if leg.state != LegState::Waiting || leg.pause_until.is_some() {
            return None;
        }
        let numbers = leg.exclusions.iter().filter_map(|row| roster.find(&row.agent)).map(|agent| agent.number);
        let liftable = leg
            .exclusions
            .iter()
            .filter(|row| !matches!(row.reason, ExclusionReason::Conflict | ExclusionReason::Transferor));
        Some(Waiter {
            ver: leg.ver,
            lane: leg.lane,
            queue: ticket.queue.clone(),
            key: leg_key(ticket, leg),
            excluded: numbers.collect(),
            lift_at: liftable.map(|row| row.since + LIFT_AFTER).min(),
            connector: (ticket.band != Band::Deferred).then(|| ticket.connector.clone()),
            known: ticket.infeasibility,
        })
    }

    fn line(&self) -> (QueueId, u8) {
        (self.queue.clone(), self.key.band)
    }

    /// Why nobody takes it now.
    pub fn diagnose(
        &self,
        roster: &Roster,
        connectors: &BTreeMap<ConnectorId, std::sync::Arc<Connector>>,
    ) -> Infeasibility {
        let Some(lane) = roster.lane(self.lane).filter(|lane| lane.fitting > 0) else { return Infeasibility::Never };
        if lane.on_duty == 0 {
            return Infeasibility::Absent;
        }
        let is_away = |connector: &ConnectorId| connectors.get(connector).is_some_and(|row| row.away || row.deleted);
        if self.connector.as_ref().is_some_and(is_away) {
            return Infeasibility::ConnectorAway;
        }
        let fits = |number: &&AgentNo| {
            let agent = roster.agent(**number).filter(|agent| agent.on_duty());
            agent.is_some_and(|agent| lane.serving.iter().any(|service| service.group == agent.group))
        };
        let excluded = u32::try_from(self.excluded.iter().filter(fits).count()).unwrap_or(u32::MAX);
        if excluded >= lane.on_duty { Infeasibility::Excluded } else { Infeasibility::Busy }
    }
}

/// All waiting legs of a desk.
#[derive(Clone, Debug, Default)]
pub struct Waiters {
    legs: BTreeMap<LegId, Waiter>,
    by_lane: BTreeMap<LaneNo, BTreeSet<LegId>>,
    /// Those that some agent is kept from.
    choosy: BTreeMap<LaneNo, BTreeSet<LegId>>,
    /// Every queue's lines, one for each band, in order. Legs come at the end of one as a rule and go at its beginning, which costs
    /// little in a deque; in the middle of a hundred thousand they move some two megabytes.
    lines: BTreeMap<(QueueId, u8), VecDeque<OrderKey>>,
    /// Those of which the log says EXCLUDED.
    excluded: BTreeSet<LegId>,
}

impl Waiters {
    pub fn put(&mut self, leg: LegId, waiter: Waiter) {
        let stays = |before: &Waiter| before.line() == waiter.line() && before.key == waiter.key;
        let stays = self.legs.get(&leg).is_some_and(stays);
        self.take_out(leg, stays);
        self.by_lane.entry(waiter.lane).or_default().insert(leg);
        if !waiter.excluded.is_empty() {
            self.choosy.entry(waiter.lane).or_default().insert(leg);
        }
        if !stays {
            let line = self.lines.entry(waiter.line()).or_default();
            line.insert(line.partition_point(|key| *key < waiter.key), waiter.key);
        }
        if waiter.known == Some(Infeasibility::Excluded) {
            self.excluded.insert(leg);
        }
        self.legs.insert(leg, waiter);
    }

    pub fn remove(&mut self, leg: LegId) {
        self.take_out(leg, false);
    }

    fn take_out(&mut self, leg: LegId, stays_in_line: bool) {
        let Some(before) = self.legs.remove(&leg) else { return };
        self.excluded.remove(&leg);
        remove_from(&mut self.by_lane, before.lane, leg);
        remove_from(&mut self.choosy, before.lane, leg);
        if !stays_in_line && let Entry::Occupied(mut line) = self.lines.entry(before.line()) {
            if let Ok(at) = line.get().binary_search(&before.key) {
                line.get_mut().remove(at);
            }
            if line.get().is_empty() {
                line.remove();
            }
        }
    }

    /// Legs of the queue, and of the key's band, that come before it.
    pub fn ahead(&self, queue: &QueueId, key: OrderKey) -> usize {
        let line = self.lines.get(&(queue.clone(), key.band));
        line.map_or(0, |line| line.partition_point(|other| *other < key))
    }

    pub fn version(&self, leg: LegId) -> Option<u32> {
        self.legs.get(&leg).map(|waiter| waiter.ver)
    }

    /// Those of which something else may have to be said now.
    pub fn touched_by(&self, moved: LaneMoved) -> impl Iterator<Item = LegId> {
        // How many are on duty matters to a leg alone that cannot have them all.
        let legs = if moved.turned { &self.by_lane } else { &self.choosy };
        legs.get(&moved.lane).into_iter().flatten().copied()
    }

    pub fn of_connector(&self, connector: &ConnectorId) -> impl Iterator<Item = LegId> {
        let theirs = move |waiter: &Waiter| waiter.connector.as_ref() == Some(connector);
        self.legs.iter().filter(move |(_, waiter)| theirs(waiter)).map(|(leg, _)| *leg)
    }

    /// The leg's version and what is to be said of it now, if the log says something else.
    pub fn news(
        &self,
        leg: LegId,
        roster: &Roster,
        connectors: &BTreeMap<ConnectorId, std::sync::Arc<Connector>>,
    ) -> Option<(u32, Infeasibility)> {
        let waiter = self.legs.get(&leg)?;
        let found = waiter.diagnose(roster, connectors);
        (waiter.known != Some(found)).then_some((waiter.ver, found))
    }

    /// Legs whose exclusions may be lifted: nobody else who could take them is on duty, and the time has come.
    pub fn liftable(&self, now: Time) -> impl Iterator<Item = (LegId, u32)> {
        let waiters = self.excluded.iter().filter_map(|leg| Some((*leg, self.legs.get(leg)?)));
        let due = waiters.filter(move |(_, waiter)| waiter.lift_at.is_some_and(|at| at <= now));
        due.map(|(leg, waiter)| (leg, waiter.ver))
    }
}

fn remove_from(legs: &mut BTreeMap<LaneNo, BTreeSet<LegId>>, lane: LaneNo, leg: LegId) {
    if let Entry::Occupied(mut of_lane) = legs.entry(lane) {
        of_lane.get_mut().remove(&leg);
        if of_lane.get().is_empty() {
            of_lane.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::TicketId;

    fn leg(nth: u128) -> LegId {
        LegId { ticket: TicketId(uuid::Uuid::from_u128(nth)), leg: 1 }
    }

    fn queue(name: &str) -> QueueId {
        QueueId::parse(name).expect("a name")
    }

    fn waiter(nth: u128, queue_name: &str, band: Band, time: i64) -> Waiter {
        Waiter {
            ver: 1,
            lane: LaneNo(0),
            queue: queue(queue_name),
            key: OrderKey::new(band, Time(time), Time(time), leg(nth)),
            excluded: Vec::new(),
            lift_at: None,
            connector: None,
            known: None,
        }
    }

    fn places(waiters: &Waiters, rows: &[Waiter]) -> Vec<usize> {
        rows.iter().map(|row| waiters.ahead(&row.queue, row.key)).collect()
    }

    #[test]
    fn the_place_in_line_counts_earlier_legs_of_the_same_queue_and_band() {
        let rows = [
            waiter(1, "chat", Band::Live, 5),
            waiter(2, "chat", Band::Live, 6),
            waiter(3, "chat", Band::Live, 7),
            waiter(4, "chat", Band::Emergency, 1),
            waiter(5, "social", Band::Live, 2),
        ];
        let mut waiters = Waiters::default();
        for (at, row) in rows.iter().enumerate().rev() {
            waiters.put(leg(at as u128 + 1), row.clone());
        }
        assert_eq!(places(&waiters, &rows), [0, 1, 2, 0, 0]);
        waiters.remove(leg(1));
        assert_eq!(places(&waiters, &rows[1..3]), [0, 1], "an offered leg does not wait");
        waiters.put(leg(3), Waiter { ver: 2, known: Some(Infeasibility::Busy), ..rows[2].clone() });
        assert_eq!(places(&waiters, &rows[1..3]), [0, 1], "another reason, the same place");
        let moved = [waiter(2, "chat", Band::Live, 6), waiter(3, "chat", Band::Live, 4)];
        waiters.put(leg(3), moved[1].clone());
        assert_eq!(places(&waiters, &moved), [1, 0], "another priority, another place");
        (2..6).for_each(|nth| waiters.remove(leg(nth)));
        assert!(waiters.lines.is_empty() && waiters.by_lane.is_empty(), "nothing is kept of a leg that is gone");
    }

    #[test]
    fn only_legs_that_somebody_is_kept_from_mind_how_many_are_on_duty() {
        let mut waiters = Waiters::default();
        waiters.put(leg(1), waiter(1, "chat", Band::Live, 1));
        waiters.put(leg(2), Waiter { excluded: vec![AgentNo(7)], ..waiter(2, "chat", Band::Live, 2) });
        let touched = |turned| waiters.touched_by(LaneMoved { lane: LaneNo(0), turned }).collect::<Vec<_>>();
        assert_eq!(touched(false), [leg(2)]);
        assert_eq!(touched(true), [leg(1), leg(2)]);
    }
}
