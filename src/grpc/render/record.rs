//! Decision records.

use std::collections::BTreeMap;

use super::{agent_name, duration, number, timestamp};
use crate::domain::id::{DeskId, OfferId, TicketName};
use crate::domain::record::{Candidate, DecisionRecord, OrderTerms, Unfit, Verdict};
use crate::domain::ticket::Infeasibility;
use crate::grpc::name;
use crate::grpc::words::Word;
use crate::proto::handoff::v1 as pb;

/// The record of one match. `infeasibility`: why nobody could take the leg before.
pub fn record(
    desk: &DeskId,
    ticket: &TicketName,
    leg: u8,
    offers: &[OfferId],
    record: &DecisionRecord,
    infeasibility: Option<Infeasibility>,
) -> pb::DecisionRecord {
    pb::DecisionRecord {
        ticket: name::ticket(desk, ticket),
        leg: name::leg(desk, ticket, leg),
        offers: offers.iter().map(|offer| name::offer(desk, *offer)).collect(),
        roster_seq: Some(record.roster_seq),
        decide_time: Some(timestamp(record.decide_time)),
        policy_revision: record.policy_rev.to_string(),
        trigger: record.trigger.number(),
        order: Some(order(&record.order)),
        strategy: record.strategy.number(),
        preferred_agent: agent_name(desk, record.preferred.as_ref()),
        candidates: record.candidates.iter().map(|each| candidate(desk, each)).collect(),
        omitted_count: Some(record.omitted),
        exclusion_counts: exclusion_counts(record.unfit.iter().map(|(unfit, count)| (*unfit, *count))),
        infeasibility: number(infeasibility),
    }
}

fn order(terms: &OrderTerms) -> pb::DecisionOrder {
    pb::DecisionOrder {
        band: terms.band.number(),
        virtual_arrival_time: Some(timestamp(terms.virtual_arrival_time)),
        ahead_count: Some(terms.ahead),
    }
}

fn candidate(desk: &DeskId, candidate: &Candidate) -> pb::Candidate {
    let (verdict, exclusion) = match candidate.verdict {
        Verdict::Chosen => (pb::CandidateVerdict::Chosen, None),
        Verdict::Eligible => (pb::CandidateVerdict::Eligible, None),
        Verdict::Excluded(unfit) => (pb::CandidateVerdict::Excluded, Some(unfit)),
    };
    pb::Candidate {
        agent: name::agent(desk, &candidate.agent),
        verdict: verdict as i32,
        exclusion: number(exclusion),
        tier_surplus: candidate.fit.map(|fit| u32::from(fit.tier_surplus)),
        authority_surplus_micros: candidate.fit.map(|fit| fit.authority_surplus),
        skill_surplus: candidate.fit.map(|fit| fit.skill_surplus),
        load: Some(u32::from(candidate.load)),
        idle_duration: candidate.idle.map(duration),
        rank: candidate.rank,
    }
}

/// Agents by what keeps them out, under the name of the enum's value without its prefix.
pub fn exclusion_counts(unfit: impl IntoIterator<Item = (Unfit, u32)>) -> BTreeMap<String, u32> {
    unfit.into_iter().map(|(unfit, count)| (unfit.word().to_owned(), count)).collect()
}
