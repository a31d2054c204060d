//! The legs that wait, in memory: what is known of why nobody takes them, so that it is diagnosed again when it changes.
//!
//! NEVER and ABSENT belong to a lane, CONNECTOR_AWAY to a connector, EXCLUDED to a leg; what is left is BUSY, for an index
//! keeps no waiting leg beside an agent who could take it.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::LIFT_AFTER;
use super::roster::Roster;
use crate::domain::connector::Connector;
use crate::domain::id::{AgentNo, ConnectorId, LaneNo, LegId};
use crate::domain::leg::{ExclusionReason, Leg, LegState};
use crate::domain::requirement::Band;
use crate::domain::ticket::{Infeasibility, Ticket};
use crate::domain::time::Time;

/// A waiting leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiter {
    pub ver: u32,
    pub lane: LaneNo,
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
            excluded: numbers.collect(),
            lift_at: liftable.map(|row| row.since + LIFT_AFTER).min(),
            connector: (ticket.band != Band::Deferred).then(|| ticket.connector.clone()),
            known: ticket.infeasibility,
        })
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
    /// Those of which the log says EXCLUDED.
    excluded: BTreeSet<LegId>,
}

impl Waiters {
    pub fn put(&mut self, leg: LegId, waiter: Waiter) {
        self.remove(leg);
        self.by_lane.entry(waiter.lane).or_default().insert(leg);
        if waiter.known == Some(Infeasibility::Excluded) {
            self.excluded.insert(leg);
        }
        self.legs.insert(leg, waiter);
    }

    pub fn remove(&mut self, leg: LegId) {
        let Some(before) = self.legs.remove(&leg) else { return };
        self.excluded.remove(&leg);
        if let Some(legs) = self.by_lane.get_mut(&before.lane) {
            legs.remove(&leg);
            if legs.is_empty() {
                self.by_lane.remove(&before.lane);
            }
        }
    }

    pub fn version(&self, leg: LegId) -> Option<u32> {
        self.legs.get(&leg).map(|waiter| waiter.ver)
    }

    pub fn of_lane(&self, lane: LaneNo) -> impl Iterator<Item = LegId> {
        self.by_lane.get(&lane).into_iter().flatten().copied()
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
