//! What goes into the engine and what comes out of it.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::agent::Agent;
use crate::domain::event::Actor;
use crate::domain::id::DeskKey;
use crate::domain::ticket::Ticket;
use crate::routing::command::{Answer, Command};
use crate::routing::reject::Reject;
use crate::routing::workset::Scope;
use crate::store::DedupKey;

/// A command with who sends it and what makes a repeat of it the same call.
#[derive(Clone, Debug)]
pub struct Call {
    pub desk: DeskKey,
    pub actor: Actor,
    pub command: Command,
    /// `None`: the caller gave no request id.
    pub dedup: Option<Dedup>,
    /// Decide, answer, change nothing.
    pub validate_only: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dedup {
    pub key: DedupKey,
    /// SHA-256 over the decoded request, request id left out, hex.
    pub request_hash: Arc<str>,
}

/// What a committed command came to, with the rows as they were right after it.
#[derive(Clone, Debug)]
pub struct Reply {
    pub answer: Answer,
    /// Present for answers about a ticket, its legs, offers and transfers.
    pub ticket: Option<Arc<Ticket>>,
    /// Present for answers about an agent or a session.
    pub agent: Option<Arc<Agent>>,
    /// The desk with its connectors and policies. `None` only where the desk does not exist.
    pub scope: Option<Scope>,
    /// An earlier call with this request id did it; the rows are those of now.
    pub repeated: bool,
}

/// Why a call came to nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Rejected(#[from] Reject),
    /// The request id was used with another body.
    #[error("the request id was used before, with another request")]
    RequestIdReused,
    /// The writer's queue is full, or the call waited too long in it: nothing happened.
    #[error("too much work is waiting")]
    Overloaded { retry_after: Duration },
    /// The store does not answer. With a request id it is safe to repeat; nothing is known to have happened.
    #[error("the store does not answer")]
    StoreAway { retry_after: Duration },
    #[error("the service is shutting down")]
    Draining,
    /// A bug: said to the log in full, and to the caller as INTERNAL.
    #[error("internal error")]
    Internal,
}
