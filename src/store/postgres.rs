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

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::PgPool;

use super::recent::Recent;
use super::{
    Committed, Due, Error, Loaded, Page, PolicyRow, Request, Store, Subscription, TicketFilter, Work, log, reads,
    scope, upkeep,
};
use crate::domain::agent::Agent;
use crate::domain::connector::Connector;
use crate::domain::event::Entry;
use crate::domain::id::{AgentId, ConnectorId, DeskId, DeskKey, LegId, QueueId, TenantId, TicketId};
use crate::domain::log::{LogRow, Selection};
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

    /// In one state, so that they fit each other.
    async fn scopes(&self, desks: BTreeSet<DeskKey>) -> Result<Vec<Scope>, Error> {
        let mut transaction = self.readers.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
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
        transact::transact(self, requests, work).await
    }

    async fn scope(&self, desk: &DeskKey) -> Result<Option<Scope>, Error> {
        let desks = BTreeSet::from([desk.clone()]);
        let version = load::desks(&self.readers, &desks).await?.versions.remove(desk);
        match (version, self.scopes.find(desk)) {
            (Some(version), Some((cached, scope))) if cached == version => Ok(Some(scope)),
            _ => Ok(self.scopes(desks).await?.pop()),
        }
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
        let dropped = self.turn_partitions(events_before.micros()).await?;
        let answers = upkeep::retire_answers(&mut &self.writer, dedup_before, limit).await?;
        let desks = reads::all_desks(&mut &self.readers).await?;
        let events = upkeep::retire_events(&mut &self.writer, &desks, events_before, limit).await?;
        Ok(dropped + answers + events)
    }
}
