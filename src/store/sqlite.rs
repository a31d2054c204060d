//! The embedded store: one SQLite file in a directory that one process owns.
//!
//! A single connection writes, each transaction from `BEGIN IMMEDIATE` on; a few others read. Every statement takes whole sets
//! as JSON lists (`jsonb_each`, which does not make text of each row again), so that a batch of commands costs a fixed number of them.

mod ahead;
mod cache;
mod lists;
mod load;
mod open;
#[cfg(test)]
mod plans;
mod session;
mod statements;
mod transact;
mod yardstick;

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;

use sqlx::{Sqlite, SqlitePool, Transaction};

use super::{
    Committed, Due, Error, Loaded, Page, PolicyRow, Request, Store, Subscription, TicketFilter, Work, log, reads,
    scope, upkeep,
};
use crate::clock::Clock;
use crate::domain::agent::Agent;
use crate::domain::connector::Connector;
use crate::domain::event::Entry;
use crate::domain::id::{AgentId, ConnectorId, DeskId, DeskKey, LegId, QueueId, TenantId, TicketId};
use crate::domain::log::{LogRow, Selection};
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

    async fn scopes(&self, desks: BTreeSet<DeskKey>) -> Result<Vec<Scope>, Error> {
        let mut transaction = self.readers.begin().await?;
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

    async fn scope(&self, desk: &DeskKey) -> Result<Option<Scope>, Error> {
        if let Some(scope) = self.cache.scopes.find(desk) {
            return Ok(Some(scope));
        }
        Ok(self.scopes(BTreeSet::from([desk.clone()])).await?.pop())
    }

    async fn list_desks(&self, tenant: &TenantId, page: Page<DeskId>) -> Result<Vec<Scope>, Error> {
        let keys = reads::list_desks(&mut &self.readers, tenant, page).await?;
        self.scopes(keys).await
    }

    async fn all_desks(&self) -> Result<Vec<DeskKey>, Error> {
        reads::all_desks(&mut &self.readers).await
    }

    async fn head(&self, desk: &DeskKey) -> Result<Option<(u64, u64)>, Error> {
        reads::head(&mut &self.readers, desk).await
    }

    async fn next_epoch(&self, desk: &DeskKey) -> Result<u64, Error> {
        upkeep::next_epoch(&mut &self.writer, desk).await
    }

    async fn get_agent(&self, desk: &DeskKey, agent: &AgentId) -> Result<Option<Arc<Agent>>, Error> {
        reads::agent(&mut &self.readers, desk, agent).await
    }

    async fn list_agents(
        &self,
        desk: &DeskKey,
        deleted_too: bool,
        page: Page<AgentId>,
    ) -> Result<Vec<Arc<Agent>>, Error> {
        reads::agents(&mut &self.readers, desk, deleted_too, page).await
    }

    async fn list_connectors(&self, desk: &DeskKey, page: Page<ConnectorId>) -> Result<Vec<Arc<Connector>>, Error> {
        reads::connectors(&mut &self.readers, desk, page).await
    }

    async fn get_ticket(&self, desk: &DeskKey, ticket: TicketId) -> Result<Option<Arc<Ticket>>, Error> {
        reads::ticket(&mut &self.readers, desk, ticket).await
    }

    async fn list_tickets(
        &self,
        desk: &DeskKey,
        filter: &TicketFilter,
        page: Page<(Time, TicketId)>,
    ) -> Result<Vec<Arc<Ticket>>, Error> {
        reads::tickets(&mut &self.readers, desk, filter, page).await
    }

    async fn open_tickets(&self, desk: &DeskKey, page: Page<TicketId>) -> Result<Vec<Arc<Ticket>>, Error> {
        reads::open_tickets(&mut &self.readers, desk, page).await
    }

    async fn work_of(&self, desk: &DeskKey, agent: &AgentId) -> Result<Vec<Arc<Ticket>>, Error> {
        reads::work_of(&mut &self.readers, desk, agent).await
    }

    async fn ahead(&self, desk: &DeskKey, queue: &QueueId, key: &str) -> Result<u32, Error> {
        reads::ahead(&mut &self.readers, desk, queue, key).await
    }

    async fn waiting_with_amounts(&self, desk: &DeskKey) -> Result<Vec<LegId>, Error> {
        reads::waiting_with_amounts(&mut &self.readers, desk).await
    }

    async fn log_after(
        &self,
        desk: &DeskKey,
        selection: &Selection,
        after: u64,
        limit: u32,
    ) -> Result<(Vec<LogRow>, u64), Error> {
        log::after(&mut &self.readers, desk, selection, after, limit).await
    }

    async fn pending(
        &self,
        desk: &DeskKey,
        selection: &Selection,
        after: u64,
        most: u32,
    ) -> Result<(u32, Option<Time>), Error> {
        log::pending(&mut &self.readers, desk, selection, after, most).await
    }

    async fn last_matching(&self, desk: &DeskKey, selection: &Selection, upto: u64) -> Result<u64, Error> {
        log::last_matching(&mut &self.readers, desk, selection, upto).await
    }

    async fn first_seq(&self, desk: &DeskKey, since: Time) -> Result<u64, Error> {
        log::first_seq(&mut &self.readers, desk, since).await
    }

    async fn ticket_events(
        &self,
        desk: &DeskKey,
        ticket: TicketId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Arc<Entry>>, Error> {
        log::of_ticket(&mut &self.readers, desk, ticket, after, limit).await
    }

    async fn events_after(&self, desk: &DeskKey, after: u64, limit: u32) -> Result<Vec<Arc<Entry>>, Error> {
        log::of_desk(&mut &self.readers, desk, after, limit).await
    }

    async fn due_before(&self, now: Time, limit: u32) -> Result<Vec<Due>, Error> {
        reads::due_before(&mut &self.readers, now, limit).await
    }

    async fn next_due(&self) -> Result<Option<Time>, Error> {
        reads::next_due(&mut &self.readers).await
    }

    fn incarnation(&self) -> u64 {
        self.incarnation
    }

    async fn subscribe(&self, desk: &DeskKey, connector: &ConnectorId) -> Result<Subscription, Error> {
        upkeep::subscribe(&mut &self.writer, desk, connector).await
    }

    async fn subscription(&self, desk: &DeskKey, connector: &ConnectorId) -> Result<Subscription, Error> {
        upkeep::subscription(&mut &self.readers, desk, connector).await
    }

    async fn save_acked(&self, acks: Vec<(DeskKey, ConnectorId, u64)>) -> Result<(), Error> {
        upkeep::save_acked(&mut &self.writer, &acks).await
    }

    async fn policy(&self, desk: &DeskKey, revision: u32) -> Result<Option<PolicyRow>, Error> {
        reads::policy(&mut &self.readers, desk, revision).await
    }

    async fn retire(&self, dedup_before: Time, events_before: Time, limit: u32) -> Result<u64, Error> {
        let desks = reads::all_desks(&mut &self.readers).await?;
        let mut transaction = self.begin().await?;
        let answers = upkeep::retire_answers(&mut *transaction, dedup_before, limit).await?;
        let events = upkeep::retire_events(&mut *transaction, &desks, events_before, limit).await?;
        transaction.commit().await?;
        Ok(answers + events)
    }
}
