//! Loading what a batch works on, under locks that are taken in one order by every replica: the desks' scopes, dedup keys,
//! tickets, agents, conversations. Each kind in the order of its keys, so that no two batches wait for each other.
//!
//! A row is read after its lock is held, by another statement: one that waited sees the rows as they were before. Named tickets
//! are there or not; of those that follow from an agent, more may come up while the agent is waited for, and those would be
//! locked out of order. The batch then begins anew with the larger set.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use sqlx::{Executor, PgConnection, Postgres};

use super::columns::Columns;
use super::session::{all, arguments, run};
use super::{PostgresStore, statements as own};
use crate::domain::id::{DeskKey, TicketId};
use crate::domain::time::{Span, Time};
use crate::routing::workset::Scope;
use crate::store::changes::Rows as _;
use crate::store::load::{self, Keys, Named, key_list, set_of};
use crate::store::{DEDUP_DAYS, DedupKey, Error, Loaded, Request, StoredAnswer, rows, scope};

/// A batch's rows, and what is written of them blindly.
pub(super) struct Batch {
    pub loaded: Loaded,
    /// The versions of the desks' scopes.
    pub versions: BTreeMap<DeskKey, i64>,
    /// Keys that are taken until an answer is put under them.
    pub taken: BTreeSet<DedupKey>,
}

pub(super) enum Found {
    /// Tickets that must be locked from the beginning.
    More(Keys<TicketId>),
    Batch(Box<Batch>),
}

/// A lock on a desk's scope, and whether others are kept out.
pub(super) fn scope_key(desk: &DeskKey) -> i64 {
    lock_key(&["scope", desk.tenant.as_str(), desk.desk.as_str()])
}

/// Equal on every replica, whatever it is built with. Keys that fall together only wait for each other.
fn lock_key(words: &[&str]) -> i64 {
    let mut digest = Sha256::new();
    for word in words {
        digest.update(word.as_bytes());
        digest.update([0]);
    }
    let digest = digest.finalize();
    i64::from_be_bytes(std::array::from_fn(|at| digest[at]))
}

/// Takes locks in the order given.
pub(super) async fn lock(connection: &mut PgConnection, locks: &[(i64, bool)]) -> Result<(), Error> {
    let mut columns = Columns::default();
    for (key, alone) in locks {
        columns.push(&[(*key).into(), (*alone).into()])?;
    }
    run(connection, own::LOCK_SCOPES, columns.into_arguments()).await?;
    Ok(())
}

pub(super) async fn batch(
    store: &PostgresStore,
    connection: &mut PgConnection,
    requests: &[Request],
    known: &Keys<TicketId>,
) -> Result<Found, Error> {
    let mut named = Named::of(requests);
    let mut sets = load::empty_sets(requests);
    lock(connection, &scope_locks(store, requests)).await?;
    let (answers, taken) = answers(connection, requests).await?;
    if !named.with_work.is_empty() {
        named.tickets.extend(load::tickets_of_agents(connection, &named.with_work).await?);
    }
    named.tickets.extend(known.iter().cloned());
    let found = match lock_tickets(connection, &named.tickets).await? {
        locked if locked.is_empty() => Vec::new(),
        locked => load::tickets(connection, &locked).await?,
    };
    named.follow(&found);
    if !named.agents.is_empty() {
        let list = key_list(&named.agents, |agent| agent.as_str().to_owned())?;
        let locked = all(&mut *connection, own::LOCK_AGENTS, arguments(&[list.as_str().into()])).await?;
        for (key, agent) in load::read_agents(locked)? {
            set_of(&mut sets, &key).agents.insert(agent.id.clone(), agent);
        }
    }
    if !named.with_work.is_empty() {
        let now_with_work = load::tickets_of_agents(connection, &named.with_work).await?;
        if !now_with_work.is_subset(&named.tickets) {
            return Ok(Found::More(now_with_work));
        }
    }
    if !named.conversations.is_empty() {
        let holders = load::conversations(connection, &named.conversations, &mut sets).await?;
        // Neither locked nor with their agents: a refusal only names them.
        let others: Keys<TicketId> = holders.difference(&named.tickets).cloned().collect();
        if !others.is_empty() {
            for (key, ticket) in load::tickets(connection, &others).await? {
                set_of(&mut sets, &key).tickets.insert(ticket.id, ticket);
            }
        }
    }
    for (key, ticket) in found {
        set_of(&mut sets, &key).tickets.insert(ticket.id, ticket);
    }
    if !named.queues.is_empty() {
        load::count_waiting(connection, &named.queues, &mut sets).await?;
    }
    let Desks { heads, versions, now } = desks(&mut *connection, &sets.keys().cloned().collect()).await?;
    for (key, scope) in scopes(store, connection, &versions).await? {
        set_of(&mut sets, &key).scope = Some(scope);
    }
    let loaded = Loaded { desks: sets, heads, answers, now };
    Ok(Found::Batch(Box::new(Batch { loaded, versions, taken })))
}

/// This process's own key of each desk first: a batch whose future was dropped while its COMMIT was under way still has it, and
/// the next one, which is decided on what it leaves, waits until that is settled.
fn scope_locks(store: &PostgresStore, requests: &[Request]) -> Vec<(i64, bool)> {
    let mut alone: BTreeMap<&DeskKey, bool> = BTreeMap::new();
    for request in requests {
        *alone.entry(&request.desk).or_default() |= request.roots.scope;
    }
    let order = store.order.to_string();
    let own = |desk: &DeskKey| lock_key(&[&order, desk.tenant.as_str(), desk.desk.as_str()]);
    let mut shared: BTreeMap<i64, bool> = BTreeMap::new();
    for (desk, alone) in &alone {
        *shared.entry(scope_key(desk)).or_default() |= *alone;
    }
    alone.keys().map(|desk| (own(desk), true)).chain(shared).collect()
}

/// Takes the keys, whoever else has one being waited for, and reads what is stored under them.
async fn answers(
    connection: &mut PgConnection,
    requests: &[Request],
) -> Result<(Vec<Option<StoredAnswer>>, BTreeSet<DedupKey>), Error> {
    let mut taken: BTreeSet<DedupKey> = requests.iter().filter_map(|request| request.dedup.clone()).collect();
    let mut answers = vec![None; requests.len()];
    if taken.is_empty() {
        return Ok((answers, taken));
    }
    let mut columns = Columns::default();
    for DedupKey { tenant, caller, method, key } in &taken {
        columns.push(&[tenant.as_str().into(), caller.as_ref().into(), method.as_ref().into(), key.as_ref().into()])?;
    }
    let kept = Span::from_days(DEDUP_DAYS).micros();
    let count = run(&mut *connection, own::TAKE_ANSWERS, columns.into_arguments_and(kept)).await?;
    if count < taken.len() as u64 {
        let keys: Vec<&DedupKey> = taken.iter().collect();
        let found = load::answers(connection, &keys, i64::MIN).await?;
        let found: Vec<(DedupKey, StoredAnswer)> =
            found.into_iter().map(|(nth, answer)| (keys[nth].clone(), answer)).collect();
        for (key, answer) in found {
            let same = requests.iter().zip(&mut answers).filter(|(request, _)| request.dedup.as_ref() == Some(&key));
            same.for_each(|(_, place)| *place = Some(answer.clone()));
            taken.remove(&key);
        }
    }
    Ok((answers, taken))
}

/// Answers those that exist.
async fn lock_tickets(connection: &mut PgConnection, tickets: &Keys<TicketId>) -> Result<Keys<TicketId>, Error> {
    if tickets.is_empty() {
        return Ok(Keys::new());
    }
    let list = key_list(tickets, TicketId::to_string)?;
    let locked: Vec<(String, String, String)> =
        all(connection, own::LOCK_TICKETS, arguments(&[list.as_str().into()])).await?;
    locked.into_iter().map(load::read_ticket_key).collect()
}

/// The heads of those desks that exist, the versions of their scopes, and the time.
pub(super) struct Desks {
    pub heads: BTreeMap<DeskKey, u64>,
    pub versions: BTreeMap<DeskKey, i64>,
    pub now: Time,
}

pub(super) async fn desks<'e>(
    executor: impl Executor<'e, Database = Postgres>,
    desks: &BTreeSet<DeskKey>,
) -> Result<Desks, Error> {
    type Row = (Option<String>, Option<String>, Option<i64>, Option<i64>, i64);
    let list = scope::desk_list(desks)?;
    let found: Vec<Row> = all(executor, own::LOAD_HEADS, arguments(&[list.as_str().into()])).await?;
    let mut read = Desks { heads: BTreeMap::new(), versions: BTreeMap::new(), now: Time(0) };
    for (tenant, desk, head, version, now) in found {
        read.now = read.now.max(Time(now));
        if let (Some(tenant), Some(desk), Some(head)) = (tenant, desk, head) {
            let key = rows::desk_key(&tenant, &desk)?;
            read.heads.insert(key.clone(), rows::unsigned("head", head)?);
            read.versions.extend(version.map(|version| (key, version)));
        }
    }
    Ok(read)
}

/// From memory where that is the version which is locked.
async fn scopes(
    store: &PostgresStore,
    connection: &mut PgConnection,
    versions: &BTreeMap<DeskKey, i64>,
) -> Result<BTreeMap<DeskKey, Scope>, Error> {
    let mut known = BTreeMap::new();
    let mut missing = BTreeSet::new();
    for (key, version) in versions {
        match store.scopes.find(key) {
            Some((cached, scope)) if cached == *version => {
                known.insert(key.clone(), scope);
            }
            Some(_) | None => {
                missing.insert(key.clone());
            }
        }
    }
    if !missing.is_empty() {
        let found = scope::load(connection, &missing).await?;
        let versioned =
            found.iter().filter_map(|(key, scope)| Some((key.clone(), (*versions.get(key)?, scope.clone()))));
        store.scopes.put(versioned);
        known.extend(found);
    }
    Ok(known)
}
