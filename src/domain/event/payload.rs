//! What events carry: reasons, a new leg, a ticket's birth, a ticket's change.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

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
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follows_instance: bool,
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

/// A field that is there was put, be it to nothing; one that was left alone is not there.
fn put<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// What an update or a classification put in place of what was there; `None` leaves a field alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TicketChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<Band>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "put")]
    pub priority_asked: Option<Option<u8>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<Requirement>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<Requirement>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "put")]
    pub schedule_time: Option<Option<Time>>,
    /// Names of the fields that the caller changed, as in the update mask.
    pub fields: Vec<Arc<str>>,
}
