//! OfferService.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::call::{call, submit};
use super::form::Form;
use super::name::OfferRef;
use super::render;
use super::status::{self, About};
use crate::availability::Availability;
use crate::domain::event::Actor;
use crate::domain::id::{AgentId, OfferId};
use crate::domain::offer::{DeclineReason, FailReason, Offer};
use crate::domain::ticket::Ticket;
use crate::engine::{Call, Engine};
use crate::proto::handoff::v1 as pb;
use crate::proto::handoff::v1::offer_service_server::OfferService;
use crate::routing::command::Command;
use crate::store::Store;

/// What a connector may say of a connection that did not come about. UNCONFIRMED is said by the timer alone.
const REPORTED: &[FailReason] = &[
    FailReason::AgentUnreachable,
    FailReason::AgentBusyElsewhere,
    FailReason::MediaError,
    FailReason::CustomerGone,
    FailReason::CustomerUnreachable,
    FailReason::Other,
];

pub struct Offers<S, A> {
    engine: Engine<S, A>,
}

#[tonic::async_trait]
impl<S: Store, A: Availability> OfferService for Offers<S, A> {
    async fn accept_offer(&self, request: Request<pb::AcceptOfferRequest>) -> Result<Response<pb::Offer>, Status> {
        let (offer, call) = accept(request.get_ref())?;
        let actor = self.agent_of(&offer).await?;
        self.answer(&offer, Call { actor, ..call }).await
    }

    async fn decline_offer(&self, request: Request<pb::DeclineOfferRequest>) -> Result<Response<pb::Offer>, Status> {
        let (offer, call) = decline(request.get_ref())?;
        let actor = self.agent_of(&offer).await?;
        self.answer(&offer, Call { actor, ..call }).await
    }

    async fn confirm_offer(&self, request: Request<pb::ConfirmOfferRequest>) -> Result<Response<pb::Offer>, Status> {
        let (offer, call) = confirm(request.get_ref())?;
        self.answer(&offer, call).await
    }

    async fn fail_offer(&self, request: Request<pb::FailOfferRequest>) -> Result<Response<pb::Offer>, Status> {
        let (offer, call) = fail(request.get_ref())?;
        self.answer(&offer, call).await
    }
}

impl<S: Store, A: Availability> Offers<S, A> {
    pub fn new(engine: Engine<S, A>) -> Offers<S, A> {
        Offers { engine }
    }

    /// Whoever answers an offer is its agent, whichever device or connector speaks for them.
    async fn agent_of(&self, offer: &OfferRef) -> Result<Actor, Status> {
        let ticket = self.engine.store().get_ticket(&offer.desk, offer.offer.leg.ticket).await;
        let ticket = ticket.map_err(|error| status::of_store(&error))?;
        let agent: Option<AgentId> = ticket.and_then(|ticket| Some(find(&ticket, offer.offer)?.agent.clone()));
        agent.map(Actor::Agent).ok_or_else(|| About::offer(offer).not_found().into())
    }

    async fn answer(&self, offer: &OfferRef, call: Call) -> Result<Response<pb::Offer>, Status> {
        let about = About::offer(offer);
        let reply = submit(&self.engine, call, &about).await?;
        let drawn = reply.ticket.and_then(|ticket| draw(offer, &ticket));
        Ok(Response::new(drawn.ok_or_else(|| about.not_found())?))
    }
}

fn find(ticket: &Ticket, id: OfferId) -> Option<&Offer> {
    ticket.leg(id.leg.leg)?.offers.iter().find(|offer| offer.id == id)
}

fn draw(offer: &OfferRef, ticket: &Ticket) -> Option<pb::Offer> {
    let leg = ticket.leg(offer.offer.leg.leg)?;
    let row = find(ticket, offer.offer)?;
    let brief = Some(render::brief(ticket, leg, row.offer_time));
    Some(pb::Offer { brief, ..render::offer(&offer.desk.desk, ticket, row) })
}

fn accept(request: &pb::AcceptOfferRequest) -> Result<(OfferRef, Call), Status> {
    let mut form = Form::new();
    let offer = form.offer("name", &request.name);
    let session = epoch(&mut form, request.session_epoch);
    let device = form.named("device_id", &request.device_id);
    let request_id = form.request_id(&request.request_id);
    let read: Option<(OfferRef, u64, Arc<str>)> = offer.zip(session).zip(device).map(|((a, b), c)| (a, b, c));
    let (offer, session, device) = form.finish(read)?;
    let command = Command::AcceptOffer { offer: offer.offer, session, device, connected: request.connected };
    let call = call(offer.desk.clone(), command, request, request_id);
    Ok((offer, call))
}

fn decline(request: &pb::DeclineOfferRequest) -> Result<(OfferRef, Call), Status> {
    let mut form = Form::new();
    let offer = form.offer("name", &request.name);
    let session = epoch(&mut form, request.session_epoch);
    let reason = form.choice::<DeclineReason>("reason", request.reason);
    let request_id = form.request_id(&request.request_id);
    let ((offer, session), reason) = form.finish(offer.zip(session).zip(reason))?;
    let command = Command::DeclineOffer { offer: offer.offer, session, reason };
    let call = call(offer.desk.clone(), command, request, request_id);
    Ok((offer, call))
}

fn confirm(request: &pb::ConfirmOfferRequest) -> Result<(OfferRef, Call), Status> {
    let mut form = Form::new();
    let offer = form.offer("name", &request.name);
    let request_id = form.request_id(&request.request_id);
    let offer = form.finish(offer)?;
    let call = call(offer.desk.clone(), Command::ConfirmOffer { offer: offer.offer }, request, request_id);
    Ok((offer, call))
}

fn fail(request: &pb::FailOfferRequest) -> Result<(OfferRef, Call), Status> {
    let mut form = Form::new();
    let offer = form.offer("name", &request.name);
    let reason = form.choice_of("reason", request.reason, REPORTED);
    if reason == Some(FailReason::CustomerUnreachable) {
        form.unsupported("reason", "CUSTOMER_UNREACHABLE is for call-backs, which do not exist yet");
    }
    let request_id = form.request_id(&request.request_id);
    let (offer, reason) = form.finish(offer.zip(reason))?;
    let call = call(offer.desk.clone(), Command::FailOffer { offer: offer.offer, reason }, request, request_id);
    Ok((offer, call))
}

fn epoch(form: &mut Form, epoch: u64) -> Option<u64> {
    if epoch == 0 {
        form.refuse("session_epoch", "is required, as in the offer");
    }
    Some(epoch).filter(|epoch| *epoch > 0)
}
