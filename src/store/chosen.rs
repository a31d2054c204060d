//! The store that the settings ask for: one of the two, behind the port, so that all above it is compiled once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use super::{
    Acked, Committed, Due, Error, Lease, Leases, Loaded, LogRow, Page, PolicyRow, Request, Selection, Store,
    TicketFilter, Work,
};
use crate::domain::agent::Agent;
use crate::domain::connector::Connector;
use crate::domain::event::Entry;
use crate::domain::id::{AgentId, ConnectorId, DeskId, DeskKey, LegId, TenantId, TicketId};
use crate::domain::readers::{ReaderChange, Readers};
use crate::domain::ticket::Ticket;
use crate::domain::time::Time;
use crate::routing::workset::Scope;

pub enum ChosenStore {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

impl ChosenStore {
    /// Waits for the statements under way and closes every connection.
    pub async fn close(&self) {
        match self {
            ChosenStore::Sqlite(store) => store.close().await,
            ChosenStore::Postgres(store) => store.close().await,
        }
    }
}

/// Methods that the chosen one answers.
macro_rules! chosen {
    ($($name:ident($($given:ident: $type:ty),*) -> $found:ty;)*) => {
        $(async fn $name(&self, $($given: $type),*) -> Result<$found, Error> {
            match self {
                ChosenStore::Sqlite(store) => store.$name($($given),*).await,
                ChosenStore::Postgres(store) => store.$name($($given),*).await,
            }
        })*
    };
}

impl Store for ChosenStore {
    async fn transact<T, F>(&self, requests: Vec<Request>, work: F) -> Result<Committed<T>, Error>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a Loaded) -> Work<'a, T> + Send + 'static,
    {
        match self {
            ChosenStore::Sqlite(store) => store.transact(requests, work).await,
            ChosenStore::Postgres(store) => store.transact(requests, work).await,
        }
    }

    fn is_shared(&self) -> bool {
        match self {
            ChosenStore::Sqlite(store) => store.is_shared(),
            ChosenStore::Postgres(store) => store.is_shared(),
        }
    }

    fn incarnation(&self) -> u64 {
        match self {
            ChosenStore::Sqlite(store) => store.incarnation(),
            ChosenStore::Postgres(store) => store.incarnation(),
        }
    }

    chosen! {
        scope(desk: &DeskKey) -> Option<Scope>;
        list_desks(tenant: &TenantId, page: Page<DeskId>) -> Vec<Scope>;
        all_desks() -> Vec<DeskKey>;
        head(desk: &DeskKey) -> Option<(u64, u64)>;
        heads() -> Vec<(DeskKey, u64, u64)>;
        next_epoch(desk: &DeskKey, known: u64, now: Time, until: Time) -> Option<u64>;
        hold_rebuild(desk: &DeskKey, epoch: u64, until: Time) -> ();
        get_agent(desk: &DeskKey, agent: &AgentId) -> Option<Arc<Agent>>;
        list_agents(desk: &DeskKey, deleted_too: bool, page: Page<AgentId>) -> Vec<Arc<Agent>>;
        list_connectors(desk: &DeskKey, page: Page<ConnectorId>) -> Vec<Arc<Connector>>;
        agents(desk: &DeskKey, agents: &BTreeSet<AgentId>) -> Vec<Arc<Agent>>;
        tickets(desk: &DeskKey, tickets: &BTreeSet<TicketId>) -> Vec<Arc<Ticket>>;
        get_ticket(desk: &DeskKey, ticket: TicketId) -> Option<Arc<Ticket>>;
        list_tickets(desk: &DeskKey, filter: &TicketFilter, page: Page<(Time, TicketId)>) -> Vec<Arc<Ticket>>;
        open_tickets(desk: &DeskKey, page: Page<TicketId>) -> Vec<Arc<Ticket>>;
        work_of(desk: &DeskKey, agent: &AgentId) -> Vec<Arc<Ticket>>;
        waiting_with_amounts(desk: &DeskKey) -> Vec<LegId>;
        log_after(desk: &DeskKey, selection: &Selection, after: u64, limit: u32) -> (Vec<LogRow>, u64);
        pending(desk: &DeskKey, selection: &Selection, after: u64, most: u32) -> (u32, Option<Time>);
        last_matching(desk: &DeskKey, selection: &Selection, upto: u64) -> u64;
        first_seq(desk: &DeskKey, since: Time) -> u64;
        ticket_events(desk: &DeskKey, ticket: TicketId, after: u64, limit: u32) -> Vec<Arc<Entry>>;
        events_after(desk: &DeskKey, after: u64, limit: u32) -> Vec<Arc<Entry>>;
        due_before(now: Time, limit: u32) -> Vec<Due>;
        next_due() -> Option<Time>;
        readers(desk: &DeskKey, connector: &ConnectorId) -> Readers;
        change_readers(desk: &DeskKey, connector: &ConnectorId, change: ReaderChange) -> Readers;
        save_acked(acks: Vec<Acked>) -> ();
        renew_leases(leases: Vec<Lease>) -> Leases;
        attended(after: Time) -> BTreeMap<(DeskKey, ConnectorId), Time>;
        lapsed(among: &BTreeSet<(DeskKey, ConnectorId)>, before: Time) -> Vec<(DeskKey, ConnectorId)>;
        policy(desk: &DeskKey, revision: u32) -> Option<PolicyRow>;
        retire(dedup_before: Time, events_before: Time, limit: u32) -> u64;
        survey() -> ();
        checkpoint() -> ();
    }
}
