//! A batch that is being written, and what the next one is loaded through meanwhile.
//!
//! The next batch is decided on what the one before it leaves, as if that were committed already. Rows that it changed are found
//! in memory; for everything that a key cannot find (legs by agent, counts) and for what is seldom changed (scopes), the next
//! one waits until it is committed. If it is not, the next one fails as well: nothing is decided on what never was.

use std::ops::DerefMut;
use std::sync::Arc;

use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, Transaction};
use tokio::sync::SetOnce;

use super::SqliteStore;
use super::cache::Cache;
use crate::domain::agent::Agent;
use crate::domain::id::{AgentId, DeskKey, TicketId};
use crate::domain::ticket::Ticket;
use crate::store::Error;
use crate::store::changes::Left;

/// What a batch that was decided leaves.
pub(super) struct Ahead {
    pub left: Left,
    /// Set once: whether it is known to be committed.
    committed: SetOnce<bool>,
}

impl Ahead {
    pub fn of(left: Left) -> Ahead {
        Ahead { left, committed: SetOnce::new() }
    }

    /// What is still being written, if that is so.
    fn under_way(self: Arc<Ahead>) -> Option<Arc<Ahead>> {
        self.committed.get().is_none().then_some(self)
    }
}

/// Says how a batch ended, also where its future is dropped.
pub(super) struct Ending<'s> {
    ahead: Arc<Ahead>,
    cache: &'s Cache,
}

impl<'s> Ending<'s> {
    /// From here on the rows that were in force are not found any more.
    pub fn of(ahead: Arc<Ahead>, cache: &'s Cache) -> Ending<'s> {
        cache.forget(&ahead.left.changed);
        Ending { ahead, cache }
    }

    pub fn committed(self) {
        self.cache.put(&self.ahead.left.changed);
        // The drop that follows finds it set.
        let _first = self.ahead.committed.set(true);
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let _committed = self.ahead.committed.set(false);
    }
}

/// Where a batch's rows come from.
pub(super) struct Source<'s> {
    store: &'s SqliteStore,
    /// The batch before, as long as it is under way.
    pub before: Option<Arc<Ahead>>,
    open: Open,
}

enum Open {
    Nothing,
    /// Beside the batch before.
    Reading(PoolConnection<Sqlite>),
    /// After it.
    Writing(Transaction<'static, Sqlite>),
}

impl<'s> Source<'s> {
    pub fn new(store: &'s SqliteStore, before: Option<Arc<Ahead>>) -> Source<'s> {
        Source { store, before: before.and_then(Ahead::under_way), open: Open::Nothing }
    }

    pub fn cache(&self) -> &'s Cache {
        &self.store.cache
    }

    /// Of the batch before, or as it was committed lately.
    pub fn ticket(&self, key: &(DeskKey, TicketId)) -> Option<Arc<Ticket>> {
        let ahead = self.before.as_ref().and_then(|before| before.left.changed.tickets.get(key).cloned());
        ahead.or_else(|| self.store.cache.tickets.find(key))
    }

    /// Likewise.
    pub fn agent(&self, key: &(DeskKey, AgentId)) -> Option<Arc<Agent>> {
        let ahead = self.before.as_ref().and_then(|before| before.left.changed.agents.get(key).cloned());
        ahead.or_else(|| self.store.cache.agents.find(key))
    }

    /// What the batch before changed is not in there, as long as it is under way.
    pub async fn connection(&mut self) -> Result<&mut SqliteConnection, Error> {
        if let Open::Nothing = self.open {
            match self.before {
                Some(_) => self.open = Open::Reading(self.store.loader.acquire().await?),
                None => self.settle().await?,
            }
        }
        match &mut self.open {
            Open::Reading(connection) => Ok(connection.deref_mut()),
            Open::Writing(transaction) => Ok(transaction.deref_mut()),
            Open::Nothing => unreachable!("one was opened above"),
        }
    }

    /// Waits for the end of the batch before; what is read from here on is what it left.
    pub async fn settle(&mut self) -> Result<(), Error> {
        if let Open::Writing(_) = self.open {
            return Ok(());
        }
        let transaction = self.store.begin().await?;
        if let Some(before) = self.before.take() {
            // It has left the connection; what remains is to say so.
            let committed = *before.committed.wait().await;
            if !committed {
                return Err(Error::Undone);
            }
        }
        self.open = Open::Writing(transaction);
        Ok(())
    }

    /// The transaction in which the batch is written.
    pub async fn into_transaction(mut self) -> Result<Transaction<'static, Sqlite>, Error> {
        self.settle().await?;
        match self.open {
            Open::Writing(transaction) => Ok(transaction),
            Open::Reading(_) | Open::Nothing => unreachable!("it was settled"),
        }
    }
}
