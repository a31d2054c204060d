//! The next deadline of a row: the minimum over everything that happens to it by the passing of time. Recomputed with every
//! event, so that a timer cannot outlive its cause.

use crate::domain::agent::Agent;
use crate::domain::leg::{Leg, LegState};
use crate::domain::ticket::{Ticket, TicketState};
use crate::domain::time::Time;

pub fn of_ticket(ticket: &Ticket) -> Option<Time> {
    let own = match ticket.state {
        TicketState::Open => ticket.schedule_time,
        TicketState::Queued | TicketState::Assigned => ticket.unassigned_due,
        TicketState::OnHold => ticket.hold.as_ref().map(|hold| hold.resume_time),
        TicketState::Resolved => ticket.close_due,
        TicketState::Closed | TicketState::Cancelled => None,
    };
    let returns = ticket.open_transfer().and_then(|transfer| transfer.absent_due);
    ticket.legs.iter().filter_map(of_leg).chain(own).chain(returns).min()
}

/// The next deadline of a leg.
pub fn of_leg(leg: &Leg) -> Option<Time> {
    match leg.state {
        LegState::Waiting => {
            let exclusions = leg.exclusions.iter().filter_map(|exclusion| exclusion.until);
            exclusions.chain(leg.prefer_until).chain(leg.pause_until).min()
        }
        LegState::Offered => leg.pending_offers().map(|offer| offer.lapse_time).min(),
        LegState::Connecting => leg.accepted_offer().and_then(|offer| offer.confirm_expire_time),
        LegState::Wrapping => leg.wrap_up_expire_time,
        LegState::Active | LegState::Done | LegState::Cancelled => None,
    }
}

pub fn of_agent(agent: &Agent) -> Option<Time> {
    let lapses = agent.profile.endpoints.iter().filter_map(|endpoint| endpoint.until);
    lapses.chain(agent.lost_until).min()
}
