//! The agents who can take something now, in the orders in which they are looked for.

use std::collections::{BTreeMap, BTreeSet};

use super::fits::LaneFits;
use crate::domain::id::{AgentNo, GroupNo};
use crate::domain::time::Time;

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

#[derive(Default)]
pub(super) struct Free {
    spots: BTreeSet<Spot>,
    by_key: BTreeMap<AgentKey, (GroupNo, u8)>,
}

impl Free {
    pub(super) fn insert(&mut self, spot: Spot) {
        self.spots.insert(spot);
        self.by_key.insert(spot.key, (spot.group, spot.room));
    }

    pub(super) fn remove(&mut self, spot: Spot) {
        self.spots.remove(&spot);
        self.by_key.remove(&spot.key);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spots.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Spot> + '_ {
        self.spots.iter().copied()
    }

    /// The same agents as [`Free::iter`] has, as the other order has them.
    pub(super) fn iter_by_key(&self) -> impl Iterator<Item = Spot> + '_ {
        self.by_key.iter().map(|(key, (group, room))| Spot { group: *group, room: *room, key: *key })
    }

    pub(super) fn of_group(&self, group: GroupNo) -> impl Iterator<Item = Spot> + '_ {
        self.spots.range(first_spot(group, 0)..).take_while(move |spot| spot.group == group).copied()
    }

    /// The best agent for a lane with room on the channel of `bit`: by the rank of the group, then by agent key.
    ///
    /// Desks give nearly every agent a profile, hence a group, of their own. With few agents free it is cheaper to look at
    /// each of them, with many to look for the first free one in the lane's order; where the two meet, either costs about the
    /// square root of the number of groups.
    pub(super) fn best(&self, lane: &LaneFits, bit: u8, barred: impl Fn(AgentNo) -> bool) -> Option<AgentNo> {
        let takes = |spot: &Spot| spot.room & bit != 0 && !barred(spot.key.number);
        if self.by_key.len().saturating_mul(self.by_key.len()) <= lane.len() {
            let fitting = self.iter_by_key().filter(takes).filter_map(|spot| Some((lane.rank(spot.group)?, spot.key)));
            return fitting.min().map(|(_, key)| key.number);
        }
        lane.classes().find_map(|class| self.best_of(class, bit, &takes))
    }

    /// The first in agent-key order of a class of groups. Looks at as many free agents as the class has groups, since in a
    /// large class one of the first is likely to belong to it, then at its groups one by one.
    fn best_of(&self, class: &BTreeSet<GroupNo>, bit: u8, takes: &impl Fn(&Spot) -> bool) -> Option<AgentNo> {
        let in_class = |spot: &Spot| class.contains(&spot.group) && takes(spot);
        if let Some(spot) = self.iter_by_key().take(class.len()).find(in_class) {
            return Some(spot.key.number);
        }
        if self.by_key.len() <= class.len() {
            return None;
        }
        let firsts = class.iter().filter_map(|group| self.first_of_group(*group, bit, takes));
        firsts.min().map(|key| key.number)
    }

    /// Seeks from room mask to room mask: a group's agents are sorted by it first.
    fn first_of_group(&self, group: GroupNo, bit: u8, takes: &impl Fn(&Spot) -> bool) -> Option<AgentKey> {
        let mut best: Option<AgentKey> = None;
        let mut from = 0;
        while let Some(spot) = self.spots.range(first_spot(group, from)..).next().filter(|spot| spot.group == group) {
            let room = spot.room;
            if room & bit != 0 {
                let same_room = self.spots.range(spot..).take_while(|other| (other.group, other.room) == (group, room));
                let first = same_room.filter(|other| takes(other)).map(|other| other.key).next();
                best = [best, first].into_iter().flatten().min();
            }
            from = room + 1;
        }
        best
    }
}

/// What no spot of the group with this room, or a larger mask, comes before.
fn first_spot(group: GroupNo, room: u8) -> Spot {
    Spot { group, room, key: AgentKey { load: 0, last_accept: Time(i64::MIN), number: AgentNo(0) } }
}
