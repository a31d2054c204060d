//! Which events are decisions.

use super::{Body, Event};

impl Event {
    /// Whether connectors are sent it, also where only a newer version knows its kind.
    pub fn is_decision(&self) -> bool {
        self.body.decision_kind().is_some() || (self.body == Body::Newer && self.ticket_seq > 0)
    }
}

impl Body {
    /// The kind as connectors see it; `None` for what stays inside.
    pub fn decision_kind(&self) -> Option<&'static str> {
        match self {
            Body::Created { leg: Some(_), .. } | Body::Queued { .. } => Some("queued"),
            Body::Offered { .. } => Some("offered"),
            Body::OfferEnded { .. } => Some("offer_revoked"),
            Body::Accepted { confirm_expire_time: Some(_), .. } => Some("connect"),
            Body::Accepted { confirm_expire_time: None, .. } | Body::Confirmed { .. } | Body::Placed { .. } => {
                Some("assigned")
            }
            Body::ConnectFailed { .. } => Some("connect_failed"),
            Body::HandlerLost { .. } => Some("handler_lost"),
            Body::LegEnded { .. } => Some("leg_ended"),
            Body::Infeasible { infeasibility: Some(_), .. } => Some("infeasible"),
            Body::Updated { .. } => Some("updated"),
            Body::Held { .. } => Some("held"),
            Body::Resumed {} => Some("resumed"),
            Body::Escalated { .. } => Some("escalated"),
            Body::TransferStarted { .. } | Body::TransferMoved { .. } => Some("transfer"),
            Body::Notified { .. } => Some("notification"),
            Body::Quarantined { .. } => Some("quarantined"),
            Body::Resolved { .. } => Some("resolved"),
            Body::Reopened { .. } => Some("reopened"),
            Body::Closed {} => Some("closed"),
            Body::Cancelled { .. } | Body::Tombstoned { .. } => Some("cancelled"),
            Body::Created { leg: None, .. }
            | Body::Released { .. }
            | Body::WrapUpFinished { .. }
            | Body::LegCancelled { .. }
            | Body::LegMoved { .. }
            | Body::Visited { .. }
            | Body::PreferenceEnded { .. }
            | Body::ExclusionsEnded { .. }
            | Body::PauseEnded { .. }
            | Body::Infeasible { infeasibility: None, .. }
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
            | Body::Newer => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Actor;
    use super::*;
    use crate::domain::time::Time;

    #[test]
    fn a_kind_of_a_newer_version_is_read_and_known_for_a_decision_by_its_number() {
        let entry = |ticket_seq: u32| {
            let event = serde_json::json!({"kind": "of_tomorrow", "leg": 1, "beyond": {"this": ["version"]}});
            let body: Body = serde_json::from_value(event).expect("it is read");
            Event { at: Time(1), actor: Actor::System, ticket: None, ticket_seq, body }
        };
        assert_eq!(entry(0).body, Body::Newer);
        assert!(!entry(0).is_decision());
        assert!(entry(3).is_decision());
    }
}
