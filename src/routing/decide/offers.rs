//! What agents and connectors say to an offer: accept, decline, confirm, fail.

use std::sync::Arc;

use super::draft::Draft;
use super::{cancel, end, transfer};
use crate::domain::agent::Reachability;
use crate::domain::event::Body;
use crate::domain::id::{LegId, OfferId};
use crate::domain::leg::{EndedBy, Exclusion, ExclusionReason, Leg, LegState};
use crate::domain::offer::{DeclineReason, FailReason, Offer, OfferEnd, OfferState, RevokeReason};
use crate::domain::ticket::{CancelReason, Ticket, TransferState, Visit};
use crate::domain::time::Time;
use crate::routing::command::Answer;
use crate::routing::reject::{Kind, Reject};

/// Failed connections after which a leg pauses.
const FAILURES_BEFORE_PAUSE: u16 = 3;

/// Accepts an offer: fenced by the offer and the session. The same device again gets the same answer.
pub(super) fn accept(
    draft: &mut Draft<'_>,
    id: OfferId,
    session: u64,
    device: &Arc<str>,
    connected: bool,
) -> Result<Answer, Reject> {
    let missing = || Reject::not_found(Kind::Offer, id);
    let ticket = draft.ticket(id.leg.ticket).map_err(|_| missing())?;
    let (leg, offer) = ticket.offer(id).ok_or_else(missing)?;
    check_session(draft, leg, offer, session)?;
    match offer.state {
        // Its time may be over where its timer is late: after an outage whoever answered in time wins.
        OfferState::Pending => {
            // Nobody holds the row any more: the event changes it in place.
            drop(ticket);
            take(draft, id, device, connected)?;
        }
        OfferState::Accepted | OfferState::Confirmed if offer.device.as_ref() == Some(device) => {}
        OfferState::Accepted | OfferState::Confirmed => return Err(Reject::AcceptedElsewhere { offer: id }),
        OfferState::Declined | OfferState::Expired | OfferState::Revoked | OfferState::Failed => {
            return Err(gone(offer));
        }
    }
    Ok(Answer::Offer { offer: id })
}

/// Takes a pending offer: the other parallel ones are revoked in the same decision.
pub(super) fn take(draft: &mut Draft<'_>, id: OfferId, device: &Arc<str>, connected: bool) -> Result<(), Reject> {
    let ticket = draft.ticket(id.leg.ticket)?;
    let leg = ticket.leg(id.leg.leg).ok_or_else(|| Reject::not_found(Kind::Leg, id.leg))?;
    let others: Vec<OfferId> = leg.pending_offers().map(|offer| offer.id).filter(|other| *other != id).collect();
    let confirms = !connected && draft.connector(&ticket.connector).is_ok_and(|row| row.confirms(ticket.channel));
    let confirm_expire_time = confirms.then(|| draft.now() + draft.policy(&ticket).limits.confirmation);
    // Nobody holds the row any more: the event changes it in place.
    drop(ticket);
    draft.emit(id.leg.ticket, Body::Accepted { offer: id, device: device.clone(), confirm_expire_time });
    for other in others {
        revoke(draft, other, RevokeReason::TakenByAnother);
    }
    if confirm_expire_time.is_none() {
        transfer::confirmed(draft, id.leg)?;
    }
    Ok(())
}

pub(super) fn decline(
    draft: &mut Draft<'_>,
    id: OfferId,
    session: u64,
    reason: DeclineReason,
) -> Result<Answer, Reject> {
    let (ticket, leg, offer) = draft.offer(id)?;
    check_session(draft, &leg, &offer, session)?;
    if offer.state == OfferState::Declined && offer.end == Some(OfferEnd::Declined(reason)) {
        return Ok(Answer::Offer { offer: id });
    }
    if offer.state != OfferState::Pending {
        return Err(gone(&offer));
    }
    let again = leg.declines.contains(&offer.agent);
    let until = (!again).then(|| draft.now() + draft.policy(&ticket).limits.exclusion_after_decline);
    let kind = if reason == DeclineReason::Conflict { ExclusionReason::Conflict } else { ExclusionReason::Declined };
    let exclusion = exclusion(draft.now(), &offer, kind, until);
    end_offer(draft, id, OfferEnd::Declined(reason), Some(exclusion), false);
    if reason == DeclineReason::NotMySkill {
        let visit = Visit {
            agent: Some(offer.agent),
            queue: None,
            tier: None,
            effective: ticket.effective.clone(),
            at: draft.now(),
        };
        draft.emit(ticket.id, Body::Visited { visit: Box::new(visit) });
    }
    transfer::offer_lost(draft, id.leg)?;
    Ok(Answer::Offer { offer: id })
}

pub(super) fn confirm(draft: &mut Draft<'_>, id: OfferId) -> Result<Answer, Reject> {
    let (ticket, _, offer) = draft.offer(id)?;
    match offer.state {
        OfferState::Accepted => {
            draft.emit(ticket.id, Body::Confirmed { offer: id });
            transfer::confirmed(draft, id.leg)?;
        }
        OfferState::Confirmed => {}
        OfferState::Pending | OfferState::Declined | OfferState::Expired | OfferState::Revoked | OfferState::Failed => {
            return Err(gone(&offer));
        }
    }
    Ok(Answer::Offer { offer: id })
}

pub(super) fn fail(draft: &mut Draft<'_>, id: OfferId, reason: FailReason) -> Result<Answer, Reject> {
    let (ticket, _, offer) = draft.offer(id)?;
    if reason == FailReason::CustomerUnreachable {
        return Err(Reject::Unsupported { field: "reason", what: "call-backs do not exist yet" });
    }
    let gone_before = reason == FailReason::CustomerGone && ticket.cancel_reason == Some(CancelReason::CustomerLeft);
    if offer.end == Some(OfferEnd::Failed(reason)) || gone_before {
        return Ok(Answer::Offer { offer: id });
    }
    let answered_by_endpoint = offer.state == OfferState::Pending;
    if offer.state != OfferState::Accepted && !answered_by_endpoint {
        return Err(gone(&offer));
    }
    if reason == FailReason::CustomerGone {
        cancel::close(draft, &ticket, CancelReason::CustomerLeft)?;
        return Ok(Answer::Offer { offer: id });
    }
    failed(draft, id, reason)?;
    Ok(Answer::Offer { offer: id })
}

/// Back to WAITING after a connection that failed; the agent is blamed only for their own endpoint.
pub(super) fn failed(draft: &mut Draft<'_>, id: OfferId, reason: FailReason) -> Result<(), Reject> {
    let (ticket, leg, offer) = draft.offer(id)?;
    let limits = draft.policy(&ticket).limits.clone();
    let now = draft.now();
    let reachability = match reason {
        FailReason::AgentUnreachable => Some(Reachability::Unreachable),
        FailReason::AgentBusyElsewhere => Some(Reachability::BusyElsewhere),
        FailReason::MediaError
        | FailReason::CustomerGone
        | FailReason::CustomerUnreachable
        | FailReason::Unconfirmed
        | FailReason::Other => None,
    };
    let until = now + limits.exclusion_after_miss;
    let exclusion = reachability.map(|_| exclusion(now, &offer, ExclusionReason::Failed, Some(until)));
    let pause = (u16::from(leg.failures) + 1).is_multiple_of(FAILURES_BEFORE_PAUSE);
    let pause_until = pause.then(|| now + limits.failure_pause);
    draft.emit(ticket.id, Body::ConnectFailed { offer: id, reason, exclusion, pause_until });
    if let Some(reachability) = reachability {
        let until = Some(now + limits.endpoint_lapse);
        let (agent, channel) = (offer.agent, ticket.channel);
        draft.emit_desk(Body::EndpointReported { agent, channel, reachability, until });
    }
    transfer::offer_lost(draft, id.leg)
}

/// Nobody answered: a miss.
pub(super) fn expire(draft: &mut Draft<'_>, id: OfferId) -> Result<(), Reject> {
    let (ticket, _, offer) = draft.offer(id)?;
    let until = draft.now() + draft.policy(&ticket).limits.exclusion_after_miss;
    let exclusion = exclusion(draft.now(), &offer, ExclusionReason::Missed, Some(until));
    let misses = draft.agent(&offer.agent).map_or(0, |agent| agent.misses);
    end_offer(draft, id, OfferEnd::Expired, Some(exclusion), misses >= 1);
    transfer::offer_lost(draft, id.leg)
}

pub(super) fn revoke(draft: &mut Draft<'_>, id: OfferId, reason: RevokeReason) {
    end_offer(draft, id, OfferEnd::Revoked(reason), None, false);
}

/// Takes back whatever is open on a leg that nobody works on yet, and the leg itself.
pub(super) fn withdraw(draft: &mut Draft<'_>, leg: LegId, reason: RevokeReason) -> Result<(), Reject> {
    let (_, row) = draft.leg(leg)?;
    let open = row.offers.iter().filter(|offer| offer.is_open()).map(|offer| offer.id);
    for offer in open.collect::<Vec<_>>() {
        revoke(draft, offer, reason);
    }
    draft.emit(leg.ticket, Body::LegCancelled { leg: leg.leg });
    Ok(())
}

/// Ends every leg of a ticket whose contact is over: pending ones are taken back, an ACTIVE one goes to wrap-up.
pub(super) fn end_all(
    draft: &mut Draft<'_>,
    ticket: &Ticket,
    reason: RevokeReason,
    by: EndedBy,
    state: TransferState,
) -> Result<(), Reject> {
    withdraw_all(draft, ticket, reason, state)?;
    for leg in ticket.legs.iter().filter(|leg| leg.state == LegState::Active) {
        end::contact(draft, ticket, leg, by, false);
    }
    Ok(())
}

/// Takes back what is pending, and the hand-over that it was for.
pub(super) fn withdraw_all(
    draft: &mut Draft<'_>,
    ticket: &Ticket,
    reason: RevokeReason,
    state: TransferState,
) -> Result<(), Reject> {
    if let Some(open) = ticket.open_transfer() {
        let (transfer, hops) = (open.n, ticket.hops);
        draft.emit(ticket.id, Body::TransferMoved { transfer, state, to_agent: None, hops, visits: Vec::new() });
    }
    for leg in ticket.legs.iter().filter(|leg| leg.state.is_pending()) {
        withdraw(draft, LegId { ticket: ticket.id, leg: leg.n }, reason)?;
    }
    Ok(())
}

pub(super) fn transfer_offered(draft: &mut Draft<'_>, id: LegId) {
    let Ok(ticket) = draft.ticket(id.ticket) else { return };
    let Some(leg) = ticket.leg(id.leg) else { return };
    let open = ticket.transfers.iter().find(|known| Some(known.n) == leg.transfer);
    if let Some(open) = open.filter(|open| open.state == TransferState::Requested) {
        let to_agent = leg.pending_offers().next().map(|offer| offer.agent.clone());
        let (transfer, hops) = (open.n, ticket.hops);
        let state = TransferState::Offered;
        draft.emit(id.ticket, Body::TransferMoved { transfer, state, to_agent, hops, visits: Vec::new() });
    }
}

fn end_offer(draft: &mut Draft<'_>, offer: OfferId, end: OfferEnd, exclusion: Option<Exclusion>, not_responding: bool) {
    draft.emit(offer.leg.ticket, Body::OfferEnded { offer, end, exclusion, not_responding });
}

fn exclusion(now: Time, offer: &Offer, reason: ExclusionReason, until: Option<Time>) -> Exclusion {
    Exclusion { agent: offer.agent.clone(), reason, since: now, until }
}

/// The session must be the one that was offered, and still the agent's. An offer that is over says so itself, whatever the agent's
/// session is by now: that is the more useful answer.
fn check_session(draft: &Draft<'_>, leg: &Leg, offer: &Offer, session: u64) -> Result<(), Reject> {
    if !offer.is_open() {
        return Ok(());
    }
    let current = if leg.state.is_open() {
        let agent = draft.ws().agents.get(&offer.agent);
        agent.and_then(|agent| agent.session.as_ref()).map_or(0, |session| session.epoch)
    } else {
        offer.session
    };
    if session == offer.session && session == current {
        return Ok(());
    }
    Err(Reject::SessionStale { agent: offer.agent.clone(), current })
}

fn gone(offer: &Offer) -> Reject {
    Reject::OfferGone { offer: offer.id, state: offer.state, end: offer.end }
}
