//! Quarantine: a connector that cannot take one decision of a ticket gets no more of that ticket, and so all of every other.
//!
//! Nothing else changes: the ticket waits, is offered and times out as before. Whether it is kept back is for the stream to do,
//! which has its own books of it (`domain::readers`); here it is written down, so that others see it and it can be undone.

use std::sync::Arc;

use super::draft::Draft;
use crate::domain::event::Body;
use crate::domain::id::{ConnectorId, TicketId};
use crate::routing::command::Answer;
use crate::routing::reject::Reject;

/// Done already, where it is known: two replicas may say so, and one whose word was lost says so again.
pub(super) fn decide(
    draft: &mut Draft<'_>,
    id: TicketId,
    connector: &ConnectorId,
    from: u64,
    attempts: u32,
    reason: &Arc<str>,
) -> Result<Answer, Reject> {
    let ticket = draft.ticket(id)?;
    if !ticket.quarantines.contains_key(connector) {
        let (connector, reason) = (connector.clone(), reason.clone());
        draft.emit(id, Body::Quarantined { connector, from, attempts, reason });
    }
    Ok(Answer::Ticket { ticket: id })
}

pub(super) fn release(draft: &mut Draft<'_>, id: TicketId) -> Result<Answer, Reject> {
    let ticket = draft.ticket(id)?;
    for connector in ticket.quarantines.keys() {
        draft.emit(id, Body::Released { connector: connector.clone() });
    }
    Ok(Answer::Ticket { ticket: id })
}
