//! Lanes and groups: what legs need and what agents have, made canonical, and how well one fits the other.
//!
//! A lane is a distinct need, a group a distinct profile. Whether a group serves a lane is worked out here once, so that the
//! availability index knows no skill, tier or authority, only numbers and ranks.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::desk::{Groups, LaneKey};
use crate::domain::id::QueueId;
use crate::domain::record::Fit;
use crate::domain::requirement::{Amount, Channel, Expertise, Requirement, Strategy};

/// Live lanes a desk may have.
pub const MAX_LANES: usize = 4_096;
/// Distinct agent profiles a desk may have.
pub const MAX_GROUPS: usize = 8_192;

/// An amount no limit covers: asking for it keeps a leg infeasible (NEVER) until somebody's limit is raised.
const BEYOND_ALL: i64 = i64::MAX;

/// The order in which groups are tried for a lane: smaller first. Differs from [`Fit`] only where the queue wants the best.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank {
    pub tier_surplus: u8,
    pub authority_surplus: u64,
    /// The skill surplus, counted down from the top for [`Strategy::Best`].
    pub skill: u32,
}

/// Ranks a fit under a queue's strategy.
pub fn rank(fit: Fit, strategy: Strategy) -> Rank {
    let skill = match strategy {
        Strategy::Scarce => fit.skill_surplus,
        Strategy::Best => u32::MAX - fit.skill_surplus,
    };
    Rank { tier_surplus: fit.tier_surplus, authority_surplus: fit.authority_surplus, skill }
}

/// The limits held on a desk, which amounts are rounded up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits(BTreeSet<(Arc<str>, Amount)>);

impl Limits {
    pub fn of(groups: &Groups) -> Limits {
        let held = groups.iter().flat_map(|(_, group)| group.authorities.iter());
        Limits(held.filter_map(|(name, limit)| Some((name.clone(), limit.clone()?))).collect())
    }

    /// The smallest limit that covers the amount, so that 137.50 and 137.60 share a lane.
    fn cover(&self, authority: &Arc<str>, amount: &Amount) -> Amount {
        let from = (authority.clone(), amount.clone());
        let covering =
            self.0.range(from..).next().filter(|(name, limit)| name == authority && limit.currency == amount.currency);
        covering.map_or_else(
            || Amount { currency: amount.currency.clone(), micros: BEYOND_ALL },
            |(_, limit)| limit.clone(),
        )
    }
}

/// The lane that a need falls into: amounts rounded up to held limits, alternatives sorted, the queue taken out.
pub fn lane_key<'a>(
    channel: Channel,
    queue: &QueueId,
    alternatives: impl Iterator<Item = &'a Requirement>,
    strategy: Strategy,
    limits: &Limits,
) -> LaneKey {
    let mut canonical: Vec<Requirement> = alternatives.map(|need| canonical(need, limits)).collect();
    canonical.sort_unstable();
    canonical.dedup();
    LaneKey { channel, queue: queue.clone(), alternatives: canonical, strategy }
}

fn canonical(need: &Requirement, limits: &Limits) -> Requirement {
    let authorities = need.authorities.iter().map(|(name, amount)| {
        let covered = amount.as_ref().map(|amount| limits.cover(name, amount));
        (name.clone(), covered)
    });
    Requirement {
        queue: None,
        skills: need.skills.clone(),
        min_tier: need.min_tier.filter(|tier| *tier > 1),
        authorities: authorities.collect(),
        language: need.language.clone(),
        team: need.team.clone(),
    }
}

/// Skills that some live lane asks for: spare ones of these make an agent too good for simple work.
pub fn asked_skills<'a>(lanes: impl IntoIterator<Item = &'a LaneKey>) -> BTreeSet<Arc<str>> {
    let needs = lanes.into_iter().flat_map(|lane| lane.alternatives.iter());
    needs.flat_map(|need| need.skills.keys().cloned()).collect()
}

/// How well a profile fits a lane: the best over its alternatives, or `None` when it satisfies none of them.
pub fn fit(lane: &LaneKey, expertise: &Expertise, asked: &BTreeSet<Arc<str>>) -> Option<Fit> {
    let fits = lane.alternatives.iter().filter_map(|need| fit_one(need, expertise, asked));
    fits.min_by_key(|fit| rank(*fit, lane.strategy))
}

/// Whether a profile satisfies a requirement at all.
pub fn satisfies(need: &Requirement, expertise: &Expertise) -> bool {
    fit_one(need, expertise, &BTreeSet::new()).is_some()
}

fn fit_one(need: &Requirement, has: &Expertise, asked: &BTreeSet<Arc<str>>) -> Option<Fit> {
    let tier_surplus = has.tier.checked_sub(need.min_tier.unwrap_or(1))?;
    if let Some(language) = &need.language
        && !has.languages.contains(language)
    {
        return None;
    }
    if need.team.as_ref().is_some_and(|team| *team != has.team) {
        return None;
    }
    let mut authority_surplus = 0_u64;
    for (name, amount) in &need.authorities {
        authority_surplus =
            authority_surplus.saturating_add(authority_beyond(amount.as_ref(), has.authorities.get(name)?.as_ref())?);
    }
    let mut skill_surplus = 0_u32;
    for (skill, min_level) in &need.skills {
        skill_surplus += u32::from(has.skills.get(skill)?.checked_sub(*min_level)?);
    }
    let spare = has.skills.keys().filter(|skill| !need.skills.contains_key(*skill) && asked.contains(*skill)).count();
    Some(Fit {
        tier_surplus,
        authority_surplus,
        skill_surplus: skill_surplus + u32::try_from(spare).unwrap_or(u32::MAX),
    })
}

/// How far a held limit goes beyond the need; `None` when it does not cover it. No limit covers everything.
fn authority_beyond(need: Option<&Amount>, limit: Option<&Amount>) -> Option<u64> {
    match (need, limit) {
        (None, _) => Some(0),
        (Some(_), None) => Some(u64::MAX),
        (Some(need), Some(limit)) => {
            let covers = need.currency == limit.currency && need.micros != BEYOND_ALL;
            covers
                .then(|| limit.micros.checked_sub(need.micros))
                .flatten()
                .and_then(|beyond| u64::try_from(beyond).ok())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn euros(units: i64) -> Amount {
        Amount { currency: Arc::from("EUR"), micros: units * 1_000_000 }
    }

    fn refund(amount: Option<i64>) -> Requirement {
        Requirement { authorities: [(Arc::from("refund"), amount.map(euros))].into(), ..Requirement::default() }
    }

    fn agent(tier: u8, limit: Option<i64>) -> Expertise {
        Expertise { tier, authorities: [(Arc::from("refund"), limit.map(euros))].into(), ..Expertise::default() }
    }

    fn lane(need: &Requirement, limits: &Limits) -> LaneKey {
        lane_key(
            Channel::Chat,
            &QueueId::parse("billing").expect("valid"),
            [need].into_iter(),
            Strategy::Scarce,
            limits,
        )
    }

    #[test]
    fn amounts_under_the_same_limit_share_a_lane_and_an_amount_over_all_fits_only_the_unlimited() {
        let limits = Limits([(Arc::from("refund"), euros(500)), (Arc::from("refund"), euros(100))].into());
        assert_eq!(lane(&refund(Some(137)), &limits), lane(&refund(Some(138)), &limits));
        assert_ne!(lane(&refund(Some(99)), &limits), lane(&refund(Some(137)), &limits));
        let over_all = lane(&refund(Some(900)), &limits);
        assert_eq!(fit(&over_all, &agent(1, Some(500)), &BTreeSet::new()), None);
        assert!(fit(&over_all, &agent(1, None), &BTreeSet::new()).is_some());
    }

    #[test]
    fn the_lowest_sufficient_tier_and_authority_rank_first() {
        let lane = lane(&refund(Some(100)), &Limits([(Arc::from("refund"), euros(100))].into()));
        let ranked =
            |expertise: &Expertise| fit(&lane, expertise, &BTreeSet::new()).map(|fit| rank(fit, Strategy::Scarce));
        assert!(ranked(&agent(1, Some(500))) < ranked(&agent(2, Some(100))), "tier before authority");
        assert!(ranked(&agent(1, Some(100))) < ranked(&agent(1, Some(500))));
        assert!(ranked(&agent(1, Some(500))) < ranked(&agent(1, None)));
        assert_eq!(ranked(&agent(1, Some(99))), None);
    }

    #[test]
    fn a_missing_skill_a_low_level_or_another_language_does_not_fit() {
        let need = Requirement {
            skills: [(Arc::from("vpn"), 5)].into(),
            language: Some(Arc::from("et")),
            ..Requirement::default()
        };
        let skilled = |level, language: &str| Expertise {
            tier: 1,
            skills: [(Arc::from("vpn"), level)].into(),
            languages: [Arc::from(language)].into(),
            ..Expertise::default()
        };
        assert!(satisfies(&need, &skilled(5, "et")));
        assert!(!satisfies(&need, &skilled(4, "et")));
        assert!(!satisfies(&need, &skilled(9, "nl")));
    }
}
