//! Events that move a leg: offers, acceptance, the end of work. Bookings are made and released here.

use std::sync::Arc;

use super::{agent_mut, book, leg_mut, leg_waits, release, ticket_mut};
use crate::domain::event::{Body, Event, NewLeg};
use crate::domain::id::{AgentId, OfferId, TicketId};
use crate::domain::leg::{EndedBy, Exclusion, Leg, LegState};
use crate::domain::offer::{Offer, OfferEnd, OfferState};
use crate::domain::time::Time;
use crate::routing::workset::WorkingSet;

pub(super) fn apply(ws: &mut WorkingSet<'_>, id: TicketId, event: &Event) {
    let at = event.at;
    match &event.body {
        Body::Offered { leg, offers, .. } => offered(ws, id, *leg, offers, at),
        Body::OfferEnded { offer, end, exclusion, not_responding } => {
            offer_ended(ws, id, *offer, *end, exclusion.as_ref(), at);
            match end {
                OfferEnd::Expired => missed(ws, id, *offer, *not_responding),
                // Who declines is there.
                OfferEnd::Declined(_) => responded(ws, id, *offer),
                OfferEnd::Revoked(_) | OfferEnd::Failed(_) => {}
            }
        }
        Body::Accepted { offer, device, confirm_expire_time } => {
            accepted(ws, id, *offer, device, *confirm_expire_time, at);
        }
        Body::Confirmed { offer } => {
            let ticket = ticket_mut(ws, id);
            let leg = leg_mut(ticket, offer.leg.leg);
            set_offer(leg, *offer, OfferState::Confirmed, None);
            activate(leg, at);
        }
        Body::ConnectFailed { offer, reason, exclusion, pause_until } => {
            offer_ended(ws, id, *offer, OfferEnd::Failed(*reason), exclusion.as_ref(), at);
            let leg = leg_mut(ticket_mut(ws, id), offer.leg.leg);
            // Every third one counts: it goes on from 253, and not from 255 for ever.
            leg.failures = leg.failures.checked_add(1).unwrap_or(253);
            leg.pause_until = *pause_until;
        }
        Body::Placed { leg, offer, .. } => placed(ws, id, *leg, offer, at),
        Body::LegEnded { leg, agent, ended_by, wrap_up_expire_time, .. } => {
            end_work(ws, id, *leg, agent, *ended_by, *wrap_up_expire_time, at);
        }
        Body::WrapUpFinished { leg, code, .. } => wrap_up_finished(ws, id, *leg, code),
        Body::LegCancelled { leg } => {
            let row = leg_mut(ticket_mut(ws, id), *leg);
            row.ver += 1;
            row.state = LegState::Cancelled;
            row.end_time = Some(at);
        }
        Body::LegMoved { leg, lane, requirement, order_time } => {
            let row = leg_mut(ticket_mut(ws, id), *leg);
            row.ver += 1;
            row.lane = *lane;
            row.requirement = requirement.clone();
            row.order_time = *order_time;
        }
        Body::PreferenceEnded { leg } => {
            let row = leg_mut(ticket_mut(ws, id), *leg);
            row.ver += 1;
            row.prefer = None;
            row.prefer_until = None;
        }
        Body::ExclusionsEnded { leg, agents } => {
            let row = leg_mut(ticket_mut(ws, id), *leg);
            row.ver += 1;
            row.exclusions.retain(|exclusion| !agents.contains(&exclusion.agent));
        }
        Body::PauseEnded { leg } => {
            let row = leg_mut(ticket_mut(ws, id), *leg);
            row.ver += 1;
            row.pause_until = None;
        }
        _ => {}
    }
}

/// A leg as it begins to wait.
pub(super) fn begin(new: &NewLeg, at: Time) -> Leg {
    Leg {
        n: new.n,
        ver: 1,
        state: LegState::Waiting,
        role: new.role,
        lane: new.lane,
        requirement: new.requirement.clone(),
        alternatives: new.alternatives.clone(),
        order_time: new.order_time,
        want: new.want,
        agent: None,
        weight: 0,
        exclusions: new.exclusions.clone(),
        prefer: new.prefer.clone(),
        prefer_until: new.prefer_until,
        declines: Vec::new(),
        failures: 0,
        pause_until: new.pause_until,
        transfer: new.transfer,
        wait_start: at,
        offer_time: None,
        connect_time: None,
        end_time: None,
        wrap_up_expire_time: None,
        ended_by: None,
        wrap_up_code: None,
        offers: Vec::new(),
    }
}

fn offered(ws: &mut WorkingSet<'_>, id: TicketId, n: u8, offers: &[Offer], at: Time) {
    let ticket = ticket_mut(ws, id);
    let channel = ticket.channel;
    ticket.infeasibility = None;
    for transfer in ticket.transfers.iter_mut().filter(|transfer| transfer.state.is_open() && transfer.leg == n) {
        // Somebody is there after all.
        transfer.absent_due = None;
    }
    let leg = leg_mut(ticket, n);
    leg.ver += 1;
    leg.state = LegState::Offered;
    leg.offer_time.get_or_insert(at);
    leg.offers.extend(offers.iter().cloned());
    for offer in offers {
        book(ws, &offer.agent, channel, offer.weight);
    }
}

/// Answers whose offer it is, and the points booked for it.
fn set_offer(leg: &mut Leg, id: OfferId, state: OfferState, end: Option<OfferEnd>) -> (AgentId, u16) {
    let offer = leg.offers.iter_mut().find(|offer| offer.id == id).expect("an offer is kept as long as its ticket");
    offer.state = state;
    offer.end = end.or(offer.end);
    if state != OfferState::Accepted {
        offer.confirm_expire_time = None;
    }
    (offer.agent.clone(), offer.weight)
}

fn offer_ended(
    ws: &mut WorkingSet<'_>,
    id: TicketId,
    offer: OfferId,
    end: OfferEnd,
    exclusion: Option<&Exclusion>,
    at: Time,
) {
    let ticket = ticket_mut(ws, id);
    let channel = ticket.channel;
    let state = match end {
        OfferEnd::Declined(_) => OfferState::Declined,
        OfferEnd::Expired => OfferState::Expired,
        OfferEnd::Revoked(_) => OfferState::Revoked,
        OfferEnd::Failed(_) => OfferState::Failed,
    };
    let leg = leg_mut(ticket, offer.leg.leg);
    let (agent, weight) = set_offer(leg, offer, state, Some(end));
    leg.ver += 1;
    if let Some(exclusion) = exclusion {
        exclude(leg, exclusion);
        if leg.prefer.as_ref() == Some(&exclusion.agent) {
            leg.prefer = None;
            leg.prefer_until = None;
        }
    }
    if matches!(end, OfferEnd::Declined(_)) {
        leg.declines.retain(|known| *known != agent);
        leg.declines.push(agent.clone());
        let surplus = leg.declines.len().saturating_sub(Leg::MAX_EXCLUSIONS);
        leg.declines.drain(..surplus);
    }
    let nobody_left = !leg.offers.iter().any(Offer::is_open);
    let n = leg.n;
    if nobody_left && matches!(leg.state, LegState::Offered | LegState::Connecting) {
        leg_waits(ticket, n, at);
    }
    release(ws, &agent, channel, weight);
}

/// One exclusion for each agent. When there are too many, the one that ends first makes way.
fn exclude(leg: &mut Leg, exclusion: &Exclusion) {
    leg.exclusions.retain(|known| known.agent != exclusion.agent);
    if leg.exclusions.len() >= Leg::MAX_EXCLUSIONS {
        let ends = |known: &Exclusion| (known.until.is_none(), known.until, known.since);
        let first = (0..leg.exclusions.len()).min_by_key(|at| ends(&leg.exclusions[*at]));
        first.map(|at| leg.exclusions.remove(at));
    }
    leg.exclusions.push(exclusion.clone());
}

fn responded(ws: &mut WorkingSet<'_>, id: TicketId, offer: OfferId) {
    let leg = leg_mut(ticket_mut(ws, id), offer.leg.leg);
    let agent = leg.offers.iter().find(|known| known.id == offer).map(|known| known.agent.clone());
    if let Some(agent) = agent {
        agent_mut(ws, &agent).misses = 0;
    }
}

fn missed(ws: &mut WorkingSet<'_>, id: TicketId, offer: OfferId, not_responding: bool) {
    let leg = leg_mut(ticket_mut(ws, id), offer.leg.leg);
    let agent = leg.offers.iter().find(|known| known.id == offer).map(|known| known.agent.clone());
    if let Some(agent) = agent {
        let row = agent_mut(ws, &agent);
        row.misses = row.misses.saturating_add(1);
        row.not_responding |= not_responding;
    }
}

fn accepted(ws: &mut WorkingSet<'_>, id: TicketId, offer: OfferId, device: &Arc<str>, confirm: Option<Time>, at: Time) {
    let leg = leg_mut(ticket_mut(ws, id), offer.leg.leg);
    let state = if confirm.is_some() { OfferState::Accepted } else { OfferState::Confirmed };
    let (agent, weight) = set_offer(leg, offer, state, None);
    for known in leg.offers.iter_mut().filter(|known| known.id == offer) {
        known.device = Some(device.clone());
        known.confirm_expire_time = confirm;
    }
    leg.ver += 1;
    leg.agent = Some(agent.clone());
    leg.weight = weight;
    leg.state = LegState::Connecting;
    if confirm.is_none() {
        activate(leg, at);
    }
    let agent = agent_mut(ws, &agent);
    agent.ver += 1;
    agent.misses = 0;
    agent.last_accept_time = at;
}

fn activate(leg: &mut Leg, at: Time) {
    leg.ver += 1;
    leg.state = LegState::Active;
    leg.connect_time = Some(at);
    leg.prefer = None;
    leg.prefer_until = None;
}

fn placed(ws: &mut WorkingSet<'_>, id: TicketId, n: u8, offer: &Offer, at: Time) {
    let ticket = ticket_mut(ws, id);
    let channel = ticket.channel;
    let leg = leg_mut(ticket, n);
    leg.offers.push(offer.clone());
    leg.agent = Some(offer.agent.clone());
    leg.weight = offer.weight;
    leg.offer_time.get_or_insert(at);
    activate(leg, at);
    book(ws, &offer.agent, channel, offer.weight);
    let agent = agent_mut(ws, &offer.agent);
    agent.last_accept_time = at;
}

/// Work on an ACTIVE leg is over. Without a wrap-up the agent is free at once.
fn end_work(
    ws: &mut WorkingSet<'_>,
    id: TicketId,
    n: u8,
    agent: &AgentId,
    by: EndedBy,
    wrap_up: Option<Time>,
    at: Time,
) {
    let ticket = ticket_mut(ws, id);
    let channel = ticket.channel;
    let leg = leg_mut(ticket, n);
    leg.ver += 1;
    leg.end_time = Some(at);
    leg.ended_by = Some(by);
    leg.wrap_up_expire_time = wrap_up;
    leg.state = if wrap_up.is_some() { LegState::Wrapping } else { LegState::Done };
    let weight = leg.weight;
    if wrap_up.is_none() {
        release(ws, agent, channel, weight);
    }
}

fn wrap_up_finished(ws: &mut WorkingSet<'_>, id: TicketId, n: u8, code: &Arc<str>) {
    let ticket = ticket_mut(ws, id);
    let channel = ticket.channel;
    let leg = leg_mut(ticket, n);
    leg.ver += 1;
    leg.state = LegState::Done;
    leg.wrap_up_expire_time = None;
    leg.wrap_up_code = Some(code.clone());
    let booked = leg.agent.clone().map(|agent| (agent, leg.weight));
    if let Some((agent, weight)) = booked {
        release(ws, &agent, channel, weight);
    }
}
