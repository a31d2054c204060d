//! HoldTicket and ResumeTicket. A phone call on hold keeps its agent; digital work on hold frees them.

use std::sync::Arc;

use super::draft::Draft;
use super::place::{Next, next_leg, put_on, queue_again};
use crate::domain::event::{Body, QueuedReason};
use crate::domain::id::TicketId;
use crate::domain::leg::EndedBy;
use crate::domain::requirement::Channel;
use crate::domain::ticket::{Hold, Ticket, TicketState};
use crate::domain::time::Time;
use crate::routing::command::Answer;
use crate::routing::reject::Reject;

pub(super) fn decide(
    draft: &mut Draft<'_>,
    id: TicketId,
    reason: &Arc<str>,
    resume_time: Option<Time>,
) -> Result<Answer, Reject> {
    let ticket = draft.ticket(id)?;
    if ticket.state == TicketState::OnHold {
        return Ok(Answer::Ticket { ticket: id });
    }
    let handler = ticket.handler().cloned();
    if ticket.state != TicketState::Assigned || ticket.pending_leg().is_some() {
        let needed = "only an ASSIGNED ticket without a transfer under way is put on hold";
        return Err(Reject::TicketState { state: ticket.state, needed });
    }
    if resume_time.is_some_and(|time| time <= draft.now()) {
        return Err(Reject::field("resume_time", "must lie in the future"));
    }
    // Nobody forgets a ticket on hold: without a time of its own it comes back when nobody would have taken it either.
    let longest = draft.now() + draft.queue(&ticket).unassigned_timeout(ticket.channel);
    let (reason, since) = (reason.clone(), draft.now());
    let resume_time = resume_time.unwrap_or(longest);
    let hold = Hold { reason, since, resume_time, handler: handler.or(ticket.owner.clone()) };
    draft.emit(id, Body::Held { hold: Box::new(hold) });
    if ticket.channel != Channel::Phone
        && let Some(leg) = ticket.active_leg()
    {
        let agent = leg.agent.clone().expect("an ACTIVE leg has a handler");
        let ended_by = EndedBy::System;
        let (n, wrap_up_expire_time) = (leg.n, None);
        draft.emit(id, Body::LegEnded { leg: n, agent, ended_by, wrap_up_expire_time, keep_due: None });
    }
    Ok(Answer::Ticket { ticket: id })
}

pub(super) fn resume(draft: &mut Draft<'_>, id: TicketId) -> Result<Answer, Reject> {
    let ticket = draft.ticket(id)?;
    if ticket.state != TicketState::OnHold {
        return Err(Reject::TicketState { state: ticket.state, needed: "only a ticket ON_HOLD is resumed" });
    }
    back(draft, &ticket)?;
    Ok(Answer::Ticket { ticket: id })
}

/// Back to the handler if they are there and have room; else to the queue, with a preference for them for a while.
pub(super) fn back(draft: &mut Draft<'_>, ticket: &Ticket) -> Result<(), Reject> {
    if ticket.active_leg().is_some() {
        draft.emit(ticket.id, Body::Resumed {});
        return Ok(());
    }
    let handler = ticket.hold.as_ref().and_then(|hold| hold.handler.clone());
    let row = handler.and_then(|handler| draft.agent(&handler).ok());
    let present = row.as_ref().filter(|row| row.on_duty());
    let until = draft.now() + draft.policy(ticket).limits.resume_prefer;
    let prefer = present.map(|row| (row.id.clone(), Some(until)));
    let next = Next { prefer, ..Next::again(QueuedReason::Resumed) };
    next_leg(draft, ticket, &next)?;
    draft.emit(ticket.id, Body::Resumed {});
    let ticket = draft.ticket(ticket.id)?;
    queue_again(draft, &ticket, next)?;
    let ticket = draft.ticket(ticket.id)?;
    if let Some(row) = present.filter(|row| row.room() & ticket.channel.bit() != 0)
        && let Some(leg) = ticket.pending_leg()
    {
        put_on(draft, &ticket, leg.n, row, &Arc::from("resumed"));
    }
    Ok(())
}
