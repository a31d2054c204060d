//! A store in memory, with the semantics of the embedded one: what a replica writes outlives it, so that a killed replica is
//! one whose tasks are dropped.

mod load;
mod log;
mod page;
mod readers;
mod rows;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use handoff::clock::Clock;
use handoff::domain::agent::Agent;
use handoff::domain::connector::Connector;
use handoff::domain::event::Entry;
use handoff::domain::id::{AgentId, ConnectorId, DeskId, DeskKey, LegId, TenantId, TicketId};
use handoff::domain::log::{LogRow, Selection};
use handoff::domain::readers::{ReaderChange, Readers};
use handoff::domain::ticket::Ticket;
use handoff::domain::time::{Span, Time};
use handoff::routing::workset::{Scope, WorkingSet};
use handoff::store::{
    Acked, Committed, DedupKey, Due, Error, Lease, Leases, Loaded, Page, PolicyRow, Request, Store, StoredAnswer,
    TicketFilter, Work,
};

/// What is kept, whoever writes it.
pub struct Ground {
    tables: Mutex<Tables>,
    /// One transaction at a time.
    writing: tokio::sync::Mutex<()>,
    slip: Slip,
    incarnation: u64,
    /// Whether several replicas write here.
    shared: bool,
}

/// Mistakes that the ports make when they are asked to, for the simulation to find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slip {
    /// The answer kept under a request id is not found again.
    pub forgets_answers: bool,
    /// The deadline of a row is the one it had when it was first written.
    pub keeps_deadlines: bool,
    /// The index takes down that it is at a number of the log before it has done what the log says up to there.
    pub saves_cursor_first: bool,
    /// An acknowledgement moves all of its connector's buckets, whoever has them by now.
    pub acks_unfenced: bool,
}

/// A row of the due index sorts like this: by time, tickets before agents.
type DueKey = (Time, DeskKey, Subject);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Ticket(TicketId),
    Agent(AgentId),
}

#[derive(Default)]
pub struct Tables {
    desks: BTreeMap<DeskKey, Kept>,
    answers: BTreeMap<DedupKey, (StoredAnswer, Time)>,
    due: BTreeSet<DueKey>,
    due_of: BTreeMap<(DeskKey, Subject), Time>,
    journal: Option<Vec<Commit>>,
}

/// What is kept of a desk.
struct Kept {
    rows: WorkingSet<'static>,
    /// Tickets with work left on them, wrap-ups included.
    open: BTreeSet<TicketId>,
    epoch: u64,
    /// Until when one rebuild keeps others off.
    loader_until: Time,
    head: u64,
    /// The entries that are still there, the oldest first and without a hole.
    log: Vec<Arc<Entry>>,
    readers: BTreeMap<ConnectorId, Readers>,
    policies: BTreeMap<u32, PolicyRow>,
}

impl Kept {
    fn empty(key: &DeskKey) -> Kept {
        Kept {
            rows: WorkingSet::empty(key.clone()),
            open: BTreeSet::new(),
            epoch: 1,
            loader_until: Time(0),
            head: 0,
            log: Vec::new(),
            readers: BTreeMap::new(),
            policies: BTreeMap::new(),
        }
    }
}

/// What one transaction changed, for whoever watches.
pub struct Commit {
    pub desk: DeskKey,
    pub tickets: Vec<(Option<Arc<Ticket>>, Arc<Ticket>)>,
    pub agents: Vec<(Option<Arc<Agent>>, Arc<Agent>)>,
    pub entries: Vec<Arc<Entry>>,
    pub answers: Vec<(DedupKey, StoredAnswer)>,
}

impl Ground {
    pub fn new(slip: Slip, incarnation: u64) -> Arc<Ground> {
        Arc::new(Ground::empty(slip, incarnation, false))
    }

    /// One on which several replicas write.
    pub fn shared(slip: Slip, incarnation: u64) -> Arc<Ground> {
        Arc::new(Ground::empty(slip, incarnation, true))
    }

    fn empty(slip: Slip, incarnation: u64, shared: bool) -> Ground {
        Ground { tables: Mutex::default(), writing: tokio::sync::Mutex::default(), slip, incarnation, shared }
    }

    /// Keeps a journal of every transaction from now on.
    pub fn watch(&self) {
        self.tables().journal = Some(Vec::new());
    }

    /// The transactions since the last call.
    pub fn journal(&self) -> Vec<Commit> {
        self.tables().journal.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Looks at a desk's rows as they are now.
    pub fn look<T>(&self, desk: &DeskKey, look: impl FnOnce(&WorkingSet<'static>, u64) -> T) -> Option<T> {
        self.tables().desks.get(desk).map(|kept| look(&kept.rows, kept.head))
    }

    pub fn log(&self, desk: &DeskKey) -> Vec<Arc<Entry>> {
        self.tables().desks.get(desk).map(|kept| kept.log.clone()).unwrap_or_default()
    }

    pub fn answer(&self, key: &DedupKey) -> Option<StoredAnswer> {
        self.tables().answers.get(key).map(|(answer, _)| answer.clone())
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().expect("nothing that panics runs under this lock")
    }
}

/// A process's access to the ground.
pub struct MemoryStore {
    ground: Arc<Ground>,
    clock: Clock,
    /// How far the store's clock is ahead of the process's.
    skew: Span,
}

impl MemoryStore {
    pub fn open(ground: Arc<Ground>, clock: Clock, skew: Span) -> MemoryStore {
        MemoryStore { ground, clock, skew }
    }

    fn of<T: Default>(&self, desk: &DeskKey, read: impl FnOnce(&Kept) -> T) -> Result<T, Error> {
        Ok(self.ground.tables().desks.get(desk).map(read).unwrap_or_default())
    }
}

pub fn missing(what: &'static str, desk: &DeskKey) -> Error {
    Error::Corrupt { what, source: format!("desk {} has none", desk.desk).into() }
}

impl Store for MemoryStore {
    async fn transact<T, F>(&self, requests: Vec<Request>, work: F) -> Result<Committed<T>, Error>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a Loaded) -> Work<'a, T> + Send + 'static,
    {
        let _one_at_a_time = self.ground.writing.lock().await;
        // A caller may be dropped at each of these, as between two statements.
        tokio::task::yield_now().await;
        let now = self.clock.now() + self.skew;
        let committed = {
            let loaded = load::batch(&self.ground.tables(), &requests, now, self.ground.slip);
            tokio::task::yield_now().await;
            let work = work(&loaded);
            self.ground.tables().write(&loaded, work, self.ground.slip)?
        };
        tokio::task::yield_now().await;
        Ok(committed)
    }

    async fn scope(&self, desk: &DeskKey) -> Result<Option<Scope>, Error> {
        self.of(desk, |kept| kept.rows.scope.clone())
    }

    async fn list_desks(&self, tenant: &TenantId, page: Page<DeskId>) -> Result<Vec<Scope>, Error> {
        let tables = self.ground.tables();
        let mine = tables.desks.iter().filter(|(key, _)| key.tenant == *tenant);
        let later = mine.filter(|(key, _)| page.after.as_ref().is_none_or(|after| key.desk > *after));
        Ok(later.filter_map(|(_, kept)| kept.rows.scope.clone()).take(page.limit as usize).collect())
    }

    async fn all_desks(&self) -> Result<Vec<DeskKey>, Error> {
        Ok(self.ground.tables().desks.keys().cloned().collect())
    }

    async fn head(&self, desk: &DeskKey) -> Result<Option<(u64, u64)>, Error> {
        self.of(desk, |kept| Some((kept.head, kept.epoch)))
    }

    async fn heads(&self) -> Result<Vec<(DeskKey, u64, u64)>, Error> {
        let tables = self.ground.tables();
        Ok(tables.desks.iter().map(|(desk, kept)| (desk.clone(), kept.head, kept.epoch)).collect())
    }

    async fn next_epoch(&self, desk: &DeskKey, known: u64, now: Time, until: Time) -> Result<Option<u64>, Error> {
        let _one_at_a_time = self.ground.writing.lock().await;
        let mut tables = self.ground.tables();
        let Some(kept) = tables.desks.get_mut(desk) else { return Ok(None) };
        if kept.epoch != known || kept.loader_until > now {
            return Ok(None);
        }
        kept.epoch += 1;
        kept.loader_until = until;
        Ok(Some(kept.epoch))
    }

    async fn hold_rebuild(&self, desk: &DeskKey, epoch: u64, until: Time) -> Result<(), Error> {
        let mut tables = self.ground.tables();
        let kept = tables.desks.get_mut(desk).filter(|kept| kept.epoch == epoch);
        kept.into_iter().for_each(|kept| kept.loader_until = until);
        Ok(())
    }

    fn is_shared(&self) -> bool {
        self.ground.shared
    }

    async fn agents(&self, desk: &DeskKey, agents: &BTreeSet<AgentId>) -> Result<Vec<Arc<Agent>>, Error> {
        self.of(desk, |kept| agents.iter().filter_map(|id| kept.rows.agents.get(id)).cloned().collect())
    }

    async fn tickets(&self, desk: &DeskKey, tickets: &BTreeSet<TicketId>) -> Result<Vec<Arc<Ticket>>, Error> {
        self.of(desk, |kept| tickets.iter().filter_map(|id| kept.rows.tickets.get(id)).cloned().collect())
    }

    async fn get_agent(&self, desk: &DeskKey, agent: &AgentId) -> Result<Option<Arc<Agent>>, Error> {
        self.of(desk, |kept| kept.rows.agents.get(agent).cloned())
    }

    async fn list_agents(
        &self,
        desk: &DeskKey,
        deleted_too: bool,
        page: Page<AgentId>,
    ) -> Result<Vec<Arc<Agent>>, Error> {
        let listed = |agent: &&Arc<Agent>| deleted_too || !agent.deleted;
        self.of(desk, |kept| page::of(kept.rows.agents.own(), page, listed))
    }

    async fn list_connectors(&self, desk: &DeskKey, page: Page<ConnectorId>) -> Result<Vec<Arc<Connector>>, Error> {
        self.of(desk, |kept| {
            let scope = kept.rows.scope.as_ref();
            scope.map(|scope| page::of(&scope.connectors, page, |row| !row.deleted)).unwrap_or_default()
        })
    }

    async fn get_ticket(&self, desk: &DeskKey, ticket: TicketId) -> Result<Option<Arc<Ticket>>, Error> {
        self.of(desk, |kept| kept.rows.tickets.get(&ticket).cloned())
    }

    async fn list_tickets(
        &self,
        desk: &DeskKey,
        filter: &TicketFilter,
        page: Page<(Time, TicketId)>,
    ) -> Result<Vec<Arc<Ticket>>, Error> {
        self.of(desk, |kept| kept.list_tickets(filter, &page))
    }

    async fn open_tickets(&self, desk: &DeskKey, page: Page<TicketId>) -> Result<Vec<Arc<Ticket>>, Error> {
        self.of(desk, |kept| {
            let later = kept.open.iter().filter(|id| page.after.is_none_or(|after| **id > after));
            later.take(page.limit as usize).map(|id| kept.ticket(id)).collect()
        })
    }

    async fn work_of(&self, desk: &DeskKey, agent: &AgentId) -> Result<Vec<Arc<Ticket>>, Error> {
        self.of(desk, |kept| kept.open_rows().filter(|ticket| rows::works_on(ticket, agent)).cloned().collect())
    }

    async fn waiting_with_amounts(&self, desk: &DeskKey) -> Result<Vec<LegId>, Error> {
        self.of(desk, Kept::waiting_with_amounts)
    }

    async fn log_after(
        &self,
        desk: &DeskKey,
        selection: &Selection,
        after: u64,
        limit: u32,
    ) -> Result<(Vec<LogRow>, u64), Error> {
        self.of(desk, |kept| kept.log_after(selection, after, limit))
    }

    async fn pending(
        &self,
        desk: &DeskKey,
        selection: &Selection,
        after: u64,
        most: u32,
    ) -> Result<(u32, Option<Time>), Error> {
        self.of(desk, |kept| kept.pending(selection, after, most))
    }

    async fn last_matching(&self, desk: &DeskKey, selection: &Selection, upto: u64) -> Result<u64, Error> {
        self.of(desk, |kept| kept.last_matching(selection, upto))
    }

    async fn first_seq(&self, desk: &DeskKey, since: Time) -> Result<u64, Error> {
        Ok(self.ground.tables().desks.get(desk).map_or(1, |kept| kept.first_seq(since)))
    }

    async fn ticket_events(
        &self,
        desk: &DeskKey,
        ticket: TicketId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Arc<Entry>>, Error> {
        self.of(desk, |kept| {
            let own = kept.since(after).iter().filter(|entry| entry.event.ticket == Some(ticket));
            own.take(limit as usize).cloned().collect()
        })
    }

    async fn events_after(&self, desk: &DeskKey, after: u64, limit: u32) -> Result<Vec<Arc<Entry>>, Error> {
        self.of(desk, |kept| kept.since(after).iter().take(limit as usize).cloned().collect())
    }

    async fn due_before(&self, now: Time, limit: u32) -> Result<Vec<Due>, Error> {
        let tables = self.ground.tables();
        let passed = tables.due.iter().take_while(|(due, ..)| *due <= now);
        let due = passed.take(limit as usize).map(|(_, desk, subject)| match subject {
            Subject::Ticket(ticket) => Due::Ticket(desk.clone(), *ticket),
            Subject::Agent(agent) => Due::Agent(desk.clone(), agent.clone()),
        });
        Ok(due.collect())
    }

    async fn next_due(&self) -> Result<Option<Time>, Error> {
        Ok(self.ground.tables().due.first().map(|(due, ..)| *due))
    }

    fn incarnation(&self) -> u64 {
        self.ground.incarnation
    }

    async fn readers(&self, desk: &DeskKey, connector: &ConnectorId) -> Result<Readers, Error> {
        Ok(self.of(desk, |kept| kept.readers.get(connector).cloned())?.unwrap_or_default())
    }

    async fn change_readers(
        &self,
        desk: &DeskKey,
        connector: &ConnectorId,
        change: ReaderChange,
    ) -> Result<Readers, Error> {
        let _one_at_a_time = self.ground.writing.lock().await;
        Ok(self.ground.tables().change_readers(desk, connector, &change))
    }

    async fn save_acked(&self, acks: Vec<Acked>) -> Result<(), Error> {
        let _one_at_a_time = self.ground.writing.lock().await;
        self.ground.tables().save_acked(acks, self.ground.slip);
        Ok(())
    }

    async fn renew_leases(&self, leases: Vec<Lease>) -> Result<Leases, Error> {
        Ok(self.ground.tables().renew_leases(leases))
    }

    async fn attended(&self, after: Time) -> Result<BTreeMap<(DeskKey, ConnectorId), Time>, Error> {
        Ok(self.ground.tables().attended(after))
    }

    async fn lapsed(
        &self,
        among: &BTreeSet<(DeskKey, ConnectorId)>,
        before: Time,
    ) -> Result<Vec<(DeskKey, ConnectorId)>, Error> {
        Ok(self.ground.tables().lapsed(among, before))
    }

    async fn policy(&self, desk: &DeskKey, revision: u32) -> Result<Option<PolicyRow>, Error> {
        self.of(desk, |kept| kept.policies.get(&revision).cloned())
    }

    async fn retire(&self, dedup_before: Time, events_before: Time, limit: u32) -> Result<u64, Error> {
        let _one_at_a_time = self.ground.writing.lock().await;
        Ok(self.ground.tables().retire(dedup_before, events_before, limit))
    }

    async fn survey(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn checkpoint(&self) -> Result<(), Error> {
        std::future::pending().await
    }
}
