//! AssignTicket: OFFER is a preference without a time limit; FORCE puts the agent on it, past fit, READY and the queue, never
//! past capacity.

use std::sync::Arc;

use super::draft::Draft;
use super::place::{Next, next_leg, put_on, queue_again};
use super::requeue;
use crate::domain::agent::Agent;
use crate::domain::event::{Body, QueuedReason};
use crate::domain::id::{AgentId, TicketId};
use crate::domain::leg::EndedBy;
use crate::domain::offer::RevokeReason;
use crate::domain::ticket::{Ticket, TicketState, TransferState};
use crate::routing::command::{Answer, AssignMode};
use crate::routing::reject::Reject;

pub(super) fn decide(
    draft: &mut Draft<'_>,
    id: TicketId,
    agent: &AgentId,
    mode: AssignMode,
    reason: &Arc<str>,
) -> Result<Answer, Reject> {
    let ticket = draft.ticket(id)?;
    let row = draft.agent(agent)?;
    if !ticket.state.is_open() {
        return Err(Reject::TicketState { state: ticket.state, needed: "only an open ticket is assigned" });
    }
    if ticket.handler() == Some(agent) {
        return Ok(Answer::Ticket { ticket: id });
    }
    match mode {
        AssignMode::Offer => offer(draft, &ticket, &row)?,
        AssignMode::Force => force(draft, &ticket, &row, reason)?,
    }
    Ok(Answer::Ticket { ticket: id })
}

fn offer(draft: &mut Draft<'_>, ticket: &Ticket, row: &Agent) -> Result<(), Reject> {
    if ticket.active_leg().is_some() {
        let needed = "an agent is handling it: transfer it, or assign it with FORCE";
        return Err(Reject::TicketState { state: ticket.state, needed });
    }
    if !row.on_duty() {
        return Err(Reject::AgentUnavailable { agent: row.id.clone(), why: "not on duty" });
    }
    let asked = ticket.pending_leg().filter(|leg| leg.prefer.as_ref() == Some(&row.id) && leg.prefer_until.is_none());
    if asked.is_some_and(|leg| leg.transfer.is_none()) {
        return Ok(());
    }
    let next = Next { prefer: Some((row.id.clone(), None)), ..Next::again(QueuedReason::Assigned) };
    next_leg(draft, ticket, &next)?;
    clear(draft, ticket)?;
    let ticket = draft.ticket(ticket.id)?;
    queue_again(draft, &ticket, next)
}

fn force(draft: &mut Draft<'_>, ticket: &Ticket, row: &Agent, reason: &Arc<str>) -> Result<(), Reject> {
    if reason.is_empty() {
        return Err(Reject::field("reason", "is required with FORCE: it is written to the log"));
    }
    let next = Next::again(QueuedReason::Assigned);
    let leg = next_leg(draft, ticket, &next)?.n;
    clear(draft, ticket)?;
    if let Some(active) = ticket.active_leg() {
        let agent = active.agent.clone().expect("an ACTIVE leg has a handler");
        let ended_by = EndedBy::Supervisor;
        let (n, wrap_up_expire_time) = (active.n, None);
        draft.emit(ticket.id, Body::LegEnded { leg: n, agent, ended_by, wrap_up_expire_time, keep_due: None });
    }
    let ticket = draft.ticket(ticket.id)?;
    queue_again(draft, &ticket, next)?;
    let ticket = draft.ticket(ticket.id)?;
    let row = draft.agent(&row.id)?;
    // Room is looked at once the agent's own offer of this ticket, if any, is taken back.
    if !row.has_room(ticket.channel) {
        return Err(Reject::NoRoom { agent: row.id.clone() });
    }
    put_on(draft, &ticket, leg, &row, reason);
    Ok(())
}

/// Takes back what is pending, and ends a hold or a transfer: the assignment replaces them.
fn clear(draft: &mut Draft<'_>, ticket: &Ticket) -> Result<(), Reject> {
    if let Some(open) = ticket.open_transfer() {
        let (transfer, hops) = (open.n, ticket.hops);
        let state = TransferState::Cancelled;
        draft.emit(ticket.id, Body::TransferMoved { transfer, state, to_agent: None, hops, visits: Vec::new() });
    }
    requeue::withdraw_pending(draft, ticket, RevokeReason::Superseded)?;
    if ticket.state == TicketState::OnHold {
        draft.emit(ticket.id, Body::Resumed {});
    }
    Ok(())
}
