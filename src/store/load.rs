//! What every store loads for a batch: which rows, and how they are read. In which order, under which locks and from which
//! cache is each store's own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::session::Session;
use super::{rows, statements};
use crate::domain::agent::Agent;
use crate::domain::id::{AgentId, ConnectorId, DeskKey, QueueId, TicketId};
use crate::domain::ticket::Ticket;
use crate::routing::workset::WorkingSet;
use crate::store::{DedupKey, Error, Request, StoredAnswer};

pub(super) type Keys<K> = BTreeSet<(DeskKey, K)>;
pub(super) type Sets = BTreeMap<DeskKey, WorkingSet<'static>>;

/// What the requests name, each with its desk.
#[derive(Default)]
pub(super) struct Named {
    pub tickets: Keys<TicketId>,
    pub agents: Keys<AgentId>,
    pub with_work: Keys<AgentId>,
    pub conversations: Keys<(ConnectorId, Arc<str>)>,
    pub queues: Keys<QueueId>,
}

impl Named {
    pub fn of(requests: &[Request]) -> Named {
        let mut named = Named::default();
        for Request { desk, roots, .. } in requests {
            named.tickets.extend(roots.tickets.iter().map(|id| (desk.clone(), *id)));
            named.agents.extend(roots.agents.iter().map(|id| (desk.clone(), id.clone())));
            named.agents.extend(roots.agents_with_work.iter().map(|id| (desk.clone(), id.clone())));
            named.with_work.extend(roots.agents_with_work.iter().map(|id| (desk.clone(), id.clone())));
            named.conversations.extend(roots.conversations.iter().map(|key| (desk.clone(), key.clone())));
            named.queues.extend(roots.queues.iter().map(|id| (desk.clone(), id.clone())));
        }
        named
    }

    /// What follows from the tickets: whom they concern, and the conversations that they may hold.
    pub fn follow<'t>(&mut self, tickets: impl IntoIterator<Item = &'t (DeskKey, Arc<Ticket>)>) {
        for (key, ticket) in tickets {
            self.agents.extend(ticket.concerned_agents().into_iter().map(|agent| (key.clone(), agent.clone())));
            // Somebody else may hold them by now: one that is over and is reopened must not take them back.
            let own = ticket.content.conversation_keys.iter().map(|word| (ticket.connector.clone(), word.clone()));
            self.conversations.extend(own.map(|conversation| (key.clone(), conversation)));
        }
    }
}

/// An empty set for every desk of the batch.
pub(super) fn empty_sets(requests: &[Request]) -> Sets {
    requests.iter().map(|request| (request.desk.clone(), WorkingSet::empty(request.desk.clone()))).collect()
}

pub(super) fn set_of<'s>(sets: &'s mut Sets, key: &DeskKey) -> &'s mut WorkingSet<'static> {
    sets.get_mut(key).expect("only rows of the batch's desks are asked for")
}

/// Keys as the statements take them: `[[tenant, desk, name], ...]`.
pub(super) fn key_list<'k, K: 'k>(
    keys: impl IntoIterator<Item = &'k (DeskKey, K)>,
    name: impl Fn(&K) -> String,
) -> Result<String, Error> {
    let keys = keys.into_iter().map(|(at, key)| (at.tenant.as_str(), at.desk.as_str(), name(key)));
    rows::to_json("keys", &keys.collect::<Vec<_>>())
}

/// The answers under these keys that were stored after a time, each with its key's place.
pub(super) async fn answers(
    db: &mut impl Session,
    keys: &[&DedupKey],
    after: i64,
) -> Result<Vec<(usize, StoredAnswer)>, Error> {
    let list: Vec<_> = keys.iter().map(|key| (key.tenant.as_str(), &key.caller, &key.method, &key.key)).collect();
    let list = rows::to_json("dedup keys", &list)?;
    let found: Vec<(i64, String, String)> =
        db.all(&statements::LOAD_ANSWERS, &[list.as_str().into(), after.into()]).await?;
    let read = |(nth, request_hash, answer): (i64, String, String)| {
        let answer = rows::from_json("answer", &answer)?;
        Ok((rows::unsigned("place", nth)?, StoredAnswer { request_hash: Arc::from(request_hash), answer }))
    };
    found.into_iter().map(read).collect()
}

pub(super) async fn tickets_of_agents(db: &mut impl Session, agents: &Keys<AgentId>) -> Result<Keys<TicketId>, Error> {
    let list = key_list(agents, |agent| agent.as_str().to_owned())?;
    let found: Vec<(String, String, String)> =
        db.all(&statements::LOAD_TICKETS_OF_AGENTS, &[list.as_str().into()]).await?;
    found.into_iter().map(read_ticket_key).collect()
}

pub(super) fn read_ticket_key((tenant, desk, ticket): (String, String, String)) -> Result<(DeskKey, TicketId), Error> {
    Ok((rows::desk_key(&tenant, &desk)?, rows::ticket_id(&ticket)?))
}

/// Puts the conversations into their sets; answers the tickets that hold them, for a refusal names them.
pub(super) async fn conversations(
    db: &mut impl Session,
    keys: &Keys<(ConnectorId, Arc<str>)>,
    sets: &mut Sets,
) -> Result<Keys<TicketId>, Error> {
    let wanted: Vec<_> = keys
        .iter()
        .map(|(at, (connector, key))| (at.tenant.as_str(), at.desk.as_str(), connector.as_str(), key))
        .collect();
    let list = rows::to_json("conversation keys", &wanted)?;
    let found: Vec<(String, String, String, String, String)> =
        db.all(&statements::LOAD_CONVERSATIONS, &[list.as_str().into()]).await?;
    let mut holders = Keys::new();
    for (tenant, desk, connector, key, ticket) in found {
        let desk = rows::desk_key(&tenant, &desk)?;
        let ticket = rows::ticket_id(&ticket)?;
        let held = (rows::connector_id(&connector)?, Arc::from(key));
        set_of(sets, &desk).conversations.insert(held, Arc::new(Some(ticket)));
        holders.insert((desk, ticket));
    }
    Ok(holders)
}

pub(super) async fn tickets<'k>(
    db: &mut impl Session,
    keys: impl IntoIterator<Item = &'k (DeskKey, TicketId)>,
) -> Result<Vec<(DeskKey, Arc<Ticket>)>, Error> {
    type Row = (String, String, String, Option<String>, Option<String>, Option<String>);
    let list = key_list(keys, TicketId::to_string)?;
    let found: Vec<Row> = db.all(&statements::LOAD_TICKETS, &[list.as_str().into()]).await?;
    let read = |(tenant, desk, body, content, legs, offers): Row| {
        Ok((rows::desk_key(&tenant, &desk)?, rows::ticket((body, content, legs, offers))?))
    };
    found.into_iter().map(read).collect()
}

pub(super) async fn agents(db: &mut impl Session, keys: &Keys<AgentId>) -> Result<Vec<(DeskKey, Arc<Agent>)>, Error> {
    let list = key_list(keys, |agent| agent.as_str().to_owned())?;
    read_agents(db.all(&statements::LOAD_AGENTS, &[list.as_str().into()]).await?)
}

/// Tenants, desks and bodies.
pub(super) fn read_agents(found: Vec<(String, String, String)>) -> Result<Vec<(DeskKey, Arc<Agent>)>, Error> {
    let read = |(tenant, desk, body): (String, String, String)| {
        Ok((rows::desk_key(&tenant, &desk)?, Arc::new(rows::from_json("agent", &body)?)))
    };
    found.into_iter().map(read).collect()
}

pub(super) async fn count_waiting(db: &mut impl Session, queues: &Keys<QueueId>, sets: &mut Sets) -> Result<(), Error> {
    let list = key_list(queues, |queue| queue.as_str().to_owned())?;
    let counts: Vec<(i64, i64)> = db.all(&statements::LOAD_WAITING, &[list.as_str().into()]).await?;
    let by_place: BTreeMap<i64, i64> = counts.into_iter().collect();
    for (place, (key, queue)) in (0_i64..).zip(queues) {
        let waiting = by_place.get(&place).copied().unwrap_or(0);
        set_of(sets, key).waiting.insert(queue.clone(), rows::unsigned("count of legs", waiting)?);
    }
    Ok(())
}
