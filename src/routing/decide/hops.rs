//! Hops: how often a ticket was handed on, and who is told when that becomes too often.

use super::draft::Draft;
use crate::domain::event::{Body, NotificationReason};
use crate::domain::id::TicketId;
use crate::domain::ticket::Ticket;
use crate::routing::reject::Reject;

/// Whether the next hand-over goes to the terminal destination instead.
pub(super) fn used_up(draft: &Draft<'_>, ticket: &Ticket) -> bool {
    ticket.hops >= draft.policy(ticket).limits.hop_hard
}

/// A hop may have been added to the `before` that there were: the owner is warned once, when the limit comes near.
pub(super) fn counted(draft: &mut Draft<'_>, id: TicketId, before: u8) -> Result<(), Reject> {
    let ticket = draft.ticket(id)?;
    let near = draft.policy(&ticket).limits.hop_soft;
    if before < near && near <= ticket.hops {
        notify(draft, &ticket, NotificationReason::HopLimitNear);
    }
    Ok(())
}

pub(super) fn notify(draft: &mut Draft<'_>, ticket: &Ticket, reason: NotificationReason) {
    let (owner, hops, limit) = (ticket.owner.clone(), ticket.hops, draft.policy(ticket).limits.hop_hard);
    draft.emit(ticket.id, Body::Notified { reason, owner, hops, limit });
}
