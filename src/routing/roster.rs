//! The roster: the desk's agents by group, and which groups serve which lanes how well.
//!
//! Fed by commits, in log order. It answers what a desk's rows alone would answer slowly: who fits a lane, how many of
//! them are on duty, and (with [`super::explain`]) why an agent was chosen. It refuses to know what waits or who is held.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::lanes::{Rank, asked_skills, fit, rank, satisfies};
use crate::domain::agent::{Agent, Declared};
use crate::domain::desk::{Desk, LaneKey};
use crate::domain::event::Body;
use crate::domain::id::{AgentId, AgentNo, GroupNo, LaneNo};
use crate::domain::record::{Fit, Unfit};
use crate::domain::requirement::{Channel, Expertise, Requirement};
use crate::domain::time::Time;

/// A lane with the groups that serve it.
#[derive(Clone, Debug)]
pub struct LaneRow {
    pub key: Arc<LaneKey>,
    /// Best first.
    pub serving: Vec<Service>,
    /// Agents who fit, and those of them on duty.
    pub fitting: u32,
    pub on_duty: u32,
}

/// How well a group serves a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    pub rank: Rank,
    pub fit: Fit,
    pub group: GroupNo,
}

/// A pair that is new, or ranked anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    pub lane: LaneNo,
    pub group: GroupNo,
    pub rank: Rank,
}

/// A lane for which it changed who fits, or who is on duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneMoved {
    pub lane: LaneNo,
    /// From nobody to somebody, or back.
    pub turned: bool,
}

/// What a part of the log did to the interned tables.
#[derive(Clone, Debug, Default)]
pub struct TableChange {
    pub lanes: BTreeSet<LaneNo>,
    pub groups: BTreeSet<GroupNo>,
    pub retired_lanes: BTreeSet<LaneNo>,
    pub retired_groups: BTreeSet<GroupNo>,
}

impl TableChange {
    pub fn note(&mut self, body: &Body) {
        let _new = match body {
            Body::LaneAdded { lane, .. } => self.lanes.insert(*lane),
            Body::GroupAdded { group, .. } => self.groups.insert(*group),
            Body::LaneRetired { lane } => self.retired_lanes.insert(*lane),
            Body::GroupRetired { group } => self.retired_groups.insert(*group),
            _ => false,
        };
    }

    pub fn is_empty(&self) -> bool {
        let TableChange { lanes, groups, retired_lanes, retired_groups } = self;
        lanes.is_empty() && groups.is_empty() && retired_lanes.is_empty() && retired_groups.is_empty()
    }
}

#[derive(Clone, Debug, Default)]
struct GroupRow {
    expertise: Arc<Expertise>,
    lanes: BTreeSet<LaneNo>,
    agents: BTreeMap<AgentNo, Brief>,
    on_duty: u32,
}

/// What an offer's record needs to know of everybody who fits, worked out once for each new row: a desk decides far more often
/// than one of its agents changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Brief {
    /// Percent of the fuller pool.
    pub load: u16,
    pub last_accept_time: Time,
    /// By channel, what keeps the agent from every leg.
    unfit: [Option<Unfit>; Channel::ALL.len()],
}

impl Brief {
    pub fn of(agent: &Agent) -> Brief {
        Brief {
            load: agent.load_percent(),
            last_accept_time: agent.last_accept_time,
            unfit: Channel::ALL.map(|channel| kept_from(agent, channel)),
        }
    }

    pub fn unfit(&self, channel: Channel) -> Option<Unfit> {
        self.unfit[channel as usize]
    }
}

/// What keeps an agent from every leg of a channel, as far as the log knows.
fn kept_from(agent: &Agent, channel: Channel) -> Option<Unfit> {
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
    } else {
        None
    }
}

#[derive(Clone, Debug, Default)]
pub struct Roster {
    agents: BTreeMap<AgentNo, Arc<Agent>>,
    numbers: BTreeMap<AgentId, AgentNo>,
    groups: BTreeMap<GroupNo, GroupRow>,
    lanes: BTreeMap<LaneNo, LaneRow>,
    asked: BTreeSet<Arc<str>>,
}

impl Roster {
    pub fn agent(&self, number: AgentNo) -> Option<&Arc<Agent>> {
        self.agents.get(&number)
    }

    pub fn find(&self, id: &AgentId) -> Option<&Arc<Agent>> {
        self.numbers.get(id).and_then(|number| self.agents.get(number))
    }

    /// Every agent, deleted ones too.
    pub fn agents(&self) -> impl Iterator<Item = &Arc<Agent>> {
        self.agents.values()
    }

    pub fn lane(&self, lane: LaneNo) -> Option<&LaneRow> {
        self.lanes.get(&lane)
    }

    /// The agents of a group, deleted ones left out.
    pub fn of_group(&self, group: GroupNo) -> impl Iterator<Item = (AgentNo, &Brief)> {
        let agents = self.groups.get(&group).into_iter().flat_map(|row| &row.agents);
        agents.map(|(number, brief)| (*number, brief))
    }

    /// Agents who are not deleted.
    pub fn head_count(&self) -> u32 {
        self.groups.values().map(|row| count(row.agents.len())).sum()
    }

    /// Groups that nobody belongs to.
    pub fn empty_groups(&self) -> impl Iterator<Item = GroupNo> {
        self.groups.iter().filter(|(_, row)| row.agents.is_empty()).map(|(number, _)| *number)
    }

    /// Every pair, for a view that is built from nothing.
    pub fn pairs(&self) -> impl Iterator<Item = Pair> {
        self.lanes.iter().flat_map(|(lane, row)| {
            row.serving.iter().map(|service| Pair { lane: *lane, group: service.group, rank: service.rank })
        })
    }

    /// Agents on duty who satisfy a need, busy ones included.
    pub fn on_count(&self, need: &Requirement) -> u32 {
        self.groups.values().filter(|row| satisfies(need, &row.expertise)).map(|row| row.on_duty).sum()
    }

    /// Takes in an agent's new row.
    pub fn put(&mut self, agent: Arc<Agent>) -> Vec<LaneMoved> {
        let before = self.agents.insert(agent.number, agent.clone());
        self.numbers.insert(agent.id.clone(), agent.number);
        let standing = |row: &Agent| (!row.deleted).then(|| (row.group, row.on_duty()));
        let (was, is) = (before.as_deref().and_then(standing), standing(&agent));
        let mut moved = Vec::new();
        if was != is {
            let groups = [was, is].into_iter().flatten().filter_map(|(group, _)| self.groups.get(&group));
            let lanes: BTreeSet<LaneNo> = groups.flat_map(|row| &row.lanes).copied().collect();
            let before: Vec<_> = lanes.into_iter().map(|lane| (lane, self.anybody(lane))).collect();
            for (standing, joins) in [(was, false), (is, true)] {
                if let Some((group, duty)) = standing {
                    self.count_agent(group, agent.number, duty, joins);
                }
            }
            moved.extend(
                before.into_iter().map(|(lane, before)| LaneMoved { lane, turned: before != self.anybody(lane) }),
            );
        }
        if let Some((group, _)) = is {
            self.groups.entry(group).or_default().agents.insert(agent.number, Brief::of(&agent));
        }
        moved
    }

    /// Whether anybody fits a lane, and whether one of them is on duty.
    fn anybody(&self, lane: LaneNo) -> (bool, bool) {
        self.lanes.get(&lane).map_or((false, false), |row| (row.fitting > 0, row.on_duty > 0))
    }

    fn count_agent(&mut self, group: GroupNo, number: AgentNo, duty: bool, joins: bool) {
        let row = self.groups.entry(group).or_default();
        if !joins {
            row.agents.remove(&number);
        }
        let by = |counter: &mut u32| *counter = if joins { *counter + 1 } else { counter.saturating_sub(1) };
        if duty {
            by(&mut row.on_duty);
        }
        for lane in &row.lanes {
            if let Some(lane) = self.lanes.get_mut(lane) {
                by(&mut lane.fitting);
                if duty {
                    by(&mut lane.on_duty);
                }
            }
        }
    }

    /// Brings the tables to the desk's state, which may be newer than `change`. Answers the pairs that are new, or perhaps ranked
    /// anew, to whoever knows the tables before `change`; whatever this roster knew.
    pub fn set_tables(&mut self, desk: &Desk, change: &TableChange) -> Vec<Pair> {
        let asked = asked_skills(desk.lanes.iter().map(|(_, key)| &**key));
        // Numbers rise: a later lane may ask for the same, and is as new to whoever knows the tables before `change`.
        let known = |lane: LaneNo| change.lanes.first().is_none_or(|first| lane < *first);
        let others = desk.lanes.iter().filter(|(lane, _)| known(*lane)).map(|(_, key)| &**key);
        let ranks_move = asked != asked_skills(others) || !self.retired_asked_no_more(&asked, &change.retired_lanes);
        self.retire(desk);
        for (number, expertise) in desk.groups.iter() {
            self.groups.entry(number).or_default().expertise = expertise.clone();
        }
        let all_anew = asked != self.asked;
        self.asked = asked;
        for (number, key) in desk.lanes.iter() {
            let known = self.lanes.get(&number).map_or(0, |row| row.serving.len());
            let row = self.lane_row(key);
            if !all_anew && known == row.serving.len() && self.lanes.contains_key(&number) {
                continue;
            }
            for service in &row.serving {
                self.groups.entry(service.group).or_default().lanes.insert(number);
            }
            self.lanes.insert(number, row);
        }
        let is_new = |pair: &Pair| change.lanes.contains(&pair.lane) || change.groups.contains(&pair.group);
        self.pairs().filter(|pair| ranks_move || is_new(pair)).collect()
    }

    /// Whether the lanes that are retired asked for nothing else than what is asked for still. One that is not known any more may
    /// have.
    fn retired_asked_no_more(&self, asked: &BTreeSet<Arc<str>>, retired: &BTreeSet<LaneNo>) -> bool {
        let keys: Option<Vec<&LaneKey>> = retired.iter().map(|lane| Some(&*self.lanes.get(lane)?.key)).collect();
        keys.is_some_and(|keys| asked_skills(keys).is_subset(asked))
    }

    fn retire(&mut self, desk: &Desk) {
        let lanes: Vec<LaneNo> = self.lanes.keys().filter(|lane| desk.lanes.get(**lane).is_none()).copied().collect();
        let groups: Vec<GroupNo> =
            self.groups.keys().filter(|group| desk.groups.get(**group).is_none()).copied().collect();
        for lane in &lanes {
            self.lanes.remove(lane);
            self.groups.values_mut().for_each(|row| {
                row.lanes.remove(lane);
            });
        }
        for group in &groups {
            self.groups.remove(group);
            self.lanes.values_mut().for_each(|row| row.serving.retain(|service| service.group != *group));
        }
    }

    fn lane_row(&self, key: &Arc<LaneKey>) -> LaneRow {
        let mut serving: Vec<Service> = self
            .groups
            .iter()
            .filter_map(|(group, row)| {
                let fit = fit(key, &row.expertise, &self.asked)?;
                Some(Service { rank: rank(fit, key.strategy), fit, group: *group })
            })
            .collect();
        serving.sort_unstable();
        let rows = || serving.iter().filter_map(|service| self.groups.get(&service.group));
        let fitting = rows().map(|row| count(row.agents.len())).sum();
        let on_duty = rows().map(|row| row.on_duty).sum();
        LaneRow { key: key.clone(), serving, fitting, on_duty }
    }
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::agent::Profile;
    use crate::domain::id::{DeskId, QueueId};
    use crate::domain::requirement::Strategy;

    fn desk() -> Desk {
        let mut desk: Desk = serde_json::from_value(serde_json::json!({
            "id": DeskId::parse("desk").expect("a name"), "ver": 1, "display_name": "", "time_zone": "UTC", "create_time": 0,
            "update_time": 0, "next_agent": 3, "policy_rev": 0, "next_lane": 1, "next_group": 1
        }))
        .expect("a desk");
        let queue = QueueId::parse("chat").expect("a name");
        let alternatives = vec![Requirement::default()];
        let lane = LaneKey { channel: Channel::Chat, queue, alternatives, strategy: Strategy::Scarce };
        Arc::make_mut(&mut desk.lanes).insert(LaneNo(0), Arc::new(lane));
        Arc::make_mut(&mut desk.groups).insert(GroupNo(0), Arc::new(Expertise { tier: 1, ..Expertise::default() }));
        desk
    }

    /// Found by the simulation of several replicas, seed 6736.
    #[test]
    fn a_skill_that_two_parts_of_the_log_ask_for_ranks_groups_anew_with_the_first_of_them() {
        let mut desk = desk();
        let skills: BTreeMap<Arc<str>, u8> = [(Arc::from("vpn"), 5)].into();
        let expertise = Expertise { tier: 1, skills: skills.clone(), ..Expertise::default() };
        Arc::make_mut(&mut desk.groups).insert(GroupNo(1), Arc::new(expertise));
        let mut roster = Roster::default();
        roster.set_tables(&desk, &TableChange::default());
        for (lane, queue) in [(1, "phone"), (2, "mail")] {
            let alternatives = vec![Requirement { skills: skills.clone(), ..Requirement::default() }];
            let queue = QueueId::parse(queue).expect("a name");
            let key = LaneKey { channel: Channel::Chat, queue, alternatives, strategy: Strategy::Scarce };
            Arc::make_mut(&mut desk.lanes).insert(LaneNo(lane), Arc::new(key));
        }
        // The desk is read as it is by now, with both.
        let change = TableChange { lanes: [LaneNo(1)].into(), ..TableChange::default() };
        let pairs = roster.set_tables(&desk, &change);
        assert!(pairs.iter().any(|pair| (pair.lane, pair.group) == (LaneNo(0), GroupNo(1))), "{pairs:?}");
    }

    fn agent(number: u32, on_duty: bool) -> Arc<Agent> {
        let session = serde_json::json!({"epoch": 1, "secret_hash": "", "devices": [], "start_time": 0});
        let row = serde_json::json!({
            "id": format!("agent-{number}"), "number": number, "ver": 1, "profile_rev": 1, "profile": Profile::default(),
            "group": 0, "deleted": false, "create_time": 0, "update_time": 0,
            "declared": if on_duty { Declared::Ready } else { Declared::Offline }, "since": 0,
            "session": on_duty.then_some(session), "last_epoch": 1, "misses": 0, "not_responding": false, "used_live": 0,
            "used_deferred": 0, "last_accept_time": 0
        });
        Arc::new(serde_json::from_value(row).expect("an agent"))
    }

    #[test]
    fn a_lane_turns_when_the_first_comes_and_when_the_last_goes() {
        let mut roster = Roster::default();
        roster.set_tables(&desk(), &TableChange::default());
        let mut put = |number, on_duty| match roster.put(agent(number, on_duty)).as_slice() {
            [] => None,
            [LaneMoved { lane: LaneNo(0), turned }] => Some(*turned),
            moved => panic!("{moved:?}"),
        };
        assert_eq!(put(1, false), Some(true), "somebody fits");
        assert_eq!(put(2, false), Some(false), "a second who fits");
        assert_eq!(put(1, true), Some(true), "the first on duty");
        assert_eq!(put(1, true), None, "nothing of it");
        assert_eq!(put(2, true), Some(false), "a second on duty");
        assert_eq!(put(1, false), Some(false), "one is left");
        assert_eq!(put(2, false), Some(true), "the last has gone");
    }
}
