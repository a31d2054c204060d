//! What a batch's work comes to, as rows for the set-based statements: one JSON list per table.
//!
//! Worked out between load and write, without waiting, so that nothing borrowed from the load lives across a statement.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use sqlx::sqlite::SqliteArguments;

use super::ahead::Ahead;
use super::{rows, statements};
use crate::domain::agent::Agent;
use crate::domain::connector::Connector;
use crate::domain::event::{Body, Entry, Event, Route};
use crate::domain::id::{ConnectorId, DeskKey, OfferId};
use crate::domain::leg::Leg;
use crate::domain::ticket::Ticket;
use crate::domain::time::Time;
use crate::routing::workset::{Scope, WorkingSet};
use crate::store::{DedupKey, Error, Loaded, StoredAnswer, Work, route};

pub(super) type Entries = BTreeMap<DeskKey, Vec<Arc<Entry>>>;

/// Rows of one table: a JSON list of what is searched, and beside it the bodies, which are neither escaped nor parsed again.
#[derive(Default)]
pub(super) struct Rows {
    list: Vec<u8>,
    bodies: Vec<u8>,
}

impl Rows {
    /// A row without a body.
    pub fn push(&mut self, row: &impl Serialize) -> Result<(), Error> {
        self.list.push(if self.list.is_empty() { b'[' } else { b',' });
        write(&mut self.list, row)
    }

    /// A row whose body is the last column; in the list it is told by its place, from 1, and length.
    pub fn push_with(&mut self, row: &impl Serialize, body: &impl Serialize) -> Result<(), Error> {
        let start = self.bodies.len();
        write(&mut self.bodies, body)?;
        self.push(row)?;
        let bracket = self.list.pop();
        debug_assert_eq!(bracket, Some(b']'), "a row is a list");
        self.list.push(b',');
        write(&mut self.list, &(start + 1))?;
        self.list.push(b',');
        write(&mut self.list, &(self.bodies.len() - start))?;
        self.list.push(b']');
        Ok(())
    }

    /// What a statement is given; `None`: there is nothing to write.
    pub fn into_parts(mut self) -> Result<Option<(String, Vec<u8>)>, Error> {
        if self.list.is_empty() {
            return Ok(None);
        }
        self.list.push(b']');
        let list = String::from_utf8(self.list).map_err(|error| rows::corrupt("list", error))?;
        Ok(Some((list, self.bodies)))
    }
}

fn write(to: &mut Vec<u8>, value: &impl Serialize) -> Result<(), Error> {
    serde_json::to_writer(to, value).map_err(|error| rows::corrupt("row", error))
}

/// Everything that a batch writes.
#[derive(Default)]
pub(super) struct Changes {
    tickets: Rows,
    contents: Rows,
    legs: Rows,
    offers: Rows,
    agents: Rows,
    desks: Rows,
    heads: Rows,
    connectors: Rows,
    lanes: Rows,
    lanes_retired: Rows,
    groups: Rows,
    groups_retired: Rows,
    policies: Rows,
    conversations_touched: Rows,
    conversations_held: Rows,
    answers: Rows,
    heads_moved: Rows,
    events: Rows,
    /// What is appended, in the order of the log.
    entries: Entries,
    /// The same rows, for the batch that follows.
    ahead: Ahead,
}

impl Changes {
    /// Splits the work into what is written and what the caller gets. `heads` are those of the logs before it.
    pub fn of<T>(loaded: &Loaded, heads: &BTreeMap<DeskKey, u64>, work: Work<'_, T>) -> Result<(Changes, T), Error> {
        let Work { changed, events, answers, value } = work;
        let mut changes = Changes::default();
        for set in &changed {
            changes.set(set, loaded.desks.get(&set.key))?;
        }
        for (key, event) in events {
            let route = route(loaded, &changed, &key, &event)?;
            changes.interned(&key, &event)?;
            changes.append(key, heads, event, route)?;
        }
        for (key, entries) in &changes.entries {
            let before = heads.get(key).copied().unwrap_or(0);
            let after = before + entries.len() as u64;
            changes.heads_moved.push(&(&key.tenant, &key.desk, before, after))?;
            changes.ahead.heads.insert(key.clone(), after);
        }
        for (key, answer) in answers {
            changes.answer(&key, &answer, loaded.now)?;
            changes.ahead.answers.insert(key, answer);
        }
        Ok((changes, value))
    }

    /// What [`statements::PUTS`] is given, unless there is nothing to write; and what the batch leaves.
    pub fn into_parts(self) -> Result<(Option<SqliteArguments>, Entries, Ahead), Error> {
        let tables = [
            self.tickets,
            self.contents,
            self.legs,
            self.offers,
            self.conversations_touched,
            self.conversations_held,
            self.agents,
            self.desks,
            self.heads,
            self.connectors,
            self.lanes,
            self.lanes_retired,
            self.groups,
            self.groups_retired,
            self.policies,
            self.answers,
            self.heads_moved,
            self.events,
        ];
        let parts = tables.map(Rows::into_parts);
        let mut any = false;
        let mut lists = Vec::new();
        for part in parts {
            let part = part?;
            any |= part.is_some();
            lists.push(part.map(|(list, bodies)| (Some(list), Some(bodies))).unwrap_or_default());
        }
        let arguments = any.then(|| statements::PUTS.arguments(lists)).transpose()?;
        Ok((arguments, self.entries, self.ahead))
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
            self.ahead.conversations.insert((key.clone(), conversation_key.clone()));
            let (connector, conversation) = conversation_key;
            let row = (key.tenant.as_str(), key.desk.as_str(), connector.as_str(), conversation.as_ref());
            self.conversations_touched.push(&row)?;
            if let Some(ticket) = held.as_ref() {
                self.conversations_held.push(&(row.0, row.1, row.2, row.3, ticket.to_string()))?;
            }
        }
        if let Some(scope) = &set.scope {
            self.scope(key, scope, base.and_then(|base| base.scope.as_ref()))?;
        }
        Ok(())
    }

    fn ticket(&mut self, key: &DeskKey, ticket: &Arc<Ticket>, before: Option<&Ticket>) -> Result<(), Error> {
        self.ahead.changed.tickets.insert((key.clone(), ticket.id), ticket.clone());
        let (tenant, desk, id) = (key.tenant.as_str(), key.desk.as_str(), ticket.id.to_string());
        let row = (
            tenant,
            desk,
            &id,
            &ticket.name,
            ticket.state.word(),
            rows::stage(ticket),
            ticket.channel.word(),
            &ticket.queue,
            &ticket.connector,
            &ticket.owner,
            ticket.policy_rev,
            ticket.create_time,
            ticket.next_due_at,
        );
        self.tickets.push_with(&row, ticket)?;
        if before.is_none_or(|before| before.content != ticket.content) {
            self.contents.push_with(&(tenant, desk, &id), ticket.content.as_ref())?;
        }
        for leg in &ticket.legs {
            let before = before.and_then(|before| before.leg(leg.n));
            // An open leg is written with every change of its ticket: its order key is made of both.
            if leg.state.is_open() || before != Some(leg) {
                self.leg(key, &id, ticket, leg, before)?;
            }
        }
        Ok(())
    }

    fn leg(&mut self, key: &DeskKey, id: &str, ticket: &Ticket, leg: &Leg, before: Option<&Leg>) -> Result<(), Error> {
        let (tenant, desk) = (key.tenant.as_str(), key.desk.as_str());
        let row = (
            tenant,
            desk,
            id,
            leg.n,
            leg.ver,
            rows::leg_word(leg.state),
            u8::from(leg.state.is_open()),
            &leg.agent,
            &leg.prefer,
            &ticket.queue,
            rows::waiting_key(ticket, leg),
            u8::from(rows::waits_with_amount(leg)),
        );
        self.legs.push_with(&row, leg)?;
        for offer in &leg.offers {
            let before = before.and_then(|before| before.offers.iter().find(|known| known.id == offer.id));
            // Whether an offer that was taken books its agent follows from the leg.
            if offer.is_open() || before != Some(offer) {
                let OfferId { leg_ver, nth, .. } = offer.id;
                let books = u8::from(rows::books(leg, offer));
                self.offers.push_with(&(tenant, desk, id, leg.n, leg_ver, nth, &offer.agent, books), offer)?;
            }
        }
        Ok(())
    }

    fn agent(&mut self, key: &DeskKey, agent: &Arc<Agent>) -> Result<(), Error> {
        self.ahead.changed.agents.insert((key.clone(), agent.id.clone()), agent.clone());
        let row = (
            key.tenant.as_str(),
            key.desk.as_str(),
            &agent.id,
            agent.number,
            u8::from(agent.deleted),
            agent.used_live,
            agent.used_deferred,
            agent.next_due_at,
        );
        self.agents.push_with(&row, agent)
    }

    /// The desk's own row and its connectors; what is interned follows from the events.
    fn scope(&mut self, key: &DeskKey, scope: &Scope, before: Option<&Scope>) -> Result<(), Error> {
        let (tenant, desk) = (key.tenant.as_str(), key.desk.as_str());
        let mut changed = false;
        if before.is_none_or(|before| !Arc::ptr_eq(&before.desk, &scope.desk)) {
            changed = true;
            self.desks.push_with(&(tenant, desk), scope.desk.as_ref())?;
        }
        if before.is_none() {
            self.heads.push(&(tenant, desk, 1, 0))?;
        }
        let known = |id: &ConnectorId| -> Option<&Arc<Connector>> { before?.connectors.get(id) };
        if before.is_none_or(|before| !Arc::ptr_eq(&before.connectors, &scope.connectors)) {
            changed = true;
            for (id, connector) in scope.connectors.iter().filter(|(id, row)| known(id) != Some(*row)) {
                let row = (tenant, desk, id, u8::from(connector.deleted));
                self.connectors.push_with(&row, connector.as_ref())?;
            }
        }
        if changed {
            self.ahead.changed.scopes.insert(key.clone(), scope.clone());
        }
        Ok(())
    }

    fn append(
        &mut self,
        key: DeskKey,
        heads: &BTreeMap<DeskKey, u64>,
        event: Event,
        route: Option<Route>,
    ) -> Result<(), Error> {
        let head = heads.get(&key).copied().unwrap_or(0);
        let entries = self.entries.entry(key.clone()).or_default();
        let entry = Entry { seq: head + 1 + entries.len() as u64, event, route };
        let Entry { seq, event, route } = &entry;
        let route = route.as_ref();
        let row = (
            &key.tenant,
            &key.desk,
            seq,
            event.at,
            rows::to_json("actor", &event.actor)?,
            event.ticket.map(|ticket| ticket.to_string()),
            event.ticket_seq,
            event.body.decision_kind(),
            route.map(|route| &route.connector),
            route.map(|route| route.channel.word()),
            route.and_then(|route| route.side_connector.as_ref()),
        );
        self.events.push_with(&row, &event.body)?;
        entries.push(Arc::new(entry));
        Ok(())
    }

    fn interned(&mut self, key: &DeskKey, event: &Event) -> Result<(), Error> {
        let (tenant, desk) = (key.tenant.as_str(), key.desk.as_str());
        match &event.body {
            Body::LaneAdded { lane, key } => self.lanes.push_with(&(tenant, desk, lane), key),
            Body::LaneRetired { lane } => self.lanes_retired.push(&(tenant, desk, lane)),
            Body::GroupAdded { group, expertise } => self.groups.push_with(&(tenant, desk, group), expertise),
            Body::GroupRetired { group } => self.groups_retired.push(&(tenant, desk, group)),
            Body::PolicyUpdated { revision, source, author, change_note } => {
                self.policies.push(&(tenant, desk, revision, source, author, change_note, event.at))
            }
            // Every other event is in the rows that it changed.
            _ => Ok(()),
        }
    }

    fn answer(&mut self, key: &DedupKey, answer: &StoredAnswer, at: Time) -> Result<(), Error> {
        let DedupKey { tenant, caller, method, key } = key;
        let body = rows::to_json("answer", &answer.answer)?;
        self.answers.push(&(tenant, caller, method, key, &answer.request_hash, body, at))
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
