//! Offers, and the briefs that go with them.

use super::{agent_name, duration, needs, timestamp};
use crate::domain::id::DeskId;
use crate::domain::leg::Leg;
use crate::domain::offer::{Offer, OfferEnd, Reached};
use crate::domain::ticket::{Note, Ticket};
use crate::domain::time::{Span, Time};
use crate::grpc::name;
use crate::grpc::words::Word;
use crate::proto::handoff::v1 as pb;

/// An offer of a ticket's leg, without its brief.
pub fn offer(desk: &DeskId, ticket: &Ticket, offer: &Offer) -> pb::Offer {
    pb::Offer {
        name: name::offer(desk, offer.id),
        state: offer.state.number(),
        ticket: name::ticket(desk, &ticket.name),
        leg: name::leg(desk, &ticket.name, offer.id.leg.leg),
        agent: agent_name(desk, Some(&offer.agent)),
        endpoint: offer.endpoint.as_ref().map(|reached| endpoint(desk, reached)),
        session_epoch: offer.session,
        device_id: offer.device.as_ref().map(ToString::to_string).unwrap_or_default(),
        expire_time: Some(timestamp(offer.expire_time)),
        ring_duration: Some(duration(offer.ring)),
        confirm_expire_time: offer.confirm_expire_time.map(timestamp),
        brief: None,
        create_time: Some(timestamp(offer.offer_time)),
        channel: ticket.channel.number(),
        reason: offer.end.and_then(reason),
    }
}

fn reason(end: OfferEnd) -> Option<pb::offer::Reason> {
    match end {
        OfferEnd::Declined(reason) => Some(pb::offer::Reason::DeclineReason(reason.number())),
        OfferEnd::Revoked(reason) => Some(pb::offer::Reason::RevokeReason(reason.number())),
        OfferEnd::Failed(reason) => Some(pb::offer::Reason::FailReason(reason.number())),
        OfferEnd::Expired => None,
    }
}

pub fn endpoint(desk: &DeskId, reached: &Reached) -> pb::OfferEndpoint {
    pb::OfferEndpoint {
        connector: name::connector(desk, &reached.connector),
        address: reached.address.to_string(),
        accepts: reached.accepts.number(),
    }
}

/// What an agent is told of a ticket that is offered on `leg`, as of `at`.
pub fn brief(ticket: &Ticket, leg: &Leg, at: Time) -> pb::Brief {
    let content = &ticket.content;
    pb::Brief {
        subject: content.subject.to_string(),
        summary: content.summary.to_string(),
        customer: Some(needs::customer(&content.customer)),
        wait: Some(duration(waited(ticket, at))),
        language_code: ticket.language.to_string(),
        note: note(ticket, leg).map(|note| note.text.to_string()).unwrap_or_default(),
        context_uri: content.context_uri.to_string(),
    }
}

/// Since the customer arrived, without what was the customer's own turn.
fn waited(ticket: &Ticket, at: Time) -> Span {
    let since = at - ticket.arrival_time - ticket.customer_turn;
    since.max(Span::ZERO)
}

/// The note given with the transfer or escalation that this leg carries out: written in the moment in which that began.
fn note<'t>(ticket: &'t Ticket, leg: &Leg) -> Option<&'t Note> {
    let transfer = ticket.transfers.iter().find(|transfer| Some(transfer.n) == leg.transfer)?;
    ticket.content.notes.iter().rev().find(|note| note.at == transfer.create_time)
}
