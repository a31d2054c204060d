//! CancelTicket: the customer left or nobody wants it any more. One terminal event.

use super::draft::Draft;
use super::offers;
use crate::domain::event::Body;
use crate::domain::id::{QueueId, TicketId};
use crate::domain::leg::EndedBy;
use crate::domain::offer::RevokeReason;
use crate::domain::requirement::Channel;
use crate::domain::ticket::{CancelReason, Ticket, TicketState, TransferState};
use crate::routing::command::{Answer, Missing};
use crate::routing::reject::Reject;

pub(super) fn decide(
    draft: &mut Draft<'_>,
    id: TicketId,
    reason: CancelReason,
    missing: Option<&Missing>,
) -> Result<Answer, Reject> {
    if draft.ws().tickets.get(&id).is_none()
        && let Some(missing) = missing
    {
        return bury(draft, id, reason, missing);
    }
    let ticket = draft.ticket(id)?;
    match ticket.state {
        TicketState::Open | TicketState::Queued | TicketState::Assigned | TicketState::OnHold => {
            close(draft, &ticket, reason)?;
        }
        TicketState::Cancelled => {}
        TicketState::Resolved | TicketState::Closed => {
            return Err(Reject::TicketState { state: ticket.state, needed: "only an open ticket is cancelled" });
        }
    }
    Ok(Answer::Ticket { ticket: id })
}

/// Cancels an open ticket: nobody is rung for it afterwards.
pub(super) fn close(draft: &mut Draft<'_>, ticket: &Ticket, reason: CancelReason) -> Result<(), Reject> {
    let by = if reason == CancelReason::CustomerLeft { EndedBy::Customer } else { EndedBy::System };
    offers::end_all(draft, ticket, RevokeReason::Cancelled, by, TransferState::Cancelled)?;
    draft.emit(ticket.id, Body::Cancelled { reason });
    Ok(())
}

/// Leaves a tombstone, so that a create which was overtaken by its cancel finds the ticket CANCELLED.
fn bury(draft: &mut Draft<'_>, id: TicketId, reason: CancelReason, missing: &Missing) -> Result<Answer, Reject> {
    let connector = missing.connector.clone().ok_or_else(|| {
        Reject::field("connector", "is required with allow_missing: a create must come from the same connector")
    })?;
    // Nobody said which channel the ticket will be of. One that the connector serves: of another it would not be told.
    let channel = draft.connector(&connector)?.channels.first().copied().unwrap_or(Channel::Portal);
    let name = missing.name.clone();
    let queue = QueueId::parse(channel.word()).expect("channel words are names");
    draft.emit(id, Body::Tombstoned { name, connector, channel, queue, reason });
    Ok(Answer::Ticket { ticket: id })
}
