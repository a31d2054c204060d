//! The two ports of a replica in this weather: the store and the index behind calls that take time, fail, and lose answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use handoff::availability::memory::{Dump, MemoryIndex};
use handoff::availability::{self, Advanced, Ask, Availability, Beat, Change, Lapsed, Reservation, RowKey};
use handoff::domain::agent::Agent;
use handoff::domain::connector::Connector;
use handoff::domain::event::Entry;
use handoff::domain::id::{AgentId, ConnectorId, DeskId, DeskKey, LegId, TenantId, TicketId};
use handoff::domain::log::{LogRow, Selection};
use handoff::domain::readers::{ReaderChange, Readers};
use handoff::domain::ticket::Ticket;
use handoff::domain::time::{Span, Time};
use handoff::routing::workset::Scope;
use handoff::store::{
    Acked, Committed, Due, Error, Lease, Leases, Loaded, Page, PolicyRow, Request, Store, TicketFilter, Work,
};

use super::store::{MemoryStore, Slip};
use super::weather::{Fate, Port, Weather};

pub struct WeatheredStore {
    store: MemoryStore,
    weather: Arc<Weather>,
    refused: AtomicU32,
}

impl WeatheredStore {
    pub fn new(store: MemoryStore, weather: Arc<Weather>) -> WeatheredStore {
        WeatheredStore { store, weather, refused: AtomicU32::new(0) }
    }

    async fn call<T>(&self, what: &'static str, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let (fate, _) = self.weather.begins(Port::Store, what).await;
        if fate == Fate::Refused {
            return Err(Error::Away(sqlx::Error::PoolTimedOut));
        }
        let done = call.await;
        self.weather.ends().await;
        if fate == Fate::Unanswered { Err(Error::Away(sqlx::Error::PoolClosed)) } else { done }
    }
}

impl Store for WeatheredStore {
    async fn transact<T, F>(&self, requests: Vec<Request>, work: F) -> Result<Committed<T>, Error>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a Loaded) -> Work<'a, T> + Send + 'static,
    {
        match self.call("transact", self.store.transact(requests, work)).await {
            // Others had the rows, every other time.
            Err(Error::Away(sqlx::Error::PoolTimedOut)) if self.refused.fetch_add(1, Ordering::Relaxed) % 2 == 1 => {
                Err(Error::Undone)
            }
            done => done,
        }
    }

    async fn scope(&self, desk: &DeskKey) -> Result<Option<Scope>, Error> {
        self.call("scope", self.store.scope(desk)).await
    }

    async fn list_desks(&self, tenant: &TenantId, page: Page<DeskId>) -> Result<Vec<Scope>, Error> {
        self.call("list_desks", self.store.list_desks(tenant, page)).await
    }

    async fn all_desks(&self) -> Result<Vec<DeskKey>, Error> {
        self.call("all_desks", self.store.all_desks()).await
    }

    async fn head(&self, desk: &DeskKey) -> Result<Option<(u64, u64)>, Error> {
        self.call("head", self.store.head(desk)).await
    }

    async fn heads(&self) -> Result<Vec<(DeskKey, u64, u64)>, Error> {
        self.call("heads", self.store.heads()).await
    }

    async fn next_epoch(&self, desk: &DeskKey, known: u64, now: Time, until: Time) -> Result<Option<u64>, Error> {
        self.call("next_epoch", self.store.next_epoch(desk, known, now, until)).await
    }

    async fn hold_rebuild(&self, desk: &DeskKey, epoch: u64, until: Time) -> Result<(), Error> {
        self.call("hold_rebuild", self.store.hold_rebuild(desk, epoch, until)).await
    }

    fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    async fn agents(&self, desk: &DeskKey, agents: &BTreeSet<AgentId>) -> Result<Vec<Arc<Agent>>, Error> {
        self.call("agents", self.store.agents(desk, agents)).await
    }

    async fn tickets(&self, desk: &DeskKey, tickets: &BTreeSet<TicketId>) -> Result<Vec<Arc<Ticket>>, Error> {
        self.call("tickets", self.store.tickets(desk, tickets)).await
    }

    async fn get_agent(&self, desk: &DeskKey, agent: &AgentId) -> Result<Option<Arc<Agent>>, Error> {
        self.call("get_agent", self.store.get_agent(desk, agent)).await
    }

    async fn list_agents(
        &self,
        desk: &DeskKey,
        deleted_too: bool,
        page: Page<AgentId>,
    ) -> Result<Vec<Arc<Agent>>, Error> {
        self.call("list_agents", self.store.list_agents(desk, deleted_too, page)).await
    }

    async fn list_connectors(&self, desk: &DeskKey, page: Page<ConnectorId>) -> Result<Vec<Arc<Connector>>, Error> {
        self.call("list_connectors", self.store.list_connectors(desk, page)).await
    }

    async fn get_ticket(&self, desk: &DeskKey, ticket: TicketId) -> Result<Option<Arc<Ticket>>, Error> {
        self.call("get_ticket", self.store.get_ticket(desk, ticket)).await
    }

    async fn list_tickets(
        &self,
        desk: &DeskKey,
        filter: &TicketFilter,
        page: Page<(Time, TicketId)>,
    ) -> Result<Vec<Arc<Ticket>>, Error> {
        self.call("list_tickets", self.store.list_tickets(desk, filter, page)).await
    }

    async fn open_tickets(&self, desk: &DeskKey, page: Page<TicketId>) -> Result<Vec<Arc<Ticket>>, Error> {
        self.call("open_tickets", self.store.open_tickets(desk, page)).await
    }

    async fn work_of(&self, desk: &DeskKey, agent: &AgentId) -> Result<Vec<Arc<Ticket>>, Error> {
        self.call("work_of", self.store.work_of(desk, agent)).await
    }

    async fn waiting_with_amounts(&self, desk: &DeskKey) -> Result<Vec<LegId>, Error> {
        self.call("waiting_with_amounts", self.store.waiting_with_amounts(desk)).await
    }

    async fn log_after(
        &self,
        desk: &DeskKey,
        selection: &Selection,
        after: u64,
        limit: u32,
    ) -> Result<(Vec<LogRow>, u64), Error> {
        self.call("log_after", self.store.log_after(desk, selection, after, limit)).await
    }

    async fn pending(
        &self,
        desk: &DeskKey,
        selection: &Selection,
        after: u64,
        most: u32,
    ) -> Result<(u32, Option<Time>), Error> {
        self.call("pending", self.store.pending(desk, selection, after, most)).await
    }

    async fn last_matching(&self, desk: &DeskKey, selection: &Selection, upto: u64) -> Result<u64, Error> {
        self.call("last_matching", self.store.last_matching(desk, selection, upto)).await
    }

    async fn first_seq(&self, desk: &DeskKey, since: Time) -> Result<u64, Error> {
        self.call("first_seq", self.store.first_seq(desk, since)).await
    }

    async fn ticket_events(
        &self,
        desk: &DeskKey,
        ticket: TicketId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Arc<Entry>>, Error> {
        self.call("ticket_events", self.store.ticket_events(desk, ticket, after, limit)).await
    }

    async fn events_after(&self, desk: &DeskKey, after: u64, limit: u32) -> Result<Vec<Arc<Entry>>, Error> {
        self.call("events_after", self.store.events_after(desk, after, limit)).await
    }

    async fn due_before(&self, now: Time, limit: u32) -> Result<Vec<Due>, Error> {
        self.call("due_before", self.store.due_before(now, limit)).await
    }

    async fn next_due(&self) -> Result<Option<Time>, Error> {
        self.call("next_due", self.store.next_due()).await
    }

    fn incarnation(&self) -> u64 {
        self.store.incarnation()
    }

    async fn readers(&self, desk: &DeskKey, connector: &ConnectorId) -> Result<Readers, Error> {
        self.call("readers", self.store.readers(desk, connector)).await
    }

    async fn change_readers(
        &self,
        desk: &DeskKey,
        connector: &ConnectorId,
        change: ReaderChange,
    ) -> Result<Readers, Error> {
        self.call("change_readers", self.store.change_readers(desk, connector, change)).await
    }

    async fn save_acked(&self, acks: Vec<Acked>) -> Result<(), Error> {
        self.call("save_acked", self.store.save_acked(acks)).await
    }

    async fn renew_leases(&self, leases: Vec<Lease>) -> Result<Leases, Error> {
        self.call("renew_leases", self.store.renew_leases(leases)).await
    }

    async fn attended(&self, after: Time) -> Result<BTreeMap<(DeskKey, ConnectorId), Time>, Error> {
        self.call("attended", self.store.attended(after)).await
    }

    async fn lapsed(
        &self,
        among: &BTreeSet<(DeskKey, ConnectorId)>,
        before: Time,
    ) -> Result<Vec<(DeskKey, ConnectorId)>, Error> {
        self.call("lapsed", self.store.lapsed(among, before)).await
    }

    async fn policy(&self, desk: &DeskKey, revision: u32) -> Result<Option<PolicyRow>, Error> {
        self.call("policy", self.store.policy(desk, revision)).await
    }

    async fn retire(&self, dedup_before: Time, events_before: Time, limit: u32) -> Result<u64, Error> {
        self.call("retire", self.store.retire(dedup_before, events_before, limit)).await
    }

    async fn survey(&self) -> Result<(), Error> {
        self.call("survey", self.store.survey()).await
    }

    async fn checkpoint(&self) -> Result<(), Error> {
        std::future::pending().await
    }
}

/// The index that all replicas share. Replaced by an empty one when it loses its memory, by an older one when it fails over.
#[derive(Default)]
pub struct SharedIndex {
    now: Mutex<Arc<MemoryIndex>>,
    kept: Mutex<Option<Arc<MemoryIndex>>>,
}

impl SharedIndex {
    fn current(&self) -> MutexGuard<'_, Arc<MemoryIndex>> {
        self.now.lock().expect("nothing that panics runs under this lock")
    }

    /// Another node has what it has now, and is behind from here on.
    pub fn keep(&self) {
        let copy = Arc::new(self.current().copy().expect("no call panicked"));
        *self.kept.lock().expect("nothing that panics runs under this lock") = Some(copy);
    }

    pub fn dump(&self, desk: &DeskKey) -> Option<Dump> {
        self.current().dump(desk).expect("no call panicked")
    }

    /// Restarted, it is empty.
    pub fn lose(&self) {
        *self.current() = Arc::default();
    }

    /// The node that was behind takes over.
    pub fn fail_over(&self) -> bool {
        let kept = self.kept.lock().expect("nothing that panics runs under this lock").take();
        kept.map(|kept| *self.current() = kept).is_some()
    }
}

pub struct WeatheredIndex {
    index: Arc<SharedIndex>,
    weather: Arc<Weather>,
    slip: Slip,
}

impl WeatheredIndex {
    pub fn new(weather: Arc<Weather>) -> WeatheredIndex {
        WeatheredIndex::of(Arc::default(), weather, Slip::default())
    }

    /// A replica's way to an index that others use too.
    pub fn of(index: Arc<SharedIndex>, weather: Arc<Weather>, slip: Slip) -> WeatheredIndex {
        WeatheredIndex { index, weather, slip }
    }

    async fn call<T, F>(&self, what: &'static str, call: impl FnOnce(Arc<MemoryIndex>) -> F) -> Answered<T>
    where
        F: Future<Output = Answered<T>>,
    {
        self.call_or(what, call, |_| ()).await
    }

    /// `refused` is what is done all the same when the call fails before it began.
    async fn call_or<T, F>(
        &self,
        what: &'static str,
        call: impl FnOnce(Arc<MemoryIndex>) -> F,
        refused: impl FnOnce(&MemoryIndex),
    ) -> Answered<T>
    where
        F: Future<Output = Answered<T>>,
    {
        let (fate, wiped) = self.weather.begins(Port::Index, what).await;
        let index = {
            let mut index = self.index.current();
            if wiped {
                *index = Arc::default();
            }
            index.clone()
        };
        if fate == Fate::Refused {
            refused(&index);
            return Err(availability::Error::Away);
        }
        let done = call(index).await;
        self.weather.ends().await;
        if fate == Fate::Unanswered { Err(availability::Error::Away) } else { done }
    }
}

type Answered<T> = Result<T, availability::Error>;

impl Availability for WeatheredIndex {
    async fn reserve(
        &self,
        desk: &DeskKey,
        epoch: u64,
        seen: u64,
        asks: Vec<Ask>,
        now: Time,
    ) -> Answered<Vec<Option<Reservation>>> {
        self.call("reserve", |index| async move { index.reserve(desk, epoch, seen, asks, now).await }).await
    }

    async fn advance(
        &self,
        desk: &DeskKey,
        epoch: u64,
        from: u64,
        to: u64,
        change: Change,
        now: Time,
    ) -> Answered<Advanced> {
        let slip = self.slip;
        let moved = |index: &MemoryIndex| {
            if slip.saves_cursor_first {
                let _moved = index.advance_at_once(desk, epoch, from, to, Change::default(), now);
            }
        };
        let advance = |index: Arc<MemoryIndex>| async move { index.advance(desk, epoch, from, to, change, now).await };
        self.call_or("advance", advance, moved).await
    }

    async fn refuse(
        &self,
        desk: &DeskKey,
        epoch: u64,
        leg: LegId,
        leg_ver: u32,
        head: u64,
        now: Time,
    ) -> Answered<Vec<Reservation>> {
        self.call("refuse", |index| async move { index.refuse(desk, epoch, leg, leg_ver, head, now).await }).await
    }

    async fn expire(&self, limit: usize, now: Time) -> Answered<Vec<(DeskKey, Reservation)>> {
        self.call("expire", |index| async move { index.expire(limit, now).await }).await
    }

    async fn beat(
        &self,
        desk: &DeskKey,
        epoch: u64,
        beats: &[Beat],
        now: Time,
    ) -> Answered<(Vec<bool>, Vec<Reservation>)> {
        self.call("beat", |index| async move { index.beat(desk, epoch, beats, now).await }).await
    }

    async fn lost(&self, now: Time) -> Answered<Vec<(DeskKey, Lapsed)>> {
        self.call("lost", |index| async move { index.lost(now).await }).await
    }

    async fn begin(&self, desk: &DeskKey, epoch: u64, token: u128, now: Time) -> Answered<()> {
        self.call("begin", |index| async move { index.begin(desk, epoch, token, now).await }).await
    }

    async fn load(&self, desk: &DeskKey, token: u128, page: u32, change: Change, now: Time) -> Answered<()> {
        self.call("load", |index| async move { index.load(desk, token, page, change, now).await }).await
    }

    async fn flip(&self, desk: &DeskKey, token: u128, pages: u32, cursor: u64, head: u64) -> Answered<()> {
        self.call("flip", |index| async move { index.flip(desk, token, pages, cursor, head).await }).await
    }

    async fn rematch(&self, desk: &DeskKey, epoch: u64, now: Time) -> Answered<(Vec<Reservation>, bool)> {
        self.call("rematch", |index| async move { index.rematch(desk, epoch, now).await }).await
    }

    async fn claim(&self, desk: &DeskKey, epoch: u64, every: Span, now: Time) -> Answered<bool> {
        self.call("claim", |index| async move { index.claim(desk, epoch, every, now).await }).await
    }

    async fn versions(
        &self,
        desk: &DeskKey,
        epoch: u64,
        seen: u64,
        keys: &[RowKey],
    ) -> Answered<Option<Vec<Option<u64>>>> {
        self.call("versions", |index| async move { index.versions(desk, epoch, seen, keys).await }).await
    }

    async fn rows(&self, desk: &DeskKey, epoch: u64, from: &str) -> Answered<(Vec<RowKey>, Option<String>)> {
        self.call("rows", |index| async move { index.rows(desk, epoch, from).await }).await
    }

    async fn heard(&self) -> (DeskKey, u64) {
        std::future::pending().await
    }
}
