//! Rows as the availability index sees them: numbers, keys and states, never text.

use crate::availability::{AgentView, Booking, LegView, Place, Serves, Waiting};
use crate::domain::agent::Agent;
use crate::domain::id::{AgentId, LegId};
use crate::domain::leg::{Leg, LegState};
use crate::domain::requirement::{Band, Channel, Pool};
use crate::domain::ticket::Ticket;
use crate::routing::decide::leg_key;
use crate::routing::roster::{Pair, Roster};

pub(super) fn of_agent(agent: &Agent) -> AgentView {
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

pub(super) fn of_pair(pair: Pair) -> Serves {
    Serves { lane: pair.lane, group: pair.group, rank: pair.rank }
}

pub(super) fn of_leg(roster: &Roster, ticket: &Ticket, leg: &Leg) -> LegView {
    let place = match leg.state {
        LegState::Waiting if leg.pause_until.is_some() => Place::Idle,
        LegState::Waiting => Place::Waiting(waiting(roster, ticket, leg)),
        LegState::Offered => {
            let open = leg.offers.iter().filter(|offer| offer.is_open());
            let by = open.filter_map(|offer| booking(roster, &offer.agent, offer.weight)).collect();
            Place::Held { channel: ticket.channel, by }
        }
        LegState::Connecting | LegState::Active | LegState::Wrapping => {
            let by = leg.agent.iter().filter_map(|agent| booking(roster, agent, leg.weight)).collect();
            Place::Held { channel: ticket.channel, by }
        }
        LegState::Done | LegState::Cancelled => Place::Closed,
    };
    LegView { id: LegId { ticket: ticket.id, leg: leg.n }, ver: leg.ver, place }
}

fn booking(roster: &Roster, agent: &AgentId, weight: u16) -> Option<Booking> {
    roster.find(agent).map(|agent| Booking { agent: agent.number, weight })
}

/// A leg in line.
pub(super) fn waiting(roster: &Roster, ticket: &Ticket, leg: &Leg) -> Waiting {
    let number = |agent: &AgentId| roster.find(agent).map(|agent| agent.number);
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
