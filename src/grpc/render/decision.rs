//! A decision as a connector gets it: what the log entry says, and what it leaves out, read from the ticket and its history.
//!
//! What a connector acts on comes from the entry, or from what does not change any more, so that every delivery says the same;
//! texts, and where the contract says so whole rows, are as of the delivery.

mod payload;

use std::sync::Arc;

use super::{actor, decision_id, timestamp};
use crate::domain::event::{Body, Entry};
use crate::domain::id::{AgentId, ConnectorId, DeskKey};
use crate::domain::log::LogRow;
use crate::domain::ticket::Ticket;
use crate::domain::time::Time;
use crate::grpc::name;
use crate::grpc::words::Word;
use crate::proto::handoff::v1 as pb;

/// What must be read before a decision can be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    Entry,
    Ticket,
    /// The ticket, and its events before this one.
    History,
}

/// Everything that a decision is drawn from.
pub struct Scene<'a> {
    pub desk: &'a DeskKey,
    /// Of the log.
    pub incarnation: u64,
    /// Who gets it; `None`: a monitor.
    pub receiver: Option<&'a ConnectorId>,
    pub row: &'a LogRow,
    pub ticket: Option<&'a Ticket>,
    pub history: &'a [Arc<Entry>],
    pub display_name: &'a dyn Fn(&AgentId) -> String,
}

/// What a decision of this kind needs beside its entry.
pub fn needs(body: &Body) -> Needs {
    match body {
        Body::Queued { place: Some(_), .. }
        | Body::Created { .. }
        | Body::HandlerLost { .. }
        | Body::LegEnded { .. }
        | Body::Held { .. }
        | Body::Notified { .. }
        | Body::Quarantined { .. }
        | Body::Escalated { .. }
        | Body::Closed {}
        | Body::Cancelled { .. }
        | Body::Tombstoned { .. } => Needs::Entry,
        Body::Resumed {} | Body::Reopened { .. } | Body::OfferEnded { .. } => Needs::History,
        Body::Queued { place: None, .. }
        | Body::Offered { .. }
        | Body::Accepted { .. }
        | Body::Confirmed { .. }
        | Body::Placed { .. }
        | Body::ConnectFailed { .. }
        | Body::Infeasible { .. }
        | Body::Updated { .. }
        | Body::TransferStarted { .. }
        | Body::TransferMoved { .. }
        | Body::Resolved { .. } => Needs::Ticket,
        // Never sent to a connector.
        Body::WrapUpFinished { .. }
        | Body::Released { .. }
        | Body::LegCancelled { .. }
        | Body::LegMoved { .. }
        | Body::Visited { .. }
        | Body::PreferenceEnded { .. }
        | Body::ExclusionsEnded { .. }
        | Body::PauseEnded { .. }
        | Body::DeskCreated { .. }
        | Body::DeskUpdated { .. }
        | Body::LaneAdded { .. }
        | Body::LaneRetired { .. }
        | Body::GroupAdded { .. }
        | Body::GroupRetired { .. }
        | Body::ConnectorCreated { .. }
        | Body::ConnectorUpdated { .. }
        | Body::ConnectorDeleted { .. }
        | Body::ConnectorAway { .. }
        | Body::ConnectorBack { .. }
        | Body::PolicyUpdated { .. }
        | Body::AgentCreated { .. }
        | Body::AgentUpdated { .. }
        | Body::AgentDeleted { .. }
        | Body::AgentDeclared { .. }
        | Body::EndpointReported { .. }
        | Body::SessionStarted { .. }
        | Body::DeviceJoined { .. }
        | Body::SessionEnded { .. }
        | Body::GraceEnded { .. }
        | Body::Newer => Needs::Entry,
    }
}

impl Scene<'_> {
    /// The decision, but for its place in the subscription (`prev_seq`, `attempt`). `None`: the entry is no decision, or what
    /// it needs is not there, which is a fault of ours.
    pub fn decision(&self) -> Option<pb::Decision> {
        let event = &self.row.entry.event;
        let route = self.row.entry.route.as_ref()?;
        let ticket = self.row.ticket_name.as_ref().or_else(|| self.ticket.map(|ticket| &ticket.name))?;
        let content = self.row.content.as_ref().or_else(|| self.ticket.map(|ticket| &ticket.content));
        let first_key = content.and_then(|content| content.conversation_keys.first());
        let reaches_the_agent =
            self.receiver.is_some_and(|me| route.connector != *me && route.side_connector.as_ref() == Some(me));
        let side = if reaches_the_agent { pb::DecisionSide::AgentSide } else { pb::DecisionSide::Origin };
        Some(pb::Decision {
            seq: self.row.seq(),
            prev_seq: None,
            decision_id: decision_id(self.desk, self.incarnation, self.row.seq()),
            ticket: name::ticket(&self.desk.desk, ticket),
            ticket_seq: event.ticket_seq,
            create_time: Some(timestamp(event.at)),
            channel: route.channel.number(),
            external_id: content.map(|content| content.external_id.to_string()).unwrap_or_default(),
            conversation_key: first_key.map(ToString::to_string).unwrap_or_default(),
            attempt: 1,
            side: side as i32,
            expire_time: expire_time(&event.body).map(timestamp),
            actor: Some(actor(&self.desk.desk, &event.actor)),
            payload: match event.body {
                Body::Newer => None,
                _ => Some(self.payload(ticket)?),
            },
        })
    }
}

/// When a decision need not be carried out any more.
fn expire_time(body: &Body) -> Option<Time> {
    match body {
        Body::Offered { offers, .. } => offers.iter().map(|offer| offer.expire_time).max(),
        Body::Accepted { confirm_expire_time, .. } => *confirm_expire_time,
        _ => None,
    }
}
