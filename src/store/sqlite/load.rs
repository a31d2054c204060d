//! Loading what a batch works on: a fixed number of statements, whatever the number of its commands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ahead::Source;
use super::{rows, scope, statements};
use crate::domain::agent::Agent;
use crate::domain::id::{AgentId, ConnectorId, DeskKey, QueueId, TicketId};
use crate::domain::ticket::Ticket;
use crate::domain::time::{Span, Time};
use crate::routing::workset::WorkingSet;
use crate::store::{DEDUP_DAYS, DedupKey, Error, Loaded, Request, StoredAnswer};

/// A batch's rows, and the heads of its desks' logs.
pub(super) struct Batch {
    pub loaded: Loaded,
    pub heads: BTreeMap<DeskKey, u64>,
}

type Keys<K> = BTreeSet<(DeskKey, K)>;

/// In the order in which a store with many writers would lock: dedup keys, tickets, agents, desks.
pub(super) async fn batch(source: &mut Source<'_>, requests: &[Request], now: Time) -> Result<Batch, Error> {
    let named = Named::of(requests);
    if named.needs_all_committed() || source.before.as_ref().is_some_and(|before| !before.changed.scopes.is_empty()) {
        source.settle().await?;
    }
    let desks: BTreeSet<DeskKey> = requests.iter().map(|request| request.desk.clone()).collect();
    let mut sets: BTreeMap<DeskKey, WorkingSet<'static>> =
        desks.iter().map(|key| (key.clone(), WorkingSet::empty(key.clone()))).collect();
    let answers = answers(source, requests, now).await?;
    let mut tickets = named.tickets;
    tickets.extend(tickets_of_agents(source, &named.with_work).await?);
    let found = load_tickets(source, tickets.iter()).await?;
    let mut agents = named.agents;
    let mut held = named.conversations;
    for (key, ticket) in &found {
        agents.extend(ticket.concerned_agents().into_iter().map(|agent| (key.clone(), agent.clone())));
        // Somebody else may hold them by now: one that is over and is reopened must not take them back.
        let own = ticket.content.conversation_keys.iter().map(|word| (ticket.connector.clone(), word.clone()));
        held.extend(own.map(|conversation| (key.clone(), conversation)));
    }
    let holders = conversations(source, &held, &mut sets).await?;
    // Without their agents: a refusal only names them.
    let others = load_tickets(source, holders.difference(&tickets)).await?;
    for (key, ticket) in found.into_iter().chain(others) {
        set_of(&mut sets, &key).tickets.insert(ticket.id, ticket);
    }
    load_agents(source, &agents, &mut sets).await?;
    count_waiting(source, &named.queues, &mut sets).await?;
    let heads = heads(source, &desks).await?;
    for (key, scope) in scope::cached(source, &desks).await? {
        set_of(&mut sets, &key).scope = Some(scope);
    }
    Ok(Batch { loaded: Loaded { desks: sets, answers, now }, heads })
}

/// What the requests name, each with its desk.
#[derive(Default)]
struct Named {
    tickets: Keys<TicketId>,
    agents: Keys<AgentId>,
    with_work: Keys<AgentId>,
    conversations: Keys<(ConnectorId, Arc<str>)>,
    queues: Keys<QueueId>,
}

impl Named {
    fn of(requests: &[Request]) -> Named {
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

    /// Whether something is asked for that no key finds.
    fn needs_all_committed(&self) -> bool {
        !self.with_work.is_empty() || !self.queues.is_empty()
    }
}

fn set_of<'s>(sets: &'s mut BTreeMap<DeskKey, WorkingSet<'static>>, key: &DeskKey) -> &'s mut WorkingSet<'static> {
    sets.get_mut(key).expect("only rows of the batch's desks are asked for")
}

async fn answers(source: &mut Source<'_>, requests: &[Request], now: Time) -> Result<Vec<Option<StoredAnswer>>, Error> {
    let ahead = |key: &DedupKey| source.before.as_ref()?.answers.get(key).cloned();
    let mut answers: Vec<Option<StoredAnswer>> =
        requests.iter().map(|request| ahead(request.dedup.as_ref()?)).collect();
    let keyed = requests.iter().enumerate().filter_map(|(at, request)| Some((at, request.dedup.as_ref()?)));
    let keyed = keyed.filter(|(at, _)| answers[*at].is_none());
    let (places, keys): (Vec<usize>, Vec<_>) =
        keyed.map(|(at, key)| (at, (key.tenant.as_str(), &key.caller, &key.method, &key.key))).unzip();
    if keys.is_empty() {
        return Ok(answers);
    }
    let expired = now - Span::from_days(DEDUP_DAYS);
    let found: Vec<(i64, String, String)> = sqlx::query_as(statements::LOAD_ANSWERS)
        .bind(rows::to_json("dedup keys", &keys)?)
        .bind(expired.micros())
        .fetch_all(source.connection().await?)
        .await?;
    for (nth, request_hash, answer) in found {
        let place = usize::try_from(nth).ok().and_then(|nth| places.get(nth)).copied();
        let place = place.ok_or_else(|| rows::corrupt("dedup key", format!("number {nth} was not asked for")))?;
        let answer = rows::from_json("answer", &answer)?;
        answers[place] = Some(StoredAnswer { request_hash: Arc::from(request_hash), answer });
    }
    Ok(answers)
}

async fn tickets_of_agents(source: &mut Source<'_>, agents: &Keys<AgentId>) -> Result<Keys<TicketId>, Error> {
    if agents.is_empty() {
        return Ok(Keys::new());
    }
    let found: Vec<(String, String, String)> = sqlx::query_as(statements::LOAD_TICKETS_OF_AGENTS)
        .bind(key_list(agents, |agent| agent.as_str().to_owned())?)
        .fetch_all(source.connection().await?)
        .await?;
    found
        .into_iter()
        .map(|(tenant, desk, ticket)| Ok((rows::desk_key(&tenant, &desk)?, rows::ticket_id(&ticket)?)))
        .collect()
}

/// Puts the conversations into their sets; answers the tickets that hold them, for a refusal names them.
async fn conversations(
    source: &mut Source<'_>,
    keys: &Keys<(ConnectorId, Arc<str>)>,
    sets: &mut BTreeMap<DeskKey, WorkingSet<'static>>,
) -> Result<Keys<TicketId>, Error> {
    let mut holders = Keys::new();
    if keys.is_empty() {
        return Ok(holders);
    }
    // Whether a key was given back is for the database to say.
    if source.before.as_ref().is_some_and(|before| !before.conversations.is_disjoint(keys)) {
        source.settle().await?;
    }
    let wanted: Vec<_> = keys
        .iter()
        .map(|(at, (connector, key))| (at.tenant.as_str(), at.desk.as_str(), connector.as_str(), key))
        .collect();
    let found: Vec<(String, String, String, String, String)> = sqlx::query_as(statements::LOAD_CONVERSATIONS)
        .bind(rows::to_json("conversation keys", &wanted)?)
        .fetch_all(source.connection().await?)
        .await?;
    for (tenant, desk, connector, key, ticket) in found {
        let desk = rows::desk_key(&tenant, &desk)?;
        let ticket = rows::ticket_id(&ticket)?;
        let held = (rows::connector_id(&connector)?, Arc::from(key));
        set_of(sets, &desk).conversations.insert(held, Arc::new(Some(ticket)));
        holders.insert((desk, ticket));
    }
    Ok(holders)
}

async fn load_tickets(
    source: &mut Source<'_>,
    tickets: impl Iterator<Item = &(DeskKey, TicketId)>,
) -> Result<Vec<(DeskKey, Arc<Ticket>)>, Error> {
    let mut known = Vec::new();
    let mut wanted = Vec::new();
    for key in tickets {
        match source.ticket(key) {
            Some(ticket) => known.push((key.0.clone(), ticket)),
            None => wanted.push((key.0.tenant.as_str(), key.0.desk.as_str(), key.1.to_string())),
        }
    }
    if wanted.is_empty() {
        return Ok(known);
    }
    type Row = (String, String, String, Option<String>, Option<String>, Option<String>);
    let found: Vec<Row> = sqlx::query_as(statements::LOAD_TICKETS)
        .bind(rows::to_json("ticket ids", &wanted)?)
        .fetch_all(source.connection().await?)
        .await?;
    let read = known.len();
    for (tenant, desk, body, content, legs, offers) in found {
        known.push((rows::desk_key(&tenant, &desk)?, rows::ticket((body, content, legs, offers))?));
    }
    source.cache().tickets.put(known[read..].iter().map(|(key, ticket)| ((key.clone(), ticket.id), ticket.clone())));
    Ok(known)
}

async fn load_agents(
    source: &mut Source<'_>,
    agents: &Keys<AgentId>,
    sets: &mut BTreeMap<DeskKey, WorkingSet<'static>>,
) -> Result<(), Error> {
    let mut missing = Keys::new();
    for key in agents {
        match source.agent(key) {
            Some(agent) => {
                set_of(sets, &key.0).agents.insert(agent.id.clone(), agent);
            }
            None => {
                missing.insert(key.clone());
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let found: Vec<(String, String, String)> = sqlx::query_as(statements::LOAD_AGENTS)
        .bind(key_list(&missing, |agent| agent.as_str().to_owned())?)
        .fetch_all(source.connection().await?)
        .await?;
    for (tenant, desk, body) in found {
        let agent: Arc<Agent> = Arc::new(rows::from_json("agent", &body)?);
        let desk = rows::desk_key(&tenant, &desk)?;
        source.cache().agents.put([((desk.clone(), agent.id.clone()), agent.clone())]);
        set_of(sets, &desk).agents.insert(agent.id.clone(), agent);
    }
    Ok(())
}

async fn count_waiting(
    source: &mut Source<'_>,
    queues: &Keys<QueueId>,
    sets: &mut BTreeMap<DeskKey, WorkingSet<'static>>,
) -> Result<(), Error> {
    if queues.is_empty() {
        return Ok(());
    }
    let counts: Vec<(i64, i64)> = sqlx::query_as(statements::LOAD_WAITING)
        .bind(key_list(queues, |queue| queue.as_str().to_owned())?)
        .fetch_all(source.connection().await?)
        .await?;
    let by_place: BTreeMap<i64, i64> = counts.into_iter().collect();
    for (place, (key, queue)) in (0_i64..).zip(queues) {
        let waiting = by_place.get(&place).copied().unwrap_or(0);
        set_of(sets, key).waiting.insert(queue.clone(), rows::unsigned("count of legs", waiting)?);
    }
    Ok(())
}

async fn heads(source: &mut Source<'_>, desks: &BTreeSet<DeskKey>) -> Result<BTreeMap<DeskKey, u64>, Error> {
    let ahead = source.before.as_ref().map(|before| before.heads.clone()).unwrap_or_default();
    let found: Vec<(String, String, i64)> = sqlx::query_as(statements::LOAD_HEADS)
        .bind(scope::desk_list(desks)?)
        .fetch_all(source.connection().await?)
        .await?;
    let row = |(tenant, desk, head): (String, String, i64)| {
        Ok((rows::desk_key(&tenant, &desk)?, rows::unsigned("head", head)?))
    };
    let mut heads: BTreeMap<DeskKey, u64> = found.into_iter().map(row).collect::<Result<_, Error>>()?;
    heads.extend(ahead);
    Ok(heads)
}

/// Keys as the statements take them: `[[tenant, desk, name], ...]`.
fn key_list<K>(keys: &Keys<K>, name: impl Fn(&K) -> String) -> Result<String, Error> {
    let keys: Vec<_> = keys.iter().map(|(at, key)| (at.tenant.as_str(), at.desk.as_str(), name(key))).collect();
    rows::to_json("keys", &keys)
}
