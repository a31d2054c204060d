//! What an agent's session shows of tickets. Drawn from rows alone, so that what did not change is drawn alike.

use super::brief;
use crate::domain::id::DeskId;
use crate::domain::leg::Leg;
use crate::domain::offer::Offer;
use crate::domain::ticket::{Ticket, TicketState};
use crate::grpc::name;
use crate::grpc::words::Word;
use crate::proto::handoff::v1 as pb;

/// An offer with what the agent should know before accepting.
pub fn offer(desk: &DeskId, ticket: &Ticket, leg: &Leg, offer: &Offer) -> pb::Offer {
    pb::Offer { brief: Some(brief(ticket, leg, offer.offer_time)), ..super::offer(desk, ticket, offer) }
}

/// A leg of the agent, without offers and exclusions: those are the desk's.
pub fn leg(desk: &DeskId, ticket: &Ticket, leg: &Leg) -> pb::SessionLeg {
    let taken = leg.offer_time.unwrap_or(leg.wait_start);
    pb::SessionLeg {
        leg: Some(pb::Leg { offers: Vec::new(), exclusions: Vec::new(), ..super::leg(desk, ticket, leg) }),
        ticket: name::ticket(desk, &ticket.name),
        channel: ticket.channel.number(),
        brief: Some(brief(ticket, leg, taken)),
        on_hold: ticket.state == TicketState::OnHold,
    }
}
