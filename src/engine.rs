//! The engine: commands in, committed decisions out.
//!
//! It owns the writer (group commit), the timers, the desks in memory, and rebuilds the availability view; everything it
//! promises about ordering and durability comes from the store's transaction. Start reading at [`Engine::submit`], then
//! `writer`, then `batch`.

mod batch;
pub mod call;
mod desk;
mod doubts;
mod drift;
mod handle;
mod loads;
mod news;
mod outage;
mod past;
mod readers;
mod rebuild;
mod tables;
mod tailer;
mod task;
mod timers;
mod turns;
mod writer;

pub use call::{Call, Dedup, Failure, Reply};
pub use readers::{Failed, Reader};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::availability::{Ask, Availability, Reservation, rows};
use crate::clock::Clock;
use crate::domain::event::Actor;
use crate::domain::id::{AgentId, ConnectorId, DeskKey};
use crate::domain::time::{Span, Time};
use crate::entropy::Entropy;
use crate::routing::command::{Command, NewTicket};
use crate::routing::decide::{Decision, decide_rows};
use crate::routing::reject::Reject;
use crate::routing::workset::{Changed, WorkingSet};
use crate::shutdown::{Shutdown, Trigger, switch};
use crate::store::{self, Acked, Store};
use crate::stream::hub::Hub;
use desk::DeskState;
use doubts::Reports;
use outage::Outage;
use writer::{Job, Writer};

pub use handle::{Lease, Waiting};

/// How a command is decided: the events, and the rows that they leave.
pub type Decide = fn(&WorkingSet<'_>, &Command, &Actor, Time) -> Result<(Decision, Changed), Reject>;

/// A handle; cheap to clone.
pub struct Engine<S, A> {
    inner: Arc<Inner<S, A>>,
}

impl<S, A> Clone for Engine<S, A> {
    fn clone(&self) -> Self {
        Engine { inner: self.inner.clone() }
    }
}

struct Inner<S, A> {
    store: S,
    index: A,
    clock: Clock,
    entropy: Entropy,
    decide: Decide,
    hub: Hub,
    /// The way to the writer; taken away when the engine stops.
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    /// The desks in memory. Written by the writer alone, between two batches.
    desks: RwLock<BTreeMap<DeskKey, DeskState>>,
    /// Agents whose session has had no heartbeat for a while.
    suspects: Mutex<BTreeSet<(DeskKey, AgentId)>>,
    /// For the writer to look into.
    reports: Reports,
    /// How often a view was not what the log said.
    drifts: AtomicU64,
    outage: Outage,
    /// Acknowledgements that are not saved yet, by the generation of the reader that gave them.
    acks: Mutex<BTreeMap<(DeskKey, ConnectorId, u64), u64>>,
    /// Held while they are saved.
    saving_acks: tokio::sync::Mutex<()>,
    /// Timers and sweeps, and the switch that ends them.
    tasks: tokio::sync::Mutex<JoinSet<()>>,
    stop: Trigger,
    /// Thrown when the writer ended by a panic: nothing can be decided any more.
    broken: (Trigger, Shutdown),
}

/// Says that the writer broke, unless it is told before that it ended well.
struct Alarm<S, A> {
    inner: Arc<Inner<S, A>>,
    armed: bool,
}

impl<S, A> Alarm<S, A> {
    fn ended_well(mut self) {
        self.armed = false;
    }
}

impl<S, A> Drop for Alarm<S, A> {
    fn drop(&mut self) {
        if self.armed {
            self.inner.broken.0.stop();
        }
    }
}

impl<S: Store, A: Availability> Engine<S, A> {
    /// Loads every desk, rebuilds the availability view from the log, and starts the writer, the timers and the sweeps. They run
    /// until [`Engine::stop`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn start(store: S, index: A, clock: Clock, entropy: Entropy) -> Result<Engine<S, A>, Failure> {
        Engine::deciding(store, index, clock, entropy, decide_rows).await
    }

    /// [`Engine::start`] with other rules than `routing::decide`: the simulation takes a guard out of them and has to notice.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn deciding(
        store: S,
        index: A,
        clock: Clock,
        entropy: Entropy,
        decide: Decide,
    ) -> Result<Engine<S, A>, Failure> {
        let (sender, queue) = mpsc::channel(writer::QUEUE);
        let (stop, shutdown) = switch();
        let inner = Arc::new(Inner {
            store,
            index,
            clock,
            entropy,
            decide,
            hub: Hub::default(),
            queue: Mutex::new(Some(sender)),
            desks: RwLock::default(),
            suspects: Mutex::default(),
            reports: Reports::default(),
            drifts: AtomicU64::default(),
            outage: Outage::default(),
            acks: Mutex::default(),
            saving_acks: tokio::sync::Mutex::default(),
            tasks: tokio::sync::Mutex::new(JoinSet::new()),
            stop,
            broken: switch(),
        });
        let mut writer = Writer::new(inner.clone(), queue);
        Box::pin(writer.load()).await?;
        let mut tasks = inner.tasks.lock().await;
        let alarm = Alarm { inner: inner.clone(), armed: true };
        tasks.spawn(async move {
            writer.run().await;
            alarm.ended_well();
        });
        let again = |rest: Span| (inner.clone(), shutdown.clone(), rest);
        let (i, s, rest) = again(timers::POLL);
        tasks.spawn(timers::every(i, s, rest, timers::deadlines));
        let (i, s, rest) = again(timers::SWEEP);
        tasks.spawn(timers::every(i, s, rest, timers::sweep));
        let (i, s, rest) = again(timers::PRESENCE);
        tasks.spawn(timers::every(i, s, rest, timers::presence));
        if inner.store.is_shared() {
            let (i, s, rest) = again(timers::LOOKOUT);
            tasks.spawn(timers::every(i, s, rest, timers::lookout));
            tasks.spawn(timers::survey(inner.clone(), shutdown.clone()));
            tasks.spawn(timers::hints(inner.clone(), shutdown.clone()));
            tasks.spawn(drift::watch(inner.clone(), shutdown.clone()));
        }
        let (i, s, rest) = again(timers::RETENTION);
        tasks.spawn(timers::every(i, s, rest, timers::retention));
        tasks.spawn(timers::checkpoints(inner.clone(), shutdown.clone()));
        tasks.spawn(timers::acknowledgements(inner.clone(), shutdown));
        drop(tasks);
        Ok(Engine { inner })
    }

    /// Returns if the engine broke: no call will be decided any more, and the process had better end and be started again.
    pub async fn broken(&self) {
        self.inner.broken.1.clone().wait().await;
    }

    /// Stops the timers, decides what was submitted before, saves what is to be saved, and returns. Calls that come later are
    /// told that the service is stopping.
    pub async fn stop(&self) {
        self.inner.stop.stop();
        self.inner.lock_queue().take();
        let mut tasks = self.inner.tasks.lock().await;
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task of the engine did not end by itself");
            }
        }
    }
}

impl<S: Store, A: Availability> Inner<S, A> {
    fn lock_queue(&self) -> MutexGuard<'_, Option<mpsc::Sender<Job>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> Option<mpsc::Sender<Job>> {
        self.lock_queue().clone()
    }

    fn read_desks(&self) -> RwLockReadGuard<'_, BTreeMap<DeskKey, DeskState>> {
        self.desks.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn desks_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<DeskKey, DeskState>> {
        self.desks.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_desk<T>(&self, desk: &DeskKey, read: impl FnOnce(&DeskState) -> T) -> Option<T> {
        self.read_desks().get(desk).map(read)
    }

    fn with_desk_mut<T>(&self, desk: &DeskKey, change: impl FnOnce(&mut DeskState) -> T) -> Option<T> {
        self.desks_mut().get_mut(desk).map(change)
    }

    fn suspects(&self) -> MutexGuard<'_, BTreeSet<(DeskKey, AgentId)>> {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whom a reservation holds.
    fn agents_of(&self, desk: &DeskKey, held: &Reservation) -> Vec<AgentId> {
        let named = |state: &DeskState| {
            let rows = held.agents.iter().filter_map(|(number, _)| state.roster.agent(*number));
            rows.map(|agent| agent.id.clone()).collect()
        };
        self.with_desk(desk, named).unwrap_or_default()
    }

    /// What to hold agents for, before a ticket is created.
    fn ask(&self, desk: &DeskKey, new: &NewTicket, now: Time) -> Option<Ask> {
        self.with_desk(desk, |state| {
            let number = |agent: &AgentId| state.roster.find(agent).map(|agent| agent.number);
            rows::of_new(number, &state.scope, new, now)
        })
        .flatten()
    }

    /// When it returns, what was acknowledged before is saved, or waits for the next try.
    async fn save_acks(&self) {
        let _one_at_a_time = self.saving_acks.lock().await;
        let acks = std::mem::take(&mut *self.acks.lock().unwrap_or_else(PoisonError::into_inner));
        if acks.is_empty() {
            return;
        }
        let row = |((desk, connector, generation), seq): (&(DeskKey, ConnectorId, u64), &u64)| Acked {
            desk: desk.clone(),
            connector: connector.clone(),
            generation: *generation,
            seq: *seq,
        };
        let rows = acks.iter().map(row).collect();
        if let Err(error) = self.store.save_acked(rows).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "acknowledgements are kept for the next try");
            let mut waiting = self.acks.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, seq) in acks {
                let known = waiting.entry(key).or_insert(seq);
                *known = seq.max(*known);
            }
        }
    }
}

impl Failure {
    fn of_store(error: &store::Error) -> Failure {
        match error {
            store::Error::Away(_) | store::Error::Undone => Failure::StoreAway { retry_after: writer::RETRY_AFTER },
            store::Error::Corrupt { .. }
            | store::Error::InUse { .. }
            | store::Error::Directory { .. }
            | store::Error::Unfit(_)
            | store::Error::Migrate(_) => Failure::Internal,
        }
    }
}
