//! Who is chosen, and why not the others, in the words of the product's documents and with nothing of the router's.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use handoff::domain::agent::{Agent, Declared, Reachability};
use handoff::domain::desk::LaneKey;
use handoff::domain::id::AgentId;
use handoff::domain::leg::Leg;
use handoff::domain::record::{DecisionRecord, Fit, Unfit, Verdict};
use handoff::domain::requirement::{Amount, Band, Channel, Expertise, Pool, Requirement, Strategy};
use handoff::domain::ticket::{Infeasibility, Ticket};
use handoff::domain::time::{Span, Time};

use super::past::Moment;

/// What keeps an agent away and stands in the log; suspects and reservations do not.
pub const KNOWN_TO_THE_LOG: [Unfit; 7] = [
    Unfit::Requirement,
    Unfit::NotReady,
    Unfit::NoSession,
    Unfit::NotResponding,
    Unfit::Channel,
    Unfit::Capacity,
    Unfit::Excluded,
];

/// A leg, and the desk on which somebody is to be found for it.
pub struct Need<'a> {
    pub moment: &'a Moment,
    pub ticket: &'a Ticket,
    pub leg: &'a Leg,
}

/// An agent who fits, or whom the leg prefers though she does not.
pub struct Judged<'a> {
    pub agent: &'a Agent,
    pub fit: Option<Fit>,
    pub kept_by: Option<Unfit>,
    load: u16,
    strategy: Strategy,
}

/// Smaller is chosen first.
pub type Order = (bool, u8, u64, i64, u16, Time, u32);

impl Judged<'_> {
    pub fn order(&self) -> Order {
        let Fit { tier_surplus, authority_surplus, skill_surplus } = self.fit.unwrap_or_default();
        let skill = match self.strategy {
            Strategy::Scarce => i64::from(skill_surplus),
            Strategy::Best => -i64::from(skill_surplus),
        };
        let Agent { last_accept_time, number, .. } = self.agent;
        (self.fit.is_none(), tier_surplus, authority_surplus, skill, self.load, *last_accept_time, number.0)
    }

    pub fn idle(&self, now: Time) -> Option<Span> {
        let last = self.agent.last_accept_time;
        (last != Time::default()).then(|| now - last)
    }

    pub fn agent_load(&self) -> u16 {
        load(self.agent)
    }
}

impl<'a> Need<'a> {
    fn lane(&self) -> &'a LaneKey {
        self.moment.lanes.get(self.leg.lane).expect("the lane of a leg that waits is live")
    }

    /// Who fits, judged by the log; what it cannot know (loads with reservations, who is held back) is the record's word.
    pub fn judge(&self, record: &DecisionRecord) -> Vec<Judged<'a>> {
        let lane = self.lane();
        assert_eq!(record.strategy, lane.strategy);
        let asked: BTreeSet<&str> = self
            .moment
            .lanes
            .iter()
            .flat_map(|(_, lane)| lane.alternatives.iter().flat_map(|need| need.skills.keys()))
            .map(AsRef::as_ref)
            .collect();
        let agents = self.moment.agents.values().filter(|agent| !agent.deleted);
        let judged = agents.filter_map(|agent| {
            let fit = best_fit(lane, &agent.profile.expertise, &asked);
            let named = record.candidates.iter().find(|candidate| candidate.agent == agent.id);
            if fit.is_none() && self.preferred() != Some(&agent.id) {
                return None;
            }
            let held_back = named.and_then(|candidate| match candidate.verdict {
                Verdict::Excluded(why @ (Unfit::Suspect | Unfit::Reserved)) => Some(why),
                Verdict::Excluded(_) | Verdict::Chosen | Verdict::Eligible => None,
            });
            Some(Judged {
                agent,
                fit,
                kept_by: kept_by(agent, self.leg, self.ticket.channel).or(held_back),
                load: named.map_or_else(|| load(agent), |candidate| candidate.load),
                strategy: lane.strategy,
            })
        });
        judged.collect()
    }

    /// Whom the leg waits for alone: named, on duty and not excluded.
    pub fn preferred(&self) -> Option<&'a AgentId> {
        let agent = self.moment.agents.get(self.leg.prefer.as_ref()?)?;
        (is_on_duty(agent) && !excludes(self.leg, agent)).then_some(&agent.id)
    }
}

/// Why nobody takes a leg that waits.
pub fn diagnose(moment: &Moment, ticket: &Ticket, leg: &Leg) -> Infeasibility {
    let Some(lane) = moment.lanes.get(leg.lane) else { return Infeasibility::Never };
    let agents = moment.agents.values().filter(|agent| !agent.deleted);
    let fitting: Vec<_> =
        agents.filter(|agent| best_fit(lane, &agent.profile.expertise, &BTreeSet::new()).is_some()).collect();
    let on_duty: Vec<_> = fitting.iter().filter(|agent| is_on_duty(agent)).collect();
    let is_away = moment.connectors.get(&ticket.connector).is_some_and(|row| row.away || row.deleted);
    if fitting.is_empty() {
        Infeasibility::Never
    } else if on_duty.is_empty() {
        Infeasibility::Absent
    } else if ticket.band != Band::Deferred && is_away {
        Infeasibility::ConnectorAway
    } else if on_duty.iter().all(|agent| excludes(leg, agent)) {
        Infeasibility::Excluded
    } else {
        Infeasibility::Busy
    }
}

fn is_on_duty(agent: &Agent) -> bool {
    let will_leave = agent.next_declared.is_some();
    !agent.deleted
        && agent.declared == Declared::Ready
        && !will_leave
        && agent.session.is_some()
        && !agent.not_responding
}

fn excludes(leg: &Leg, agent: &Agent) -> bool {
    leg.exclusions.iter().any(|exclusion| exclusion.agent == agent.id)
}

/// The first condition of "eligible" that does not hold, in the order in which records name them.
fn kept_by(agent: &Agent, leg: &Leg, channel: Channel) -> Option<Unfit> {
    let reachable = agent.profile.endpoints.iter().filter(|endpoint| endpoint.channel == channel);
    let away = reachable.clone().any(|endpoint| endpoint.reachability != Reachability::Reachable);
    let paused = agent.profile.channels.get(&channel).is_some_and(|rule| rule.paused);
    if agent.declared != Declared::Ready || agent.next_declared.is_some() {
        Some(Unfit::NotReady)
    } else if agent.session.is_none() {
        Some(Unfit::NoSession)
    } else if agent.not_responding {
        Some(Unfit::NotResponding)
    } else if paused || away {
        Some(Unfit::Channel)
    } else if !has_room(agent, channel) {
        Some(Unfit::Capacity)
    } else if excludes(leg, agent) {
        Some(Unfit::Excluded)
    } else {
        None
    }
}

/// Pool, points and limit of each channel as the table of defaults has them.
const fn measures(channel: Channel) -> (Pool, u16, u16) {
    match channel {
        Channel::Phone => (Pool::Live, 100, 1),
        Channel::Chat | Channel::Social => (Pool::Live, 20, 4),
        Channel::Email | Channel::Portal => (Pool::Deferred, 10, 5),
    }
}

fn pool_of(agent: &Agent, pool: Pool) -> (u32, u32) {
    let used = match pool {
        Pool::Live => agent.used_live,
        Pool::Deferred => agent.used_deferred,
    };
    (u32::from(used), u32::from(agent.profile.pools.get(&pool).copied().unwrap_or(100)))
}

fn has_room(agent: &Agent, channel: Channel) -> bool {
    let (pool, points, limit) = measures(channel);
    let rule = agent.profile.channels.get(&channel);
    let weight = rule.and_then(|rule| rule.weight).unwrap_or(points);
    let limit = rule.and_then(|rule| rule.max).unwrap_or(limit);
    let held = |channel| agent.held.get(&channel).copied().unwrap_or(0);
    let on_the_phone = held(Channel::Phone) > 0;
    let (used, size) = pool_of(agent, pool);
    held(channel) < limit && used + u32::from(weight) <= size && !(pool == Pool::Deferred && on_the_phone)
}

/// Percent of the fuller pool.
fn load(agent: &Agent) -> u16 {
    let percent = |pool| match pool_of(agent, pool) {
        (0, 0) => 0,
        (_, 0) => 100,
        (used, size) => used * 100 / size,
    };
    u16::try_from(percent(Pool::Live).max(percent(Pool::Deferred))).expect("a percentage")
}

fn best_fit(lane: &LaneKey, has: &Expertise, asked: &BTreeSet<&str>) -> Option<Fit> {
    let fits = lane.alternatives.iter().filter_map(|need| fit(need, has, asked));
    match lane.strategy {
        Strategy::Scarce => fits.min(),
        Strategy::Best => fits.min_by_key(|fit| (fit.tier_surplus, fit.authority_surplus, Reverse(fit.skill_surplus))),
    }
}

fn fit(need: &Requirement, has: &Expertise, asked: &BTreeSet<&str>) -> Option<Fit> {
    let tier = need.min_tier.unwrap_or(1);
    let speaks = need.language.as_ref().is_none_or(|language| has.languages.contains(language));
    if has.tier < tier || !speaks {
        return None;
    }
    let mut authority_surplus: u64 = 0;
    for (name, amount) in &need.authorities {
        let limit = has.authorities.get(name)?;
        authority_surplus = authority_surplus.saturating_add(beyond(amount.as_ref(), limit.as_ref())?);
    }
    let mut skill_surplus = 0;
    for (skill, level) in &need.skills {
        let held = has.skills.get(skill).filter(|held| *held >= level)?;
        skill_surplus += u32::from(held - level);
    }
    let others = has.skills.keys().filter(|skill| !need.skills.contains_key(*skill));
    let wanted_elsewhere = others.filter(|skill| asked.contains(skill.as_ref())).count();
    Some(Fit {
        tier_surplus: has.tier - tier,
        authority_surplus,
        skill_surplus: skill_surplus + u32::try_from(wanted_elsewhere).expect("a small number"),
    })
}

/// Money beyond the need; no limit covers everything, and a plain right has no more or less.
fn beyond(need: Option<&Amount>, limit: Option<&Amount>) -> Option<u64> {
    let Some(need) = need else { return Some(0) };
    let Some(limit) = limit else { return Some(u64::MAX) };
    let covers = need.currency == limit.currency && limit.micros >= need.micros;
    covers.then(|| u64::try_from(limit.micros - need.micros).expect("it covers"))
}
