//! A desk in memory: what every replica keeps of its log beside the index. Changed by the writer alone, after each commit.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::past::Past;
use crate::availability::{Change, rows};
use crate::domain::agent::Agent;
use crate::domain::connector::Connector;
use crate::domain::event::{Body, Event};
use crate::domain::id::{AgentId, ConnectorId, LaneNo, LegId, QueueId};
use crate::domain::leg::Leg;
use crate::domain::ticket::{Infeasibility, Ticket};
use crate::domain::time::{Span, Time};
use crate::routing::decide::leg_key;
use crate::routing::roster::{Roster, TableChange};
use crate::routing::waiters::{Waiter, Waiters};
use crate::routing::workset::Scope;

/// Over how long hand-outs are counted for the estimated wait, and how many it takes.
const HAND_OUT_WINDOW: Span = Span::from_mins(15);
const HAND_OUTS_NEEDED: usize = 5;
const HAND_OUTS_KEPT: usize = 4_096;
/// A lane or a group that nothing uses for this long is retired.
const IDLE_BEFORE_RETIRED: Span = Span::from_mins(10);

/// A row after a commit, and before it.
#[derive(Clone, Debug)]
pub(super) struct Moved {
    /// `None`: it was created, or nobody knows.
    pub before: Option<Arc<Ticket>>,
    pub after: Arc<Ticket>,
}

/// What a part of the log did to a desk's rows.
#[derive(Debug, Default)]
pub(super) struct DeskChange {
    pub tickets: Vec<Moved>,
    pub agents: Vec<Arc<Agent>>,
    /// Queues from which somebody was given work.
    pub hand_outs: Vec<QueueId>,
    /// Lanes and groups that came or went.
    pub tables: TableChange,
    /// Connectors that came, went away or came back.
    pub connectors: Vec<ConnectorId>,
    /// Somebody came on duty or went, or what somebody can do changed.
    pub duty: bool,
}

impl DeskChange {
    /// What an event means to the desk beyond its rows.
    pub fn note(&mut self, event: &Event, ticket: Option<&Ticket>) {
        self.duty |= matches!(
            event.body,
            Body::AgentCreated { .. }
                | Body::AgentUpdated { .. }
                | Body::AgentDeleted { .. }
                | Body::AgentDeclared { .. }
                | Body::SessionStarted { .. }
                | Body::SessionEnded { .. }
                | Body::OfferEnded { not_responding: true, .. }
        );
        match &event.body {
            Body::ConnectorCreated { connector } => self.connectors.push(connector.id.clone()),
            Body::ConnectorDeleted { connector }
            | Body::ConnectorAway { connector }
            | Body::ConnectorBack { connector } => {
                self.connectors.push(connector.clone());
            }
            Body::Accepted { .. } | Body::Placed { .. } => {
                self.hand_outs.extend(ticket.map(|ticket| ticket.queue.clone()));
            }
            body => self.tables.note(body),
        }
    }
}

/// What follows from a commit for the index and for the log.
#[derive(Debug, Default)]
pub(super) struct Followed {
    pub change: Change,
    /// Waiting legs that changed: why they wait may be something else now.
    pub moved: Vec<LegId>,
    /// Waiting legs that did not, of which the same is true: the agents who could take them came or went, or their connector.
    pub touched: Vec<LegId>,
    /// Limits changed: legs whose need names an amount may belong to another lane.
    pub relane: bool,
}

#[derive(Debug)]
pub(super) struct DeskState {
    pub scope: Scope,
    pub head: u64,
    pub epoch: u64,
    pub roster: Roster,
    pub waiters: Waiters,
    /// The agents before the latest commits.
    pub past: Past,
    /// Open legs with their lanes, and how many each lane has.
    lane_of: BTreeMap<LegId, LaneNo>,
    open_legs: BTreeMap<LaneNo, u32>,
    /// Since when nothing uses a lane, or a group.
    idle_lanes: BTreeMap<LaneNo, Time>,
    idle_groups: BTreeMap<crate::domain::id::GroupNo, Time>,
    hand_outs: BTreeMap<QueueId, VecDeque<Time>>,
}

impl DeskState {
    pub fn new(scope: Scope, head: u64, epoch: u64) -> DeskState {
        DeskState {
            scope,
            head,
            epoch,
            roster: Roster::default(),
            waiters: Waiters::default(),
            past: Past::default(),
            lane_of: BTreeMap::new(),
            open_legs: BTreeMap::new(),
            idle_lanes: BTreeMap::new(),
            idle_groups: BTreeMap::new(),
            hand_outs: BTreeMap::new(),
        }
    }

    /// Takes in a part of the log up to `head`, with rows of then or later. One that is known already changes nothing.
    pub fn follow(&mut self, changed: DeskChange, scope: Option<Scope>, head: u64, now: Time) -> Followed {
        let limits_before = self.scope.limits.clone();
        self.scope = scope.unwrap_or_else(|| self.scope.clone());
        self.head = self.head.max(head);
        let mut followed = Followed::default();
        let tables = !changed.tables.is_empty();
        if tables {
            self.follow_tables(changed.tables, &mut followed.change);
            followed.relane = limits_before != self.scope.limits;
        }
        for connector in changed.connectors {
            let away = self.scope.connectors.get(&connector).is_none_or(|row| row.away || row.deleted);
            followed.touched.extend(self.waiters.of_connector(&connector));
            followed.change.connectors.push((connector, away));
        }
        let mut regrouped = tables;
        for agent in changed.agents {
            followed.change.agents.push(rows::of_agent(&agent));
            let before = self.roster.agent(agent.number).filter(|before| before.ver != agent.ver).cloned();
            let belongs = |row: &Agent| (row.group, row.deleted);
            regrouped |= self.roster.agent(agent.number).map(|row| belongs(row)) != Some(belongs(&agent));
            if let Some(before) = before {
                self.past.keep(self.head, before);
            }
            for moved in self.roster.put(agent) {
                followed.touched.extend(self.waiters.touched_by(moved));
            }
        }
        if regrouped {
            self.past.forget(self.head);
        }
        for moved in &changed.tickets {
            self.follow_ticket(moved, &mut followed, now);
        }
        for queue in changed.hand_outs {
            let times = self.hand_outs.entry(queue).or_default();
            times.push_back(now);
            if times.len() > HAND_OUTS_KEPT {
                times.pop_front();
            }
        }
        followed
    }

    fn follow_tables(&mut self, tables: TableChange, change: &mut Change) {
        let pairs = self.roster.set_tables(&self.scope.desk, &tables);
        change.serves = pairs.into_iter().map(rows::of_pair).collect();
        let TableChange { retired_lanes, retired_groups, .. } = tables;
        for lane in &retired_lanes {
            self.open_legs.remove(lane);
            self.idle_lanes.remove(lane);
        }
        for group in &retired_groups {
            self.idle_groups.remove(group);
        }
        change.retired_lanes = retired_lanes.into_iter().collect();
        change.retired_groups = retired_groups.into_iter().collect();
    }

    fn follow_ticket(&mut self, moved: &Moved, followed: &mut Followed, now: Time) {
        let ticket = &moved.after;
        let known = |n: u8| moved.before.as_ref().and_then(|before| before.leg(n));
        let same_place = moved.before.as_ref().is_some_and(|before| before.band == ticket.band);
        for leg in &ticket.legs {
            let id = LegId { ticket: ticket.id, leg: leg.n };
            let before = known(leg.n);
            if leg.state.is_open() || self.lane_of.contains_key(&id) {
                self.count_lane(id, leg, now);
                match Waiter::of(&self.roster, ticket, leg) {
                    Some(waiter) => {
                        self.waiters.put(id, waiter);
                        followed.moved.push(id);
                    }
                    None => self.waiters.remove(id),
                }
            } else if before.is_some_and(|before| !before.state.is_open()) {
                continue;
            }
            if !same_place || before.is_none_or(|before| before.ver != leg.ver) {
                let number = |agent: &AgentId| self.roster.find(agent).map(|agent| agent.number);
                followed.change.legs.push(rows::of_leg(number, ticket, leg));
            }
        }
    }

    fn count_lane(&mut self, id: LegId, leg: &Leg, now: Time) {
        let is = leg.state.is_open().then_some(leg.lane);
        let was = match is {
            Some(lane) => self.lane_of.insert(id, lane),
            None => self.lane_of.remove(&id),
        };
        if was == is {
            return;
        }
        if let Some(lane) = was {
            let left = self.open_legs.get(&lane).copied().unwrap_or(0).saturating_sub(1);
            if left == 0 {
                self.open_legs.remove(&lane);
                self.idle_lanes.insert(lane, now);
            } else {
                self.open_legs.insert(lane, left);
            }
        }
        if let Some(lane) = is {
            *self.open_legs.entry(lane).or_insert(0) += 1;
            self.idle_lanes.remove(&lane);
        }
    }

    /// Takes in all agents; open tickets come in pages through [`DeskState::load_page`].
    pub fn load(&mut self, agents: Vec<Arc<Agent>>) {
        self.roster.set_tables(&self.scope.desk, &TableChange::default());
        agents.into_iter().for_each(|agent| drop(self.roster.put(agent)));
    }

    /// Takes in a page of open tickets. Answers what waits.
    pub fn load_page(&mut self, tickets: Vec<Arc<Ticket>>, now: Time) -> Vec<LegId> {
        let mut followed = Followed::default();
        for after in tickets {
            self.follow_ticket(&Moved { before: None, after }, &mut followed, now);
        }
        followed.moved
    }

    /// What a view that is built from nothing is told first: who serves what, who is there, which connectors are away.
    pub fn ground(&self) -> Change {
        let away = |row: &Connector| row.away || row.deleted;
        Change {
            serves: self.roster.pairs().map(rows::of_pair).collect(),
            agents: self.roster.agents().map(|agent| rows::of_agent(agent)).collect(),
            connectors: self.scope.connectors.values().map(|row| (row.id.clone(), away(row))).collect(),
            ..Change::default()
        }
    }

    /// Open legs of tickets as the index sees them.
    pub fn views(&self, tickets: &[Arc<Ticket>]) -> Change {
        let number = |agent: &AgentId| self.roster.find(agent).map(|agent| agent.number);
        let legs = tickets.iter().flat_map(|ticket| ticket.open_legs().map(move |leg| (ticket, leg)));
        Change { legs: legs.map(|(ticket, leg)| rows::of_leg(number, ticket, leg)).collect(), ..Change::default() }
    }

    /// Queues of the policy in force that have an upper bound.
    pub fn bounded_queues(&self) -> Vec<QueueId> {
        let queues = self.scope.current_policy().queues.values();
        queues.filter(|queue| queue.max_waiting.is_some()).map(|queue| queue.id.clone()).collect()
    }

    /// What is to be said of a waiting leg, if it is news.
    pub fn news(&self, leg: LegId) -> Option<(u32, Infeasibility)> {
        self.waiters.news(leg, &self.roster, &self.scope.connectors)
    }

    /// Where a waiting leg stands in its queue, from 1.
    pub fn position(&self, ticket: &Ticket, leg: &Leg) -> u32 {
        let ahead = self.waiters.ahead(&ticket.queue, leg_key(ticket, leg));
        u32::try_from(ahead).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// The queue's mean time between hand-outs lately; `None` with too few of them.
    pub fn pace(&self, queue: &QueueId, now: Time) -> Option<Span> {
        let times = self.hand_outs.get(queue)?;
        let recent = times.iter().filter(|time| **time + HAND_OUT_WINDOW > now);
        let oldest = *recent.clone().next()?;
        let count = recent.count();
        let per = i64::try_from(count).ok()?;
        (count >= HAND_OUTS_NEEDED).then(|| Span((now - oldest).micros() / per))
    }

    /// Lanes and groups that nothing has used for a while.
    pub fn idle(&mut self, now: Time) -> (Vec<LaneNo>, Vec<crate::domain::id::GroupNo>) {
        for (lane, _) in self.scope.desk.lanes.iter().filter(|(lane, _)| !self.open_legs.contains_key(lane)) {
            self.idle_lanes.entry(lane).or_insert(now);
        }
        let empty: std::collections::BTreeSet<_> = self.roster.empty_groups().collect();
        self.idle_groups.retain(|group, _| empty.contains(group));
        for group in empty {
            self.idle_groups.entry(group).or_insert(now);
        }
        let over = |since: &Time| *since + IDLE_BEFORE_RETIRED <= now;
        let lanes = self.idle_lanes.iter().filter(|(_, since)| over(since)).map(|(lane, _)| *lane).collect();
        let groups = self.idle_groups.iter().filter(|(_, since)| over(since)).map(|(group, _)| *group).collect();
        (lanes, groups)
    }
}
