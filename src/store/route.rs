//! Where a decision goes: worked out once, for every kind of store, from the event and its ticket's row.

use crate::domain::event::{Body, Event, Route};
use crate::domain::id::{AgentId, ConnectorId, OfferId};
use crate::domain::offer::Offer;
use crate::domain::ticket::Ticket;

/// The route of a decision; `None` for what stays inside. `ticket` is the row after the event, or after later ones: what a
/// route is made of (the ticket's connector, channel and instance, the offers' endpoints) does not change.
pub fn of(event: &Event, ticket: &Ticket) -> Option<Route> {
    event.body.decision_kind()?;
    let side_connector = side(&event.body, ticket).filter(|side| *side != ticket.connector);
    let instance = ticket.follows_instance.then(|| ticket.instance.clone());
    Some(Route { connector: ticket.connector.clone(), channel: ticket.channel, instance, side_connector })
}

/// The connector that reaches the agent concerned. Of parallel offers through several connectors beside the ticket's, the first.
fn side(body: &Body, ticket: &Ticket) -> Option<ConnectorId> {
    match body {
        Body::Offered { offers, .. } => {
            let mut sides = offers.iter().filter_map(through);
            sides.find(|side| *side != ticket.connector)
        }
        Body::OfferEnded { offer, .. }
        | Body::Accepted { offer, .. }
        | Body::Confirmed { offer }
        | Body::ConnectFailed { offer, .. } => of_offer(ticket, *offer),
        Body::Placed { offer, .. } => through(offer),
        Body::HandlerLost { leg, agent, .. } | Body::LegEnded { leg, agent, .. } => of_agent(ticket, *leg, agent),
        Body::Held { hold } => {
            let handler = hold.handler.as_ref()?;
            ticket.legs.iter().rev().find_map(|leg| of_agent(ticket, leg.n, handler))
        }
        // The rest concerns the customer's side alone, or is no decision.
        Body::Created { .. }
        | Body::Tombstoned { .. }
        | Body::Queued { .. }
        | Body::WrapUpFinished { .. }
        | Body::LegCancelled { .. }
        | Body::LegMoved { .. }
        | Body::Visited { .. }
        | Body::PreferenceEnded { .. }
        | Body::ExclusionsEnded { .. }
        | Body::PauseEnded { .. }
        | Body::Infeasible { .. }
        | Body::Updated { .. }
        | Body::Resumed {}
        | Body::Escalated { .. }
        | Body::TransferStarted { .. }
        | Body::TransferMoved { .. }
        | Body::Quarantined { .. }
        | Body::Released { .. }
        | Body::Notified { .. }
        | Body::Resolved { .. }
        | Body::Reopened { .. }
        | Body::Closed {}
        | Body::Cancelled { .. }
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

fn through(offer: &Offer) -> Option<ConnectorId> {
    offer.endpoint.as_ref().map(|reached| reached.connector.clone())
}

fn of_offer(ticket: &Ticket, id: OfferId) -> Option<ConnectorId> {
    ticket.leg(id.leg.leg)?.offers.iter().find(|offer| offer.id == id).and_then(through)
}

/// By the last offer that this agent had of the leg.
fn of_agent(ticket: &Ticket, leg: u8, agent: &AgentId) -> Option<ConnectorId> {
    ticket.leg(leg)?.offers.iter().rev().find(|offer| offer.agent == *agent).and_then(through)
}
