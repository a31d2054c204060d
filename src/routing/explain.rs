//! Why this agent, and why not that one: the decision record of an offer, and what keeps the desk's agents from a leg.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::lanes::Rank;
use super::roster::Roster;
use crate::domain::agent::{Agent, Declared};
use crate::domain::id::AgentNo;
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
    let mut standings = standings(roster, ticket, leg, choice);
    let unfit = unfit_of(roster, &standings);
    let eligible = standings.iter().filter(|standing| standing.verdict == Verdict::Eligible).count();
    keep_the_telling(&mut standings);
    let named = standings.iter().filter(|standing| standing.verdict == Verdict::Eligible).count();
    let strategy = roster.lane(leg.lane).map_or_else(Default::default, |lane| lane.key.strategy);
    DecisionRecord {
        roster_seq: choice.seq,
        decide_time: now,
        policy_rev: ticket.policy_rev,
        trigger: choice.trigger,
        order: OrderTerms { band: ticket.band, virtual_arrival_time: leg.order_time, ahead: choice.ahead },
        strategy,
        preferred: leg.prefer.clone(),
        candidates: standings.into_iter().map(|standing| standing.candidate(now)).collect(),
        omitted: u32::try_from(eligible - named).unwrap_or(u32::MAX),
        unfit,
    }
}

/// What keeps the desk's agents from a waiting leg, by the first condition that does.
pub fn kept_from(roster: &Roster, ticket: &Ticket, leg: &Leg, held_back: &[(AgentNo, Unfit)]) -> Vec<(Unfit, u32)> {
    let (trigger, past) = (Trigger::LegArrived, BTreeMap::new());
    let choice = Choice { agents: &[], trigger, ahead: 0, held_back, loads: &[], past: &past, seq: 0 };
    unfit_of(roster, &standings(roster, ticket, leg, &choice)).into_iter().collect()
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

/// An agent's place among those who come into question. A desk may have thousands of them and a record names ten: nothing is
/// made for the others but this.
#[derive(Clone, Copy, Debug)]
struct Standing<'a> {
    /// `None`: does not fit and was chosen by name, which comes last; a named agent takes a leg whatever it needs.
    fit: Option<(Rank, Fit)>,
    load: u16,
    agent: &'a Agent,
    verdict: Verdict,
    /// From 1, in order of choice; of the kept ones only.
    rank: u32,
}

impl Standing<'_> {
    /// Smaller is chosen first.
    fn order(&self) -> impl Ord + use<> {
        (self.fit.is_none(), self.fit.map(|(rank, _)| rank), self.load, self.agent.last_accept_time, self.agent.number)
    }

    fn candidate(self, now: Time) -> Candidate {
        let Standing { fit, load, agent, verdict, rank } = self;
        let idle = (agent.last_accept_time != Time::default()).then(|| now - agent.last_accept_time);
        Candidate { agent: agent.id.clone(), verdict, fit: fit.map(|(_, fit)| fit), load, idle, rank }
    }
}

/// Everybody who fits the leg's lane, and the chosen who do not.
fn standings<'a>(roster: &'a Roster, ticket: &Ticket, leg: &Leg, choice: &Choice<'a>) -> Vec<Standing<'a>> {
    let loads: BTreeMap<AgentNo, u16> = choice.loads.iter().copied().collect();
    let held_back: BTreeMap<AgentNo, Unfit> = choice.held_back.iter().copied().collect();
    let standing = |fit: Option<(Rank, Fit)>, agent: &'a Agent| {
        let verdict = if choice.agents.contains(&agent.number) {
            Verdict::Chosen
        } else {
            let held = || held_back.get(&agent.number).copied();
            unfit(agent, leg, ticket.channel).or_else(held).map_or(Verdict::Eligible, Verdict::Excluded)
        };
        let load = loads.get(&agent.number).copied().unwrap_or_else(|| agent.load_percent());
        Standing { fit, load, agent, verdict, rank: 0 }
    };
    let row = |agent: &'a Arc<Agent>| choice.past.get(&agent.number).unwrap_or(agent);
    let lane = roster.lane(leg.lane);
    let mut all = Vec::with_capacity(lane.map_or(0, |lane| lane.fitting as usize));
    for service in lane.into_iter().flat_map(|lane| &lane.serving) {
        let agents = roster.of_group(service.group);
        all.extend(agents.map(|agent| standing(Some((service.rank, service.fit)), row(agent))));
    }
    let fits = |number: &AgentNo| all.iter().any(|standing| standing.agent.number == *number);
    let by_name: Vec<AgentNo> = choice.agents.iter().filter(|number| !fits(number)).copied().collect();
    let known = by_name.iter().filter_map(|number| roster.agent(*number).or(choice.past.get(number)));
    all.extend(known.map(|agent| standing(None, row(agent))));
    all
}

fn unfit_of(roster: &Roster, standings: &[Standing<'_>]) -> BTreeMap<Unfit, u32> {
    let mut unfit = BTreeMap::new();
    let fitting = u32::try_from(standings.len()).unwrap_or(u32::MAX);
    let others = roster.head_count().saturating_sub(fitting);
    if others > 0 {
        unfit.insert(Unfit::Requirement, others);
    }
    for standing in standings {
        if let Verdict::Excluded(reason) = standing.verdict {
            *unfit.entry(reason).or_insert(0) += 1;
        }
    }
    unfit
}

/// The chosen, and of the others the first in order of choice: up to ten in all, in that order and numbered.
fn keep_the_telling(standings: &mut Vec<Standing<'_>>) {
    let mut all = std::mem::take(standings);
    if all.len() > CANDIDATES {
        let telling = |standing: &Standing<'_>| (standing.verdict != Verdict::Chosen, standing.order());
        all.select_nth_unstable_by_key(CANDIDATES - 1, telling);
    }
    let named = CANDIDATES.min(all.len());
    let (kept, others) = all.split_at_mut(named);
    kept.sort_unstable_by_key(|standing| standing.order());
    let Some(last) = kept.last().map(Standing::order) else { return };
    // Nobody, unless one who was chosen stands far down the line.
    let between: Vec<_> = others.iter().map(Standing::order).filter(|order| *order < last).collect();
    for (place, standing) in (1..).zip(kept.iter_mut()) {
        let before = between.iter().filter(|order| **order < standing.order()).count();
        standing.rank = place + u32::try_from(before).unwrap_or(u32::MAX - place);
    }
    standings.extend_from_slice(kept);
}
