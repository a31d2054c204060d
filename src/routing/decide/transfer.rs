//! Blind transfers: to an agent, a need or a queue, with ping-pong protection, and what becomes of them when the target
//! confirms, declines or does not exist.
//!
//! A transfer is a further leg that looks for the target. An ACTIVE handler keeps the ticket until the target is confirmed,
//! unless released at once.

mod ping_pong;

use std::sync::Arc;

use super::draft::Draft;
use super::place::{Next, next_leg};
use super::{end, escalate, hops, requeue};
use crate::domain::agent::Agent;
use crate::domain::event::{Body, NewLeg, QueuedReason};
use crate::domain::id::{AgentId, LegId, TicketId};
use crate::domain::leg::{EndedBy, Exclusion, ExclusionReason, Leg, LegRole, LegState};
use crate::domain::offer::RevokeReason;
use crate::domain::requirement::{Expertise, Requirement};
use crate::domain::ticket::{
    Axis, EscalationReason, Infeasibility, OnUnavailable, Placing, Release, Target, Ticket, TicketState, Transfer,
    TransferState, Visit,
};
use crate::domain::time::Time;
use crate::routing::command::{Answer, NewTransfer};
use crate::routing::lanes::satisfies;
use crate::routing::reject::{Reject, Violation};

pub(super) fn decide(draft: &mut Draft<'_>, id: TicketId, new: &NewTransfer) -> Result<Answer, Reject> {
    let ticket = draft.ticket(id)?;
    movable(&ticket)?;
    if ticket.open_transfer().is_some() {
        return Err(Reject::TicketState { state: ticket.state, needed: "a transfer is under way already" });
    }
    if hops::used_up(draft, &ticket) {
        let (reason, requested_by) = (EscalationReason::Other, draft.actor().clone());
        return escalate::to_terminal(draft, &ticket, reason, requested_by, &new.note);
    }
    let place = target_place(draft, &ticket, &new.target)?;
    let (named, team) = match &new.target {
        Target::Agent(agent) => match named_agent(draft, &ticket, agent, new.on_unavailable)? {
            Aim::Agent => (Some(agent.clone()), None),
            Aim::Team(need) => (None, Some(need)),
        },
        Target::Requirement(_) | Target::Queue(_) => (None, None),
    };
    if new.override_reason.is_empty() {
        ping_pong::check(draft, &ticket, &new.target, &place)?;
    }
    let moving = Moving {
        role: LegRole::Transfer,
        reason: QueuedReason::Transferred,
        place,
        target: new.target.clone(),
        release: new.release,
        named,
        team,
        words: new.reason.clone(),
        axis: None,
    };
    let n = start(draft, &ticket, moving, &new.note)?;
    Ok(Answer::Transfer { ticket: id, transfer: n })
}

/// A hand-over about to begin.
pub(super) struct Moving {
    pub role: LegRole,
    pub reason: QueuedReason,
    pub place: Placing,
    pub target: Target,
    pub release: Release,
    pub named: Option<AgentId>,
    /// What the leg needs when a named agent left it to their team; the ticket's own needs stay.
    pub team: Option<Requirement>,
    pub words: Arc<str>,
    /// Set for the hand-over of an escalation, which counted as a hop when it was asked for.
    pub axis: Option<Axis>,
}

/// Whether the ticket can be handed on at all.
pub(super) fn movable(ticket: &Ticket) -> Result<(), Reject> {
    match ticket.state {
        TicketState::Queued | TicketState::Assigned => Ok(()),
        TicketState::Open
        | TicketState::OnHold
        | TicketState::Resolved
        | TicketState::Closed
        | TicketState::Cancelled => {
            Err(Reject::TicketState { state: ticket.state, needed: "only a QUEUED or ASSIGNED ticket is handed on" })
        }
    }
}

/// Begins a hand-over: the pending leg makes way, the transferor is released or keeps the ticket, a new leg looks for the target.
pub(super) fn start(draft: &mut Draft<'_>, ticket: &Ticket, moving: Moving, note: &Arc<str>) -> Result<u8, Reject> {
    let n = ticket.transfers.last().map_or(1, |last| last.n.saturating_add(1));
    let prefer = moving.named.clone().map(|agent| (agent, None));
    let effective = moving.team.clone().unwrap_or_else(|| moving.place.effective.clone());
    let place = Some(Placing { effective, ..moving.place.clone() });
    let next = Next { role: moving.role, reason: moving.reason, place, prefer, transfer: Some(n) };
    let mut leg = leg_for(draft, ticket, &next)?;
    leg.pause_until = waits_for(draft, ticket, &moving)?;
    requeue::withdraw_pending(draft, ticket, RevokeReason::Superseded)?;
    let from = ticket.active_leg();
    let transfer = Transfer {
        n,
        state: TransferState::Requested,
        target: moving.target,
        release: moving.release,
        axis: moving.axis,
        from_agent: from.and_then(|leg| leg.agent.clone()),
        from_leg: from.map(|leg| leg.n),
        to_agent: moving.named,
        leg: leg.n,
        hop: ticket.hops,
        reason: moving.words,
        before: current_place(ticket),
        absent_due: None,
        create_time: draft.now(),
        end_time: None,
    };
    let content = super::resolve::with_note(ticket, note, None, draft.now());
    let (place, visits) = (Box::new(moving.place), Vec::new());
    draft.emit(ticket.id, Body::TransferStarted { transfer: Box::new(transfer), place, visits, content });
    if moving.release == Release::Now
        && let Some(from) = from
    {
        end::contact(draft, ticket, from, EndedBy::Agent, false);
    }
    let unassigned_due = Some(draft.now() + draft.queue(ticket).unassigned_timeout(ticket.channel));
    draft.emit(ticket.id, Body::Queued { reason: next.reason, leg: Box::new(leg), place: None, unassigned_due });
    Ok(n)
}

/// A leg for a named agent who is off duty is matched with nobody until that agent comes, or the hand-over goes back.
fn waits_for(draft: &Draft<'_>, ticket: &Ticket, moving: &Moving) -> Result<Option<Time>, Reject> {
    let Some(named) = &moving.named else { return Ok(None) };
    let there = draft.agent(named)?.on_duty();
    Ok((!there).then(|| draft.now() + draft.queue(ticket).unassigned_timeout(ticket.channel)))
}

/// The agent came on duty: legs that waited for them alone are matched again.
pub(super) fn arrived(draft: &mut Draft<'_>, id: &AgentId) -> Result<(), Reject> {
    if !draft.agent(id)?.on_duty() {
        return Ok(());
    }
    for ticket in super::agents::tickets_of(draft, id) {
        let waiting = ticket.legs.iter().filter(|leg| leg.state == LegState::Waiting && leg.pause_until.is_some());
        let alone = waiting.filter(|leg| leg.prefer.as_ref() == Some(id) && leg.prefer_until.is_none());
        for leg in alone.map(|leg| leg.n).collect::<Vec<_>>() {
            draft.emit(ticket.id, Body::PauseEnded { leg });
        }
    }
    Ok(())
}

fn leg_for(draft: &Draft<'_>, ticket: &Ticket, next: &Next) -> Result<NewLeg, Reject> {
    let mut leg = next_leg(draft, ticket, next)?;
    let since = draft.now();
    let transferor = ticket.handler().map(|agent| Exclusion {
        agent: agent.clone(),
        reason: ExclusionReason::Transferor,
        since,
        until: None,
    });
    leg.exclusions.retain(|known| transferor.as_ref().is_none_or(|own| own.agent != known.agent));
    leg.exclusions.extend(transferor);
    Ok(leg)
}

pub(super) fn current_place(ticket: &Ticket) -> Placing {
    Placing {
        queue: ticket.queue.clone(),
        band: ticket.band,
        priority: ticket.priority,
        effective: ticket.effective.clone(),
        terminal: false,
    }
}

fn target_place(draft: &Draft<'_>, ticket: &Ticket, target: &Target) -> Result<Placing, Reject> {
    let policy = draft.policy(ticket);
    let (queue, need) = match target {
        Target::Agent(_) => (None, None),
        Target::Queue(queue) => (Some(queue), None),
        Target::Requirement(need) => (need.queue.as_ref(), Some(need)),
    };
    let mut place = current_place(ticket);
    if let Some(id) = queue {
        let found = policy.queue(id).ok_or_else(|| Reject::field("target", format!("the policy has no queue {id}")))?;
        place.queue = id.clone();
        place.band = ticket.band_asked.unwrap_or(found.band(ticket.channel));
    }
    if let Some(need) = need {
        let refused = super::create::check_needs(&policy, need, &Arc::from(""));
        if !refused.is_empty() {
            let named = |violation: Violation| Violation { field: format!("target.{}", violation.field), ..violation };
            return Err(Reject::Invalid(refused.into_iter().map(named).collect()));
        }
        place.effective = replaced(&ticket.effective, need);
        let groups = &draft.scope()?.desk.groups;
        if !groups.iter().any(|(_, group)| satisfies(&place.effective, group)) {
            return Err(Reject::NobodyFits);
        }
    }
    Ok(place)
}

/// Needs replaced only by those named.
fn replaced(current: &Requirement, named: &Requirement) -> Requirement {
    let mut next = current.clone();
    next.queue = named.queue.clone().or(next.queue);
    if !named.skills.is_empty() {
        next.skills = named.skills.clone();
    }
    next.min_tier = named.min_tier.or(next.min_tier);
    if !named.authorities.is_empty() {
        next.authorities = named.authorities.clone();
    }
    next.language = named.language.clone().or(next.language);
    next
}

/// Whom a transfer to a named agent looks for.
enum Aim {
    Agent,
    /// Anybody of their team.
    Team(Requirement),
}

fn named_agent(
    draft: &Draft<'_>,
    ticket: &Ticket,
    agent: &AgentId,
    on_unavailable: OnUnavailable,
) -> Result<Aim, Reject> {
    let row = draft.agent(agent)?;
    if ticket.handler() == Some(agent) {
        return Err(Reject::field("target.agent", "is handling the ticket already"));
    }
    let refused = if !row.on_duty() {
        Reject::AgentUnavailable { agent: agent.clone(), why: "not on duty" }
    } else if row.profile.blocked() & ticket.channel.bit() != 0 {
        Reject::AgentUnavailable { agent: agent.clone(), why: "cannot be reached on this channel" }
    } else if !row.has_room(ticket.channel) {
        Reject::NoRoom { agent: agent.clone() }
    } else {
        return Ok(Aim::Agent);
    };
    match on_unavailable {
        OnUnavailable::Reject => Err(refused),
        OnUnavailable::Queue => Ok(Aim::Agent),
        OnUnavailable::Fallback => team_of(draft, ticket, &row, refused).map(Aim::Team),
    }
}

/// What somebody of the agent's team and tier, or of a higher tier, has to have. Who has no team can be replaced by nobody.
fn team_of(draft: &Draft<'_>, ticket: &Ticket, row: &Agent, refused: Reject) -> Result<Requirement, Reject> {
    let Expertise { team, tier, .. } = &row.profile.expertise;
    if team.is_empty() {
        return Err(refused);
    }
    let min_tier = ticket.effective.min_tier.max(Some(*tier));
    let need = Requirement { team: Some(team.clone()), min_tier, ..ticket.effective.clone() };
    let fits = draft.scope()?.desk.groups.iter().any(|(_, group)| satisfies(&need, group));
    if fits { Ok(need) } else { Err(Reject::NobodyFits) }
}

/// The leg of a transfer became ACTIVE: the transferor is released, the hop counts.
pub(super) fn confirmed(draft: &mut Draft<'_>, id: LegId) -> Result<(), Reject> {
    if draft.ticket(id.ticket)?.open_transfer().is_none() {
        return Ok(());
    }
    let (ticket, leg) = draft.leg(id)?;
    let Some(transfer) = open_of(&ticket, &leg) else { return Ok(()) };
    let from = transfer.from_leg.and_then(|n| ticket.leg(n)).filter(|from| from.state == LegState::Active);
    if let Some(from) = from {
        end::contact(draft, &ticket, from, EndedBy::Agent, false);
    }
    let before = ticket.hops;
    let hops = if transfer.axis.is_none() { before.saturating_add(1) } else { before };
    let at = draft.now();
    let visit = |agent: Option<AgentId>, place: Option<&Placing>| Visit {
        agent,
        queue: place.map(|place| place.queue.clone()),
        tier: place.and_then(|place| place.effective.min_tier),
        effective: transfer.before.effective.clone(),
        at,
    };
    let mut visits = vec![visit(None, Some(&transfer.before))];
    visits.extend(transfer.from_agent.clone().map(|agent| visit(Some(agent), None)));
    let state = TransferState::Completed;
    let to_agent = leg.agent.clone();
    draft.emit(id.ticket, Body::TransferMoved { transfer: transfer.n, state, to_agent, hops, visits });
    hops::counted(draft, id.ticket, before)
}

/// An offer of the leg ended without being taken, or a preference of it did. A transfer to a named agent then goes back.
pub(super) fn offer_lost(draft: &mut Draft<'_>, id: LegId) -> Result<(), Reject> {
    let (ticket, leg) = draft.leg(id)?;
    let to_one = leg.prefer.is_none() && leg.requirement.team.is_none();
    let named = |transfer: &&Transfer| matches!(transfer.target, Target::Agent(_)) && to_one;
    match open_of(&ticket, &leg).filter(named) {
        Some(transfer) if leg.state == LegState::Waiting => give_back(draft, &ticket, transfer),
        Some(_) | None => Ok(()),
    }
}

/// A named agent may stop responding because of another ticket, which brings no row of this one. What is proposed or diagnosed
/// for their leg is then the first to know: the transfer goes back instead of to anybody.
pub(super) fn deserted(draft: &mut Draft<'_>, id: LegId) -> Result<bool, Reject> {
    if draft.ticket(id.ticket)?.open_transfer().is_none() {
        return Ok(false);
    }
    let (ticket, leg) = draft.leg(id)?;
    let named = open_of(&ticket, &leg).is_some_and(|open| matches!(open.target, Target::Agent(_)));
    let alone = leg.prefer.clone().filter(|_| named && leg.prefer_until.is_none() && leg.pause_until.is_none());
    if alone.is_none_or(|agent| draft.agent(&agent).is_ok_and(|row| row.on_duty())) {
        return Ok(false);
    }
    draft.emit(id.ticket, Body::PreferenceEnded { leg: id.leg });
    offer_lost(draft, id)?;
    Ok(true)
}

/// Nobody can take it: a transfer to a need goes back at once on NEVER; on ABSENT its timer does it.
pub(super) fn diagnosed(draft: &mut Draft<'_>, id: LegId, found: Option<Infeasibility>) -> Result<(), Reject> {
    let (ticket, leg) = draft.leg(id)?;
    match open_of(&ticket, &leg) {
        Some(transfer) if found == Some(Infeasibility::Never) => give_back(draft, &ticket, transfer),
        Some(_) | None => Ok(()),
    }
}

/// The target did not take it: back to the transferor, or to the queue where it was, with a preference.
pub(super) fn give_back(draft: &mut Draft<'_>, ticket: &Ticket, transfer: &Transfer) -> Result<(), Reject> {
    let still_held = ticket.active_leg().is_some();
    let back_to = transfer.from_agent.clone().filter(|agent| draft.agent(agent).is_ok_and(|row| row.on_duty()));
    let until = draft.now() + draft.policy(ticket).limits.requeue_prefer;
    let prefer = back_to.or(ticket.owner.clone()).map(|agent| (agent, Some(until)));
    let place = Some(transfer.before.clone());
    let next = Next { place, prefer, ..Next::again(QueuedReason::Returned) };
    let leg = if still_held { None } else { Some(next_leg(draft, ticket, &next)?) };
    requeue::withdraw_pending(draft, ticket, RevokeReason::Superseded)?;
    let (state, hops) = (TransferState::Returned, ticket.hops);
    draft
        .emit(ticket.id, Body::TransferMoved { transfer: transfer.n, state, to_agent: None, hops, visits: Vec::new() });
    if leg.is_some() {
        let ticket = draft.ticket(ticket.id)?;
        super::place::queue_again(draft, &ticket, next)?;
    }
    Ok(())
}

fn open_of<'t>(ticket: &'t Ticket, leg: &Leg) -> Option<&'t Transfer> {
    ticket.transfers.iter().find(|known| known.state.is_open() && Some(known.n) == leg.transfer)
}
