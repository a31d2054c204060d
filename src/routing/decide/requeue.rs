//! RequeueTicket: a handler's work is given back. Age kept, not a hop.

use super::draft::Draft;
use super::offers;
use super::place::{Next, Prefer, next_leg, queue_again};
use crate::domain::event::{Body, QueuedReason};
use crate::domain::id::{LegId, TicketId};
use crate::domain::leg::{EndedBy, LegState};
use crate::domain::offer::RevokeReason;
use crate::domain::ticket::{Ticket, TicketState};
use crate::routing::command::Answer;
use crate::routing::reject::Reject;

pub(super) fn decide(draft: &mut Draft<'_>, id: TicketId, prefer_handler: bool) -> Result<Answer, Reject> {
    let ticket = draft.ticket(id)?;
    let held = ticket.legs.iter().find(|leg| matches!(leg.state, LegState::Active | LegState::Connecting));
    let (leg, handler) = match held.and_then(|leg| Some((leg, leg.agent.clone()?))) {
        Some(held) => held,
        None if ticket.state == TicketState::Assigned && ticket.pending_leg().is_none() => {
            // The contact is over and its owner has kept it until now.
            let until = draft.now() + draft.policy(&ticket).limits.requeue_prefer;
            let prefer = ticket.owner.clone().filter(|_| prefer_handler).map(|owner| (owner, Some(until)));
            let next = Next { prefer, ..Next::again(QueuedReason::Requeued) };
            queue_again(draft, &ticket, next)?;
            return Ok(Answer::Ticket { ticket: id });
        }
        None => {
            return Err(Reject::TicketState { state: ticket.state, needed: "only an ASSIGNED ticket is given back" });
        }
    };
    let until = draft.now() + draft.policy(&ticket).limits.requeue_prefer;
    let prefer = prefer_handler.then_some((handler, Some(until)));
    if leg.state == LegState::Connecting {
        let accepted = leg.accepted_offer().map(|offer| offer.id);
        if let Some(offer) = accepted {
            offers::revoke(draft, offer, RevokeReason::Superseded);
        }
        return Ok(Answer::Ticket { ticket: id });
    }
    give_back(draft, &ticket, leg.n, QueuedReason::Requeued, prefer)?;
    Ok(Answer::Ticket { ticket: id })
}

/// Ends an ACTIVE leg without a wrap-up and queues the ticket again, unless a transfer is looking for somebody already.
pub(super) fn give_back(
    draft: &mut Draft<'_>,
    ticket: &Ticket,
    n: u8,
    reason: QueuedReason,
    prefer: Prefer,
) -> Result<(), Reject> {
    let next = Next { prefer, ..Next::again(reason) };
    let looking = ticket.pending_leg().is_some();
    if !looking {
        next_leg(draft, ticket, &next)?;
    }
    if ticket.state == TicketState::OnHold {
        draft.emit(ticket.id, Body::Resumed {});
    }
    let agent = ticket.leg(n).and_then(|leg| leg.agent.clone()).expect("an ACTIVE leg has a handler");
    let ended_by = if reason == QueuedReason::HandlerLost { EndedBy::System } else { EndedBy::Agent };
    draft.emit(ticket.id, Body::LegEnded { leg: n, agent, ended_by, wrap_up_expire_time: None, keep_due: None });
    let ticket = draft.ticket(ticket.id)?;
    if looking { Ok(()) } else { queue_again(draft, &ticket, next) }
}

/// Takes back the ticket's pending leg, if it has one.
pub(super) fn withdraw_pending(draft: &mut Draft<'_>, ticket: &Ticket, reason: RevokeReason) -> Result<(), Reject> {
    match ticket.pending_leg() {
        Some(leg) => offers::withdraw(draft, LegId { ticket: ticket.id, leg: leg.n }, reason),
        None => Ok(()),
    }
}
