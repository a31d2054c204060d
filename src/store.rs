//! The store port: the truth. Every change is committed together with its events on the desk's dense log.

mod alike;
mod changes;
pub mod chosen;
mod load;
mod log;
mod migrations;
pub mod postgres;
mod readers;
mod reads;
mod recent;
pub mod route;
mod rows;
mod scope;
mod session;
pub mod sqlite;
mod statements;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::agent::Agent;
use crate::domain::connector::Connector;
use crate::domain::event::{Entry, Event};
pub use crate::domain::log::{LogRow, Selection};
pub use readers::{Acked, Lease, Leases};

use crate::domain::id::{AgentId, ConnectorId, DeskId, DeskKey, LegId, QueueId, TenantId, TicketId};
use crate::domain::readers::{ReaderChange, Readers};
use crate::domain::requirement::Channel;
use crate::domain::ticket::{Ticket, TicketState};
use crate::domain::time::Time;
use crate::routing::command::{Answer, Roots};
use crate::routing::workset::{Scope, WorkingSet};

/// Commands in one transaction.
pub const MAX_BATCH: usize = 256;
/// How long an answer is kept for a repeated request id.
pub const DEDUP_DAYS: i64 = 1;

/// What makes a repeat of a call the same call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DedupKey {
    pub tenant: TenantId,
    /// Who calls; without credentials one word for everybody.
    pub caller: Arc<str>,
    pub method: Arc<str>,
    /// The request id.
    pub key: Arc<str>,
}

/// The stored answer of an earlier call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAnswer {
    /// SHA-256 of the decoded command, hex.
    pub request_hash: Arc<str>,
    pub answer: Answer,
}

/// What one command of a batch needs.
#[derive(Clone, Debug)]
pub struct Request {
    pub desk: DeskKey,
    pub roots: Roots,
    pub dedup: Option<DedupKey>,
}

/// What was loaded for a batch.
pub struct Loaded {
    /// Every desk named in the batch, in order of key, with the rows that its requests work on and the legs that wait in the
    /// queues they asked for. `scope: None`: there is no such desk.
    pub desks: BTreeMap<DeskKey, WorkingSet<'static>>,
    /// The logs' heads. Others may append meanwhile, but not to the log of a desk whose scope a request takes for itself.
    pub heads: BTreeMap<DeskKey, u64>,
    /// For each request, the answer stored under its key.
    pub answers: Vec<Option<StoredAnswer>>,
    /// The store's time, read under the locks. Deadlines are compared with nothing else.
    pub now: Time,
}

/// What a batch's work came to. Changed rows are taken from the layers that `changed` holds.
pub struct Work<'a, T> {
    pub changed: Vec<WorkingSet<'a>>,
    /// In the order in which they happened.
    pub events: Vec<(DeskKey, Event)>,
    pub answers: Vec<(DedupKey, StoredAnswer)>,
    pub value: T,
}

/// A committed batch.
pub struct Committed<T> {
    pub value: T,
    /// Per desk, what was appended, with numbers and routes.
    pub entries: Vec<(DeskKey, Vec<Arc<Entry>>)>,
    /// Per desk that the batch touched, its scope afterwards and the log's head.
    pub desks: Vec<(DeskKey, Option<Scope>, u64)>,
    pub now: Time,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was committed, or nobody knows: repeat with the same keys.
    #[error("the store does not answer")]
    Away(#[source] sqlx::Error),
    /// Nothing was committed, for what it was decided on is not so: the batch before was not committed, or another process has
    /// changed it or is about to. Repeat with the same keys.
    #[error("the store did not commit what this was decided on")]
    Undone,
    /// What is stored cannot be read: a bug, or a foreign hand.
    #[error("stored {what} cannot be read")]
    Corrupt {
        what: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the data directory {path} is in use by another process")]
    InUse { path: String },
    #[error("the data directory {path} cannot be used")]
    Directory {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the database cannot be used: {0}")]
    Unfit(String),
    #[error("migrating the database failed")]
    Migrate(#[source] sqlx::migrate::MigrateError),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        match error {
            sqlx::Error::Decode(_)
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::TypeNotFound { .. } => Error::Corrupt { what: "column", source: Box::new(error) },
            sqlx::Error::Database(ref found) => match found.code().as_deref() {
                // SQLITE_CORRUPT and SQLITE_NOTADB, and PostgreSQL's words for them: no repeat makes it better.
                Some("11" | "26" | "XX001" | "XX002") => Error::Corrupt { what: "database", source: Box::new(error) },
                // Another replica has written a row of this key meanwhile, or has kept the rows locked for too long.
                Some("23505" | "40001" | "40P01" | "55P03" | "57014") => Error::Undone,
                // A guard of the schema, or no such table or column: decided wrongly, or on another schema.
                Some(code) if code.len() == 5 && (code.starts_with("23") || code.starts_with("42")) => {
                    Error::Corrupt { what: "database", source: Box::new(error) }
                }
                // A full disk, a server that stops or only reads.
                _ => Error::Away(error),
            },
            // An I/O error, a connection lost, none to be had in time: whoever comes back may find it well again.
            other => Error::Away(other),
        }
    }
}

/// One page of a listing: rows in key order after `after`.
#[derive(Clone, Debug)]
pub struct Page<K> {
    pub after: Option<K>,
    /// 1 to 1000.
    pub limit: u32,
}

/// Which tickets are listed: those that satisfy all of the named.
#[derive(Clone, Debug, Default)]
pub struct TicketFilter {
    pub state: Option<TicketState>,
    pub channel: Option<Channel>,
    pub queue: Option<QueueId>,
    pub connector: Option<ConnectorId>,
    pub owner: Option<AgentId>,
    /// Of an open ticket.
    pub conversation_key: Option<Arc<str>>,
    /// The newest first.
    pub newest_first: bool,
}

/// A stored policy revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRow {
    pub revision: u32,
    pub source: Arc<str>,
    pub author: Arc<str>,
    pub change_note: Arc<str>,
    pub create_time: Time,
}

/// A row whose deadline has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    Ticket(DeskKey, TicketId),
    Agent(DeskKey, AgentId),
}

/// All methods may be cancelled between awaits without harm; a commit once begun is carried through.
pub trait Store: Send + Sync + 'static {
    /// One transaction: takes the dedup keys, locks and loads what the requests name (and what follows from it, see [`Roots`]),
    /// calls `work` once, writes the rows that `work` changed set by set, and appends the events last. When it errs, nothing
    /// was committed, or it is unknown whether it was; `work` may then run again on a fresh load. Transactions may be under way
    /// side by side; each is decided on what those before it leave, and committed after them.
    fn transact<T, F>(
        &self,
        requests: Vec<Request>,
        work: F,
    ) -> impl Future<Output = Result<Committed<T>, Error>> + Send
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a Loaded) -> Work<'a, T> + Send + 'static;

    fn scope(&self, desk: &DeskKey) -> impl Future<Output = Result<Option<Scope>, Error>> + Send;
    fn list_desks(
        &self,
        tenant: &TenantId,
        page: Page<DeskId>,
    ) -> impl Future<Output = Result<Vec<Scope>, Error>> + Send;
    fn all_desks(&self) -> impl Future<Output = Result<Vec<DeskKey>, Error>> + Send;
    /// The log's head and the view epoch.
    fn head(&self, desk: &DeskKey) -> impl Future<Output = Result<Option<(u64, u64)>, Error>> + Send;
    /// The log's head and the view epoch of every desk.
    fn heads(&self) -> impl Future<Output = Result<Vec<(DeskKey, u64, u64)>, Error>> + Send;
    /// Raises the epoch for a rebuild that nobody else begins before `until`, and returns it. `None`: it is not `known` any more,
    /// or somebody who began later than `now` allows is at it.
    fn next_epoch(
        &self,
        desk: &DeskKey,
        known: u64,
        now: Time,
        until: Time,
    ) -> impl Future<Output = Result<Option<u64>, Error>> + Send;
    /// Nobody else begins a rebuild before `until`, unless it has begun one already; with a time that is past the one under this
    /// epoch is over.
    fn hold_rebuild(&self, desk: &DeskKey, epoch: u64, until: Time) -> impl Future<Output = Result<(), Error>> + Send;
    /// Whether other processes write here too.
    fn is_shared(&self) -> bool;

    fn get_agent(
        &self,
        desk: &DeskKey,
        agent: &AgentId,
    ) -> impl Future<Output = Result<Option<Arc<Agent>>, Error>> + Send;
    fn list_agents(
        &self,
        desk: &DeskKey,
        deleted_too: bool,
        page: Page<AgentId>,
    ) -> impl Future<Output = Result<Vec<Arc<Agent>>, Error>> + Send;
    /// Deleted connectors are not listed.
    fn list_connectors(
        &self,
        desk: &DeskKey,
        page: Page<ConnectorId>,
    ) -> impl Future<Output = Result<Vec<Arc<Connector>>, Error>> + Send;

    /// Those of them that exist, in no order; deleted ones too.
    fn agents(
        &self,
        desk: &DeskKey,
        agents: &BTreeSet<AgentId>,
    ) -> impl Future<Output = Result<Vec<Arc<Agent>>, Error>> + Send;
    /// Those of them that exist, whole, in no order.
    fn tickets(
        &self,
        desk: &DeskKey,
        tickets: &BTreeSet<TicketId>,
    ) -> impl Future<Output = Result<Vec<Arc<Ticket>>, Error>> + Send;

    /// With legs, offers and content.
    fn get_ticket(
        &self,
        desk: &DeskKey,
        ticket: TicketId,
    ) -> impl Future<Output = Result<Option<Arc<Ticket>>, Error>> + Send;
    /// In order of creation.
    fn list_tickets(
        &self,
        desk: &DeskKey,
        filter: &TicketFilter,
        page: Page<(Time, TicketId)>,
    ) -> impl Future<Output = Result<Vec<Arc<Ticket>>, Error>> + Send;
    /// Tickets that are not over, whole, in key order: what a rebuild loads.
    fn open_tickets(
        &self,
        desk: &DeskKey,
        page: Page<TicketId>,
    ) -> impl Future<Output = Result<Vec<Arc<Ticket>>, Error>> + Send;
    /// The tickets on which this agent has an open offer or leg, wrap-ups included.
    fn work_of(&self, desk: &DeskKey, agent: &AgentId) -> impl Future<Output = Result<Vec<Arc<Ticket>>, Error>> + Send;
    /// Waiting legs whose need names an amount: those that another set of limits may put into another lane.
    fn waiting_with_amounts(&self, desk: &DeskKey) -> impl Future<Output = Result<Vec<LegId>, Error>> + Send;

    /// Decisions of the selection after `after`, up to `limit`, in order; the head that was read; and whether the limit cut it.
    fn log_after(
        &self,
        desk: &DeskKey,
        selection: &Selection,
        after: u64,
        limit: u32,
    ) -> impl Future<Output = Result<(Vec<LogRow>, u64), Error>> + Send;
    /// How many decisions of the selection lie after `after`, counted up to `most`, and when the first of them was made.
    fn pending(
        &self,
        desk: &DeskKey,
        selection: &Selection,
        after: u64,
        most: u32,
    ) -> impl Future<Output = Result<(u32, Option<Time>), Error>> + Send;
    /// The last number at or below `upto` that the selection holds; 0: none.
    fn last_matching(
        &self,
        desk: &DeskKey,
        selection: &Selection,
        upto: u64,
    ) -> impl Future<Output = Result<u64, Error>> + Send;
    /// The number of the first entry made at or after `since`; the head + 1 if there is none. A cursor may start at the one
    /// before it.
    fn first_seq(&self, desk: &DeskKey, since: Time) -> impl Future<Output = Result<u64, Error>> + Send;
    /// Every event of a ticket, internal ones included, after `after`.
    fn ticket_events(
        &self,
        desk: &DeskKey,
        ticket: TicketId,
        after: u64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Arc<Entry>>, Error>> + Send;
    /// Every event of a desk after `after`: for the index's tailer and for tests.
    fn events_after(
        &self,
        desk: &DeskKey,
        after: u64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Arc<Entry>>, Error>> + Send;

    /// Rows whose deadline is at or before `now`, the earliest first.
    fn due_before(&self, now: Time, limit: u32) -> impl Future<Output = Result<Vec<Due>, Error>> + Send;
    /// The next deadline of all.
    fn next_due(&self) -> impl Future<Output = Result<Option<Time>, Error>> + Send;

    /// Minted with the database: a cursor of another incarnation is of another log.
    fn incarnation(&self) -> u64;
    /// Who reads a connector's decisions, in one state.
    fn readers(&self, desk: &DeskKey, connector: &ConnectorId) -> impl Future<Output = Result<Readers, Error>> + Send;
    /// Changes who reads them, one change after the other whoever makes it, durably. Answers what it came to.
    fn change_readers(
        &self,
        desk: &DeskKey,
        connector: &ConnectorId,
        change: ReaderChange,
    ) -> impl Future<Output = Result<Readers, Error>> + Send;
    /// Saves positions: each moves the buckets that bear its generation now, and none of them back. One of an older generation
    /// has no effect.
    fn save_acked(&self, acks: Vec<Acked>) -> impl Future<Output = Result<(), Error>> + Send;
    /// Says until when streams are there. Nothing, where a newer one has opened under the same name or the name was given up.
    fn renew_leases(&self, leases: Vec<Lease>) -> impl Future<Output = Result<Leases, Error>> + Send;
    /// Connectors of which somebody is there until later than `after`, and until when.
    fn attended(
        &self,
        after: Time,
    ) -> impl Future<Output = Result<BTreeMap<(DeskKey, ConnectorId), Time>, Error>> + Send;
    /// Those of these connectors which have a reader that is gone since `before` or longer.
    fn lapsed(
        &self,
        among: &BTreeSet<(DeskKey, ConnectorId)>,
        before: Time,
    ) -> impl Future<Output = Result<Vec<(DeskKey, ConnectorId)>, Error>> + Send;

    /// `None`: there is no such revision; revision 0, the built-in policy, has none either.
    fn policy(&self, desk: &DeskKey, revision: u32) -> impl Future<Output = Result<Option<PolicyRow>, Error>> + Send;
    /// Removes expired answers and events older than the given times, up to `limit` each; returns how many.
    fn retire(
        &self,
        dedup_before: Time,
        events_before: Time,
        limit: u32,
    ) -> impl Future<Output = Result<u64, Error>> + Send;
    /// Has the database look again at tables that have grown much since it did, so that it plans for what they are now.
    fn survey(&self) -> impl Future<Output = Result<(), Error>> + Send;
    /// Waits until there is much that commits would have to move from a log into the database, and moves it, so that they need
    /// not. Never returns where the database does that by itself.
    fn checkpoint(&self) -> impl Future<Output = Result<(), Error>> + Send;
}
