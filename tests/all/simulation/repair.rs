//! What must hold once nothing goes wrong any more and the time to repair is over (I5, I11, I12): read off the rows by hand,
//! with nothing of the index's or the router's.

use std::collections::BTreeSet;
use std::sync::Arc;

use handoff::domain::agent::{Agent, Declared, Reachability};
use handoff::domain::id::{AgentId, LegId};
use handoff::domain::leg::{Leg, LegState};
use handoff::domain::requirement::{Band, Channel, Expertise, Pool, Requirement};
use handoff::domain::ticket::Ticket;
use handoff::domain::time::{Span, Time};
use handoff::routing::workset::WorkingSet;

use crate::pure::checks::{self, Checked};

/// How late a deadline may fire.
const LATE: Span = Span::from_secs(1);

/// A leg that waits beside somebody who could take it, at these versions.
pub type Pair = (LegId, u32, AgentId, u64);

/// Every pair that is there at this moment. It must not be there a while later.
pub fn stranded(rows: &WorkingSet<'static>) -> BTreeSet<Pair> {
    let mut pairs = BTreeSet::new();
    let tickets = rows.tickets.own().values();
    for ticket in tickets.filter(|ticket| !is_away(rows, ticket)) {
        for leg in ticket.legs.iter().filter(|leg| leg.state == LegState::Waiting && leg.pause_until.is_none()) {
            let taker = rows.agents.own().values().find(|agent| takes(rows, ticket, leg, agent));
            let leg_id = LegId { ticket: ticket.id, leg: leg.n };
            pairs.extend(taker.map(|agent| (leg_id, leg.ver, agent.id.clone(), agent.ver)));
        }
    }
    pairs
}

fn is_away(rows: &WorkingSet<'static>, ticket: &Ticket) -> bool {
    let connector = rows.scope.as_ref().and_then(|scope| scope.connectors.get(&ticket.connector));
    ticket.band != Band::Deferred && connector.is_some_and(|row| row.away || row.deleted)
}

fn on_duty(agent: &Agent) -> bool {
    let stays = agent.next_declared.is_none() && !agent.deleted && !agent.not_responding;
    agent.declared == Declared::Ready && agent.session.is_some() && stays
}

fn excluded(leg: &Leg, agent: &Agent) -> bool {
    leg.exclusions.iter().any(|exclusion| exclusion.agent == agent.id)
}

fn takes(rows: &WorkingSet<'static>, ticket: &Ticket, leg: &Leg, agent: &Agent) -> bool {
    let preferred = leg.prefer.as_ref().and_then(|id| rows.agents.get(id));
    let meant = match preferred.filter(|one| on_duty(one) && !excluded(leg, one)) {
        Some(one) => one.id == agent.id,
        None => lane_fits(rows, leg, &agent.profile.expertise),
    };
    meant
        && on_duty(agent)
        && !excluded(leg, agent)
        && reachable(agent, ticket.channel)
        && has_room(agent, ticket.channel)
}

/// Whether the leg may be offered to the agent, whoever else there is.
pub fn may_take(rows: &WorkingSet<'static>, leg: &Leg, agent: &Agent) -> bool {
    let preferred = leg.prefer.as_ref() == Some(&agent.id);
    !excluded(leg, agent) && (preferred || lane_fits(rows, leg, &agent.profile.expertise))
}

fn lane_fits(rows: &WorkingSet<'static>, leg: &Leg, has: &Expertise) -> bool {
    let lane = rows.scope.as_ref().and_then(|scope| scope.desk.lanes.get(leg.lane));
    lane.is_some_and(|lane| lane.alternatives.iter().any(|need| fits(need, has)))
}

fn fits(need: &Requirement, has: &Expertise) -> bool {
    let covers = |(name, amount): (&Arc<str>, &Option<handoff::domain::requirement::Amount>)| {
        has.authorities.get(name).is_some_and(|limit| match (amount, limit) {
            (None, _) | (_, None) => true,
            (Some(amount), Some(limit)) => amount.currency == limit.currency && amount.micros <= limit.micros,
        })
    };
    need.min_tier.is_none_or(|tier| has.tier >= tier)
        && need.language.as_ref().is_none_or(|language| has.languages.contains(language))
        && need.team.as_ref().is_none_or(|team| has.team == *team)
        && need.skills.iter().all(|(skill, level)| has.skills.get(skill).is_some_and(|held| held >= level))
        && need.authorities.iter().all(covers)
}

fn reachable(agent: &Agent, channel: Channel) -> bool {
    let paused = agent.profile.channels.get(&channel).is_some_and(|rule| rule.paused);
    let away =
        |end: &handoff::domain::agent::Endpoint| end.channel == channel && end.reachability != Reachability::Reachable;
    !paused && !agent.profile.endpoints.iter().any(away)
}

/// By the table of defaults.
fn has_room(agent: &Agent, channel: Channel) -> bool {
    let (pool, points, limit, used) = match channel {
        Channel::Phone => (Pool::Live, 100, 1, agent.used_live),
        Channel::Chat | Channel::Social => (Pool::Live, 20, 4, agent.used_live),
        Channel::Email | Channel::Portal => (Pool::Deferred, 10, 5, agent.used_deferred),
    };
    let rule = agent.profile.channels.get(&channel);
    let weight = rule.and_then(|rule| rule.weight).unwrap_or(points);
    let limit = rule.and_then(|rule| rule.max).unwrap_or(limit);
    let held = |channel| agent.held.get(&channel).copied().unwrap_or(0);
    let size = agent.profile.pools.get(&pool).copied().unwrap_or(100);
    let on_the_phone = held(Channel::Phone) > 0;
    held(channel) < limit && used + weight <= size && !(pool == Pool::Deferred && on_the_phone)
}

/// I11: no deadline lies further back than it may, whatever the row says of its next one.
pub fn on_time(rows: &WorkingSet<'static>, now: Time) -> Checked {
    for ticket in rows.tickets.own().values() {
        if let Some(due) = checks::deadline(ticket).filter(|due| *due + LATE < now) {
            return Err(format!("I11: a deadline passed {} ago and nothing happened: {ticket:?}", now - due));
        }
    }
    for agent in rows.agents.own().values().filter(|agent| !agent.deleted) {
        let lapses = agent.profile.endpoints.iter().filter_map(|endpoint| endpoint.until);
        if let Some(due) = lapses.chain(agent.lost_until).min().filter(|due| *due + LATE < now) {
            return Err(format!("I11: a deadline passed {} ago and nothing happened: {agent:?}", now - due));
        }
    }
    Ok(())
}
