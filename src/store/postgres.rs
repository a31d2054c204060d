//! The store of many replicas: one PostgreSQL database that any number of processes share.
//!
//! Nothing is kept in memory but scopes, and those only as long as the database says that they are current. What is decided is
//! decided on rows that the same transaction has locked, so that no stale replica exceeds a capacity or takes a ticket twice.

mod columns;
mod load;
mod open;
#[cfg(test)]
mod plans;
#[cfg(test)]
#[path = "../../tests/all/harness/postgres.rs"]
mod server;
mod session;
mod statements;
mod transact;
mod yardstick;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::{PgPool, Postgres, Transaction};

use super::alike::alike;
use super::recent::Recent;
use super::{
    Acked, Committed, Due, Error, Lease, Leases, Loaded, Page, PolicyRow, Request, Store, TicketFilter, Work, log,
    readers, reads, scope, upkeep,
};
use crate::domain::agent::Agent;
use crate::domain::connector::Connector;
use crate::domain::event::Entry;
use crate::domain::id::{AgentId, ConnectorId, DeskId, DeskKey, LegId, TenantId, TicketId};
use crate::domain::log::{LogRow, Selection};
use crate::domain::readers::{ReaderChange, Readers};
use crate::domain::ticket::Ticket;
use crate::domain::time::Time;
use crate::routing::workset::Scope;
pub use open::Migrated;

/// Lines kept in memory although nobody stands in them.
const IDLE_LINES: usize = 1_024;

pub struct PostgresStore {
    writer: PgPool,
    readers: PgPool,
    /// Where this process's batches on a desk wait for each other.
    lines: Mutex<BTreeMap<DeskKey, Arc<tokio::sync::Mutex<()>>>>,
    /// Each with its version.
    scopes: Recent<DeskKey, (i64, Scope)>,
    incarnation: u64,
    /// Told apart from every other process by it.
    order: i64,
}

impl PostgresStore {
    /// Waits for the statements under way and closes every connection.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    fn line(&self, desk: &DeskKey) -> Arc<tokio::sync::Mutex<()>> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() > IDLE_LINES {
            lines.retain(|_, line| Arc::strong_count(line) > 1);
        }
        lines.entry(desk.clone()).or_default().clone()
    }

    /// For rows that have to fit each other.
    async fn look(&self) -> Result<Transaction<'static, Postgres>, Error> {
        Ok(Box::pin(self.readers.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")).await?)
    }

    async fn scopes(&self, desks: BTreeSet<DeskKey>) -> Result<Vec<Scope>, Error> {
        let mut transaction = self.look().await?;
        let found = scope::load(&mut *transaction, &desks).await?;
        transaction.rollback().await?;
        Ok(found.into_values().collect())
    }
}

impl Store for PostgresStore {
    async fn transact<T, F>(&self, requests: Vec<Request>, work: F) -> Result<Committed<T>, Error>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a Loaded) -> Work<'a, T> + Send + 'static,
    {
        // A connection that is being encrypted is large, and nobody's stack is to hold it.
        Box::pin(transact::transact(self, requests, work)).await
    }

    async fn get_ticket(&self, desk: &DeskKey, ticket: TicketId) -> Result<Option<Arc<Ticket>>, Error> {
        reads::ticket(&mut &self.readers, desk, ticket).await
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn scope(&self, desk: &DeskKey) -> Result<Option<Scope>, Error> {
        let desks = BTreeSet::from([desk.clone()]);
        let version = load::desks(&self.readers, &desks).await?.versions.remove(desk);
        match (version, self.scopes.find(desk)) {
            (Some(version), Some((cached, scope))) if cached == version => Ok(Some(scope)),
            _ => Ok(self.scopes(desks).await?.pop()),
        }
    }

    async fn retire(&self, dedup_before: Time, events_before: Time, limit: u32) -> Result<u64, Error> {
        let dropped = self.turn_partitions(events_before.micros()).await?;
        let answers = upkeep::retire_answers(&mut &self.writer, dedup_before, limit).await?;
        let desks = reads::all_desks(&mut &self.readers).await?;
        let events = upkeep::retire_events(&mut &self.writer, &desks, events_before, limit).await?;
        Ok(dropped + answers + events)
    }

    async fn survey(&self) -> Result<(), Error> {
        self.analyse_grown().await
    }

    async fn checkpoint(&self) -> Result<(), Error> {
        std::future::pending().await
    }

    alike!();
}
