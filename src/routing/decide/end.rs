//! The contact is over: EndLeg, wrap-up, and what the queue does with the ticket afterwards.

use std::sync::Arc;

use super::draft::Draft;
use super::{offers, resolve};
use crate::domain::event::Body;
use crate::domain::id::{LegId, TicketId};
use crate::domain::leg::{EndedBy, Leg, LegState};
use crate::domain::offer::RevokeReason;
use crate::domain::ticket::{Ticket, TicketState, TransferState};
use crate::domain::time::{Span, Time};
use crate::policy::queue::AfterContact;
use crate::routing::command::Answer;
use crate::routing::reject::{Kind, Reject};

/// Ends an ACTIVE leg. A leg that is over already stays as it is: the contact *is* over.
pub(super) fn leg(draft: &mut Draft<'_>, id: LegId, by: EndedBy) -> Result<Answer, Reject> {
    let ticket = draft.ticket(id.ticket)?;
    let leg = ticket.leg(id.leg).ok_or_else(|| Reject::not_found(Kind::Leg, id))?;
    match leg.state {
        LegState::Active => {}
        LegState::Wrapping | LegState::Done => return Ok(Answer::Leg { leg: id }),
        LegState::Waiting | LegState::Offered | LegState::Connecting | LegState::Cancelled => {
            return Err(Reject::LegState {
                state: leg.state,
                needed: "only an ACTIVE leg ends; a customer who leaves before that cancels the ticket",
            });
        }
    }
    if ticket.state == TicketState::OnHold {
        // Nobody is left who could come back from it.
        draft.emit(ticket.id, Body::Resumed {});
    }
    if by == EndedBy::Customer {
        // Nobody is left to hand over.
        offers::withdraw_all(draft, &ticket, RevokeReason::Cancelled, TransferState::Cancelled)?;
    }
    let before = draft.ticket(id.ticket)?;
    let ended = ended(draft, &before, leg, by, true);
    // Nobody holds the row any more: the event changes it in place.
    drop((ticket, before));
    draft.emit(id.ticket, ended);
    after_contact(draft, id.ticket, &Arc::from(""))?;
    Ok(Answer::Leg { leg: id })
}

/// Ends an ACTIVE leg with the queue's wrap-up. `keep`: the ticket may stay with its owner afterwards.
pub(super) fn contact(draft: &mut Draft<'_>, ticket: &Ticket, leg: &Leg, by: EndedBy, keep: bool) {
    let ended = ended(draft, ticket, leg, by, keep);
    draft.emit(ticket.id, ended);
}

fn ended(draft: &Draft<'_>, ticket: &Ticket, leg: &Leg, by: EndedBy, keep: bool) -> Body {
    let queue = draft.queue(ticket);
    let wrap_up = queue.wrap_up(ticket.channel);
    let wrap_up_expire_time = (wrap_up > Span::ZERO).then(|| draft.now() + wrap_up);
    let agent = leg.agent.clone().expect("an ACTIVE leg has a handler");
    let keep_due = if wrap_up_expire_time.is_none() && keep { kept_until(draft, ticket) } else { None };
    Body::LegEnded { leg: leg.n, agent, ended_by: by, wrap_up_expire_time, keep_due }
}

pub(super) fn wrap_up(draft: &mut Draft<'_>, id: LegId, code: &Arc<str>, note: &Arc<str>) -> Result<Answer, Reject> {
    let (ticket, leg) = draft.leg(id)?;
    let codes = &draft.policy(&ticket).catalogue.wrap_up_codes;
    if codes.as_ref().is_some_and(|codes| !code.is_empty() && !codes.contains(code)) {
        return Err(Reject::field("code", format!("{code} is not in the policy's catalogue of wrap-up codes")));
    }
    match leg.state {
        LegState::Wrapping => finish(draft, &ticket, &leg, code, note)?,
        LegState::Done => {}
        LegState::Waiting | LegState::Offered | LegState::Connecting | LegState::Active | LegState::Cancelled => {
            return Err(Reject::LegState { state: leg.state, needed: "only a WRAPPING leg has a wrap-up to finish" });
        }
    }
    Ok(Answer::Leg { leg: id })
}

/// Ends a wrap-up: the agent is free, and the ticket goes where its queue says.
pub(super) fn finish(
    draft: &mut Draft<'_>,
    ticket: &Ticket,
    leg: &Leg,
    code: &Arc<str>,
    note: &Arc<str>,
) -> Result<(), Reject> {
    let keep_due = kept_until(draft, ticket);
    let content = resolve::with_note(ticket, note, Some(leg.n), draft.now());
    draft.emit(ticket.id, Body::WrapUpFinished { leg: leg.n, code: code.clone(), keep_due, content });
    after_contact(draft, ticket.id, code)
}

/// Until when an open ticket whose contact ended is left with its owner.
fn kept_until(draft: &Draft<'_>, ticket: &Ticket) -> Option<Time> {
    let queue = draft.queue(ticket);
    let kept = ticket.state.is_open() && queue.after_contact(ticket.channel) == AfterContact::Keep;
    kept.then(|| draft.now() + queue.unassigned_timeout(ticket.channel))
}

/// Once no leg is open any more, the queue may resolve the ticket by itself.
fn after_contact(draft: &mut Draft<'_>, id: TicketId, code: &Arc<str>) -> Result<(), Reject> {
    let ticket = draft.ticket(id)?;
    let quiet = ticket.state == TicketState::Assigned && ticket.open_legs().next().is_none();
    if quiet && draft.queue(&ticket).after_contact(ticket.channel) == AfterContact::Resolve {
        resolve::by_itself(draft, ticket, code);
    }
    Ok(())
}
