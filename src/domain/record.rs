//! Decision records: why this agent was offered this leg, and why not that one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::id::AgentId;
use super::requirement::{Band, Strategy};
use super::time::{Span, Time};

/// Why an agent is not a candidate for a leg at this moment. The first that applies, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// Tier, skills, authorities or language do not satisfy any of the leg's alternatives.
    Requirement,
    /// On a break or offline (or about to be: no new work).
    NotReady,
    NoSession,
    /// Missed two offers in a row.
    NotResponding,
    /// The channel is paused, or its endpoint unreachable or busy elsewhere.
    Channel,
    /// No room in the pool or on the channel.
    Capacity,
    /// Excluded for this leg: declined, missed, lost or failed before.
    Excluded,
    /// No heartbeat for 20 s: no new offers.
    Suspect,
    /// Held for another leg by a proposal under way.
    Reserved,
}

/// What made the router look at this leg now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The leg began to wait.
    LegArrived,
    /// An agent became free, came on duty or was changed.
    AgentFreed,
    /// A supervisor assigned it.
    Assigned,
}

/// How well an agent fits: smaller is chosen first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fit {
    /// Tiers above the need.
    pub tier_surplus: u8,
    /// Money limits above the need, summed, in millionths; unlimited counts as the largest number.
    pub authority_surplus: u64,
    /// Levels above the need plus other skills held that some live lane asks for.
    pub skill_surplus: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Chosen,
    Eligible,
    /// Ranked better than the one chosen, but not to be had.
    Excluded(Unfit),
}

/// Written as a list: a record names ten, and is most of what the log takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "CandidateRow", into = "CandidateRow")]
pub struct Candidate {
    pub agent: AgentId,
    pub verdict: Verdict,
    /// `None`: does not fit, and was chosen by name.
    pub fit: Option<Fit>,
    /// Percent of the fuller pool.
    pub load: u16,
    /// Since the last accepted work; `None`: never had any.
    pub idle: Option<Span>,
    /// From 1, in order of choice.
    pub rank: u32,
}

type CandidateRow = (AgentId, Verdict, Option<(u8, u64, u32)>, u16, Option<Span>, u32);

impl From<CandidateRow> for Candidate {
    fn from((agent, verdict, fit, load, idle, rank): CandidateRow) -> Candidate {
        let fit = fit.map(|(tier_surplus, authority_surplus, skill_surplus)| Fit {
            tier_surplus,
            authority_surplus,
            skill_surplus,
        });
        Candidate { agent, verdict, fit, load, idle, rank }
    }
}

impl From<Candidate> for CandidateRow {
    fn from(Candidate { agent, verdict, fit, load, idle, rank }: Candidate) -> CandidateRow {
        let fit = fit.map(|fit| (fit.tier_surplus, fit.authority_surplus, fit.skill_surplus));
        (agent, verdict, fit, load, idle, rank)
    }
}

/// What the leg's place was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderTerms {
    pub band: Band,
    pub virtual_arrival_time: Time,
    /// Legs of the same lane that were ahead when it was matched.
    pub ahead: u32,
}

/// Written with every offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// The desk's log up to here is all that was known.
    pub roster_seq: u64,
    pub decide_time: Time,
    pub policy_rev: u32,
    pub trigger: Trigger,
    pub order: OrderTerms,
    pub strategy: Strategy,
    /// The named agent who was tried first, if the leg had a preference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred: Option<AgentId>,
    /// The first ten in order of choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// Eligible agents beyond these.
    pub omitted: u32,
    /// Agents of the desk by the first reason that kept them out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unfit: BTreeMap<Unfit, u32>,
}
