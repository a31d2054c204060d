//! Applying events to rows: the only code that changes one, deadlines (`next_due_at`) and booked capacity included.
//!
//! Total: an event that `decide` made always applies. A row that an event needs and that is not there is a broken closure of the
//! working set, and panics by name rather than losing a booking in silence.

mod agents;
mod desk;
mod legs;
mod tickets;

use std::sync::Arc;

use super::due;
use super::workset::WorkingSet;
use crate::domain::agent::Agent;
use crate::domain::event::{Body, Event};
use crate::domain::id::{AgentId, TicketId};
use crate::domain::leg::{Leg, LegState};
use crate::domain::requirement::{Channel, Pool};
use crate::domain::ticket::{Ticket, TicketState};
use crate::domain::time::Time;

/// Applies one event.
pub fn evolve(ws: &mut WorkingSet<'_>, event: &Event) {
    match (&event.body, event.ticket) {
        (Body::Created { birth, leg, content }, Some(id)) => {
            tickets::create(ws, id, event, birth, leg.as_deref(), content.clone());
        }
        (Body::Tombstoned { name, connector, channel, queue, reason }, Some(id)) => {
            let row = tickets::tombstone(id, event.at, name, connector, *channel, queue, *reason);
            ws.tickets.insert(id, Arc::new(row));
            settle(ws, id, event);
        }
        (_, Some(id)) => {
            legs::apply(ws, id, event);
            tickets::apply(ws, id, event);
            settle(ws, id, event);
        }
        (_, None) => {
            agents::apply(ws, event);
            desk::apply(ws, event);
        }
    }
}

/// What every ticket event has in common: version, decision number, state and next deadline.
fn settle(ws: &mut WorkingSet<'_>, id: TicketId, event: &Event) {
    let ticket = ticket_mut(ws, id);
    ticket.ver += 1;
    ticket.update_time = event.at;
    ticket.ticket_seq = ticket.ticket_seq.max(event.ticket_seq);
    ticket.state = state_of(ticket);
    if ticket.active_leg().is_some() && ticket.pending_leg().is_none() {
        ticket.unassigned_due = None;
    }
    ticket.next_due_at = due::of_ticket(ticket);
}

fn state_of(ticket: &Ticket) -> TicketState {
    if matches!(
        ticket.state,
        TicketState::Resolved | TicketState::Closed | TicketState::Cancelled | TicketState::OnHold
    ) {
        ticket.state
    } else if ticket.active_leg().is_some() {
        TicketState::Assigned
    } else if ticket.pending_leg().is_some() {
        TicketState::Queued
    } else if ticket.enqueue_time.is_none() {
        TicketState::Open
    } else {
        // The contact is over and wrap-up runs or has ended: the ticket is its owner's until it is resolved.
        TicketState::Assigned
    }
}

fn ticket_mut<'w>(ws: &'w mut WorkingSet<'_>, id: TicketId) -> &'w mut Ticket {
    ws.tickets.get_mut(&id).expect("the working set holds the ticket of every event")
}

fn agent_mut<'w>(ws: &'w mut WorkingSet<'_>, id: &AgentId) -> &'w mut Agent {
    ws.agents.get_mut(id).expect("the working set holds the agents of every open leg")
}

/// Invariant I2 is guarded where work is booked (`decide`); here it is only counted.
fn book(ws: &mut WorkingSet<'_>, agent: &AgentId, channel: Channel, weight: u16) {
    let agent = agent_mut(ws, agent);
    agent.ver += 1;
    *agent.held.entry(channel).or_insert(0) += 1;
    match channel.pool() {
        Pool::Live => agent.used_live += weight,
        Pool::Deferred => agent.used_deferred += weight,
    }
}

fn release(ws: &mut WorkingSet<'_>, agent: &AgentId, channel: Channel, weight: u16) {
    let agent = agent_mut(ws, agent);
    agent.ver += 1;
    let held = agent.held.entry(channel).or_insert(0);
    *held = held.checked_sub(1).expect("invariant I2: only booked work is released");
    if *held == 0 {
        agent.held.remove(&channel);
    }
    let used = match channel.pool() {
        Pool::Live => &mut agent.used_live,
        Pool::Deferred => &mut agent.used_deferred,
    };
    *used = used.checked_sub(weight).expect("invariant I2: only booked points are released");
}

/// Moves a leg to a state in which nobody is offered it.
fn leg_waits(ticket: &mut Ticket, n: u8, at: Time) {
    let leg = leg_mut(ticket, n);
    leg.state = LegState::Waiting;
    leg.agent = None;
    leg.weight = 0;
    leg.wait_start = at;
}

fn leg_mut(ticket: &mut Ticket, n: u8) -> &mut Leg {
    ticket.legs.iter_mut().find(|leg| leg.n == n).expect("the working set holds every leg of its tickets")
}
