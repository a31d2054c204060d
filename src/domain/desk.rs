//! The desk's own row: its settings, its log's head and the counters that numbers are taken from.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::id::{DeskId, GroupNo, LaneNo, QueueId};
use super::requirement::{Channel, Expertise, Requirement, Strategy};
use super::time::Time;

/// A service desk: agents who share work, and the log of everything that happens there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desk {
    pub id: DeskId,
    /// Rises with every change of this row; the etag.
    pub ver: u64,
    pub display_name: Arc<str>,
    /// IANA name; business hours without one of their own are read in it.
    pub time_zone: Arc<str>,
    pub create_time: Time,
    pub update_time: Time,
    /// The number that the next new agent gets.
    pub next_agent: u32,
    /// The policy revision that tickets are pinned to from now on; 0 is the built-in policy.
    pub policy_rev: u32,
    /// The numbers that the next new lane and group get.
    pub next_lane: u32,
    pub next_group: u32,
    #[serde(skip)]
    pub lanes: Arc<Lanes>,
    #[serde(skip)]
    pub groups: Arc<Groups>,
}

/// The desk's interned needs: every distinct (channel, queue, alternatives, strategy) that some leg asks for.
pub type Lanes = Interned<LaneNo, LaneKey>;
/// The desk's interned agent profiles.
pub type Groups = Interned<GroupNo, Expertise>;

/// What the legs of one lane have in common. Requirements in it are canonical: see `routing::lanes`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LaneKey {
    pub channel: Channel,
    pub queue: QueueId,
    /// An agent fits the lane when it satisfies any of these. Widening adds one.
    pub alternatives: Vec<Requirement>,
    pub strategy: Strategy,
}

/// Values with dense numbers that are never reused, in both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interned<N, V> {
    numbered: BTreeMap<N, Arc<V>>,
    numbers: BTreeMap<Arc<V>, N>,
}

impl<N, V> Default for Interned<N, V> {
    fn default() -> Self {
        Interned { numbered: BTreeMap::new(), numbers: BTreeMap::new() }
    }
}

impl<N: Ord + Copy, V: Ord> Interned<N, V> {
    pub fn find(&self, value: &V) -> Option<N> {
        self.numbers.get(value).copied()
    }

    pub fn get(&self, number: N) -> Option<&Arc<V>> {
        self.numbered.get(&number)
    }

    pub fn iter(&self) -> impl Iterator<Item = (N, &Arc<V>)> {
        self.numbered.iter().map(|(number, value)| (*number, value))
    }

    pub fn len(&self) -> usize {
        self.numbered.len()
    }

    pub fn is_empty(&self) -> bool {
        self.numbered.is_empty()
    }

    pub fn insert(&mut self, number: N, value: Arc<V>) {
        self.numbers.insert(value.clone(), number);
        self.numbered.insert(number, value);
    }

    pub fn remove(&mut self, number: N) {
        if let Some(value) = self.numbered.remove(&number) {
            self.numbers.remove(&value);
        }
    }
}
