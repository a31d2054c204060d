//! The transaction: load, work, write.
//!
//! One batch is decided at a time, and one is written at a time, but the next is decided while the one before it is written
//! ([`Ahead`]): with the processor on one side and the disk on the other, neither waits for the other's turn.

use std::sync::Arc;

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteArguments;

use super::SqliteStore;
use super::ahead::{Ahead, Ending, Source};
use super::lists::{self, Lists};
use super::load;
use super::statements::PUTS;
use crate::domain::id::DeskKey;
use crate::routing::workset::Scope;
use crate::store::changes::{Changes, Rows as _};
use crate::store::{Committed, Error, Loaded, Request, Work, rows};

/// Dropped before its end, the transaction is rolled back before the next one on this connection begins; dropped while the
/// COMMIT is under way, that is carried through on the connection's own thread.
pub(super) async fn transact<T, F>(store: &SqliteStore, requests: Vec<Request>, work: F) -> Result<Committed<T>, Error>
where
    F: for<'a> FnOnce(&'a Loaded) -> Work<'a, T> + Send,
    T: Send,
{
    let mut line = store.line.lock().await;
    let mut source = Source::new(store, line.clone());
    let now = store.clock.now();
    let loaded = load::batch(&mut source, &requests, now).await?;
    let (mut changes, value) = Changes::<Lists>::of(&loaded, work(&loaded))?;
    let mut heads = loaded.heads.clone();
    let entries = changes.number(&heads)?;
    let left = std::mem::take(&mut changes.left);
    let mut moved = Lists::default();
    for (key, head) in &left.heads {
        let before = heads.insert(key.clone(), *head).unwrap_or(0);
        let (tenant, desk) = (key.tenant.as_str(), key.desk.as_str());
        moved.push(&[tenant.into(), desk.into(), rows::signed(before).into(), rows::signed(*head).into()])?;
    }
    let arguments = lists::arguments(changes, moved)?;
    let desk = |key: DeskKey, loaded: Option<Scope>| {
        let head = heads.get(&key).copied().unwrap_or(0);
        let scope = left.changed.scopes.get(&key).cloned().or(loaded);
        (key, scope, head)
    };
    let desks = loaded.desks.into_iter().map(|(key, set)| desk(key, set.scope)).collect();
    let ahead = Arc::new(Ahead::of(left));

    // An answer that changes nothing waits as well: it may be made of what the batch before leaves.
    let mut transaction = source.into_transaction().await?;
    let ending = Ending::of(ahead.clone(), &store.cache);
    *line = Some(ahead);
    drop(line);
    match arguments {
        Some(arguments) => {
            write(&mut transaction, arguments, entries.len()).await?;
            transaction.commit().await?;
            store.committed.notify_one();
        }
        None => transaction.rollback().await?,
    }
    ending.committed();
    Ok(Committed { value, entries: entries.into_iter().collect(), desks, now })
}

/// Everything in one go: a statement by itself costs more on the way to the connection's thread and back than in it.
async fn write(connection: &mut SqliteConnection, arguments: SqliteArguments, logs: usize) -> Result<(), Error> {
    let moved = sqlx::query_with(PUTS.text(), arguments).fetch_all(connection).await?;
    if moved.len() != logs {
        return Err(rows::corrupt("desk head", format!("{} of {logs} logs are where they were loaded", moved.len())));
    }
    Ok(())
}
