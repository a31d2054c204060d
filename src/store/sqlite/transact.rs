//! The transaction: load, work, write, numbers last.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::SqliteConnection;

use super::changes::{Changes, Rows};
use super::load::{self, Batch};
use super::recent::Changed;
use super::{SqliteStore, rows, statements};
use crate::domain::event::{Entry, Event, Route};
use crate::domain::id::DeskKey;
use crate::routing::workset::Scope;
use crate::store::{Committed, Error, Loaded, Request, Work};

type Entries = BTreeMap<DeskKey, Vec<Arc<Entry>>>;

/// Dropped before its end, the transaction is rolled back before the next one on this connection begins; dropped while the
/// COMMIT is under way, that is carried through on the connection's own thread.
pub(super) async fn transact<T, F>(store: &SqliteStore, requests: Vec<Request>, work: F) -> Result<Committed<T>, Error>
where
    F: for<'a> FnOnce(&'a Loaded) -> Work<'a, T> + Send,
    T: Send,
{
    let mut transaction = store.begin().await?;
    let now = store.clock.now();
    let Batch { loaded, mut heads } = load::batch(&mut transaction, &store.cache, &requests, now).await?;
    let (changes, value) = Changes::of(&loaded, work(&loaded))?;
    let (changed, entries, written) = write(&mut transaction, changes).await?;
    let scopes = changed.scopes.clone();
    if written {
        store.cache.forget(&changed);
        transaction.commit().await?;
        store.cache.put(changed);
    } else {
        transaction.rollback().await?;
    }
    for (key, entries) in &entries {
        heads.extend(entries.last().map(|last| (key.clone(), last.seq)));
    }
    let desk = |key: DeskKey, loaded: Option<Scope>| {
        let head = heads.get(&key).copied().unwrap_or(0);
        let scope = scopes.get(&key).cloned().or(loaded);
        (key, scope, head)
    };
    let desks = loaded.desks.into_iter().map(|(key, set)| desk(key, set.scope)).collect();
    Ok(Committed { value, entries: entries.into_iter().collect(), desks, now })
}

/// Writes table by table; answers the rows that changed, the entries with their numbers, and whether there was anything.
async fn write(connection: &mut SqliteConnection, changes: Changes) -> Result<(Changed, Entries, bool), Error> {
    // Tickets before conversations: a key is free when its ticket, as it is now, is not open. Lanes and groups are added before
    // they are retired, for a batch may do both.
    let tables: [(Rows, &'static str); 16] = [
        (changes.tickets, statements::PUT_TICKETS),
        (changes.contents, statements::PUT_CONTENTS),
        (changes.legs, statements::PUT_LEGS),
        (changes.offers, statements::PUT_OFFERS),
        (changes.conversations_touched, statements::FREE_CONVERSATIONS),
        (changes.conversations_held, statements::PUT_CONVERSATIONS),
        (changes.agents, statements::PUT_AGENTS),
        (changes.desks, statements::PUT_DESKS),
        (changes.heads, statements::PUT_HEADS),
        (changes.connectors, statements::PUT_CONNECTORS),
        (changes.lanes, statements::PUT_LANES),
        (changes.lanes_retired, statements::DELETE_LANES),
        (changes.groups, statements::PUT_GROUPS),
        (changes.groups_retired, statements::DELETE_GROUPS),
        (changes.policies, statements::PUT_POLICIES),
        (changes.answers, statements::PUT_ANSWERS),
    ];
    let mut written = false;
    for (rows, statement) in tables {
        if let Some((list, bodies)) = rows.into_parts()? {
            put(connection, statement, list, bodies).await?;
            written = true;
        }
    }
    let entries = append(connection, changes.events).await?;
    written |= !entries.is_empty();
    Ok((changes.changed, entries, written))
}

/// Takes the numbers and appends the events, so that nothing waits for the log's head longer than it must.
async fn append(
    connection: &mut SqliteConnection,
    events: BTreeMap<DeskKey, Vec<(Event, Option<Route>)>>,
) -> Result<Entries, Error> {
    let mut counts = Rows::default();
    for (key, events) in &events {
        counts.push(&(&key.tenant, &key.desk, events.len()))?;
    }
    let Some((counts, _)) = counts.into_parts()? else { return Ok(Entries::new()) };
    let found: Vec<(String, String, i64)> =
        sqlx::query_as(statements::ADVANCE_HEADS).bind(counts).fetch_all(&mut *connection).await?;
    let mut heads = BTreeMap::new();
    for (tenant, desk, head) in found {
        heads.insert(rows::desk_key(&tenant, &desk)?, rows::unsigned::<u64>("head", head)?);
    }
    let mut entries = Entries::new();
    let mut list = Rows::default();
    for (key, events) in events {
        let head = heads.get(&key).ok_or_else(|| rows::corrupt("desk head", format!("desk {} has none", key.desk)))?;
        let first = head + 1 - events.len() as u64;
        let numbered = (first..).zip(events).map(|(seq, (event, route))| Arc::new(Entry { seq, event, route }));
        let numbered: Vec<Arc<Entry>> = numbered.collect();
        for entry in &numbered {
            push_entry(&mut list, &key, entry)?;
        }
        entries.insert(key, numbered);
    }
    if let Some((list, bodies)) = list.into_parts()? {
        put(connection, statements::PUT_EVENTS, list, bodies).await?;
    }
    Ok(entries)
}

/// Runs a statement of the form that [`Rows`] is made for.
async fn put(
    connection: &mut SqliteConnection,
    statement: &'static str,
    list: String,
    bodies: Vec<u8>,
) -> Result<(), Error> {
    let query = sqlx::query(statement).bind(list);
    let query = if bodies.is_empty() { query } else { query.bind(bodies) };
    query.execute(connection).await?;
    Ok(())
}

fn push_entry(list: &mut Rows, key: &DeskKey, entry: &Entry) -> Result<(), Error> {
    let Entry { seq, event, route } = entry;
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
    list.push_with(&row, &event.body)
}
