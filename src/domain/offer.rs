//! An offer: a leg reserved for one agent until accepted, declined, expired or revoked.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::agent::Accepts;
use super::id::{AgentId, ConnectorId, OfferId};
use super::time::{Span, Time};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OfferState {
    /// Open: the agent is being rung.
    Pending,
    /// Taken; the connector has not yet said that the customer is connected.
    Accepted,
    /// Taken, and the customer is connected.
    Confirmed,
    Declined,
    Expired,
    Revoked,
    /// Taken, but the connection failed.
    Failed,
}

/// Why an agent does not want an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclineReason {
    Busy,
    NotMySkill,
    Conflict,
    Personal,
    Other,
}

/// Why an accepted offer could not be connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailReason {
    AgentUnreachable,
    AgentBusyElsewhere,
    MediaError,
    CustomerGone,
    CustomerUnreachable,
    /// The connector confirmed nothing in time.
    Unconfirmed,
    Other,
}

/// Why an open offer was taken back, or an accepted one can no longer be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevokeReason {
    /// Another agent was faster on a parallel offer.
    TakenByAnother,
    /// The customer left, or the ticket was withdrawn.
    Cancelled,
    /// The ticket was transferred, escalated, assigned or updated meanwhile.
    Superseded,
    Resolved,
    AgentOffline,
    AgentOnBreak,
    /// The agent's session ended or was lost.
    SessionEnded,
    AgentDeleted,
}

/// Why an offer ended, whatever the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferEnd {
    Declined(DeclineReason),
    Expired,
    Revoked(RevokeReason),
    Failed(FailReason),
}

/// How the agent is reached for this offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    pub connector: ConnectorId,
    pub address: Arc<str>,
    pub accepts: Accepts,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    pub id: OfferId,
    pub agent: AgentId,
    /// The epoch of the agent's session that was offered; an accept must show the same. 0 when a supervisor forced the work on
    /// an agent without a session.
    pub session: u64,
    /// The device that accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Arc<str>>,
    pub state: OfferState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<OfferEnd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Reached>,
    /// Points booked in the channel's pool.
    pub weight: u16,
    pub offer_time: Time,
    pub ring: Span,
    pub expire_time: Time,
    /// `expire_time` plus the accept grace: until then an accept still counts, and nobody else is offered the leg.
    pub lapse_time: Time,
    /// Until when the connector must confirm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_expire_time: Option<Time>,
}

impl Offer {
    /// Whether the offer books its agent.
    pub fn is_open(&self) -> bool {
        matches!(self.state, OfferState::Pending | OfferState::Accepted | OfferState::Confirmed)
    }
}
