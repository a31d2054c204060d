//! What a batch's work comes to, as rows for the set-based statements of either database.
//!
//! Worked out between load and write, without waiting, so that nothing borrowed from the load lives across a statement.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::rows;
use super::session::Cell;
use crate::domain::agent::Agent;
use crate::domain::connector::Connector;
use crate::domain::event::{Body, Entry, Event, Route};
use crate::domain::id::{AgentId, ConnectorId, DeskKey, OfferId, TicketId};
use crate::domain::leg::Leg;
use crate::domain::ticket::Ticket;
use crate::domain::time::Time;
use crate::routing::workset::{Scope, WorkingSet};
use crate::store::{DedupKey, Error, Loaded, StoredAnswer, Work, route};

pub(super) type Entries = BTreeMap<DeskKey, Vec<Arc<Entry>>>;

/// Rows of one table, on the way into a statement.
pub(super) trait Rows: Default {
    fn push(&mut self, row: &[Cell<'_>]) -> Result<(), Error>;
    /// A row whose body is the last column.
    fn push_with(&mut self, row: &[Cell<'_>], body: &impl Serialize) -> Result<(), Error>;
}

/// Rows that a batch changed.
#[derive(Default)]
pub(super) struct Changed {
    pub scopes: BTreeMap<DeskKey, Scope>,
    pub agents: BTreeMap<(DeskKey, AgentId), Arc<Agent>>,
    pub tickets: BTreeMap<(DeskKey, TicketId), Arc<Ticket>>,
}

/// What a batch leaves, for the one that follows.
#[derive(Default)]
pub(super) struct Left {
    pub changed: Changed,
    pub answers: BTreeMap<DedupKey, StoredAnswer>,
    /// Keys that it took or gave back.
    pub conversations: BTreeSet<(DeskKey, (ConnectorId, Arc<str>))>,
    pub heads: BTreeMap<DeskKey, u64>,
}

/// Everything that a batch writes.
#[derive(Default)]
pub(super) struct Changes<R> {
    pub tickets: R,
    pub contents: R,
    pub legs: R,
    pub offers: R,
    pub agents: R,
    pub desks: R,
    pub heads: R,
    pub connectors: R,
    pub lanes: R,
    pub lanes_retired: R,
    pub groups: R,
    pub groups_retired: R,
    pub policies: R,
    pub conversations_touched: R,
    pub conversations_held: R,
    pub answers: R,
    pub events: R,
    /// The same rows, for the batch that follows.
    pub left: Left,
    /// Desks of which more than their head changed.
    pub scopes: BTreeSet<DeskKey>,
    pending: Vec<(DeskKey, Event, Option<Route>)>,
}

impl<R: Rows> Changes<R> {
    /// Splits the work into what is written and what the caller gets.
    pub fn of<T>(loaded: &Loaded, work: Work<'_, T>) -> Result<(Changes<R>, T), Error> {
        let Work { changed, events, answers, value } = work;
        let mut changes = Changes::<R>::default();
        for set in &changed {
            changes.set(set, loaded.desks.get(&set.key))?;
        }
        for (key, event) in events {
            let route = route(loaded, &changed, &key, &event)?;
            changes.interned(&key, &event)?;
            changes.pending.push((key, event, route));
        }
        for (key, answer) in answers {
            changes.answer(&key, &answer, loaded.now)?;
            changes.left.answers.insert(key, answer);
        }
        Ok((changes, value))
    }

    /// By how much each log grows.
    pub fn growth(&self) -> BTreeMap<DeskKey, u64> {
        let mut growth = BTreeMap::new();
        for (key, ..) in &self.pending {
            *growth.entry(key.clone()).or_insert(0) += 1;
        }
        growth
    }

    /// Numbers the events, each log's from its head on. Answers what is appended, in the order of the log.
    pub fn number(&mut self, heads: &BTreeMap<DeskKey, u64>) -> Result<Entries, Error> {
        let mut entries = Entries::new();
        for (key, event, route) in std::mem::take(&mut self.pending) {
            let head = heads.get(&key).copied().unwrap_or(0);
            let log = entries.entry(key.clone()).or_default();
            let entry = Arc::new(Entry { seq: head + 1 + log.len() as u64, event, route });
            self.event(&key, &entry)?;
            self.left.heads.insert(key, entry.seq);
            log.push(entry);
        }
        Ok(entries)
    }

    fn set(&mut self, set: &WorkingSet<'_>, base: Option<&WorkingSet<'static>>) -> Result<(), Error> {
        let key = &set.key;
        for ticket in set.tickets.own().values() {
            let before = base.and_then(|base| base.tickets.get(&ticket.id));
            if before.is_none_or(|before| before != ticket) {
                self.ticket(key, ticket, before.map(Arc::as_ref))?;
            }
        }
        for agent in set.agents.own().values() {
            let before = base.and_then(|base| base.agents.get(&agent.id));
            if before.is_none_or(|before| before != agent) {
                self.agent(key, agent)?;
            }
        }
        for (conversation_key, held) in set.conversations.own() {
            self.left.conversations.insert((key.clone(), conversation_key.clone()));
            let (connector, conversation) = conversation_key;
            let row: [Cell<'_>; 4] = [
                key.tenant.as_str().into(),
                key.desk.as_str().into(),
                connector.as_str().into(),
                conversation.as_ref().into(),
            ];
            self.conversations_touched.push(&row)?;
            if let Some(ticket) = held.as_ref() {
                let [tenant, desk, connector, conversation] = row;
                self.conversations_held.push(&[tenant, desk, connector, conversation, (*ticket).into()])?;
            }
        }
        if let Some(scope) = &set.scope {
            self.scope(key, scope, base.and_then(|base| base.scope.as_ref()))?;
        }
        Ok(())
    }

    fn ticket(&mut self, key: &DeskKey, ticket: &Arc<Ticket>, before: Option<&Ticket>) -> Result<(), Error> {
        self.left.changed.tickets.insert((key.clone(), ticket.id), ticket.clone());
        let (tenant, desk): (Cell<'_>, Cell<'_>) = (key.tenant.as_str().into(), key.desk.as_str().into());
        let row = [
            tenant,
            desk,
            ticket.id.into(),
            ticket.name.as_str().into(),
            ticket.state.word().into(),
            u32::from(rows::stage(ticket)).into(),
            ticket.channel.word().into(),
            ticket.queue.as_str().into(),
            ticket.connector.as_str().into(),
            Cell::Text(ticket.owner.as_ref().map(AgentId::as_str)),
            ticket.policy_rev.into(),
            ticket.create_time.micros().into(),
            Cell::Int(ticket.next_due_at.map(Time::micros)),
            before.is_none().into(),
        ];
        self.tickets.push_with(&row, ticket)?;
        if before.is_none_or(|before| before.content != ticket.content) {
            self.contents.push_with(&[tenant, desk, ticket.id.into()], ticket.content.as_ref())?;
        }
        for leg in &ticket.legs {
            let before = before.and_then(|before| before.leg(leg.n));
            // An open leg is written with every change of its ticket: its order key is made of both.
            if leg.state.is_open() || before != Some(leg) {
                self.leg(key, ticket, leg, before)?;
            }
        }
        Ok(())
    }

    fn leg(&mut self, key: &DeskKey, ticket: &Ticket, leg: &Leg, before: Option<&Leg>) -> Result<(), Error> {
        let (tenant, desk): (Cell<'_>, Cell<'_>) = (key.tenant.as_str().into(), key.desk.as_str().into());
        let order_key = rows::waiting_key(ticket, leg);
        let row = [
            tenant,
            desk,
            ticket.id.into(),
            u32::from(leg.n).into(),
            leg.ver.into(),
            rows::leg_word(leg.state).into(),
            leg.state.is_open().into(),
            Cell::Text(leg.agent.as_ref().map(AgentId::as_str)),
            Cell::Text(leg.prefer.as_ref().map(AgentId::as_str)),
            ticket.queue.as_str().into(),
            Cell::Text(order_key.as_deref()),
            rows::waits_with_amount(leg).into(),
        ];
        self.legs.push_with(&row, leg)?;
        for offer in &leg.offers {
            let before = before.and_then(|before| before.offers.iter().find(|known| known.id == offer.id));
            // Whether an offer that was taken books its agent follows from the leg.
            if offer.is_open() || before != Some(offer) {
                let OfferId { leg_ver, nth, .. } = offer.id;
                let row = [
                    tenant,
                    desk,
                    ticket.id.into(),
                    u32::from(leg.n).into(),
                    leg_ver.into(),
                    u32::from(nth).into(),
                    offer.agent.as_str().into(),
                    rows::books(leg, offer).into(),
                ];
                self.offers.push_with(&row, offer)?;
            }
        }
        Ok(())
    }

    fn agent(&mut self, key: &DeskKey, agent: &Arc<Agent>) -> Result<(), Error> {
        self.left.changed.agents.insert((key.clone(), agent.id.clone()), agent.clone());
        let row = [
            key.tenant.as_str().into(),
            key.desk.as_str().into(),
            agent.id.as_str().into(),
            agent.number.0.into(),
            agent.deleted.into(),
            u32::from(agent.used_live).into(),
            u32::from(agent.used_deferred).into(),
            Cell::Int(agent.next_due_at.map(Time::micros)),
        ];
        self.agents.push_with(&row, agent)
    }

    /// The desk's own row and its connectors; what is interned follows from the events.
    fn scope(&mut self, key: &DeskKey, scope: &Scope, before: Option<&Scope>) -> Result<(), Error> {
        let (tenant, desk): (Cell<'_>, Cell<'_>) = (key.tenant.as_str().into(), key.desk.as_str().into());
        let mut changed = false;
        if before.is_none_or(|before| !Arc::ptr_eq(&before.desk, &scope.desk)) {
            changed = true;
            self.desks.push_with(&[tenant, desk], scope.desk.as_ref())?;
        }
        if before.is_none() {
            self.heads.push(&[tenant, desk, 1_i64.into(), 0_i64.into()])?;
        }
        let known = |id: &ConnectorId| -> Option<&Arc<Connector>> { before?.connectors.get(id) };
        if before.is_none_or(|before| !Arc::ptr_eq(&before.connectors, &scope.connectors)) {
            changed = true;
            for (id, connector) in scope.connectors.iter().filter(|(id, row)| known(id) != Some(*row)) {
                let row = [tenant, desk, id.as_str().into(), connector.deleted.into()];
                self.connectors.push_with(&row, connector.as_ref())?;
            }
        }
        if changed {
            self.scopes.insert(key.clone());
            self.left.changed.scopes.insert(key.clone(), scope.clone());
        }
        Ok(())
    }

    fn event(&mut self, key: &DeskKey, entry: &Entry) -> Result<(), Error> {
        let Entry { seq, event, route } = entry;
        let route = route.as_ref();
        let actor = rows::to_json("actor", &event.actor)?;
        let row = [
            key.tenant.as_str().into(),
            key.desk.as_str().into(),
            rows::signed(*seq).into(),
            event.at.micros().into(),
            actor.as_str().into(),
            Cell::Ticket(event.ticket),
            event.ticket_seq.into(),
            Cell::Text(event.body.decision_kind()),
            Cell::Text(route.map(|route| route.connector.as_str())),
            Cell::Text(route.map(|route| route.channel.word())),
            Cell::Text(route.and_then(|route| route.side_connector.as_ref()).map(ConnectorId::as_str)),
            Cell::Text(route.and_then(|route| route.instance.as_deref())),
        ];
        self.events.push_with(&row, &event.body)
    }

    fn interned(&mut self, key: &DeskKey, event: &Event) -> Result<(), Error> {
        let (tenant, desk): (Cell<'_>, Cell<'_>) = (key.tenant.as_str().into(), key.desk.as_str().into());
        match &event.body {
            Body::LaneAdded { lane, key } => self.lanes.push_with(&[tenant, desk, lane.0.into()], key),
            Body::LaneRetired { lane } => self.lanes_retired.push(&[tenant, desk, lane.0.into()]),
            Body::GroupAdded { group, expertise } => self.groups.push_with(&[tenant, desk, group.0.into()], expertise),
            Body::GroupRetired { group } => self.groups_retired.push(&[tenant, desk, group.0.into()]),
            Body::PolicyUpdated { revision, source, author, change_note } => {
                self.scopes.insert(key.clone());
                self.policies.push(&[
                    tenant,
                    desk,
                    (*revision).into(),
                    source.as_ref().into(),
                    author.as_ref().into(),
                    change_note.as_ref().into(),
                    event.at.micros().into(),
                ])
            }
            // Every other event is in the rows that it changed.
            _ => Ok(()),
        }
    }

    fn answer(&mut self, key: &DedupKey, answer: &StoredAnswer, at: Time) -> Result<(), Error> {
        let DedupKey { tenant, caller, method, key } = key;
        let body = rows::to_json("answer", &answer.answer)?;
        self.answers.push(&[
            tenant.as_str().into(),
            caller.as_ref().into(),
            method.as_ref().into(),
            key.as_ref().into(),
            answer.request_hash.as_ref().into(),
            body.as_str().into(),
            at.micros().into(),
        ])
    }
}

/// Whom the event concerns, as its ticket is after the batch.
fn route(loaded: &Loaded, changed: &[WorkingSet<'_>], key: &DeskKey, event: &Event) -> Result<Option<Route>, Error> {
    let Some(id) = &event.ticket else { return Ok(None) };
    let mut after = changed.iter().rev().filter(|set| set.key == *key);
    let found = after.find_map(|set| set.tickets.get(id));
    let ticket = found.or_else(|| loaded.desks.get(key)?.tickets.get(id));
    let ticket = ticket.ok_or_else(|| rows::corrupt("batch", format!("no row of {id}")))?;
    Ok(route::of(event, ticket))
}
