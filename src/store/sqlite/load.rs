//! Loading what a batch works on: a fixed number of statements, whatever the number of its commands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ahead::Source;
use super::statements::LOAD_HEADS;
use crate::domain::id::{AgentId, ConnectorId, DeskKey, QueueId, TicketId};
use crate::domain::ticket::Ticket;
use crate::domain::time::{Span, Time};
use crate::routing::workset::Scope;
use crate::store::load::{self, Keys, Named, Sets, set_of};
use crate::store::{DEDUP_DAYS, DedupKey, Error, Loaded, Request, StoredAnswer, rows, scope};

/// In the order in which a store with many writers would lock: dedup keys, tickets, agents, desks.
pub(super) async fn batch(source: &mut Source<'_>, requests: &[Request], now: Time) -> Result<Loaded, Error> {
    let mut named = Named::of(requests);
    let scopes_change = source.before.as_ref().is_some_and(|before| !before.left.changed.scopes.is_empty());
    if needs_all_committed(&named) || scopes_change {
        source.settle().await?;
    }
    let mut sets = load::empty_sets(requests);
    let desks: BTreeSet<DeskKey> = sets.keys().cloned().collect();
    let answers = answers(source, requests, now).await?;
    if !named.with_work.is_empty() {
        let found = load::tickets_of_agents(source.connection().await?, &named.with_work).await?;
        named.tickets.extend(found);
    }
    let found = tickets(source, named.tickets.iter()).await?;
    named.follow(&found);
    let holders = conversations(source, &named.conversations, &mut sets).await?;
    // Without their agents: a refusal only names them.
    let others = tickets(source, holders.difference(&named.tickets)).await?;
    for (key, ticket) in found.into_iter().chain(others) {
        set_of(&mut sets, &key).tickets.insert(ticket.id, ticket);
    }
    agents(source, &named.agents, &mut sets).await?;
    count_waiting(source, &named.queues, &mut sets).await?;
    let heads = heads(source, &desks).await?;
    for (key, scope) in scopes(source, &desks).await? {
        set_of(&mut sets, &key).scope = Some(scope);
    }
    Ok(Loaded { desks: sets, heads, answers, now })
}

/// Whether something is asked for that no key finds.
fn needs_all_committed(named: &Named) -> bool {
    !named.with_work.is_empty() || !named.queues.is_empty()
}

async fn answers(source: &mut Source<'_>, requests: &[Request], now: Time) -> Result<Vec<Option<StoredAnswer>>, Error> {
    let ahead = |key: &DedupKey| source.before.as_ref()?.left.answers.get(key).cloned();
    let mut answers: Vec<Option<StoredAnswer>> =
        requests.iter().map(|request| ahead(request.dedup.as_ref()?)).collect();
    let keyed = requests.iter().enumerate().filter_map(|(at, request)| Some((at, request.dedup.as_ref()?)));
    let (places, keys): (Vec<usize>, Vec<&DedupKey>) = keyed.filter(|(at, _)| answers[*at].is_none()).unzip();
    if keys.is_empty() {
        return Ok(answers);
    }
    let expired = now - Span::from_days(DEDUP_DAYS);
    for (nth, answer) in load::answers(source.connection().await?, &keys, expired.micros()).await? {
        answers[places[nth]] = Some(answer);
    }
    Ok(answers)
}

async fn conversations(
    source: &mut Source<'_>,
    keys: &Keys<(ConnectorId, Arc<str>)>,
    sets: &mut Sets,
) -> Result<Keys<TicketId>, Error> {
    if keys.is_empty() {
        return Ok(Keys::new());
    }
    // Whether a key was given back is for the database to say.
    if source.before.as_ref().is_some_and(|before| !before.left.conversations.is_disjoint(keys)) {
        source.settle().await?;
    }
    load::conversations(source.connection().await?, keys, sets).await
}

async fn tickets(
    source: &mut Source<'_>,
    keys: impl Iterator<Item = &(DeskKey, TicketId)>,
) -> Result<Vec<(DeskKey, Arc<Ticket>)>, Error> {
    let mut known = Vec::new();
    let mut missing = Vec::new();
    for key in keys {
        match source.ticket(key) {
            Some(ticket) => known.push((key.0.clone(), ticket)),
            None => missing.push(key),
        }
    }
    if !missing.is_empty() {
        let found = load::tickets(source.connection().await?, missing).await?;
        source.cache().tickets.put(found.iter().map(|(key, ticket)| ((key.clone(), ticket.id), ticket.clone())));
        known.extend(found);
    }
    Ok(known)
}

async fn agents(source: &mut Source<'_>, keys: &Keys<AgentId>, sets: &mut Sets) -> Result<(), Error> {
    let mut missing = Keys::new();
    for key in keys {
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
    let found = load::agents(source.connection().await?, &missing).await?;
    for (desk, agent) in found {
        source.cache().agents.put([((desk.clone(), agent.id.clone()), agent.clone())]);
        set_of(sets, &desk).agents.insert(agent.id.clone(), agent);
    }
    Ok(())
}

async fn count_waiting(source: &mut Source<'_>, queues: &Keys<QueueId>, sets: &mut Sets) -> Result<(), Error> {
    if queues.is_empty() {
        return Ok(());
    }
    load::count_waiting(source.connection().await?, queues, sets).await
}

async fn heads(source: &mut Source<'_>, desks: &BTreeSet<DeskKey>) -> Result<BTreeMap<DeskKey, u64>, Error> {
    let ahead = source.before.as_ref().map(|before| before.left.heads.clone()).unwrap_or_default();
    let list = scope::desk_list(desks)?;
    let found: Vec<(String, String, i64)> =
        sqlx::query_as(LOAD_HEADS).bind(list).fetch_all(source.connection().await?).await?;
    let row = |(tenant, desk, head): (String, String, i64)| {
        Ok((rows::desk_key(&tenant, &desk)?, rows::unsigned("head", head)?))
    };
    let mut heads: BTreeMap<DeskKey, u64> = found.into_iter().map(row).collect::<Result<_, Error>>()?;
    heads.extend(ahead);
    Ok(heads)
}

/// The scopes of those desks that exist. The batch before changes none as long as it is under way.
async fn scopes(source: &mut Source<'_>, desks: &BTreeSet<DeskKey>) -> Result<BTreeMap<DeskKey, Scope>, Error> {
    let mut known: BTreeMap<DeskKey, Scope> =
        desks.iter().filter_map(|key| Some((key.clone(), source.cache().scopes.find(key)?))).collect();
    let missing: BTreeSet<DeskKey> = desks.iter().filter(|key| !known.contains_key(*key)).cloned().collect();
    if !missing.is_empty() {
        let found = scope::load(source.connection().await?, &missing).await?;
        source.cache().scopes.put(found.iter().map(|(key, scope)| (key.clone(), scope.clone())));
        known.extend(found);
    }
    Ok(known)
}
