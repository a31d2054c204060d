//! Events: the entries of a desk's log. Every change of a row is one of these, applied by `routing::evolve` alone.
//!
//! An event carries all that its effect needs (deadlines included), so that folding a ticket's events from nothing gives its
//! stored rows, whatever the policy says by then. Customer text rides along in memory (`content`), and is not logged.

mod kind;
mod named;
mod payload;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::agent::{Declared, NextDeclared, Profile, Reachability};
use super::connector::Connector;
use super::desk::LaneKey;
use super::id::{AgentId, AgentNo, ConnectorId, DeskId, GroupNo, LaneNo, OfferId, QueueId, TicketId, TicketName};
use super::leg::{EndedBy, Exclusion};
use super::offer::{FailReason, Offer, OfferEnd};
use super::record::DecisionRecord;
use super::requirement::{Channel, Expertise, Requirement};
use super::ticket::{
    Axis, CancelReason, Content, EscalationReason, Hold, Infeasibility, Placing, Resolution, Transfer, TransferState,
    Visit,
};
use super::time::Time;
pub use payload::{Birth, NewLeg, NotificationReason, QueuedReason, SessionEnd, TicketChange};

/// Who caused an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// Handoff itself: a match, a timer, a lapsed lease.
    #[default]
    System,
    Connector(ConnectorId),
    Agent(AgentId),
    /// A caller whom nothing names (no credentials in embedded mode).
    Caller,
}

/// An entry of the log as `decide` makes it. The store adds the sequence number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub at: Time,
    #[serde(default)]
    pub actor: Actor,
    /// The ticket it belongs to; none for the desk's, connectors' and agents' own events.
    pub ticket: Option<TicketId>,
    /// Dense over the ticket's decisions, from 1; 0 on what connectors do not see.
    pub ticket_seq: u32,
    pub body: Body,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    // The desk, its connectors and its tables.
    DeskCreated {
        desk: DeskId,
        display_name: Arc<str>,
        time_zone: Arc<str>,
    },
    DeskUpdated {
        display_name: Arc<str>,
        time_zone: Arc<str>,
    },
    LaneAdded {
        lane: LaneNo,
        key: LaneKey,
    },
    LaneRetired {
        lane: LaneNo,
    },
    GroupAdded {
        group: GroupNo,
        expertise: Expertise,
    },
    GroupRetired {
        group: GroupNo,
    },
    ConnectorCreated {
        connector: Box<Connector>,
    },
    ConnectorUpdated {
        connector: Box<Connector>,
    },
    ConnectorDeleted {
        connector: ConnectorId,
    },
    ConnectorAway {
        connector: ConnectorId,
    },
    ConnectorBack {
        connector: ConnectorId,
    },
    /// `source` passed its checks before; the policy is read from it again wherever it is needed.
    PolicyUpdated {
        revision: u32,
        source: Arc<str>,
        author: Arc<str>,
        change_note: Arc<str>,
    },

    // Agents.
    AgentCreated {
        agent: AgentId,
        number: AgentNo,
        profile: Box<Profile>,
        group: GroupNo,
    },
    AgentUpdated {
        agent: AgentId,
        profile: Box<Profile>,
        group: GroupNo,
    },
    AgentDeleted {
        agent: AgentId,
    },
    AgentDeclared {
        agent: AgentId,
        declared: Declared,
        next: Option<NextDeclared>,
    },
    EndpointReported {
        agent: AgentId,
        channel: Channel,
        reachability: Reachability,
        until: Option<Time>,
    },
    SessionStarted {
        agent: AgentId,
        epoch: u64,
        secret_hash: Arc<str>,
        device: Arc<str>,
    },
    DeviceJoined {
        agent: AgentId,
        device: Arc<str>,
    },
    SessionEnded {
        agent: AgentId,
        epoch: u64,
        reason: SessionEnd,
        lost_until: Option<Time>,
    },
    /// The time in which a lost agent's digital work was kept is over, or the agent came back.
    GraceEnded {
        agent: AgentId,
    },

    // Tickets. `leg: None`: parked.
    Created {
        birth: Box<Birth>,
        leg: Option<Box<NewLeg>>,
        #[serde(skip)]
        content: Option<Arc<Content>>,
    },
    /// A create came after its cancel, or a cancel for a ticket that nobody had created.
    Tombstoned {
        name: TicketName,
        connector: ConnectorId,
        channel: Channel,
        queue: QueueId,
        reason: CancelReason,
    },
    /// The queue and the needs in force may have changed with it.
    Queued {
        reason: QueuedReason,
        leg: Box<NewLeg>,
        place: Option<Box<Placing>>,
        unassigned_due: Option<Time>,
    },
    Offered {
        leg: u8,
        offers: Vec<Offer>,
        record: Box<DecisionRecord>,
    },
    /// An open offer is no more: declined, expired or revoked. A leg without an open offer left waits again.
    OfferEnded {
        offer: OfferId,
        end: OfferEnd,
        exclusion: Option<Exclusion>,
        not_responding: bool,
    },
    Accepted {
        offer: OfferId,
        device: Arc<str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confirm_expire_time: Option<Time>,
    },
    Confirmed {
        offer: OfferId,
    },
    ConnectFailed {
        offer: OfferId,
        reason: FailReason,
        exclusion: Option<Exclusion>,
        pause_until: Option<Time>,
    },
    /// A handler was put on a leg without an offer: forced by a supervisor, or back from hold.
    Placed {
        leg: u8,
        offer: Box<Offer>,
        reason: Arc<str>,
    },
    /// The handler's connection is lost. Nothing moves yet: a call is its connector's to judge, digital work is given back at
    /// `requeue_time` unless the agent is there again.
    HandlerLost {
        leg: u8,
        agent: AgentId,
        requeue_time: Option<Time>,
    },
    /// ACTIVE or CONNECTING work ended. `wrap_up_expire_time: None`: there is no wrap-up, the leg is DONE.
    LegEnded {
        leg: u8,
        agent: AgentId,
        ended_by: EndedBy,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wrap_up_expire_time: Option<Time>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keep_due: Option<Time>,
    },
    /// `keep_due`: nobody resolves it by itself; when it is queued again if its owner does nothing.
    WrapUpFinished {
        leg: u8,
        code: Arc<str>,
        keep_due: Option<Time>,
        #[serde(skip)]
        content: Option<Arc<Content>>,
    },
    LegCancelled {
        leg: u8,
    },
    /// The leg's place or lane changed without an offer: needs updated, preference or exclusions over, lane derived again.
    LegMoved {
        leg: u8,
        lane: LaneNo,
        requirement: Requirement,
        order_time: Time,
    },
    /// Somebody declined it for want of skill, or left it: remembered against ping-pong.
    Visited {
        visit: Box<Visit>,
    },
    PreferenceEnded {
        leg: u8,
    },
    ExclusionsEnded {
        leg: u8,
        agents: Vec<AgentId>,
    },
    PauseEnded {
        leg: u8,
    },
    Infeasible {
        leg: u8,
        infeasibility: Option<Infeasibility>,
    },
    Updated {
        change: Box<TicketChange>,
        #[serde(skip)]
        content: Option<Arc<Content>>,
    },
    Held {
        hold: Box<Hold>,
    },
    /// Hold over; what follows (a `Placed` or a `Queued`) says where the ticket went.
    Resumed {},
    Escalated {
        axis: Axis,
        reason: EscalationReason,
        level: u8,
        place: Box<Placing>,
        leg: u8,
        transfer: Option<u8>,
        requested_by: Actor,
        hops: u8,
        #[serde(skip)]
        content: Option<Arc<Content>>,
    },
    TransferStarted {
        transfer: Box<Transfer>,
        place: Box<Placing>,
        visits: Vec<Visit>,
        #[serde(skip)]
        content: Option<Arc<Content>>,
    },
    TransferMoved {
        transfer: u8,
        state: TransferState,
        to_agent: Option<AgentId>,
        hops: u8,
        visits: Vec<Visit>,
    },
    /// A connector did not take the decision `from`, tried `attempts` times: this ticket's decisions are kept back from it, that one
    /// and all after it.
    Quarantined {
        connector: ConnectorId,
        from: u64,
        attempts: u32,
        reason: Arc<str>,
    },
    /// They are sent to it again.
    Released {
        connector: ConnectorId,
    },
    /// Its owner, and whoever watches, should know. Changes nothing.
    Notified {
        reason: NotificationReason,
        owner: Option<AgentId>,
        hops: u8,
        limit: u8,
    },
    Resolved {
        resolution: Box<Resolution>,
        close_due: Time,
        #[serde(skip)]
        content: Option<Arc<Content>>,
    },
    Reopened {
        reason: Arc<str>,
        unassigned_due: Time,
    },
    Closed {},
    Cancelled {
        reason: CancelReason,
    },
    /// Of a kind that a newer version writes and this one does not know. What it did is in the rows; a connector is told that something
    /// was decided. Never written.
    #[serde(other)]
    Newer,
}

/// An event with its place in the desk's log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Dense per desk, from 1.
    pub seq: u64,
    pub event: Event,
    /// Where the decision goes: the ticket's connector, channel and instance, and the connector of the agent's endpoint if
    /// that is another one.
    pub route: Option<Route>,
}

/// Whom a decision is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub connector: ConnectorId,
    pub channel: Channel,
    /// The process of the connector that the ticket's decisions follow.
    pub instance: Option<Arc<str>>,
    pub side_connector: Option<ConnectorId>,
}
