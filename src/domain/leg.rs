//! A leg: one piece of work on a ticket that needs one agent. The unit of matching.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::id::{AgentId, LaneNo};
use super::offer::{Offer, OfferState};
use super::requirement::Requirement;
use super::time::Time;

/// ```text
/// WAITING -> OFFERED -> CONNECTING -> ACTIVE -> WRAPPING -> DONE
///    ^          |           |            (a customer who leaves an ACTIVE leg moves it to WRAPPING)
///    +----------+-----------+  decline, expiry, revocation, lost agent, failed connection: same order key, version + 1
/// WAITING | OFFERED | CONNECTING -> CANCELLED   transfer, escalation, the customer leaving
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LegState {
    Waiting,
    Offered,
    Connecting,
    Active,
    Wrapping,
    Done,
    Cancelled,
}

impl LegState {
    pub const fn is_open(self) -> bool {
        !matches!(self, LegState::Done | LegState::Cancelled)
    }

    /// Whether work on it has not begun, so that it may still be taken back.
    pub const fn is_pending(self) -> bool {
        matches!(self, LegState::Waiting | LegState::Offered | LegState::Connecting)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LegRole {
    /// The first handling, or a later one after requeue, reopening or hold.
    Handle,
    Transfer,
    Escalation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExclusionReason {
    Declined,
    /// Declined because of a conflict: never lifted early.
    Conflict,
    Missed,
    Lost,
    Failed,
    /// The transferor of a leg that was handed on.
    Transferor,
}

/// An agent who is not offered this leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    pub agent: AgentId,
    pub reason: ExclusionReason,
    pub since: Time,
    /// `None`: for good.
    pub until: Option<Time>,
}

/// Who ended the contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    Customer,
    Agent,
    Connector,
    System,
    Supervisor,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// From 1, in order of creation.
    pub n: u8,
    /// Rises with any change of the leg; the guard of proposals.
    pub ver: u32,
    pub state: LegState,
    pub role: LegRole,
    pub lane: LaneNo,
    /// What this leg needs, as asked.
    pub requirement: Requirement,
    /// Further sufficient requirements, added by widening.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Requirement>,
    /// The virtual arrival time (or what the queue's ordering makes of it): the second part of the order key.
    pub order_time: Time,
    /// Agents offered at once.
    pub want: u8,
    /// Who holds it from CONNECTING on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// Points booked for `agent`.
    pub weight: u16,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclusions: Vec<Exclusion>,
    /// Tried first, until `prefer_until`; without an end for a named transfer target or an assignment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefer: Option<AgentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefer_until: Option<Time>,
    /// Declines per agent so far, for the second one excludes for good.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub declines: Vec<AgentId>,
    /// Failed connections so far.
    pub failures: u8,
    /// Not matched before this time (after repeated failures).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_until: Option<Time>,
    /// The transfer that this leg carries out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<u8>,
    pub wait_start: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer_time: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_time: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrap_up_expire_time: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<EndedBy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrap_up_code: Option<Arc<str>>,
    #[serde(skip)]
    pub offers: Vec<Offer>,
}

impl Leg {
    /// Agents excluded from one leg.
    pub const MAX_EXCLUSIONS: usize = 256;

    pub fn pending_offers(&self) -> impl Iterator<Item = &Offer> {
        self.offers.iter().filter(|offer| offer.state == OfferState::Pending)
    }

    /// The accepted offer of a leg that is connecting or active.
    pub fn accepted_offer(&self) -> Option<&Offer> {
        self.offers.iter().rev().find(|offer| matches!(offer.state, OfferState::Accepted | OfferState::Confirmed))
    }

    pub fn excludes(&self, agent: &AgentId) -> Option<&Exclusion> {
        self.exclusions.iter().find(|exclusion| exclusion.agent == *agent)
    }
}
