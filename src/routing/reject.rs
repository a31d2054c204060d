//! Why a command was refused, told apart by what the caller would do differently. A refused command changes nothing.

use crate::domain::desk::LaneKey;
use crate::domain::id::{AgentId, OfferId, QueueId, TicketName};
use crate::domain::leg::LegState;
use crate::domain::offer::{OfferEnd, OfferState};
use crate::domain::requirement::Expertise;
use crate::domain::ticket::TicketState;
use crate::domain::time::Time;

/// A kind of resource, as named in errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Desk,
    Connector,
    Agent,
    Ticket,
    Leg,
    Offer,
}

/// Where a ticket was before: with somebody, or in a queue at a tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visited {
    Agent(AgentId),
    Place { queue: QueueId, tier: u8 },
}

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path in the request, e.g. `ticket.requirement.skills[0].skill`.
    pub field: String,
    pub description: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    #[error("{kind:?} {name} was not found")]
    NotFound { kind: Kind, name: String },
    #[error("{kind:?} {name} exists already")]
    AlreadyExists { kind: Kind, name: String },
    /// An open ticket of the connector has this conversation key.
    #[error("conversation key {key} is in use by ticket {ticket}")]
    ConversationInUse { key: String, ticket: TicketName },
    #[error("the resource was changed meanwhile (etag {found})")]
    EtagMismatch { found: u64 },
    #[error("fields are not valid")]
    Invalid(Vec<Violation>),
    /// The field is understood, but what it asks for does not exist yet.
    #[error("{field}: {what}")]
    Unsupported { field: &'static str, what: &'static str },
    #[error("ticket is {state:?}: {needed}")]
    TicketState { state: TicketState, needed: &'static str },
    #[error("leg is {state:?}: {needed}")]
    LegState { state: LegState, needed: &'static str },
    /// The offer is no longer the caller's.
    #[error("offer {offer} is {state:?}")]
    OfferGone { offer: OfferId, state: OfferState, end: Option<OfferEnd> },
    /// Another device of the same agent was faster.
    #[error("offer {offer} was accepted on another device")]
    AcceptedElsewhere { offer: OfferId },
    /// The session that the caller names is not the agent's current one.
    #[error("agent {agent} has session epoch {current}")]
    SessionStale { agent: AgentId, current: u64 },
    /// Another session is live and was not to be taken over.
    #[error("agent {agent} has a live session")]
    SessionHeld { agent: AgentId },
    #[error("agent {agent} has no room")]
    NoRoom { agent: AgentId },
    #[error("agent {agent} is not available")]
    AgentUnavailable { agent: AgentId, why: &'static str },
    /// The ticket has been there before.
    #[error("{visited:?} had the ticket at {at:?}")]
    PingPong { visited: Visited, at: Time },
    /// Nobody on the desk has what the target asks for.
    #[error("nobody on the desk satisfies the target")]
    NobodyFits,
    /// Somebody has what is asked for, somebody what an escalation is looking for already, and nobody has both.
    #[error("nobody on the desk has both needs")]
    NobodyHasBoth,
    #[error("the handler's authority {authority} does not cover the concession")]
    NotAuthorised { authority: String },
    #[error("queue {queue} is full")]
    QueueFull { queue: String },
    #[error("{limit}")]
    LimitReached { limit: &'static str },
    /// Too many distinct needs or profiles on the desk.
    #[error("{limit}")]
    LaneLimit { limit: &'static str },
    /// A proposal met a newer state: not an error, the index learns of it. Never leaves the engine.
    #[error("the proposal is stale")]
    Stale,
    /// The desk must intern these first, in a transaction of their own. Never leaves the engine.
    #[error("lanes or groups are not interned yet")]
    NeedsIntern { lanes: Vec<LaneKey>, groups: Vec<Expertise> },
}

impl Reject {
    pub fn not_found(kind: Kind, name: impl ToString) -> Reject {
        Reject::NotFound { kind, name: name.to_string() }
    }

    pub fn field(field: impl Into<String>, description: impl Into<String>) -> Reject {
        Reject::Invalid(vec![Violation { field: field.into(), description: description.into() }])
    }
}
