//! One desk's view of one epoch: what the log said, and what is held for proposals under way.
//!
//! Every change ends in [`View::settle`] (in `matching`): what was touched is looked at again there, and matched.

use std::collections::{BTreeMap, BTreeSet};

use super::agents::{Agent, HeldBack, Lease};
use super::fits::{Fits, remove_from};
use super::free::Free;
use super::lines::{Line, Lines};
use crate::availability::{AgentView, Change, LegView, Place, Reservation, RowKey, Waiting};
use crate::domain::id::{AgentNo, ConnectorId, LegId};
use crate::domain::time::Time;
use crate::routing::order::OrderKey;

#[derive(Clone, Default)]
pub(super) struct View {
    pub(super) cursor: u64,
    /// After a flip: the head to reach before anything is matched.
    pub(super) unmatched: Option<u64>,
    pub(super) agents: BTreeMap<AgentNo, Agent>,
    pub(super) legs: BTreeMap<LegId, Leg>,
    pub(super) fits: Fits,
    pub(super) free: Free,
    pub(super) lines: Lines,
    /// Connectors that are away.
    pub(super) away: BTreeSet<ConnectorId>,
    pub(super) holds: BTreeMap<LegId, Hold>,
    /// Holds by the time at which they lapse.
    pub(super) deadlines: BTreeSet<(Time, LegId)>,
    /// On duty, but suspect or with reserved work.
    pub(super) held_back: BTreeMap<AgentNo, HeldBack>,
    /// Waiting legs of a connector that may go away, and waiting legs that prefer an agent.
    bound: BTreeMap<ConnectorId, BTreeSet<LegId>>,
    preferring: BTreeMap<AgentNo, BTreeSet<LegId>>,
    /// Refused holds by the head that the cursor must reach.
    refused: BTreeSet<(u64, LegId)>,
    /// What this call did: legs that entered a line, agents to look at again, agents who have more room than before.
    pub(super) arrived: BTreeSet<OrderKey>,
    pub(super) touched: BTreeSet<AgentNo>,
    pub(super) freed: BTreeSet<AgentNo>,
}

#[derive(Clone)]
pub(super) struct Leg {
    pub(super) ver: u32,
    pub(super) place: Place,
    /// `None` while it does not wait, is reserved, or its connector is away.
    pub(super) line: Option<Line>,
}

/// A reservation under way.
#[derive(Clone)]
pub(super) struct Hold {
    pub(super) reservation: Reservation,
    /// The head seen by the transaction that refused it.
    pub(super) refused: Option<u64>,
}

impl Leg {
    pub(super) fn waiting(&self) -> Option<&Waiting> {
        match &self.place {
            Place::Waiting(waiting) => Some(waiting),
            Place::Idle | Place::Held { .. } | Place::Closed => None,
        }
    }
}

impl View {
    pub(super) fn apply(&mut self, change: Change, now: Time) {
        for serves in change.serves {
            self.fits.put(serves);
            if self.lines.lane(serves.lane).is_some() {
                self.freed.extend(self.free.of_group(serves.group).map(|spot| spot.key.number));
            }
        }
        change.retired_lanes.into_iter().for_each(|lane| self.fits.retire_lane(lane));
        change.retired_groups.into_iter().for_each(|group| self.fits.retire_group(group));
        for (connector, away) in change.connectors {
            self.put_connector(connector, away);
        }
        for view in change.agents {
            self.put_agent(view, now);
        }
        for view in change.legs {
            self.put_leg(view);
        }
    }

    /// The view when all its pages are there: nothing is matched before the cursor has reached `head`.
    pub(super) fn loaded(mut self, cursor: u64, head: u64) -> View {
        self.cursor = cursor;
        self.unmatched = Some(head);
        self.refresh_touched();
        self.arrived.clear();
        self.freed.clear();
        self
    }

    /// Of a row that is there.
    pub(super) fn version(&self, key: RowKey) -> Option<u64> {
        match key {
            RowKey::Leg(leg) => self.legs.get(&leg).map(|leg| u64::from(leg.ver)),
            RowKey::Agent(agent) => self.agents.get(&agent)?.view.as_ref().map(|view| view.ver),
        }
    }

    pub(super) fn keys(&self) -> Vec<RowKey> {
        let agents = self.agents.iter().filter(|(_, agent)| agent.view.is_some());
        self.legs.keys().map(|leg| RowKey::Leg(*leg)).chain(agents.map(|(number, _)| RowKey::Agent(*number))).collect()
    }

    /// Moves the cursor; what was refused at or below it is free again.
    pub(super) fn move_to(&mut self, cursor: u64) {
        self.cursor = cursor;
        while let Some((head, leg)) = self.refused.first().copied().filter(|(head, _)| *head <= cursor) {
            self.refused.remove(&(head, leg));
            self.release(leg);
        }
    }

    /// Marks a reservation as refused; it ends when the cursor has reached `head`.
    pub(super) fn refuse(&mut self, leg: LegId, leg_ver: u32, head: u64) {
        let Some(hold) = self.holds.get_mut(&leg).filter(|hold| hold.reservation.leg_ver == leg_ver) else { return };
        if head <= self.cursor {
            self.release(leg);
            return;
        }
        // Refused twice: both causes lie at or below the higher head.
        let head = hold.refused.map_or(head, |before| before.max(head));
        if let Some(before) = hold.refused.replace(head) {
            self.refused.remove(&(before, leg));
        }
        self.refused.insert((head, leg));
    }

    /// Lapses up to `limit` reservations whose time has come; says how many.
    pub(super) fn lapse(&mut self, limit: usize, now: Time) -> usize {
        let due: Vec<LegId> =
            self.deadlines.iter().take_while(|(at, _)| *at <= now).take(limit).map(|(_, leg)| *leg).collect();
        due.iter().for_each(|leg| self.release(*leg));
        due.len()
    }

    /// Ends a reservation: its agents are free, and its leg, if it waits still, stands in line again.
    fn release(&mut self, leg: LegId) {
        self.drop_hold(leg);
        self.stand_in_line(leg);
    }

    fn drop_hold(&mut self, leg: LegId) {
        let Some(hold) = self.holds.remove(&leg) else { return };
        self.deadlines.remove(&(hold.reservation.expire_time, leg));
        if let Some(head) = hold.refused {
            self.refused.remove(&(head, leg));
        }
        for (number, _) in &hold.reservation.agents {
            if let Some(agent) = self.agents.get_mut(number) {
                agent.reserved.remove(leg);
                self.touched.insert(*number);
            }
        }
    }

    fn put_connector(&mut self, connector: ConnectorId, away: bool) {
        let legs: Vec<LegId> = self.bound.get(&connector).into_iter().flatten().copied().collect();
        let changed = if away { self.away.insert(connector) } else { self.away.remove(&connector) };
        if changed {
            legs.into_iter().for_each(|leg| self.stand_in_line(leg));
        }
    }

    fn put_agent(&mut self, view: AgentView, now: Time) {
        let number = view.number;
        let agent = self.agents.entry(number).or_default();
        let known = agent.view.as_ref();
        self.touched.insert(number);
        if known.is_some_and(|known| view.ver < known.ver) {
            return;
        }
        let was_on_duty = agent.on_duty().is_some();
        let view = Some(view).filter(|view| !view.deleted);
        let session = view.as_ref().map_or(0, |view| view.session);
        if known.map_or(0, |known| known.session) != session {
            agent.lease = if session == 0 { Lease::None } else { Lease::Live { since: now } };
        }
        agent.view = view;
        if was_on_duty != agent.on_duty().is_some() {
            let legs: Vec<LegId> = self.preferring.get(&number).into_iter().flatten().copied().collect();
            legs.into_iter().for_each(|leg| self.stand_in_line(leg));
        }
    }

    fn put_leg(&mut self, view: LegView) {
        let LegView { id, ver, place } = view;
        let known = self.legs.get(&id);
        if known.is_some_and(|known| ver < known.ver || ver == known.ver && place == known.place) {
            return;
        }
        let waits = matches!(place, Place::Waiting(_));
        let settles = |hold: &Hold| known.is_none() || ver > hold.reservation.leg_ver || !waits;
        if self.holds.get(&id).is_some_and(settles) {
            self.drop_hold(id);
        }
        self.forget(id);
        match &place {
            Place::Waiting(waiting) => {
                if let Some(connector) = &waiting.connector {
                    self.bound.entry(connector.clone()).or_default().insert(id);
                }
                if let Some(agent) = waiting.prefer {
                    self.preferring.entry(agent).or_default().insert(id);
                }
            }
            Place::Held { channel, by } => {
                for booking in by {
                    let agent = self.agents.entry(booking.agent).or_default();
                    agent.held.insert(id, *channel, booking.weight);
                    self.touched.insert(booking.agent);
                }
            }
            Place::Idle => {}
            Place::Closed => return,
        }
        self.legs.insert(id, Leg { ver, place, line: None });
        self.stand_in_line(id);
    }

    /// Takes a leg's last state out of everything.
    fn forget(&mut self, id: LegId) {
        let Some(leg) = self.legs.remove(&id) else { return };
        match leg.place {
            Place::Waiting(waiting) => {
                if let Some(line) = leg.line {
                    self.lines.remove(line, waiting.key);
                }
                if let Some(connector) = &waiting.connector {
                    remove_from(&mut self.bound, connector, &id);
                }
                if let Some(agent) = &waiting.prefer {
                    remove_from(&mut self.preferring, agent, &id);
                }
            }
            Place::Held { by, .. } => {
                for booking in by {
                    if let Some(agent) = self.agents.get_mut(&booking.agent) {
                        agent.held.remove(id);
                        self.touched.insert(booking.agent);
                    }
                }
            }
            Place::Idle | Place::Closed => {}
        }
    }

    /// Puts a leg where it should stand now: nowhere, if it is reserved or its connector is away.
    fn stand_in_line(&mut self, id: LegId) {
        let Some(waiting) = self.legs.get(&id).and_then(Leg::waiting) else { return };
        let (key, channel) = (waiting.key, waiting.channel);
        let to = self.line_of(waiting).filter(|_| !self.holds.contains_key(&id));
        let leg = self.legs.get_mut(&id).expect("the leg was there two lines above");
        let from = std::mem::replace(&mut leg.line, to);
        if from == to {
            return;
        }
        if let Some(line) = from {
            self.lines.remove(line, key);
        }
        if let Some(line) = to {
            self.lines.insert(line, key, channel);
            self.arrived.insert(key);
        }
    }

    /// The line that a leg belongs to; `None` while its connector is away.
    pub(super) fn line_of(&self, waiting: &Waiting) -> Option<Line> {
        if waiting.connector.as_ref().is_some_and(|connector| self.away.contains(connector)) {
            return None;
        }
        let on_duty = |agent: &AgentNo| self.agents.get(agent).is_some_and(|agent| agent.on_duty().is_some());
        let preferred = waiting.prefer.filter(|agent| !is_excluded(waiting, *agent) && on_duty(agent));
        Some(preferred.map_or(Line::Lane(waiting.lane), Line::Agent))
    }

    pub(super) fn refresh_touched(&mut self) {
        for number in std::mem::take(&mut self.touched) {
            self.refresh(number);
        }
    }

    /// Brings the free set up to date with what an agent holds and says.
    pub(super) fn refresh(&mut self, number: AgentNo) {
        let Some(agent) = self.agents.get_mut(&number) else { return };
        let before = agent.spot;
        let after = agent.free_spot(number);
        agent.spot = after;
        match agent.held_back() {
            Some(held_back) => self.held_back.insert(number, held_back),
            None => self.held_back.remove(&number),
        };
        if agent.is_forgotten() {
            self.agents.remove(&number);
        }
        if before == after {
            return;
        }
        before.into_iter().for_each(|spot| self.free.remove(spot));
        let Some(spot) = after else { return };
        self.free.insert(spot);
        if before.is_none_or(|before| before.group != spot.group || spot.room & !before.room != 0) {
            self.freed.insert(number);
        }
    }
}

pub(super) fn is_excluded(waiting: &Waiting, agent: AgentNo) -> bool {
    waiting.excluded.binary_search(&agent).is_ok()
}
