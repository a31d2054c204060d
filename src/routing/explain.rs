//! Why this agent, and why not that one: the decision record of an offer, and what keeps the desk's agents from a leg.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::roster::Roster;
use crate::domain::agent::{Agent, Declared};
use crate::domain::id::{AgentNo, LaneNo};
use crate::domain::leg::Leg;
use crate::domain::record::{Candidate, DecisionRecord, Fit, OrderTerms, Trigger, Unfit, Verdict};
use crate::domain::requirement::Channel;
use crate::domain::ticket::Ticket;
use crate::domain::time::Time;

/// Candidates named in a record.
pub const CANDIDATES: usize = 10;

/// What the index answered for a leg.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// In order of choice.
    pub agents: &'a [AgentNo],
    pub trigger: Trigger,
    /// Legs of the same lane that were ahead.
    pub ahead: u32,
    /// Agents whom the log does not know to be unavailable, but who were.
    pub held_back: &'a [(AgentNo, Unfit)],
    /// Percent of the fuller pool of agents for whom proposals were under way, those counted in.
    pub loads: &'a [(AgentNo, u16)],
    /// Agents whose rows have changed since, as they were.
    pub past: &'a BTreeMap<AgentNo, Arc<Agent>>,
    /// The log up to here is all that was known.
    pub seq: u64,
}

/// The decision record of an offer of `leg`.
pub fn explain(roster: &Roster, ticket: &Ticket, leg: &Leg, choice: &Choice<'_>, now: Time) -> DecisionRecord {
    let mut ranked = ranked(roster, ticket, leg, choice, now);
    let mut unfit = BTreeMap::new();
    let fitting = u32::try_from(ranked.len()).unwrap_or(u32::MAX);
    let others = roster.head_count().saturating_sub(fitting);
    if others > 0 {
        unfit.insert(Unfit::Requirement, others);
    }
    for candidate in &ranked {
        if let Verdict::Excluded(reason) = candidate.verdict {
            *unfit.entry(reason).or_insert(0) += 1;
        }
    }
    let eligible = ranked.iter().filter(|candidate| candidate.verdict == Verdict::Eligible).count();
    keep_the_telling(&mut ranked);
    let named = ranked.iter().filter(|candidate| candidate.verdict == Verdict::Eligible).count();
    let strategy = roster.lane(leg.lane).map_or_else(Default::default, |lane| lane.key.strategy);
    DecisionRecord {
        roster_seq: choice.seq,
        decide_time: now,
        policy_rev: ticket.policy_rev,
        trigger: choice.trigger,
        order: OrderTerms { band: ticket.band, virtual_arrival_time: leg.order_time, ahead: choice.ahead },
        strategy,
        preferred: leg.prefer.clone(),
        candidates: ranked,
        omitted: u32::try_from(eligible - named).unwrap_or(u32::MAX),
        unfit,
    }
}

/// What keeps the desk's agents from a waiting leg, by the first condition that does.
pub fn kept_from(roster: &Roster, ticket: &Ticket, leg: &Leg, held_back: &[(AgentNo, Unfit)]) -> Vec<(Unfit, u32)> {
    let (trigger, past) = (Trigger::LegArrived, BTreeMap::new());
    let choice = Choice { agents: &[], trigger, ahead: 0, held_back, loads: &[], past: &past, seq: 0 };
    explain(roster, ticket, leg, &choice, Time::default()).unfit.into_iter().collect()
}

/// What keeps an agent who fits from a leg, as far as the log knows.
pub fn unfit(agent: &Agent, leg: &Leg, channel: Channel) -> Option<Unfit> {
    if agent.declared != Declared::Ready || agent.next_declared.is_some() {
        Some(Unfit::NotReady)
    } else if agent.session.is_none() {
        Some(Unfit::NoSession)
    } else if agent.not_responding {
        Some(Unfit::NotResponding)
    } else if agent.profile.blocked() & channel.bit() != 0 {
        Some(Unfit::Channel)
    } else if !agent.has_room(channel) {
        Some(Unfit::Capacity)
    } else if leg.excludes(&agent.id).is_some() {
        Some(Unfit::Excluded)
    } else {
        None
    }
}

/// Everybody who fits the leg's lane, in order of choice, numbered from 1; last the chosen who do not fit: a named agent takes
/// a leg whatever it needs.
fn ranked(roster: &Roster, ticket: &Ticket, leg: &Leg, choice: &Choice<'_>, now: Time) -> Vec<Candidate> {
    let mut fitting = fitting(roster, leg.lane, choice);
    let load = |agent: &Agent| {
        let counted = choice.loads.iter().find(|(number, _)| *number == agent.number);
        counted.map_or(agent.load_percent(), |(_, load)| *load)
    };
    fitting.sort_by_key(|(order, _, agent)| (*order, load(agent), agent.last_accept_time, agent.number));
    let mut ranked: Vec<(Option<Fit>, &Agent)> =
        fitting.into_iter().map(|(_, fit, agent)| (Some(fit), agent)).collect();
    let row = |number: &AgentNo| choice.past.get(number).or(roster.agent(*number)).map(Arc::as_ref);
    let fits = |number: &AgentNo| ranked.iter().any(|(_, agent)| agent.number == *number);
    let named: Vec<AgentNo> = choice.agents.iter().filter(|number| !fits(number)).copied().collect();
    ranked.extend(named.iter().filter_map(|number| Some((None, row(number)?))));
    let verdict = |agent: &Agent| {
        if choice.agents.contains(&agent.number) {
            return Verdict::Chosen;
        }
        let held = || choice.held_back.iter().find(|(number, _)| *number == agent.number).map(|(_, why)| *why);
        unfit(agent, leg, ticket.channel).or_else(held).map_or(Verdict::Eligible, Verdict::Excluded)
    };
    let idle = |agent: &Agent| (agent.last_accept_time != Time::default()).then(|| now - agent.last_accept_time);
    (1..)
        .zip(ranked)
        .map(|(rank, (fit, agent))| Candidate {
            agent: agent.id.clone(),
            verdict: verdict(agent),
            fit,
            load: load(agent),
            idle: idle(agent),
            rank,
        })
        .collect()
}

fn fitting<'a>(roster: &'a Roster, lane: LaneNo, choice: &Choice<'a>) -> Vec<(super::lanes::Rank, Fit, &'a Agent)> {
    let serving = roster.lane(lane).into_iter().flat_map(|row| &row.serving);
    let agents = serving.flat_map(|service| {
        let rows = roster.of_group(service.group).map(|agent| choice.past.get(&agent.number).unwrap_or(agent));
        rows.map(move |agent| (service.rank, service.fit, agent.as_ref()))
    });
    agents.collect()
}

/// The chosen, and of the others the first in order of choice: up to ten in all.
fn keep_the_telling(ranked: &mut Vec<Candidate>) {
    let is_chosen = |candidate: &Candidate| candidate.verdict == Verdict::Chosen;
    ranked.sort_by_key(|candidate| Reverse(is_chosen(candidate)));
    ranked.truncate(CANDIDATES);
    ranked.sort_by_key(|candidate| candidate.rank);
}
