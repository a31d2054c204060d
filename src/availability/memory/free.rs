//! The agents who can take something now, in the orders in which they are looked for.

use std::collections::{BTreeMap, BTreeSet};

use super::agents::channel_at;
use super::fits::LaneFits;
use crate::domain::id::{AgentNo, GroupNo};
use crate::domain::requirement::Channel;
use crate::domain::time::Time;

/// How many steps from one free agent to the next cost as much as a search for a group.
const STEPS_PER_SEARCH: usize = 4;

/// The order among agents who fit equally well: the less loaded, then the longer idle, then the lower number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AgentKey {
    /// Percent of the fuller pool.
    pub load: u32,
    pub last_accept: Time,
    pub number: AgentNo,
}

/// Where a free agent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    pub group: GroupNo,
    /// Mask of the channels with room; never empty.
    pub room: u8,
    pub key: AgentKey,
}

#[derive(Clone, Default)]
pub(super) struct Free {
    spots: BTreeSet<Spot>,
    /// For each channel those with room on it: with chats all taken, most agents are still free for e-mail, and a look for
    /// somebody to chat must not pass them one by one.
    by_key: [BTreeMap<AgentKey, GroupNo>; 5],
}

impl Free {
    pub(super) fn insert(&mut self, spot: Spot) {
        self.spots.insert(spot);
        for channel in channels(spot.room) {
            self.by_key[channel_at(channel)].insert(spot.key, spot.group);
        }
    }

    pub(super) fn remove(&mut self, spot: Spot) {
        self.spots.remove(&spot);
        for channel in channels(spot.room) {
            self.by_key[channel_at(channel)].remove(&spot.key);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spots.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Spot> + '_ {
        self.spots.iter().copied()
    }

    /// What [`Free::iter`] has for a channel, as the other order has it.
    pub(super) fn iter_by_key(&self, channel: Channel) -> impl Iterator<Item = (AgentKey, GroupNo)> + '_ {
        self.by_key[channel_at(channel)].iter().map(|(key, group)| (*key, *group))
    }

    pub(super) fn of_group(&self, group: GroupNo) -> impl Iterator<Item = Spot> + '_ {
        self.spots.range(first_spot(group, 0)..).take_while(move |spot| spot.group == group).copied()
    }

    /// The best agent for a lane with room on its channel: by the rank of the group, then by agent key.
    ///
    /// Desks give nearly every agent a profile, hence a group, of their own. With few agents free it is cheaper to look at
    /// each of them, with many to look for the first free one in the lane's order; where the two meet, either costs about the
    /// square root of the number of groups.
    pub(super) fn best(&self, lane: &LaneFits, channel: Channel, barred: impl Fn(AgentNo) -> bool) -> Option<AgentNo> {
        let count = self.by_key[channel_at(channel)].len();
        if count.saturating_mul(count) <= lane.len() {
            let open = self.iter_by_key(channel).filter(|(key, _)| !barred(key.number));
            let fitting = open.filter_map(|(key, group)| Some((lane.rank(group)?, key)));
            return fitting.min().map(|(_, key)| key.number);
        }
        lane.classes().find_map(|class| self.best_of(class, channel, &barred))
    }

    /// The first in agent-key order of a class of groups. Looks at the first free agents, of whom one is likely to belong to a
    /// large class, then at its groups one by one: a step along the order costs a fraction of a search for a group.
    fn best_of(
        &self,
        class: &BTreeSet<GroupNo>,
        channel: Channel,
        barred: &impl Fn(AgentNo) -> bool,
    ) -> Option<AgentNo> {
        let steps = class.len().saturating_mul(STEPS_PER_SEARCH);
        let in_class = |(key, group): &(AgentKey, GroupNo)| class.contains(group) && !barred(key.number);
        if let Some((key, _)) = self.iter_by_key(channel).take(steps).find(in_class) {
            return Some(key.number);
        }
        if self.by_key[channel_at(channel)].len() <= steps {
            return None;
        }
        let firsts = class.iter().filter_map(|group| self.first_of_group(*group, channel, barred));
        firsts.min().map(|key| key.number)
    }

    /// Seeks from room mask to room mask: a group's agents are sorted by it first.
    fn first_of_group(&self, group: GroupNo, channel: Channel, barred: &impl Fn(AgentNo) -> bool) -> Option<AgentKey> {
        let mut best: Option<AgentKey> = None;
        let mut from = 0;
        while let Some(spot) = self.spots.range(first_spot(group, from)..).next().filter(|spot| spot.group == group) {
            let room = spot.room;
            if room & channel.bit() != 0 {
                let same_room = self.spots.range(spot..).take_while(|other| (other.group, other.room) == (group, room));
                let first = same_room.map(|other| other.key).find(|key| !barred(key.number));
                best = [best, first].into_iter().flatten().min();
            }
            from = room + 1;
        }
        best
    }
}

fn channels(room: u8) -> impl Iterator<Item = Channel> {
    Channel::ALL.into_iter().filter(move |channel| room & channel.bit() != 0)
}

/// What no spot of the group with this room, or a larger mask, comes before.
fn first_spot(group: GroupNo, room: u8) -> Spot {
    Spot { group, room, key: AgentKey { load: 0, last_accept: Time(i64::MIN), number: AgentNo(0) } }
}
