//! The embedded store: one SQLite file in a directory that one process owns.
//!
//! A single connection writes, each transaction from `BEGIN IMMEDIATE` on; a few others read. Every statement takes whole sets
//! as JSON lists (`jsonb_each`, which does not make text of each row again), so that a batch of commands costs a fixed number of them.

mod ahead;
mod cache;
mod checkpoint;
mod lists;
mod load;
mod open;
#[cfg(test)]
mod plans;
mod session;
mod statements;
mod transact;
mod yardstick;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::Arc;

use sqlx::{Sqlite, SqlitePool, Transaction};

use super::alike::alike;
use super::{
    Acked, Committed, Due, Error, Lease, Leases, Loaded, Page, PolicyRow, Request, Store, TicketFilter, Work, log,
    readers, reads, scope, upkeep,
};
use crate::clock::Clock;
use crate::domain::agent::Agent;
use crate::domain::connector::Connector;
use crate::domain::event::Entry;
use crate::domain::id::{AgentId, ConnectorId, DeskId, DeskKey, LegId, TenantId, TicketId};
use crate::domain::log::{LogRow, Selection};
use crate::domain::readers::{ReaderChange, Readers};
use crate::domain::ticket::Ticket;
use crate::domain::time::Time;
use crate::routing::workset::Scope;
use ahead::Ahead;
use cache::Cache;

pub struct SqliteStore {
    /// One connection.
    writer: SqlitePool,
    /// Another one, through which a batch is loaded while the one before it is written.
    loader: SqlitePool,
    /// The batch decided last. Held while the next is decided.
    line: tokio::sync::Mutex<Option<Arc<Ahead>>>,
    readers: SqlitePool,
    /// A batch was.
    committed: tokio::sync::Notify,
    clock: Clock,
    incarnation: u64,
    cache: Cache,
    /// Held as long as the store lives.
    _lock: File,
}

impl SqliteStore {
    /// Waits for the statements under way and closes every connection, which folds the write-ahead log into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.loader.close().await;
        self.writer.close().await;
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    async fn look(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        Ok(self.readers.begin().await?)
    }

    async fn scopes(&self, desks: BTreeSet<DeskKey>) -> Result<Vec<Scope>, Error> {
        let mut transaction = self.look().await?;
        let found = scope::load(&mut *transaction, &desks).await?;
        transaction.rollback().await?;
        Ok(found.into_values().collect())
    }
}

impl Store for SqliteStore {
    async fn transact<T, F>(&self, requests: Vec<Request>, work: F) -> Result<Committed<T>, Error>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a Loaded) -> Work<'a, T> + Send + 'static,
    {
        transact::transact(self, requests, work).await
    }

    /// Every decision of a stream is drawn from its ticket, which was mostly written a moment before.
    async fn get_ticket(&self, desk: &DeskKey, ticket: TicketId) -> Result<Option<Arc<Ticket>>, Error> {
        match self.cache.tickets.find(&(desk.clone(), ticket)) {
            Some(row) => Ok(Some(row)),
            None => reads::ticket(&mut &self.readers, desk, ticket).await,
        }
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn scope(&self, desk: &DeskKey) -> Result<Option<Scope>, Error> {
        if let Some(scope) = self.cache.scopes.find(desk) {
            return Ok(Some(scope));
        }
        Ok(self.scopes(BTreeSet::from([desk.clone()])).await?.pop())
    }

    async fn retire(&self, dedup_before: Time, events_before: Time, limit: u32) -> Result<u64, Error> {
        let desks = reads::all_desks(&mut &self.readers).await?;
        let mut transaction = self.begin().await?;
        let answers = upkeep::retire_answers(&mut *transaction, dedup_before, limit).await?;
        let events = upkeep::retire_events(&mut *transaction, &desks, events_before, limit).await?;
        transaction.commit().await?;
        Ok(answers + events)
    }

    /// Its plans do not depend on how much there is.
    async fn survey(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn checkpoint(&self) -> Result<(), Error> {
        checkpoint::next(self).await
    }

    alike!();
}
