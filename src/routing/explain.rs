//! Why this agent, and why not that one: the decision record of an offer, and what keeps the desk's agents from a leg.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::lanes::Rank;
use super::roster::{Brief, Roster};
use crate::domain::agent::Agent;
use crate::domain::id::AgentNo;
use crate::domain::leg::Leg;
use crate::domain::record::{Candidate, DecisionRecord, Fit, OrderTerms, Trigger, Unfit, Verdict};
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

impl Choice<'_> {
    /// An agent's row as it was when the choice was made.
    fn row<'r>(&'r self, roster: &'r Roster, number: AgentNo) -> Option<&'r Arc<Agent>> {
        self.past.get(&number).or(roster.agent(number))
    }
}

/// The decision record of an offer of `leg`.
pub fn explain(roster: &Roster, ticket: &Ticket, leg: &Leg, choice: &Choice<'_>, now: Time) -> DecisionRecord {
    let mut standings = standings(roster, ticket, leg, choice);
    let unfit = unfit_of(roster, &standings);
    let eligible = standings.iter().filter(|standing| standing.verdict == Verdict::Eligible).count();
    keep_the_telling(&mut standings);
    let named = standings.iter().filter(|standing| standing.verdict == Verdict::Eligible).count();
    let strategy = roster.lane(leg.lane).map_or_else(Default::default, |lane| lane.key.strategy);
    let candidate = |standing: Standing| {
        let Standing { fit, agent, load, last_accept_time, verdict, rank } = standing;
        let idle = (last_accept_time != Time::default()).then(|| now - last_accept_time);
        let agent = choice.row(roster, agent)?.id.clone();
        Some(Candidate { agent, verdict, fit: fit.map(|(_, fit)| fit), load, idle, rank })
    };
    DecisionRecord {
        roster_seq: choice.seq,
        decide_time: now,
        policy_rev: ticket.policy_rev,
        trigger: choice.trigger,
        order: OrderTerms { band: ticket.band, virtual_arrival_time: leg.order_time, ahead: choice.ahead },
        strategy,
        preferred: leg.prefer.clone(),
        candidates: standings.into_iter().filter_map(candidate).collect(),
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

/// An agent's place among those who come into question. A desk may have thousands of them and a record names ten: nothing is
/// made for the others but this.
#[derive(Clone, Copy, Debug)]
struct Standing {
    /// `None`: does not fit and was chosen by name, which comes last; a named agent takes a leg whatever it needs.
    fit: Option<(Rank, Fit)>,
    agent: AgentNo,
    load: u16,
    last_accept_time: Time,
    verdict: Verdict,
    /// From 1, in order of choice; of the kept ones only.
    rank: u32,
}

impl Standing {
    /// Smaller is chosen first.
    fn order(&self) -> impl Ord + use<> {
        (self.fit.is_none(), self.fit.map(|(rank, _)| rank), self.load, self.last_accept_time, self.agent)
    }
}

/// Everybody who fits the leg's lane, and the chosen who do not.
fn standings(roster: &Roster, ticket: &Ticket, leg: &Leg, choice: &Choice<'_>) -> Vec<Standing> {
    let loads: BTreeMap<AgentNo, u16> = choice.loads.iter().copied().collect();
    let held_back: BTreeMap<AgentNo, Unfit> = choice.held_back.iter().copied().collect();
    let excluded = |number: AgentNo| {
        let excludes = |agent: &Arc<Agent>| leg.excludes(&agent.id).is_some();
        !leg.exclusions.is_empty() && choice.row(roster, number).is_some_and(excludes)
    };
    let standing = |fit: Option<(Rank, Fit)>, agent: AgentNo, brief: &Brief| {
        let verdict = if choice.agents.contains(&agent) {
            Verdict::Chosen
        } else {
            let unfit = brief.unfit(ticket.channel).or_else(|| excluded(agent).then_some(Unfit::Excluded));
            let unfit = unfit.or_else(|| held_back.get(&agent).copied());
            unfit.map_or(Verdict::Eligible, Verdict::Excluded)
        };
        let load = loads.get(&agent).copied().unwrap_or(brief.load);
        Standing { fit, agent, load, last_accept_time: brief.last_accept_time, verdict, rank: 0 }
    };
    let lane = roster.lane(leg.lane);
    let mut all = Vec::with_capacity(lane.map_or(0, |lane| lane.fitting as usize));
    for service in lane.into_iter().flat_map(|lane| &lane.serving) {
        let fit = Some((service.rank, service.fit));
        for (number, brief) in roster.of_group(service.group) {
            let before = choice.past.get(&number).map(|row| Brief::of(row));
            all.push(standing(fit, number, before.as_ref().unwrap_or(brief)));
        }
    }
    let fits = |number: &AgentNo| all.iter().any(|standing| standing.agent == *number);
    let by_name: Vec<AgentNo> = choice.agents.iter().filter(|number| !fits(number)).copied().collect();
    for number in by_name {
        let brief = choice.row(roster, number).map(|row| Brief::of(row));
        all.extend(brief.map(|brief| standing(None, number, &brief)));
    }
    all
}

fn unfit_of(roster: &Roster, standings: &[Standing]) -> BTreeMap<Unfit, u32> {
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
fn keep_the_telling(standings: &mut Vec<Standing>) {
    let mut all = std::mem::take(standings);
    if all.len() > CANDIDATES {
        let telling = |standing: &Standing| (standing.verdict != Verdict::Chosen, standing.order());
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
