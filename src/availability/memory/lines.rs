//! Where waiting legs stand: a line per lane, and a line per agent for legs that wait for that agent alone.

use std::collections::{BTreeMap, BTreeSet};

use super::fits::remove_from;
use crate::domain::id::{AgentNo, LaneNo};
use crate::domain::requirement::Channel;
use crate::routing::order::OrderKey;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    Agent(AgentNo),
    Lane(LaneNo),
}

/// Empty lines are not kept.
#[derive(Clone, Default)]
pub(super) struct Lines {
    lanes: BTreeMap<LaneNo, LaneLine>,
    /// The first of every lane, so that an agent who serves many of them finds the smallest at once.
    heads: BTreeSet<(OrderKey, LaneNo)>,
    agents: BTreeMap<AgentNo, BTreeSet<OrderKey>>,
}

/// A lane's line; a lane has one channel.
#[derive(Clone)]
pub(super) struct LaneLine {
    pub(super) channel: Channel,
    keys: BTreeSet<OrderKey>,
}

impl LaneLine {
    pub(super) fn keys(&self) -> &BTreeSet<OrderKey> {
        &self.keys
    }

    fn head(&self) -> Option<OrderKey> {
        self.keys.first().copied()
    }
}

impl Lines {
    pub(super) fn insert(&mut self, line: Line, key: OrderKey, channel: Channel) {
        match line {
            Line::Agent(agent) => {
                self.agents.entry(agent).or_default().insert(key);
            }
            Line::Lane(lane) => {
                let line = self.lanes.entry(lane).or_insert_with(|| LaneLine { channel, keys: BTreeSet::new() });
                let before = line.head();
                line.keys.insert(key);
                if before.is_none_or(|head| key < head) {
                    self.heads.extend([(key, lane)]);
                    before.map(|head| self.heads.remove(&(head, lane)));
                }
            }
        }
    }

    pub(super) fn remove(&mut self, line: Line, key: OrderKey) {
        match line {
            Line::Agent(agent) => remove_from(&mut self.agents, &agent, &key),
            Line::Lane(lane) => {
                let Some(line) = self.lanes.get_mut(&lane) else { return };
                line.keys.remove(&key);
                if self.heads.remove(&(key, lane)) {
                    match line.head() {
                        Some(head) => self.heads.extend([(head, lane)]),
                        None => drop(self.lanes.remove(&lane)),
                    }
                }
            }
        }
    }

    pub(super) fn lane(&self, lane: LaneNo) -> Option<&LaneLine> {
        self.lanes.get(&lane)
    }

    /// The first leg of every lane's line, smallest first.
    pub(super) fn heads(&self) -> &BTreeSet<(OrderKey, LaneNo)> {
        &self.heads
    }

    /// What [`Lines::heads`] must be.
    pub(super) fn firsts(&self) -> impl Iterator<Item = (OrderKey, LaneNo)> + '_ {
        self.lanes.iter().filter_map(|(lane, line)| Some((line.head()?, *lane)))
    }

    /// Legs that wait for this agent alone.
    pub(super) fn of_agent(&self, agent: AgentNo) -> impl Iterator<Item = OrderKey> + '_ {
        self.agents.get(&agent).into_iter().flatten().copied()
    }

    /// Legs of the lane's line with a smaller key.
    pub(super) fn ahead(&self, lane: LaneNo, key: OrderKey) -> u32 {
        let count = self.lanes.get(&lane).map_or(0, |line| line.keys.range(..key).count());
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Line, OrderKey)> + '_ {
        let agents = self.agents.iter().flat_map(|(no, keys)| keys.iter().map(|key| (Line::Agent(*no), *key)));
        let lanes = self.lanes.iter().flat_map(|(no, line)| line.keys.iter().map(|key| (Line::Lane(*no), *key)));
        agents.chain(lanes)
    }
}
