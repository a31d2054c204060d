//! Refusals of `decide` as errors of the API. They carry ids; what the caller wrote gives them their full names.

use super::Fault;
use crate::domain::id::DeskKey;
use crate::domain::offer::{OfferEnd, OfferState};
use crate::domain::time::Time;
use crate::grpc::name::{self, AgentRef, ConnectorRef, Kind, LegRef, OfferRef, TicketRef};
use crate::grpc::render;
use crate::grpc::words::Word;
use crate::proto::handoff::v1::ErrorReason;
use crate::routing::reject::{self, Reject, Violation, Visited};

/// What a call was about: where the full names in its errors come from.
#[derive(Clone, Debug)]
pub struct About {
    desk: DeskKey,
    kind: Kind,
    /// As the caller wrote it.
    name: String,
}

impl About {
    pub fn new(desk: &DeskKey, kind: Kind, name: impl Into<String>) -> About {
        About { desk: desk.clone(), kind, name: name.into() }
    }

    pub fn desk(desk: &DeskKey) -> About {
        About::new(desk, Kind::Desk, name::desk(&desk.desk))
    }

    pub fn ticket(ticket: &TicketRef) -> About {
        About::new(&ticket.desk, Kind::Ticket, ticket.to_string())
    }

    pub fn leg(leg: &LegRef) -> About {
        let desk = &leg.ticket.desk;
        About::new(desk, Kind::Leg, name::leg(&desk.desk, &leg.ticket.name, leg.leg))
    }

    pub fn offer(offer: &OfferRef) -> About {
        About::new(&offer.desk, Kind::Offer, name::offer(&offer.desk.desk, offer.offer))
    }

    pub fn agent(agent: &AgentRef) -> About {
        About::new(&agent.desk, Kind::Agent, name::agent(&agent.desk.desk, &agent.agent))
    }

    pub fn connector(connector: &ConnectorRef) -> About {
        About::new(&connector.desk, Kind::Connector, name::connector(&connector.desk.desk, &connector.connector))
    }

    /// NOT_FOUND of what the call is about.
    pub fn not_found(&self) -> Fault {
        Fault::not_found(self.kind, self.name.clone())
    }

    /// The resource that a refusal names. Tickets, legs and offers go by ids inside: the caller's own words name those.
    fn resource(&self, kind: reject::Kind, id: &str) -> (Kind, String) {
        let below = |collection: &str| format!("desks/{}/{collection}/{id}", self.desk.desk);
        match kind {
            reject::Kind::Desk => (Kind::Desk, format!("desks/{id}")),
            reject::Kind::Connector => (Kind::Connector, below("connectors")),
            reject::Kind::Agent => (Kind::Agent, below("agents")),
            reject::Kind::Ticket | reject::Kind::Leg | reject::Kind::Offer => (self.kind, self.name.clone()),
        }
    }

    fn agent_name(&self, agent: &crate::domain::id::AgentId) -> String {
        name::agent(&self.desk.desk, agent)
    }
}

pub(super) fn fault(reject: Reject, about: &About) -> Fault {
    match reject {
        Reject::NotFound { kind, name } => {
            let (kind, name) = about.resource(kind, &name);
            Fault::not_found(kind, name)
        }
        Reject::AlreadyExists { kind, name } => {
            let (kind, name) = about.resource(kind, &name);
            let message = format!("{name} exists already");
            Fault::already_exists(ErrorReason::AlreadyExists, kind, name.clone(), message).with("name", name)
        }
        Reject::ConversationInUse { key: _, ticket } => {
            let ticket = name::ticket(&about.desk.desk, &ticket);
            let message = format!("a conversation key belongs to the open ticket {ticket}; use that one");
            let reason = ErrorReason::ConversationInUse;
            Fault::already_exists(reason, Kind::Ticket, ticket.clone(), message).with("ticket", ticket)
        }
        Reject::EtagMismatch { found } => {
            let message = format!("{} was changed meanwhile; read it again", about.name);
            Fault::new(ErrorReason::EtagMismatch, message).with("etag", found.to_string())
        }
        Reject::Invalid(violations) => Fault::invalid(ErrorReason::InvalidField, violations),
        Reject::Unsupported { field, what } => {
            let violation = Violation { field: field.to_owned(), description: what.to_owned() };
            Fault::invalid(ErrorReason::Unsupported, vec![violation])
        }
        Reject::TicketState { state, needed } => wrong_state(about, state.word(), needed),
        Reject::LegState { state, needed } => wrong_state(about, state.word(), needed),
        Reject::OfferGone { offer: _, state, end } => offer_gone(about, state, end),
        Reject::AcceptedElsewhere { offer: _ } => {
            let message = format!("{} was accepted on another device; stop ringing here", about.name);
            Fault::new(ErrorReason::AcceptedElsewhere, message)
        }
        reject => agents(reject, about),
    }
}

/// Refusals that have to do with who may, can or should have a ticket, and with limits.
fn agents(reject: Reject, about: &About) -> Fault {
    match reject {
        Reject::SessionStale { agent, current } => {
            let agent = about.agent_name(&agent);
            let message = match current {
                0 => format!("{agent} has no session; start one"),
                _ => format!("the session epoch is not the current one of {agent}"),
            };
            Fault::new(ErrorReason::SessionStale, message)
                .with("agent", agent)
                .with("session_epoch", current.to_string())
        }
        Reject::SessionHeld { agent } => {
            let agent = about.agent_name(&agent);
            let message = format!("{agent} has a live session elsewhere; take it over or show its secret");
            Fault::new(ErrorReason::SessionHeld, message).with("agent", agent)
        }
        Reject::NoRoom { agent } => {
            let agent = about.agent_name(&agent);
            Fault::new(ErrorReason::Capacity, format!("{agent} has no room for it")).with("agent", agent)
        }
        Reject::AgentUnavailable { agent, why } => {
            let agent = about.agent_name(&agent);
            let fault = Fault::new(ErrorReason::AgentUnavailable, format!("{agent} is not available: {why}"));
            fault.with("agent", agent).with("cause", why)
        }
        Reject::PingPong { visited, at } => ping_pong(visited, at, about),
        Reject::NobodyFits => {
            Fault::new(ErrorReason::NobodyFits, "nobody on the desk has what is asked for; ask for less")
        }
        Reject::NobodyHasBoth => {
            let message = "nobody on the desk has both this and what an escalation is looking for already; wait for it";
            Fault::new(ErrorReason::NobodyHasBoth, message)
        }
        Reject::NotAuthorised { authority } => {
            let message = format!("the handler's authority {authority} does not cover the concession; escalate");
            Fault::new(ErrorReason::NotAuthorised, message).with("authority", authority)
        }
        Reject::QueueFull { queue } => {
            let message = format!("queue {queue} is full; try later");
            Fault::new(ErrorReason::QueueFull, message).with("queue", queue)
        }
        Reject::LimitReached { limit } => Fault::new(ErrorReason::LimitReached, limit).with("limit", limit),
        Reject::LaneLimit { limit } => Fault::new(ErrorReason::LaneLimit, limit).with("limit", limit),
        // `Stale` and `NeedsIntern` are answers to the engine's own commands, and the others are told above.
        Reject::Stale
        | Reject::NeedsIntern { .. }
        | Reject::NotFound { .. }
        | Reject::AlreadyExists { .. }
        | Reject::ConversationInUse { .. }
        | Reject::EtagMismatch { .. }
        | Reject::Invalid(_)
        | Reject::Unsupported { .. }
        | Reject::TicketState { .. }
        | Reject::LegState { .. }
        | Reject::OfferGone { .. }
        | Reject::AcceptedElsewhere { .. } => {
            tracing::error!(reject = ?reject, "a refusal that is the engine's own came out of it");
            Fault::new(ErrorReason::Internal, "internal error; it was logged")
        }
    }
}

fn ping_pong(visited: Visited, at: Time, about: &About) -> Fault {
    let time = render::rfc3339(at);
    let visited = match visited {
        Visited::Agent(agent) => about.agent_name(&agent),
        Visited::Place { queue, tier } => format!("queue {queue} at tier {tier}"),
    };
    let message = format!(
        "{visited} had the ticket at {time}: change what is needed, or give an override_reason as a supervisor"
    );
    Fault::new(ErrorReason::PingPong, message).with("visited", visited).with("visit_time", time)
}

fn wrong_state(about: &About, state: &'static str, needed: &str) -> Fault {
    Fault::new(ErrorReason::WrongState, format!("{} is {state}: {needed}", about.name)).with("state", state)
}

fn offer_gone(about: &About, state: OfferState, end: Option<OfferEnd>) -> Fault {
    let named = |reason, said: String| Fault::new(reason, format!("{} {said}", about.name)).with("state", state.word());
    match (state, end) {
        (OfferState::Expired, _) => named(ErrorReason::OfferExpired, "expired; stop ringing".to_owned()),
        (OfferState::Declined, _) => named(ErrorReason::OfferDeclined, "was declined; stop ringing".to_owned()),
        (OfferState::Revoked, end) => {
            let fault = named(ErrorReason::OfferRevoked, "was taken back; stop ringing".to_owned());
            with_cause(fault, end)
        }
        (OfferState::Failed, end) => {
            let fault = named(ErrorReason::OfferFailed, "was accepted but not connected".to_owned());
            with_cause(fault, end)
        }
        (OfferState::Pending | OfferState::Accepted | OfferState::Confirmed, _) => {
            named(ErrorReason::WrongState, format!("is {}", state.word()))
        }
    }
}

fn with_cause(fault: Fault, end: Option<OfferEnd>) -> Fault {
    match end {
        Some(OfferEnd::Revoked(reason)) => fault.with("cause", reason.word()),
        Some(OfferEnd::Failed(reason)) => fault.with("cause", reason.word()),
        Some(OfferEnd::Declined(_) | OfferEnd::Expired) | None => fault,
    }
}
