//! What the oracle's lists say, and how a change of the log replaces them.

use super::*;
use handoff::domain::id::{GroupNo, LaneNo};
use handoff::routing::lanes::Rank;

impl View {
    /// Replaces what is newer; says which legs have a new state.
    pub(super) fn apply(&mut self, change: &Change, now: Time) -> Vec<LegId> {
        for serves in &change.serves {
            self.serves.retain(|old| (old.lane, old.group) != (serves.lane, serves.group));
            self.serves.push(*serves);
        }
        self.serves.retain(|old| !change.retired_lanes.contains(&old.lane));
        self.serves.retain(|old| !change.retired_groups.contains(&old.group));
        for (connector, away) in &change.connectors {
            self.away.retain(|old| old != connector);
            self.away.extend(away.then(|| connector.clone()));
        }
        change.agents.iter().for_each(|agent| self.put_agent(agent, now));
        change.legs.iter().filter(|leg| self.put_leg(leg)).map(|leg| leg.id).collect()
    }

    fn put_agent(&mut self, view: &AgentView, now: Time) {
        let at = self.agents.iter().position(|(old, _)| old.number == view.number);
        let known = at.map(|at| self.agents[at].clone());
        if known.as_ref().is_some_and(|(old, _)| view.ver < old.ver) {
            return;
        }
        at.map(|at| self.agents.remove(at));
        if view.deleted {
            return;
        }
        let lease = match known {
            Some((old, lease)) if old.session == view.session => lease,
            _ if view.session == 0 => Lease::None,
            _ => Lease::Live { since: now },
        };
        self.agents.push((view.clone(), lease));
    }

    fn put_leg(&mut self, view: &LegView) -> bool {
        let known = self.leg(view.id);
        if known.is_some_and(|old| view.ver < old.ver || old == view) {
            return false;
        }
        let newer = known.is_none_or(|old| view.ver > old.ver);
        let waits = waiting_of(view).is_some();
        if newer || !waits {
            self.holds.retain(|hold| hold.reservation.leg != view.id);
        }
        self.legs.retain(|old| old.id != view.id);
        if view.place != Place::Closed {
            self.legs.push(view.clone());
        }
        true
    }

    pub(super) fn leg(&self, id: LegId) -> Option<&LegView> {
        self.legs.iter().find(|leg| leg.id == id)
    }

    pub(super) fn agent(&self, number: AgentNo) -> Option<&AgentView> {
        self.agents.iter().map(|(agent, _)| agent).find(|agent| agent.number == number)
    }

    pub(super) fn rank(&self, lane: LaneNo, group: GroupNo) -> Option<Rank> {
        let serves = self.serves.iter().find(|serves| (serves.lane, serves.group) == (lane, group));
        serves.map(|serves| serves.rank)
    }

    pub(super) fn line_of(&self, waiting: &Waiting) -> Option<Line> {
        if waiting.connector.as_ref().is_some_and(|connector| self.away.contains(connector)) {
            return None;
        }
        let waits_for = waiting.prefer.filter(|agent| {
            let on_duty = self.agent(*agent).is_some_and(|agent| agent.on_duty);
            on_duty && !waiting.excluded.contains(agent)
        });
        Some(waits_for.map_or(Line::Lane(waiting.lane), Line::Agent))
    }

    /// Waiting legs without a reservation, where they stand.
    pub(super) fn lines(&self) -> Vec<(Line, OrderKey)> {
        let reserved = |leg: &LegView| self.holds.iter().any(|hold| hold.reservation.leg == leg.id);
        let waiting = self.legs.iter().filter(|leg| !reserved(leg)).filter_map(waiting_of);
        waiting.filter_map(|waiting| Some((self.line_of(waiting)?, waiting.key))).collect()
    }

    pub(super) fn held(&self, number: AgentNo) -> Vec<(LegId, Channel, u16)> {
        let mut work = vec![];
        for leg in &self.legs {
            if let Place::Held { channel, by } = &leg.place {
                let mine = by.iter().filter(|booking| booking.agent == number);
                work.extend(mine.map(|booking| (leg.id, *channel, booking.weight)));
            }
        }
        work.sort();
        work
    }

    pub(super) fn reserved(&self, number: AgentNo) -> Vec<(LegId, Channel, u16)> {
        let mut work = vec![];
        for hold in &self.holds {
            let pairs = hold.reservation.agents.iter().zip(&hold.weights);
            let mine = pairs.filter(|((agent, _), _)| *agent == number);
            work.extend(mine.map(|(_, weight)| (hold.reservation.leg, hold.channel, *weight)));
        }
        work.sort();
        work
    }

    /// Everybody who could take something now.
    pub(super) fn spots(&self) -> Vec<Spot> {
        let mut spots = vec![];
        for (agent, lease) in &self.agents {
            let work = [self.held(agent.number), self.reserved(agent.number)].concat();
            let load = load(agent, &work);
            if agent.on_duty && matches!(lease, Lease::Live { .. }) && load.room != 0 {
                let key = AgentKey { load: load.percent, last_accept: agent.last_accept, number: agent.number };
                spots.push(Spot { group: agent.group, room: load.room, key });
            }
        }
        spots.sort();
        spots
    }

    pub(super) fn dump(&self) -> Dump {
        let mut numbers: Vec<AgentNo> = self.agents.iter().map(|(agent, _)| agent.number).collect();
        for leg in &self.legs {
            if let Place::Held { by, .. } = &leg.place {
                numbers.extend(by.iter().map(|booking| booking.agent));
            }
        }
        numbers.extend(self.holds.iter().flat_map(|hold| hold.reservation.agents.iter().map(|(agent, _)| *agent)));
        numbers.sort();
        numbers.dedup();
        let agents = numbers.into_iter().map(|number| AgentDump {
            number,
            view: self.agent(number).cloned(),
            lease: self.agents.iter().find(|(agent, _)| agent.number == number).map_or(Lease::None, |(_, it)| *it),
            held: self.held(number),
            reserved: self.reserved(number),
        });
        let mut dump = Dump {
            cursor: self.cursor,
            unmatched: self.unmatched,
            serves: self.serves.clone(),
            away: self.away.clone(),
            agents: agents.collect(),
            legs: self.legs.clone(),
            lines: self.lines(),
            free: self.spots(),
            reservations: self.holds.iter().map(|hold| (hold.reservation.clone(), hold.refused)).collect(),
        };
        dump.serves.sort_by_key(|serves| (serves.lane, serves.group));
        dump.away.sort();
        dump.legs.sort_by_key(|leg| leg.id);
        dump.lines.sort();
        dump.reservations.sort_by_key(|(reservation, _)| reservation.leg);
        dump
    }
}
