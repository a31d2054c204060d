//! Commands: everything that can be asked of a desk, decoded and checked for form.

mod class;
mod roots;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::agent::{ChannelRule, Declared, Endpoint, OpenWork, Profile, Reachability};
use crate::domain::connector::{Affinity, Connector};
use crate::domain::desk::LaneKey;
use crate::domain::event::{Actor, SessionEnd};
use crate::domain::id::{AgentId, AgentNo, ConnectorId, GroupNo, LaneNo, LegId, OfferId, TicketId, TicketName};
use crate::domain::leg::EndedBy;
use crate::domain::offer::{DeclineReason, FailReason};
use crate::domain::record::DecisionRecord;
use crate::domain::requirement::{Amount, Band, Channel, Expertise, Pool, Requirement};
use crate::domain::ticket::{
    Axis, CancelReason, Content, Customer, EscalationReason, Infeasibility, OnUnavailable, Release, Target,
};
use crate::domain::time::Time;
pub use roots::Roots;

/// A ticket as its connector asks for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewTicket {
    pub id: TicketId,
    pub name: TicketName,
    pub connector: ConnectorId,
    pub instance: Arc<str>,
    pub channel: Channel,
    pub band: Option<Band>,
    pub priority: Option<u8>,
    pub category: Arc<str>,
    pub language: Arc<str>,
    pub parent: Option<TicketName>,
    pub requirement: Requirement,
    pub preferred: Vec<AgentId>,
    pub arrival_time: Option<Time>,
    pub schedule_time: Option<Time>,
    pub content: Content,
}

/// Fields of an update; `None` leaves one alone. The mask's paths are kept for the decision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TicketPatch {
    pub priority: Option<Option<u8>>,
    pub category: Option<Arc<str>>,
    pub language: Option<Arc<str>>,
    pub requirement: Option<Requirement>,
    pub schedule_time: Option<Option<Time>>,
    pub external_id: Option<Arc<str>>,
    pub customer: Option<Customer>,
    pub subject: Option<Arc<str>>,
    pub summary: Option<Arc<str>>,
    pub context_uri: Option<Arc<str>>,
    pub labels: Option<BTreeMap<Arc<str>, Arc<str>>>,
    pub fields: Vec<Arc<str>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectorPatch {
    pub display_name: Option<Arc<str>>,
    pub channels: Option<BTreeSet<Channel>>,
    pub confirmation: Option<BTreeMap<Channel, bool>>,
    pub affinity: Option<Option<Affinity>>,
    pub kinds: Option<BTreeSet<Arc<str>>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProfilePatch {
    pub display_name: Option<Arc<str>>,
    pub team: Option<Arc<str>>,
    pub tier: Option<u8>,
    pub skills: Option<BTreeMap<Arc<str>, u8>>,
    pub languages: Option<BTreeSet<Arc<str>>>,
    pub authorities: Option<BTreeMap<Arc<str>, Option<Amount>>>,
    pub pools: Option<BTreeMap<Pool, u16>>,
    pub channels: Option<BTreeMap<Channel, ChannelRule>>,
    pub endpoints: Option<Vec<Endpoint>>,
    pub labels: Option<BTreeMap<Arc<str>, Arc<str>>>,
}

/// When a declared state applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timing {
    #[default]
    Now,
    /// No new work; current work, a pending offer included, ends first.
    AfterCurrent,
}

/// What a second device, or a second place, means for a running session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionMode {
    #[default]
    Join,
    TakeOver,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AssignMode {
    /// Like a preferred agent without a time limit.
    Offer,
    /// Skips fit, READY and the queue, never capacity.
    Force,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    CreateDesk {
        display_name: Arc<str>,
        time_zone: Arc<str>,
    },
    UpdateDesk {
        display_name: Option<Arc<str>>,
        time_zone: Option<Arc<str>>,
        etag: Option<u64>,
    },
    /// `source` was parsed and checked at the edge.
    UpdatePolicy {
        source: Arc<str>,
        author: Arc<str>,
        change_note: Arc<str>,
        etag: Option<u64>,
    },
    CreateConnector {
        connector: Box<Connector>,
    },
    UpdateConnector {
        connector: ConnectorId,
        patch: Box<ConnectorPatch>,
        etag: Option<u64>,
    },
    DeleteConnector {
        connector: ConnectorId,
        etag: Option<u64>,
    },
    ConnectorPresence {
        connector: ConnectorId,
        away: bool,
    },
    Intern {
        lanes: Vec<LaneKey>,
        groups: Vec<Expertise>,
    },
    Retire {
        lanes: Vec<LaneNo>,
        groups: Vec<GroupNo>,
    },

    CreateAgent {
        agent: AgentId,
        profile: Box<Profile>,
    },
    UpdateAgent {
        agent: AgentId,
        patch: Box<ProfilePatch>,
        etag: Option<u64>,
    },
    DeleteAgent {
        agent: AgentId,
        etag: Option<u64>,
    },
    SetAgentState {
        agent: AgentId,
        declared: Declared,
        timing: Timing,
        open_work: OpenWork,
    },
    ReportEndpoint {
        agent: AgentId,
        channel: Channel,
        reachability: Reachability,
    },
    /// `secret_hash` belongs to the new session, `shown_hash` to the one that the caller says it still has.
    StartSession {
        agent: AgentId,
        device: Arc<str>,
        mode: SessionMode,
        secret_hash: Arc<str>,
        shown_hash: Option<Arc<str>>,
    },
    EndSession {
        agent: AgentId,
        epoch: u64,
        reason: SessionEnd,
    },

    CreateTicket(Box<NewTicket>),
    UpdateTicket {
        ticket: TicketId,
        patch: Box<TicketPatch>,
        reclassify: bool,
        etag: Option<u64>,
    },
    CancelTicket {
        ticket: TicketId,
        reason: CancelReason,
        missing: Option<Missing>,
    },
    ResolveTicket {
        ticket: TicketId,
        resolution: Box<NewResolution>,
        etag: Option<u64>,
    },
    ReopenTicket {
        ticket: TicketId,
        reason: Arc<str>,
    },
    HoldTicket {
        ticket: TicketId,
        reason: Arc<str>,
        resume_time: Option<Time>,
    },
    ResumeTicket {
        ticket: TicketId,
    },
    RequeueTicket {
        ticket: TicketId,
        reason: Arc<str>,
        prefer_handler: bool,
    },
    AssignTicket {
        ticket: TicketId,
        agent: AgentId,
        mode: AssignMode,
        reason: Arc<str>,
    },
    EscalateTicket {
        ticket: TicketId,
        escalation: Box<NewEscalation>,
    },
    TransferTicket {
        ticket: TicketId,
        transfer: Box<NewTransfer>,
    },
    /// From a connector's reader: it did not take this decision of the ticket, tried so often.
    QuarantineTicket {
        ticket: TicketId,
        connector: ConnectorId,
        from: u64,
        attempts: u32,
        reason: Arc<str>,
    },
    ReleaseTicket {
        ticket: TicketId,
    },
    EndLeg {
        leg: LegId,
        ended_by: EndedBy,
    },
    FinishWrapUp {
        leg: LegId,
        code: Arc<str>,
        note: Arc<str>,
    },

    /// From the index: offer this leg, at this version, to these agents.
    Propose {
        leg: LegId,
        leg_ver: u32,
        agents: Vec<Proposed>,
        record: Box<DecisionRecord>,
    },
    AcceptOffer {
        offer: OfferId,
        session: u64,
        device: Arc<str>,
        connected: bool,
    },
    DeclineOffer {
        offer: OfferId,
        session: u64,
        reason: DeclineReason,
    },
    ConfirmOffer {
        offer: OfferId,
    },
    FailOffer {
        offer: OfferId,
        reason: FailReason,
    },
    Diagnose {
        leg: LegId,
        leg_ver: u32,
        infeasibility: Option<Infeasibility>,
    },
    /// Exclusions of a leg that wait for nobody else: lifted early.
    LiftExclusions {
        leg: LegId,
        leg_ver: u32,
    },
    /// Amounts are rounded to other limits than before: put the leg in the lane it belongs to now.
    Relane {
        leg: LegId,
        leg_ver: u32,
    },
    TickTicket {
        ticket: TicketId,
    },
    TickAgent {
        agent: AgentId,
    },
}

/// What a cancel of an unknown ticket leaves behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    pub name: TicketName,
    /// The connector whose create is to find the tombstone, if the caller said.
    pub connector: Option<ConnectorId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewResolution {
    pub text: Arc<str>,
    pub code: Arc<str>,
    pub first_contact: Option<bool>,
    pub concession: Option<(Arc<str>, Option<Amount>)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewEscalation {
    pub axis: Axis,
    pub reason: EscalationReason,
    pub requirement: Requirement,
    pub requested_by: Actor,
    pub note: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewTransfer {
    pub target: Target,
    pub release: Release,
    pub on_unavailable: OnUnavailable,
    pub reason: Arc<str>,
    pub override_reason: Arc<str>,
    pub note: Arc<str>,
}

/// An agent that the index holds for a leg, with the session it saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposed {
    pub agent: AgentId,
    pub number: AgentNo,
    pub session: u64,
}

/// What a command came to. Stored under its request id and rendered again for a repeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Answer {
    Done,
    Desk,
    Connector { connector: ConnectorId },
    Agent { agent: AgentId },
    Session { agent: AgentId, epoch: u64 },
    Ticket { ticket: TicketId },
    Leg { leg: LegId },
    Offer { offer: OfferId },
    Transfer { ticket: TicketId, transfer: u8 },
    Escalated { ticket: TicketId, leg: u8, level: u8, transfer: Option<u8> },
    Policy { revision: u32 },
}
