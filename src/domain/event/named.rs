//! Whom an event names.

use super::Body;
use crate::domain::id::AgentId;

impl Body {
    /// The agents that it names. Those whom it concerns through an offer or a leg are found in its ticket.
    pub fn agents(&self) -> Vec<&AgentId> {
        match self {
            Body::AgentCreated { agent: named, .. }
            | Body::AgentUpdated { agent: named, .. }
            | Body::AgentDeleted { agent: named }
            | Body::AgentDeclared { agent: named, .. }
            | Body::EndpointReported { agent: named, .. }
            | Body::SessionStarted { agent: named, .. }
            | Body::DeviceJoined { agent: named, .. }
            | Body::SessionEnded { agent: named, .. }
            | Body::GraceEnded { agent: named }
            | Body::HandlerLost { agent: named, .. }
            | Body::LegEnded { agent: named, .. } => vec![named],
            Body::Offered { offers, .. } => offers.iter().map(|offer| &offer.agent).collect(),
            Body::Placed { offer, .. } => vec![&offer.agent],
            // Agents are concerned by these through their tickets, if at all.
            Body::DeskCreated { .. }
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
            | Body::Created { .. }
            | Body::Tombstoned { .. }
            | Body::Queued { .. }
            | Body::OfferEnded { .. }
            | Body::Accepted { .. }
            | Body::Confirmed { .. }
            | Body::ConnectFailed { .. }
            | Body::WrapUpFinished { .. }
            | Body::LegCancelled { .. }
            | Body::LegMoved { .. }
            | Body::Visited { .. }
            | Body::PreferenceEnded { .. }
            | Body::ExclusionsEnded { .. }
            | Body::PauseEnded { .. }
            | Body::Infeasible { .. }
            | Body::Updated { .. }
            | Body::Held { .. }
            | Body::Resumed {}
            | Body::Escalated { .. }
            | Body::TransferStarted { .. }
            | Body::TransferMoved { .. }
            | Body::Quarantined { .. }
            | Body::Released { .. }
            | Body::Notified { .. }
            | Body::Newer
            | Body::Resolved { .. }
            | Body::Reopened { .. }
            | Body::Closed {}
            | Body::Cancelled { .. } => Vec::new(),
        }
    }
}
