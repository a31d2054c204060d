//! A ticket's row: one customer request, its legs and transfers, and what was asked beside what is in force.

mod content;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::id::{AgentId, ConnectorId, OfferId, QueueId, TicketId, TicketName};
use super::leg::{Leg, LegState};
use super::offer::Offer;
use super::requirement::{Amount, Band, Channel, Requirement};
use super::time::{Span, Time};
pub use content::{Content, Customer, Note};

/// ```text
/// OPEN -> QUEUED -> ASSIGNED <-> ON_HOLD -> RESOLVED -> CLOSED
///   any of the first four, and RESOLVED once -> CANCELLED;  RESOLVED -> QUEUED (reopened)
/// ```
/// QUEUED: no leg of it is ACTIVE and it is neither parked, on hold nor over. OPEN with a schedule time: parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketState {
    Open,
    Queued,
    Assigned,
    OnHold,
    Resolved,
    Closed,
    Cancelled,
}

impl TicketState {
    pub const ALL: [TicketState; 7] = [
        TicketState::Open,
        TicketState::Queued,
        TicketState::Assigned,
        TicketState::OnHold,
        TicketState::Resolved,
        TicketState::Closed,
        TicketState::Cancelled,
    ];

    /// Whether somebody still has to do something for the customer.
    pub const fn is_open(self) -> bool {
        matches!(self, TicketState::Open | TicketState::Queued | TicketState::Assigned | TicketState::OnHold)
    }

    /// The word used in filters, files and the store.
    pub const fn word(self) -> &'static str {
        match self {
            TicketState::Open => "OPEN",
            TicketState::Queued => "QUEUED",
            TicketState::Assigned => "ASSIGNED",
            TicketState::OnHold => "ON_HOLD",
            TicketState::Resolved => "RESOLVED",
            TicketState::Closed => "CLOSED",
            TicketState::Cancelled => "CANCELLED",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    CustomerLeft,
    Withdrawn,
    Spam,
    Duplicate,
    Merged,
    Test,
    Unreachable,
}

/// Why a ticket left the hands it was in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// To more expertise.
    Functional,
    /// To more authority.
    Hierarchical,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EscalationReason {
    InsufficientKnowledge,
    Miscommunication,
    SlaBreach,
    AuthorizationRequired,
    CustomerDemand,
    CustomerConflict,
    InternalConflict,
    NoMatch,
    Declined,
    Other,
}

/// `REQUESTED -> OFFERED -> COMPLETED | RETURNED | FAILED | CANCELLED`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransferState {
    Requested,
    Offered,
    Completed,
    /// The target declined, did not answer or does not exist; the ticket went back.
    Returned,
    Failed,
    Cancelled,
}

impl TransferState {
    pub const fn is_open(self) -> bool {
        matches!(self, TransferState::Requested | TransferState::Offered)
    }
}

/// When the transferring agent is free again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// The handler keeps the ticket until the target is confirmed.
    #[default]
    AfterConfirm,
    Now,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnavailable {
    #[default]
    Reject,
    Queue,
    /// The named agent's team and tier.
    Fallback,
}

/// Where a transfer goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Agent(AgentId),
    Requirement(Requirement),
    Queue(QueueId),
}

/// Where a ticket was put: queue, band, priority and needs in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placing {
    pub queue: QueueId,
    pub band: Band,
    pub priority: u8,
    pub effective: Requirement,
    /// It is the queue's terminal destination.
    pub terminal: bool,
}

/// A transfer, or the hand-over part of an escalation, with its own small life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// From 1.
    pub n: u8,
    pub state: TransferState,
    pub target: Target,
    pub release: Release,
    /// Set when an escalation asked for it.
    pub axis: Option<Axis>,
    pub from_agent: Option<AgentId>,
    pub from_leg: Option<u8>,
    pub to_agent: Option<AgentId>,
    /// The leg that looks for the target.
    pub leg: u8,
    /// The ticket's hops when it completed.
    pub hop: u8,
    pub reason: Arc<str>,
    /// Where the ticket was before; it goes back there when the target does not take it.
    pub before: Placing,
    /// The target is off duty: when the ticket goes back.
    pub absent_due: Option<Time>,
    pub create_time: Time,
    pub end_time: Option<Time>,
}

/// Somebody, or a (queue, tier), that the ticket has been with: the memory of the ping-pong protection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    pub agent: Option<AgentId>,
    pub queue: Option<QueueId>,
    pub tier: Option<u8>,
    /// The needs in force then: coming back with others is no ping-pong.
    pub effective: Requirement,
    pub at: Time,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub reason: Arc<str>,
    pub since: Time,
    /// When it resumes by itself; never `None`, so that a held ticket cannot be forgotten.
    pub resume_time: Time,
    /// Who had it: tried first when it resumes.
    pub handler: Option<AgentId>,
}

/// How a ticket was resolved; the text lies in [`Content`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub code: Arc<str>,
    pub first_contact: bool,
    /// Authority and amount conceded, checked against the handler's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concession: Option<(Arc<str>, Option<Amount>)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
}

/// Why nobody takes a waiting leg now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Infeasibility {
    /// Nobody on the desk has what is needed.
    Never,
    /// Somebody has it; nobody of them is on duty.
    Absent,
    /// Somebody is on duty; all of them are at capacity.
    Busy,
    /// Everybody who is on duty and fits is excluded for this leg.
    Excluded,
    /// Nobody is subscribed who could ring: LIVE legs wait.
    ConnectorAway,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    pub id: TicketId,
    pub name: TicketName,
    /// Rises with any change to the ticket, its legs or offers; the etag.
    pub ver: u64,
    /// The last number given to a decision of this ticket.
    pub ticket_seq: u32,
    pub connector: ConnectorId,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub instance: Arc<str>,
    /// Its decisions follow the process that created it, and are not just anybody's of the connector.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follows_instance: bool,
    pub channel: Channel,
    pub state: TicketState,
    /// The policy revision pinned at the first enqueue.
    pub policy_rev: u32,
    pub queue: QueueId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band_asked: Option<Band>,
    pub band: Band,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_asked: Option<u8>,
    /// 0 to 100.
    pub priority: u8,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub category: Arc<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub language: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TicketName>,
    /// What the caller asked for.
    pub requirement: Requirement,
    /// What is in force: the policy's additions, escalations and transfers included.
    pub effective: Requirement,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preferred: Vec<AgentId>,
    pub arrival_time: Time,
    /// Set once, at the first enqueue, and never again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enqueue_time: Option<Time>,
    /// Parked until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_time: Option<Time>,
    /// Time that was the customer's turn (on hold, resolved, parked): it does not count as waiting.
    pub customer_turn: Span,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_turn_since: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AgentId>,
    pub functional_level: u8,
    pub hierarchical_level: u8,
    /// Completed transfers and manual escalations.
    pub hops: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub visits: Vec<Visit>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<Transfer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<CancelReason>,
    /// Cancelled before it was created: a create that comes after it finds it CANCELLED.
    pub tombstone: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infeasibility: Option<Infeasibility>,
    /// Connectors to which its decisions are not sent any more, from which one on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quarantines: BTreeMap<ConnectorId, u64>,
    /// When a ticket that nobody took goes to the queue's terminal destination; of one that its owner keeps after the contact,
    /// when it is queued again, so that nobody forgets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unassigned_due: Option<Time>,
    /// How often it went there; at most 3 times.
    pub terminal_visits: u8,
    /// When a RESOLVED ticket becomes CLOSED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_due: Option<Time>,
    pub create_time: Time,
    pub update_time: Time,
    /// When the first leg became ACTIVE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_time: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve_time: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_time: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due_at: Option<Time>,
    #[serde(skip)]
    pub content: Arc<Content>,
    #[serde(skip)]
    pub legs: Vec<Leg>,
}

impl Ticket {
    /// Visits remembered against ping-pong; the oldest go first.
    pub const MAX_VISITS: usize = 128;

    pub fn leg(&self, n: u8) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.n == n)
    }

    /// An offer and its leg.
    pub fn offer(&self, id: OfferId) -> Option<(&Leg, &Offer)> {
        let leg = self.leg(id.leg.leg)?;
        leg.offers.iter().find(|offer| offer.id == id).map(|offer| (leg, offer))
    }

    pub fn open_legs(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter().filter(|leg| leg.state.is_open())
    }

    /// The leg that somebody is working on with the customer.
    pub fn active_leg(&self) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.state == LegState::Active)
    }

    /// Who works on it now.
    pub fn handler(&self) -> Option<&AgentId> {
        self.active_leg().and_then(|leg| leg.agent.as_ref())
    }

    /// The leg that is waiting, offered or connecting, if any: there is at most one.
    pub fn pending_leg(&self) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.state.is_pending())
    }

    /// The agents whose rows a decision about this ticket may look at or change: those of its open legs, and those whom it
    /// may go back to.
    pub fn concerned_agents(&self) -> BTreeSet<&AgentId> {
        let of_legs = self.open_legs().flat_map(|leg| {
            let offered = leg.offers.iter().filter(|offer| offer.is_open()).map(|offer| &offer.agent);
            offered.chain(leg.agent.as_ref()).chain(leg.prefer.as_ref())
        });
        let held = self.hold.as_ref().and_then(|hold| hold.handler.as_ref());
        let transferor = self.open_transfer().and_then(|transfer| transfer.from_agent.as_ref());
        of_legs.chain(held).chain(transferor).chain(self.owner.as_ref()).collect()
    }

    /// What the agent noted in a leg's wrap-up, as long as it is kept.
    pub fn wrap_up_note(&self, leg: u8) -> Option<&Arc<str>> {
        self.content.notes.iter().rev().find(|note| note.wrap_up_of == Some(leg)).map(|note| &note.text)
    }

    pub fn open_transfer(&self) -> Option<&Transfer> {
        self.transfers.iter().find(|transfer| transfer.state.is_open())
    }
}
