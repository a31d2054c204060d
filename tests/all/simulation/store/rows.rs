//! What is read off a desk's rows: lists, places in line, whose work something is.

use std::sync::Arc;

use handoff::domain::id::{AgentId, LegId, QueueId, TicketId};
use handoff::domain::leg::{Leg, LegState};
use handoff::domain::ticket::Ticket;
use handoff::domain::time::Time;
use handoff::store::{Page, TicketFilter};

use super::Kept;

/// Whether there is work left on it.
pub fn has_work(ticket: &Ticket) -> bool {
    ticket.state.is_open() || ticket.open_legs().next().is_some()
}

/// An open leg is the agent's, or an offer that books them.
pub fn works_on(ticket: &Ticket, agent: &AgentId) -> bool {
    ticket.open_legs().any(|leg| {
        let booked = leg.offers.iter().any(|offer| offer.is_open() && offer.agent == *agent);
        booked || leg.agent.as_ref() == Some(agent)
    })
}

/// A leg waits for this agent.
pub fn waits_for(ticket: &Ticket, agent: &AgentId) -> bool {
    ticket.open_legs().any(|leg| leg.state == LegState::Waiting && leg.prefer.as_ref() == Some(agent))
}

fn names_amount(leg: &Leg) -> bool {
    let mut needs = std::iter::once(&leg.requirement).chain(&leg.alternatives);
    needs.any(|need| need.authorities.values().any(Option::is_some))
}

impl Kept {
    pub fn ticket(&self, id: &TicketId) -> Arc<Ticket> {
        self.rows.tickets.get(id).cloned().expect("an open ticket has a row")
    }

    pub fn open_rows(&self) -> impl Iterator<Item = &Arc<Ticket>> {
        self.open.iter().filter_map(|id| self.rows.tickets.get(id))
    }

    fn waiting(&self) -> impl Iterator<Item = (&Arc<Ticket>, &Leg)> {
        let legs = self.open_rows().flat_map(|ticket| ticket.legs.iter().map(move |leg| (ticket, leg)));
        legs.filter(|(_, leg)| leg.state == LegState::Waiting)
    }

    pub fn waiting_in(&self, queue: &QueueId) -> u32 {
        u32::try_from(self.waiting().filter(|(ticket, _)| ticket.queue == *queue).count()).unwrap_or(u32::MAX)
    }

    pub fn waiting_with_amounts(&self) -> Vec<LegId> {
        let legs = self.waiting().filter(|(_, leg)| names_amount(leg));
        legs.map(|(ticket, leg)| LegId { ticket: ticket.id, leg: leg.n }).collect()
    }

    pub fn list_tickets(&self, filter: &TicketFilter, page: &Page<(Time, TicketId)>) -> Vec<Arc<Ticket>> {
        let TicketFilter { state, channel, queue, connector, owner, conversation_key, newest_first } = filter;
        let place = |ticket: &Ticket| (ticket.create_time, ticket.id);
        let is_later = |ticket: &Ticket| {
            page.after.is_none_or(|after| if *newest_first { place(ticket) < after } else { place(ticket) > after })
        };
        let holds = |ticket: &Ticket| {
            conversation_key.as_ref().is_none_or(|key| {
                let held = self.rows.conversations.get(&(ticket.connector.clone(), key.clone()));
                held.is_some_and(|held| **held == Some(ticket.id))
            })
        };
        let listed = |ticket: &&Arc<Ticket>| {
            state.is_none_or(|state| ticket.state == state)
                && channel.is_none_or(|channel| ticket.channel == channel)
                && queue.as_ref().is_none_or(|queue| ticket.queue == *queue)
                && connector.as_ref().is_none_or(|connector| ticket.connector == *connector)
                && (owner.is_none() || ticket.owner == *owner)
                && holds(ticket)
                && is_later(ticket)
        };
        let mut tickets: Vec<Arc<Ticket>> = self.rows.tickets.own().values().filter(listed).cloned().collect();
        tickets.sort_by_key(|ticket| place(ticket));
        if *newest_first {
            tickets.reverse();
        }
        tickets.truncate(page.limit as usize);
        tickets
    }
}
