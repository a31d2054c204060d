//! The stage: a desk with a connector that serves every channel, and agents.

use handoff::entropy::Entropy;
use handoff::proto::handoff::v1 as pb;

use super::agents::AgentBuilder;
use super::{Clients, Service, eventually};

/// A desk to play on.
#[derive(Clone)]
pub struct Stage {
    pub clients: Clients,
    pub desk: String,
    pub connector: String,
}

/// A fresh request id.
pub fn request_id() -> String {
    Entropy::from_system().uuid().to_string()
}

impl Stage {
    /// A desk `desks/stage` with connector `adapter` on all channels.
    pub async fn set(service: &Service) -> Stage {
        Stage::named(service, "stage").await
    }

    pub async fn named(service: &Service, desk_id: &str) -> Stage {
        Stage::built(service.clients().await, desk_id).await
    }

    pub async fn built(mut clients: Clients, desk_id: &str) -> Stage {
        let request =
            pb::CreateDeskRequest { desk_id: desk_id.into(), desk: Some(pb::Desk::default()), ..Default::default() };
        let desk = clients.desks.create_desk(request).await.expect("a desk").into_inner().name;
        let mut stage = Stage { clients, connector: format!("{desk}/connectors/adapter"), desk };
        stage.connect("adapter", pb::Connector::default()).await;
        stage
    }

    /// A desk that is there already, over a connection of its own.
    pub async fn again(service: &Service, desk_id: &str) -> Stage {
        let desk = format!("desks/{desk_id}");
        Stage { clients: service.clients().await, connector: format!("{desk}/connectors/adapter"), desk }
    }

    pub async fn connect(&mut self, id: &str, connector: pb::Connector) -> String {
        let request = pb::CreateConnectorRequest {
            parent: self.desk.clone(),
            connector_id: id.into(),
            connector: Some(connector),
            ..Default::default()
        };
        self.clients.decisions.create_connector(request).await.expect("a connector").into_inner().name
    }

    /// An agent of tier 1 who takes anything; not created before [`AgentBuilder::create`].
    pub fn agent(&self, id: &str) -> AgentBuilder {
        AgentBuilder::new(self.clone(), id)
    }

    /// A ticket with nothing but its channel.
    pub fn ticket(channel: pb::Channel) -> pb::Ticket {
        pb::Ticket { channel: channel.into(), ..Default::default() }
    }

    pub fn create(&self, ticket: pb::Ticket) -> pb::CreateTicketRequest {
        pb::CreateTicketRequest {
            parent: self.desk.clone(),
            connector: self.connector.clone(),
            ticket: Some(ticket),
            request_id: request_id(),
            ..Default::default()
        }
    }

    pub async fn submit(&mut self, ticket: pb::Ticket) -> pb::Ticket {
        let request = self.create(ticket);
        self.clients.tickets.create_ticket(request).await.expect("a ticket").into_inner()
    }

    pub async fn get(&mut self, name: &str) -> pb::Ticket {
        let request = pb::GetTicketRequest { name: name.into(), view: pb::TicketView::Full.into() };
        self.clients.tickets.get_ticket(request).await.expect("the ticket").into_inner()
    }

    /// The ticket's last leg.
    pub async fn leg(&mut self, name: &str) -> pb::Leg {
        self.get(name).await.legs.last().cloned().expect("a leg")
    }

    /// The pending offer of the ticket, if there is one.
    pub async fn pending_offer(&mut self, name: &str) -> Option<pb::Offer> {
        let legs = self.get(name).await.legs;
        let offers = legs.into_iter().flat_map(|leg| leg.offers);
        offers.into_iter().find(|offer| offer.state() == pb::OfferState::Pending)
    }

    /// The offer that the ticket is rung with, as soon as there is one.
    pub async fn offered(&mut self, name: &str) -> pb::Offer {
        let stage = self.clone();
        eventually("an offer", async || stage.clone().pending_offer(name).await).await
    }

    /// The ticket as soon as it is in this state.
    pub async fn until(&mut self, name: &str, state: pb::TicketState) -> pb::Ticket {
        let stage = self.clone();
        let reached = async || Some(stage.clone().get(name).await).filter(|ticket| ticket.state() == state);
        eventually(&format!("{name} {state:?}"), reached).await
    }

    /// Every event of the ticket.
    pub async fn history(&mut self, name: &str) -> Vec<pb::TicketEvent> {
        let request = pb::ListTicketEventsRequest { parent: name.into(), page_size: 1_000, ..Default::default() };
        self.clients.tickets.list_ticket_events(request).await.expect("a history").into_inner().events
    }
}
