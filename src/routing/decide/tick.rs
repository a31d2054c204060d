//! Time passed: every deadline of a row that lies at or before now is fired. Firing moves the deadline, so its effect is once.

use std::sync::Arc;

use super::agents::tickets_of;
use super::draft::Draft;
use super::escalate::terminal_place;
use super::place::{Next, next_leg, queue_again};
use super::{end, hold, offers, requeue, transfer};
use crate::domain::agent::Reachability;
use crate::domain::event::{Body, QueuedReason};
use crate::domain::id::{AgentId, TicketId};
use crate::domain::leg::{Leg, LegState};
use crate::domain::offer::{FailReason, RevokeReason};
use crate::domain::requirement::Channel;
use crate::domain::ticket::{Ticket, TicketState};
use crate::routing::command::Answer;
use crate::routing::due;
use crate::routing::reject::Reject;

/// Deadlines of one row fired in one decision; the rest come with the next poll.
const MAX_FIRED: usize = 32;
/// How often a ticket goes to the terminal destination.
const MAX_TERMINAL: u8 = 3;

pub(super) fn ticket(draft: &mut Draft<'_>, id: TicketId) -> Result<Answer, Reject> {
    for _ in 0..MAX_FIRED {
        let ticket = draft.ticket(id).map_err(|_| Reject::Stale)?;
        if ticket.next_due_at.is_none_or(|due| due > draft.now()) {
            break;
        }
        fire(draft, &ticket)?;
    }
    if draft.is_empty() { Err(Reject::Stale) } else { Ok(Answer::Ticket { ticket: id }) }
}

fn fire(draft: &mut Draft<'_>, ticket: &Ticket) -> Result<(), Reject> {
    let now = draft.now();
    let passed = |leg: &&Leg| due::of_leg(leg).is_some_and(|due| due <= now);
    if let Some(leg) = ticket.legs.iter().find(passed) {
        return fire_leg(draft, ticket, leg);
    }
    let absent = ticket.open_transfer().filter(|transfer| transfer.absent_due.is_some_and(|due| due <= now));
    if let Some(open) = absent {
        return transfer::give_back(draft, ticket, open);
    }
    match ticket.state {
        TicketState::Open => queue_again(draft, ticket, Next::scheduled(draft, ticket)),
        TicketState::Queued => unassigned(draft, ticket),
        TicketState::Assigned => forgotten(draft, ticket),
        TicketState::OnHold => hold::back(draft, ticket),
        TicketState::Resolved => {
            draft.emit(ticket.id, Body::Closed {});
            Ok(())
        }
        TicketState::Closed | TicketState::Cancelled => Err(Reject::Stale),
    }
}

fn fire_leg(draft: &mut Draft<'_>, ticket: &Ticket, leg: &Leg) -> Result<(), Reject> {
    let now = draft.now();
    match leg.state {
        LegState::Waiting => {
            fire_waiting(draft, ticket, leg);
            Ok(())
        }
        LegState::Offered => {
            let lapsed: Vec<_> =
                leg.pending_offers().filter(|offer| offer.lapse_time <= now).map(|offer| offer.id).collect();
            lapsed.into_iter().try_for_each(|offer| offers::expire(draft, offer))
        }
        LegState::Connecting => match leg.accepted_offer() {
            Some(offer) => offers::failed(draft, offer.id, FailReason::Unconfirmed),
            None => Err(Reject::Stale),
        },
        LegState::Wrapping => end::finish(draft, ticket, leg, &Arc::from(""), &Arc::from("")),
        LegState::Active | LegState::Done | LegState::Cancelled => Err(Reject::Stale),
    }
}

fn fire_waiting(draft: &mut Draft<'_>, ticket: &Ticket, leg: &Leg) {
    let now = draft.now();
    let n = leg.n;
    let over = leg.exclusions.iter().filter(|exclusion| exclusion.until.is_some_and(|until| until <= now));
    let agents: Vec<AgentId> = over.map(|exclusion| exclusion.agent.clone()).collect();
    if !agents.is_empty() {
        draft.emit(ticket.id, Body::ExclusionsEnded { leg: n, agents });
    }
    if leg.prefer_until.is_some_and(|until| until <= now) {
        draft.emit(ticket.id, Body::PreferenceEnded { leg: n });
    }
    if leg.pause_until.is_some_and(|until| until <= now) {
        draft.emit(ticket.id, Body::PauseEnded { leg: n });
    }
}

/// Nobody took it in time: the queue's terminal destination, at most three times; after that it goes on waiting there.
fn unassigned(draft: &mut Draft<'_>, ticket: &Ticket) -> Result<(), Reject> {
    if let Some(open) = ticket.open_transfer() {
        return transfer::give_back(draft, ticket, open);
    }
    let place = terminal_place(&draft.queue(ticket), ticket);
    let last = ticket.terminal_visits.saturating_add(1) >= MAX_TERMINAL;
    let next = Next { place: Some(place), ..Next::again(QueuedReason::Terminal) };
    let leg = next_leg(draft, ticket, &next)?;
    requeue::withdraw_pending(draft, ticket, RevokeReason::Superseded)?;
    let timeout = draft.queue(ticket).unassigned_timeout(ticket.channel);
    let unassigned_due = (!last).then(|| draft.now() + timeout);
    let (reason, place) = (next.reason, next.place.map(Box::new));
    draft.emit(ticket.id, Body::Queued { reason, leg: Box::new(leg), place, unassigned_due });
    Ok(())
}

/// Its owner kept it after the contact and did nothing since: it is queued again, for them first. A hand-over that nobody
/// took in time goes back.
fn forgotten(draft: &mut Draft<'_>, ticket: &Ticket) -> Result<(), Reject> {
    if let Some(open) = ticket.open_transfer() {
        return transfer::give_back(draft, ticket, open);
    }
    let until = draft.now() + draft.queue(ticket).prefer(ticket.channel);
    let prefer = ticket.owner.clone().map(|owner| (owner, Some(until)));
    queue_again(draft, ticket, Next { prefer, ..Next::again(QueuedReason::Requeued) })
}

pub(super) fn agent(draft: &mut Draft<'_>, id: &AgentId) -> Result<Answer, Reject> {
    let row = draft.agent(id).map_err(|_| Reject::Stale)?;
    let now = draft.now();
    let lapsed = row.profile.endpoints.iter().filter(|endpoint| endpoint.until.is_some_and(|until| until <= now));
    for channel in lapsed.map(|endpoint| endpoint.channel).collect::<Vec<Channel>>() {
        let (agent, reachability) = (id.clone(), Reachability::Reachable);
        draft.emit_desk(Body::EndpointReported { agent, channel, reachability, until: None });
    }
    if row.lost_until.is_some_and(|until| until <= now) {
        lost_for_good(draft, id)?;
    }
    if draft.is_empty() { Err(Reject::Stale) } else { Ok(Answer::Agent { agent: id.clone() }) }
}

/// The grace of a lost agent is over: their digital work goes to others, with a preference for them for a while.
fn lost_for_good(draft: &mut Draft<'_>, id: &AgentId) -> Result<(), Reject> {
    let until = draft.now() + draft.scope()?.current_policy().limits.lost_prefer;
    for ticket in tickets_of(draft, id) {
        let active =
            ticket.active_leg().filter(|leg| leg.agent.as_ref() == Some(id) && ticket.channel != Channel::Phone);
        if let Some(leg) = active {
            let prefer = Some((id.clone(), Some(until)));
            requeue::give_back(draft, &ticket, leg.n, QueuedReason::HandlerLost, prefer)?;
        }
    }
    draft.emit_desk(Body::GraceEnded { agent: id.clone() });
    Ok(())
}
