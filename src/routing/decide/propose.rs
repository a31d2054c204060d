//! What the index proposes and the engine finds out: offers, diagnoses, lifted exclusions, lanes derived again.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::draft::Draft;
use super::place::{accepts_by_itself, lane_of, reached};
use super::{offers, transfer};
use crate::domain::agent::Agent;
use crate::domain::desk::LaneKey;
use crate::domain::event::Body;
use crate::domain::id::{AgentId, LegId, OfferId};
use crate::domain::leg::{ExclusionReason, Leg, LegState};
use crate::domain::offer::{Offer, OfferState};
use crate::domain::record::{DecisionRecord, Verdict};
use crate::domain::ticket::{Infeasibility, Ticket};
use crate::domain::time::Span;
use crate::routing::command::{Answer, Proposed};
use crate::routing::lanes::satisfies;
use crate::routing::reject::Reject;

/// An exclusion is lifted early at the earliest this long after it began.
pub const LIFT_AFTER: Span = Span::from_secs(15);

/// The guards: leg version unchanged, agent's session current and READY, room, and a fit. Whoever fails one is left out; when
/// nobody is left the proposal is stale.
pub(super) fn decide(
    draft: &mut Draft<'_>,
    id: LegId,
    leg_ver: u32,
    agents: &[Proposed],
    record: &DecisionRecord,
) -> Result<Answer, Reject> {
    let ticket = waiting_at(draft, id, leg_ver)?;
    let leg = ticket.leg(id.leg).ok_or(Reject::Stale)?;
    if leg.pause_until.is_some() {
        return Err(Reject::Stale);
    }
    if transfer::deserted(draft, id)? {
        return Ok(Answer::Leg { leg: id });
    }
    let mut seen = BTreeSet::new();
    let once = agents.iter().filter(|proposed| seen.insert(&proposed.agent));
    let fit = once.filter_map(|proposed| takes(draft, &ticket, leg, proposed));
    let fit: Vec<_> = fit.take(usize::from(leg.want)).collect();
    if fit.is_empty() {
        return Err(Reject::Stale);
    }
    let offers: Vec<Offer> = (0..).zip(&fit).map(|(nth, agent)| offer(draft, &ticket, leg, agent, nth)).collect();
    let mut record = record.clone();
    for candidate in &mut record.candidates {
        let chosen = fit.iter().any(|agent| agent.id == candidate.agent);
        if candidate.verdict == Verdict::Chosen && !chosen {
            candidate.verdict = Verdict::Eligible;
        }
    }
    let first = offers[0].id;
    let automatic = fit.iter().position(|agent| accepts_by_itself(agent, ticket.channel)).map(|nth| offers[nth].id);
    // Nobody holds the rows any more: the events change them in place.
    drop((ticket, fit));
    draft.emit(id.ticket, Body::Offered { leg: id.leg, offers, record: Box::new(record) });
    offers::transfer_offered(draft, id);
    if let Some(taken) = automatic {
        offers::take(draft, taken, &Arc::from(""), false)?;
    }
    Ok(Answer::Offer { offer: first })
}

/// The ticket of a leg that waits at this version.
fn waiting_at(draft: &Draft<'_>, id: LegId, leg_ver: u32) -> Result<Arc<Ticket>, Reject> {
    let ticket = draft.ticket(id.ticket).map_err(|_| Reject::Stale)?;
    let matched = |leg: &Leg| leg.ver == leg_ver || leg_ver == 0 && leg.ver == 1;
    let current = ticket.leg(id.leg).is_some_and(|leg| leg.state == LegState::Waiting && matched(leg));
    if current { Ok(ticket) } else { Err(Reject::Stale) }
}

fn takes(draft: &Draft<'_>, ticket: &Ticket, leg: &Leg, proposed: &Proposed) -> Option<Arc<Agent>> {
    let agent = draft.agent(&proposed.agent).ok()?;
    let current = agent.session.as_ref().is_some_and(|session| session.epoch == proposed.session);
    let open = agent.profile.blocked() & ticket.channel.bit() == 0;
    let room = agent.on_duty() && open && agent.has_room(ticket.channel);
    let takes = current && room && leg.excludes(&agent.id).is_none() && fits(draft, leg, &agent);
    takes.then_some(agent)
}

/// A profile may have changed since the agent was chosen, and a reservation may be another ticket's of the same name.
fn fits(draft: &Draft<'_>, leg: &Leg, agent: &Agent) -> bool {
    let lane = draft.scope().ok().and_then(|scope| scope.desk.lanes.get(leg.lane));
    let serves = |lane: &Arc<LaneKey>| lane.alternatives.iter().any(|need| satisfies(need, &agent.profile.expertise));
    leg.prefer.as_ref() == Some(&agent.id) || lane.is_some_and(serves)
}

fn offer(draft: &Draft<'_>, ticket: &Ticket, leg: &Leg, agent: &Agent, nth: u8) -> Offer {
    let queue = draft.queue(ticket);
    let ring = queue.offer_timeout(ticket.channel);
    let expire_time = draft.now() + ring;
    Offer {
        id: OfferId { leg: LegId { ticket: ticket.id, leg: leg.n }, leg_ver: leg.ver, nth },
        agent: agent.id.clone(),
        session: agent.session.as_ref().map_or(0, |session| session.epoch),
        device: None,
        state: OfferState::Pending,
        end: None,
        endpoint: reached(agent, ticket.channel),
        weight: agent.profile.weight(ticket.channel),
        offer_time: draft.now(),
        ring,
        expire_time,
        lapse_time: expire_time + draft.policy(ticket).limits.accept_grace,
        confirm_expire_time: None,
    }
}

/// Records why nobody takes a waiting leg, when that changed.
pub(super) fn diagnose(
    draft: &mut Draft<'_>,
    id: LegId,
    leg_ver: u32,
    infeasibility: Option<Infeasibility>,
) -> Result<Answer, Reject> {
    let ticket = waiting_at(draft, id, leg_ver)?;
    if ticket.infeasibility == infeasibility {
        return Err(Reject::Stale);
    }
    draft.emit(id.ticket, Body::Infeasible { leg: id.leg, infeasibility });
    if !transfer::deserted(draft, id)? {
        transfer::diagnosed(draft, id, infeasibility)?;
    }
    Ok(Answer::Leg { leg: id })
}

/// Lifts exclusions that are old enough: nobody else who could take the leg is on duty.
pub(super) fn lift(draft: &mut Draft<'_>, id: LegId, leg_ver: u32) -> Result<Answer, Reject> {
    let ticket = waiting_at(draft, id, leg_ver)?;
    let leg = ticket.leg(id.leg).ok_or(Reject::Stale)?;
    let now = draft.now();
    let liftable = leg.exclusions.iter().filter(|exclusion| {
        !matches!(exclusion.reason, ExclusionReason::Conflict | ExclusionReason::Transferor)
            && exclusion.since + LIFT_AFTER <= now
    });
    let agents: Vec<AgentId> = liftable.map(|exclusion| exclusion.agent.clone()).collect();
    if agents.is_empty() {
        return Err(Reject::Stale);
    }
    draft.emit(id.ticket, Body::ExclusionsEnded { leg: id.leg, agents });
    Ok(Answer::Leg { leg: id })
}

/// Puts a waiting leg into the lane that its need belongs to under the limits held now.
pub(super) fn relane(draft: &mut Draft<'_>, id: LegId, leg_ver: u32) -> Result<Answer, Reject> {
    let ticket = waiting_at(draft, id, leg_ver)?;
    let leg = ticket.leg(id.leg).ok_or(Reject::Stale)?;
    let queue = draft.queue(&ticket);
    let lane = lane_of(draft.scope()?, ticket.channel, &queue, &leg.requirement, &leg.alternatives)?;
    if lane == leg.lane {
        return Err(Reject::Stale);
    }
    let (requirement, order_time) = (leg.requirement.clone(), leg.order_time);
    draft.emit(id.ticket, Body::LegMoved { leg: id.leg, lane, requirement, order_time });
    Ok(Answer::Leg { leg: id })
}
