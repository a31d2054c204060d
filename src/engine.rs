//! The engine: commands in, committed decisions out. It owns the writer (group commit), the matcher, the timers, the roster, and
//! rebuilds the availability view; everything it promises about ordering and durability comes from the store's transaction.

pub mod call;

pub use call::{Call, Dedup, Failure, Reply};

use std::sync::Arc;

use crate::availability::Availability;
use crate::clock::Clock;
use crate::domain::agent::Agent;
use crate::domain::id::{AgentId, ConnectorId, DeskKey};
use crate::domain::record::Unfit;
use crate::domain::requirement::Requirement;
use crate::domain::ticket::{Infeasibility, Ticket};
use crate::domain::time::Span;
use crate::entropy::Entropy;
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::stream::hub::Hub;

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
    hub: Hub,
}

/// Where a waiting ticket stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// From 1. Absent when nothing waits.
    pub position: Option<u32>,
    /// Absent until enough hand-outs were seen, and when nobody can take it.
    pub estimated: Option<Span>,
    pub infeasibility: Option<Infeasibility>,
    /// Agents of the desk by the first reason that keeps them from this leg now.
    pub unfit: Vec<(Unfit, u32)>,
}

/// The state of a session's lease, as the availability index has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    Live,
    Suspect,
    /// No session.
    Lost,
}

impl<S: Store, A: Availability> Engine<S, A> {
    /// Decides and commits one command; answers when it is durable. A call with `validate_only` changes nothing.
    pub async fn submit(&self, call: Call) -> Result<Reply, Failure> {
        let _ = call;
        unimplemented!()
    }

    /// Loads every desk, rebuilds the availability view from the log, and starts the writer, the timers and the sweepers. They
    /// end when `shutdown` says so and what was submitted before is decided.
    pub async fn start(
        store: S,
        index: A,
        clock: Clock,
        entropy: Entropy,
        shutdown: Shutdown,
    ) -> Result<Engine<S, A>, Failure> {
        let _ = shutdown;
        Ok(Engine { inner: Arc::new(Inner { store, index, clock, entropy, hub: Hub::default() }) })
    }

    pub fn store(&self) -> &S {
        &self.inner.store
    }

    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    pub fn entropy(&self) -> &Entropy {
        &self.inner.entropy
    }

    /// Where decision streams wait for new entries and read recent ones from memory.
    pub fn hub(&self) -> &Hub {
        &self.inner.hub
    }

    /// Renews leases; for each, whether that epoch is the agent's current session.
    pub async fn beat(&self, desk: &DeskKey, beats: &[(AgentId, u64)]) -> Result<Vec<bool>, Failure> {
        let _ = (desk, beats);
        unimplemented!()
    }

    pub fn lease(&self, desk: &DeskKey, agent: &AgentId) -> Lease {
        let _ = (desk, agent);
        unimplemented!()
    }

    /// The agent as of the last commit, from memory; deleted ones too.
    pub fn agent(&self, desk: &DeskKey, agent: &AgentId) -> Option<Arc<Agent>> {
        let _ = (desk, agent);
        unimplemented!()
    }

    /// Where the ticket's waiting leg stands, and who is kept from it by what. Empty when no leg waits.
    pub async fn waiting(&self, desk: &DeskKey, ticket: &Ticket) -> Result<Waiting, Failure> {
        let _ = (desk, ticket);
        unimplemented!()
    }

    /// Agents on duty who satisfy a need.
    pub fn on_count(&self, desk: &DeskKey, need: &Requirement) -> u32 {
        let _ = (desk, need);
        unimplemented!()
    }

    /// Queues a connector's acknowledgement to be saved within a second. Never lowers it.
    pub fn ack(&self, desk: &DeskKey, connector: &ConnectorId, seq: u64) {
        let _ = (desk, connector, seq);
        unimplemented!()
    }

    /// The last decision that the connector acknowledged, saved or about to be.
    pub async fn acked(&self, desk: &DeskKey, connector: &ConnectorId) -> Result<u64, Failure> {
        let _ = (desk, connector);
        unimplemented!()
    }
}
