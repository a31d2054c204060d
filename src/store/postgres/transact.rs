//! The transaction: lock, load, work, write, number, commit.
//!
//! Batches of one process on one desk follow each other in the order in which they came. Those of several replicas are under way
//! side by side as far as their rows differ; the log's head is locked last, and only while the events are written and committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sqlx::postgres::PgArguments;
use sqlx::{PgConnection, Postgres, Transaction};
use tokio::sync::OwnedMutexGuard;

use super::columns::{BIGINT, BOOLEAN, Columns, Kind, TEXT, UUID};
use super::load::{self, Batch, Found};
use super::session::{all, run};
use super::{PostgresStore, statements as own};
use crate::domain::id::DeskKey;
use crate::routing::workset::Scope;
use crate::store::changes::{Changes, Entries, Rows as _};
use crate::store::load::Keys;
use crate::store::{Committed, DedupKey, Error, Loaded, Request, Work, rows};

/// How often a batch begins anew because its rows were found to be more.
const TRIES: usize = 4;

/// Dropped before its end, the transaction is rolled back when its connection is given back; dropped while the COMMIT is under
/// way, that is carried through by the server.
pub(super) async fn transact<T, F>(
    store: &PostgresStore,
    requests: Vec<Request>,
    work: F,
) -> Result<Committed<T>, Error>
where
    F: for<'a> FnOnce(&'a Loaded) -> Work<'a, T> + Send,
    T: Send,
{
    let _lines = store.stand_in_line(&requests).await;
    let (mut transaction, batch) = begin(store, &requests).await?;
    let Batch { loaded, versions, taken } = batch;
    let mut heads = loaded.heads.clone();
    let (mut changes, value) = Changes::<Columns>::of(&loaded, work(&loaded))?;
    let left = std::mem::take(&mut changes.left);
    let alone = |key: &DeskKey| requests.iter().any(|request| request.desk == *key && request.roots.scope);
    // Nobody said that they would change: whoever else reads them is waited for.
    let unforeseen: Vec<(i64, bool)> =
        changes.scopes.iter().filter(|key| !alone(key)).map(|key| (load::scope_key(key), true)).collect();
    let touched: Vec<DeskKey> = changes.scopes.iter().cloned().collect();
    let written = Written::of(changes, &taken, |key| left.answers.contains_key(key))?;
    let entries = match written {
        Some(written) => {
            if !unforeseen.is_empty() {
                load::lock(&mut transaction, &unforeseen).await?;
            }
            let entries = written.write(&mut transaction, &mut heads).await?;
            store.scopes.forget(touched.iter());
            transaction.commit().await?;
            entries
        }
        None => {
            transaction.rollback().await?;
            Entries::new()
        }
    };
    for key in touched {
        if let Some(scope) = left.changed.scopes.get(&key) {
            let version = versions.get(&key).copied().unwrap_or(0) + 1;
            store.scopes.put([(key, (version, scope.clone()))]);
        }
    }
    let desk = |key: DeskKey, loaded: Option<Scope>| {
        let head = heads.get(&key).copied().unwrap_or(0);
        let scope = left.changed.scopes.get(&key).cloned().or(loaded);
        (key, scope, head)
    };
    let now = loaded.now;
    let desks = loaded.desks.into_iter().map(|(key, set)| desk(key, set.scope)).collect();
    Ok(Committed { value, entries: entries.into_iter().collect(), desks, now })
}

async fn begin(store: &PostgresStore, requests: &[Request]) -> Result<(Transaction<'static, Postgres>, Batch), Error> {
    let mut known = Keys::new();
    for _ in 0..TRIES {
        let mut transaction = store.begin().await?;
        match load::batch(store, &mut transaction, requests, &known).await? {
            Found::Batch(batch) => return Ok((transaction, *batch)),
            Found::More(more) => {
                known.extend(more);
                transaction.rollback().await?;
            }
        }
    }
    Err(Error::Undone)
}

impl PostgresStore {
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Postgres>, Error> {
        Ok(Box::pin(self.writer.begin_with(own::BEGIN)).await?)
    }

    async fn stand_in_line(&self, requests: &[Request]) -> Vec<OwnedMutexGuard<()>> {
        let lines: BTreeMap<&DeskKey, Arc<tokio::sync::Mutex<()>>> =
            requests.iter().map(|request| (&request.desk, self.line(&request.desk))).collect();
        let mut held = Vec::new();
        for line in lines.into_values() {
            held.push(line.lock_owned().await);
        }
        held
    }
}

/// What is written, in the order of the statements: tickets before conversations, for a key is free when its ticket, as it is now,
/// is not open; lanes and groups are added before they are retired, for a batch may do both.
struct Written {
    hot: Hot,
    tables: Vec<(&'static str, Columns)>,
    conversations: Columns,
    changes: Changes<Columns>,
}

/// The tables that nearly every batch writes, in the order in which the statement takes them.
struct Hot([(Columns, &'static [Kind]); 6]);

const TICKET: &[Kind] =
    &[TEXT, TEXT, UUID, TEXT, TEXT, BIGINT, TEXT, TEXT, TEXT, TEXT, BIGINT, BIGINT, BIGINT, BOOLEAN, TEXT];
const CONTENT: &[Kind] = &[TEXT, TEXT, UUID, TEXT];
const LEG: &[Kind] = &[TEXT, TEXT, UUID, BIGINT, BIGINT, TEXT, BOOLEAN, TEXT, TEXT, TEXT, TEXT, BOOLEAN, TEXT];
const OFFER: &[Kind] = &[TEXT, TEXT, UUID, BIGINT, BIGINT, BIGINT, TEXT, BOOLEAN, TEXT];
const AGENT: &[Kind] = &[TEXT, TEXT, TEXT, BIGINT, BOOLEAN, BIGINT, BIGINT, BIGINT, TEXT];
const ANSWER: &[Kind] = &[TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, BIGINT];

impl Hot {
    fn is_empty(&self) -> bool {
        self.0.iter().all(|(rows, _)| rows.is_empty())
    }

    fn into_arguments(self) -> Result<PgArguments, Error> {
        let mut arguments = PgArguments::default();
        for (rows, kinds) in self.0 {
            rows.add_as(kinds, &mut arguments)?;
        }
        Ok(arguments)
    }
}

impl Written {
    /// `None`: there is nothing to write.
    fn of(
        mut changes: Changes<Columns>,
        taken: &BTreeSet<DedupKey>,
        is_answered: impl Fn(&DedupKey) -> bool,
    ) -> Result<Option<Written>, Error> {
        let mut touched = Columns::default();
        for key in &changes.scopes {
            touched.push(&[key.tenant.as_str().into(), key.desk.as_str().into()])?;
        }
        let mut take = |table: fn(&mut Changes<Columns>) -> &mut Columns| std::mem::take(table(&mut changes));
        let hot = Hot([
            (take(|changes| &mut changes.tickets), TICKET),
            (take(|changes| &mut changes.contents), CONTENT),
            (take(|changes| &mut changes.legs), LEG),
            (take(|changes| &mut changes.offers), OFFER),
            (take(|changes| &mut changes.agents), AGENT),
            (take(|changes| &mut changes.answers), ANSWER),
        ]);
        let mut tables = vec![
            (own::FREE_CONVERSATIONS, take(|changes| &mut changes.conversations_touched)),
            (own::PUT_DESKS, take(|changes| &mut changes.desks)),
            (own::PUT_HEADS, take(|changes| &mut changes.heads)),
            (own::PUT_CONNECTORS, take(|changes| &mut changes.connectors)),
            (own::PUT_LANES, take(|changes| &mut changes.lanes)),
            (own::DELETE_LANES, take(|changes| &mut changes.lanes_retired)),
            (own::PUT_GROUPS, take(|changes| &mut changes.groups)),
            (own::DELETE_GROUPS, take(|changes| &mut changes.groups_retired)),
            (own::PUT_POLICIES, take(|changes| &mut changes.policies)),
            (own::TOUCH_SCOPES, touched),
        ];
        let conversations = take(|changes| &mut changes.conversations_held);
        tables.retain(|(_, rows)| !rows.is_empty());
        if hot.is_empty() && tables.is_empty() && conversations.is_empty() && changes.growth().is_empty() {
            return Ok(None);
        }
        let mut freed = Columns::default();
        for key in taken.iter().filter(|key| !is_answered(key)) {
            let DedupKey { tenant, caller, method, key } = key;
            freed.push(&[
                tenant.as_str().into(),
                caller.as_ref().into(),
                method.as_ref().into(),
                key.as_ref().into(),
            ])?;
        }
        if !freed.is_empty() {
            tables.push((own::FREE_ANSWERS, freed));
        }
        Ok(Some(Written { hot, tables, conversations, changes }))
    }

    /// Answers what was appended; the heads are those after it.
    async fn write(self, connection: &mut PgConnection, heads: &mut BTreeMap<DeskKey, u64>) -> Result<Entries, Error> {
        let Written { hot, tables, conversations, changes } = self;
        if !hot.is_empty() {
            run(&mut *connection, own::PUT_ROWS, hot.into_arguments()).await?;
        }
        for (statement, rows) in tables {
            run(&mut *connection, statement, rows.into_arguments()).await?;
        }
        if !conversations.is_empty() {
            let held = conversations.count();
            if run(&mut *connection, own::PUT_CONVERSATIONS, conversations.into_arguments()).await? < held {
                return Err(Error::Undone);
            }
        }
        append(changes, connection, heads).await
    }
}

/// Moves the heads of the logs and writes the events behind them.
async fn append(
    mut changes: Changes<Columns>,
    connection: &mut PgConnection,
    heads: &mut BTreeMap<DeskKey, u64>,
) -> Result<Entries, Error> {
    let growth = changes.growth();
    if growth.is_empty() {
        return Ok(Entries::new());
    }
    let mut moved = Columns::default();
    for (key, entries) in &growth {
        moved.push(&[key.tenant.as_str().into(), key.desk.as_str().into(), rows::signed(*entries).into()])?;
    }
    // The heads are not known before they are locked: numbered from 1 until then.
    let mut entries = changes.number(&BTreeMap::new())?;
    let mut arguments = moved.into_arguments()?;
    changes.events.add_to(&mut arguments)?;
    let after: Vec<(String, String, i64)> = all(connection, own::APPEND, Ok(arguments)).await?;
    if after.len() != growth.len() {
        return Err(rows::corrupt("desk head", format!("{} of {} logs exist", after.len(), growth.len())));
    }
    for (tenant, desk, head) in after {
        let (key, head) = (rows::desk_key(&tenant, &desk)?, rows::unsigned("head", head)?);
        for entry in entries.get_mut(&key).into_iter().flatten() {
            Arc::make_mut(entry).seq += head - growth.get(&key).copied().unwrap_or(0);
        }
        heads.insert(key, head);
    }
    Ok(entries)
}
