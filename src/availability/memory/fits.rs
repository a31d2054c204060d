//! Which groups serve which lanes, in both directions, and how well.

use std::collections::{BTreeMap, BTreeSet};

use crate::availability::Serves;
use crate::domain::id::{GroupNo, LaneNo};
use crate::routing::lanes::Rank;

#[derive(Clone, Default)]
pub(super) struct Fits {
    lanes: BTreeMap<LaneNo, LaneFits>,
    groups: BTreeMap<GroupNo, BTreeSet<LaneNo>>,
}

/// The groups that serve one lane.
#[derive(Clone, Default)]
pub(super) struct LaneFits {
    ranks: BTreeMap<GroupNo, Rank>,
    classes: BTreeMap<Rank, BTreeSet<GroupNo>>,
}

impl Fits {
    pub(super) fn lane(&self, lane: LaneNo) -> Option<&LaneFits> {
        self.lanes.get(&lane)
    }

    /// The lanes that a group serves.
    pub(super) fn lanes_of(&self, group: GroupNo) -> Option<&BTreeSet<LaneNo>> {
        self.groups.get(&group)
    }

    pub(super) fn put(&mut self, serves: Serves) {
        let Serves { lane, group, rank } = serves;
        let fits = self.lanes.entry(lane).or_default();
        if let Some(before) = fits.ranks.insert(group, rank) {
            fits.leave_class(before, group);
        }
        fits.classes.entry(rank).or_default().insert(group);
        self.groups.entry(group).or_default().insert(lane);
    }

    pub(super) fn retire_lane(&mut self, lane: LaneNo) {
        let Some(fits) = self.lanes.remove(&lane) else { return };
        for group in fits.ranks.keys() {
            remove_from(&mut self.groups, group, &lane);
        }
    }

    pub(super) fn retire_group(&mut self, group: GroupNo) {
        for lane in self.groups.remove(&group).unwrap_or_default() {
            let Some(fits) = self.lanes.get_mut(&lane) else { continue };
            if let Some(rank) = fits.ranks.remove(&group) {
                fits.leave_class(rank, group);
            }
            if fits.ranks.is_empty() {
                self.lanes.remove(&lane);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Serves> + '_ {
        self.lanes.iter().flat_map(|(lane, fits)| {
            fits.ranks.iter().map(|(group, rank)| Serves { lane: *lane, group: *group, rank: *rank })
        })
    }

    /// The pairs as the groups' side has them; the same ones as [`Fits::iter`] has.
    pub(super) fn iter_by_group(&self) -> impl Iterator<Item = (GroupNo, LaneNo)> + '_ {
        self.groups.iter().flat_map(|(group, lanes)| lanes.iter().map(|lane| (*group, *lane)))
    }
}

impl LaneFits {
    pub(super) fn rank(&self, group: GroupNo) -> Option<Rank> {
        self.ranks.get(&group).copied()
    }

    /// How many groups serve the lane.
    pub(super) fn len(&self) -> usize {
        self.ranks.len()
    }

    /// Groups of equal rank, the best fitting first.
    pub(super) fn classes(&self) -> impl Iterator<Item = &BTreeSet<GroupNo>> {
        self.classes.values()
    }

    fn leave_class(&mut self, rank: Rank, group: GroupNo) {
        remove_from(&mut self.classes, &rank, &group);
    }
}

/// Takes a value out of the set under a key, and the set with it when that was the last one.
pub(super) fn remove_from<K: Ord, V: Ord>(sets: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(set) = sets.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}
