//! What events carry: reasons, a new leg, a ticket's birth, a ticket's change.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::id::{AgentId, ConnectorId, LaneNo, QueueId, TicketName};
use crate::domain::leg::{Exclusion, LegRole};
use crate::domain::requirement::{Band, Channel, Requirement};
use crate::domain::time::Time;

/// Why a leg began to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueuedReason {
    Created,
    /// Its schedule time came.
    Scheduled,
    Requeued,
    HandlerLost,
    Reopened,
    /// Back from hold without its handler.
    Resumed,
    Transferred,
    Escalated,
    /// A transfer came back and the transferor was gone.
    Returned,
    /// Nobody took it in time: the queue's terminal destination.
    Terminal,
    Assigned,
}

/// What somebody should know about a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationReason {
    /// It was handed on so often that the limit is near.
    HopLimitNear,
    /// It was to be handed on once too often, and went to the terminal destination instead.
    HopLimitReached,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionEnd {
    /// The agent, or the connector that held it, ended it.
    Ended,
    TakenOver,
    /// No heartbeat for 30 s.
    Lost,
    AgentDeleted,
}

/// Everything a new leg starts with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewLeg {
    pub n: u8,
    pub role: LegRole,
    pub lane: LaneNo,
    pub requirement: Requirement,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Requirement>,
    pub order_time: Time,
    pub want: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefer: Option<AgentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefer_until: Option<Time>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclusions: Vec<Exclusion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<u8>,
    /// Not matched before: it waits for one agent who is off duty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_until: Option<Time>,
}

/// What a ticket starts with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Birth {
    pub name: TicketName,
    pub connector: ConnectorId,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub instance: Arc<str>,
    pub channel: Channel,
    pub policy_rev: u32,
    pub queue: QueueId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band_asked: Option<Band>,
    pub band: Band,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_asked: Option<u8>,
    pub priority: u8,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub category: Arc<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub language: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TicketName>,
    pub requirement: Requirement,
    pub effective: Requirement,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preferred: Vec<AgentId>,
    pub arrival_time: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_time: Option<Time>,
    pub unassigned_due: Time,
}

/// What an update or a classification put in place of what was there; `None` leaves a field alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TicketChange {
    pub queue: Option<QueueId>,
    pub band: Option<Band>,
    pub priority_asked: Option<Option<u8>>,
    pub priority: Option<u8>,
    pub category: Option<Arc<str>>,
    pub language: Option<Arc<str>>,
    pub requirement: Option<Requirement>,
    pub effective: Option<Requirement>,
    pub schedule_time: Option<Option<Time>>,
    /// Names of the fields that the caller changed, as in the update mask.
    pub fields: Vec<Arc<str>>,
}
