//! Rows as the index sees them: numbers, keys and states, never text. For whoever feeds an index: the engine, the simulation.

use super::{AgentView, Ask, Booking, LegView, Place, Serves, Waiting};
use crate::domain::agent::Agent;
use crate::domain::id::{AgentId, AgentNo, LegId};
use crate::domain::leg::{Leg, LegState};
use crate::domain::requirement::{Band, Channel, Pool};
use crate::domain::ticket::Ticket;
use crate::domain::time::Time;
use crate::routing::command::NewTicket;
use crate::routing::decide::{leg_key, plan};
use crate::routing::roster::Pair;
use crate::routing::workset::Scope;

pub fn of_agent(agent: &Agent) -> AgentView {
    let profile = &agent.profile;
    AgentView {
        number: agent.number,
        ver: agent.ver,
        group: agent.group,
        session: agent.session.as_ref().map_or(0, |session| session.epoch),
        on_duty: agent.on_duty(),
        pools: [profile.pool(Pool::Live), profile.pool(Pool::Deferred)],
        weights: Channel::ALL.map(|channel| profile.weight(channel)),
        maxima: Channel::ALL.map(|channel| profile.max(channel)),
        blocked: profile.blocked(),
        last_accept: agent.last_accept_time,
        deleted: agent.deleted,
    }
}

pub fn of_pair(pair: Pair) -> Serves {
    Serves { lane: pair.lane, group: pair.group, rank: pair.rank }
}

/// `number` finds an agent's number; agents whom it does not know are left out.
pub fn of_leg(number: impl Fn(&AgentId) -> Option<AgentNo>, ticket: &Ticket, leg: &Leg) -> LegView {
    let place = match leg.state {
        LegState::Waiting if leg.pause_until.is_some() => Place::Idle,
        LegState::Waiting => Place::Waiting(waiting(number, ticket, leg)),
        LegState::Offered => {
            let open = leg.offers.iter().filter(|offer| offer.is_open());
            let by = open.filter_map(|offer| booking(number(&offer.agent), offer.weight)).collect();
            Place::Held { channel: ticket.channel, by }
        }
        LegState::Connecting | LegState::Active | LegState::Wrapping => {
            let by = leg.agent.iter().filter_map(|agent| booking(number(agent), leg.weight)).collect();
            Place::Held { channel: ticket.channel, by }
        }
        LegState::Done | LegState::Cancelled => Place::Closed,
    };
    LegView { id: LegId { ticket: ticket.id, leg: leg.n }, ver: leg.ver, place }
}

fn booking(agent: Option<AgentNo>, weight: u16) -> Option<Booking> {
    agent.map(|agent| Booking { agent, weight })
}

/// A leg in line.
fn waiting(number: impl Fn(&AgentId) -> Option<AgentNo>, ticket: &Ticket, leg: &Leg) -> Waiting {
    let mut excluded: Vec<_> = leg.exclusions.iter().filter_map(|exclusion| number(&exclusion.agent)).collect();
    excluded.sort_unstable();
    Waiting {
        lane: leg.lane,
        key: leg_key(ticket, leg),
        channel: ticket.channel,
        want: leg.want,
        excluded,
        prefer: leg.prefer.as_ref().and_then(number),
        connector: (ticket.band != Band::Deferred).then(|| ticket.connector.clone()),
    }
}

/// What to hold agents for, before a ticket is created; `None` for one that is parked, or whose lane is not interned.
pub fn of_new(number: impl Fn(&AgentId) -> Option<AgentNo>, scope: &Scope, new: &NewTicket, now: Time) -> Option<Ask> {
    let plan = plan(scope, new, now)?;
    let waiting = Waiting {
        lane: plan.lane.ok()?,
        key: plan.key,
        channel: new.channel,
        want: plan.want,
        excluded: Vec::new(),
        prefer: new.preferred.first().and_then(number),
        connector: (plan.band != Band::Deferred).then(|| new.connector.clone()),
    };
    Some(Ask { leg: plan.leg, waiting })
}
