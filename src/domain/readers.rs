//! Who reads a connector's decisions: its processes ("instances"), and which buckets each of them has. Pure: the store loads it,
//! has it changed under a lock, and writes what became of it.
//!
//! A *generation* is one reader's hold on its buckets. It is a number that no other reader of the connector ever had or will
//! have; whenever a reader opens, gains or loses something, it gets a new one, and its buckets are marked with it. An
//! acknowledgement names a generation and moves only the buckets that bear its mark: one of an older generation moves none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bucket::{Bucket, SHARES, Shares};
use super::time::{Span, Time};

/// How long the buckets of an instance that left are kept for it.
pub const HAND_OVER: Span = Span::from_secs(5);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readers {
    /// The last generation that was given to anybody.
    pub generation: u64,
    /// What was acknowledged before there were buckets.
    pub base: u64,
    pub instances: BTreeMap<Arc<str>, Instance>,
    pub buckets: BTreeMap<Bucket, Held>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The generation with which its newest stream began: a stream of another one is displaced.
    pub opening: u64,
    pub generation: u64,
    pub since: Time,
    /// It is there until then, and keeps its buckets [`HAND_OVER`] longer.
    pub lease_until: Time,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Every decision of the bucket up to this one is acknowledged.
    pub acked: u64,
    pub instance: Option<Arc<str>>,
    /// Of its holder.
    pub generation: u64,
    /// The generation with which its holder got it.
    pub gained: u64,
}

/// A change, decided under the store's lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReaderChange {
    /// A stream begins under this name; an older one of it has no say any more.
    Open { instance: Arc<str>, now: Time, until: Time },
    /// A stream that was thought to be gone is still there. Nothing, if a newer one has begun under its name.
    Rejoin { instance: Arc<str>, opening: u64, now: Time, until: Time },
    /// Buckets of whoever is gone are given to whoever is there.
    Settle { now: Time },
}

impl Readers {
    pub fn apply(&mut self, change: &ReaderChange) {
        match change {
            ReaderChange::Open { instance, now, until } => self.open(instance, None, *now, *until),
            ReaderChange::Rejoin { instance, opening, now, until } => match self.instances.get_mut(instance) {
                Some(known) if known.opening == *opening => known.lease_until = known.lease_until.max(*until),
                Some(_) => {}
                None => self.open(instance, Some(*opening), *now, *until),
            },
            ReaderChange::Settle { now } => self.settle(*now, None, false),
        }
    }

    /// Everything up to `seq` is acknowledged by the reader of this generation, if there is one still.
    pub fn ack(&mut self, generation: u64, seq: u64) {
        for held in self.buckets.values_mut().filter(|held| held.generation == generation) {
            held.acked = held.acked.max(seq);
        }
    }

    /// What everybody has acknowledged.
    pub fn acked(&self) -> u64 {
        self.buckets.values().map(|held| held.acked).min().unwrap_or(self.base)
    }

    /// What the reader of this generation has acknowledged; `None`: there is no such reader.
    pub fn acked_by(&self, generation: u64) -> Option<u64> {
        let held = self.buckets.values().filter(|held| held.generation == generation && held.instance.is_some());
        held.map(|held| held.acked).min()
    }

    /// Buckets that the instance had already when it was given this generation.
    pub fn kept(&self, instance: &str, generation: u64) -> BTreeSet<Bucket> {
        let kept = |held: &Held| held.instance.as_deref() == Some(instance) && held.gained < generation;
        self.buckets.iter().filter(|(_, held)| kept(held)).map(|(bucket, _)| bucket.clone()).collect()
    }

    /// What this instance reads.
    pub fn shares(&self, instance: &str) -> Shares {
        let mine = |held: &Held| held.instance.as_deref() == Some(instance);
        self.part(mine)
    }

    /// What all of them read together.
    pub fn whole(&self) -> Shares {
        self.part(|_| true)
    }

    fn part(&self, mine: impl Fn(&Held) -> bool) -> Shares {
        let floors: BTreeMap<Bucket, u64> = self
            .buckets
            .iter()
            .filter(|(_, held)| mine(held))
            .map(|(bucket, held)| (bucket.clone(), held.acked))
            .collect();
        let named = self.buckets.keys().filter_map(|bucket| match bucket {
            Bucket::Named(name) => Some(name.clone()),
            Bucket::Share(_) | Bucket::Rest => None,
        });
        Shares { named: named.collect(), floors }
    }

    /// `opening`: of a stream that had begun before.
    fn open(&mut self, instance: &Arc<str>, opening: Option<u64>, now: Time, until: Time) {
        if self.buckets.is_empty() {
            let shares = (0..SHARES).map(Bucket::Share).chain([Bucket::Rest]);
            self.buckets = shares.map(|bucket| (bucket, Held::new(self.base))).collect();
        }
        let own = Bucket::Named(instance.clone());
        let named = !instance.is_empty() && !self.buckets.contains_key(&own);
        if named {
            // Its tickets were read with the rest so far.
            let rest = self.buckets.get(&Bucket::Rest).map_or(self.base, |held| held.acked);
            self.buckets.insert(own, Held::new(rest));
        }
        let row = Instance { opening: 0, generation: 0, since: now, lease_until: until };
        self.instances.insert(instance.clone(), row);
        self.settle(now, Some(instance), named);
        if let Some(row) = self.instances.get_mut(instance) {
            row.opening = opening.unwrap_or(row.generation);
        }
    }

    /// Gives out the buckets anew, moving as few as that takes. Whoever's part changes gets a new generation, and so does the
    /// one that opens; whoever has the rest, when there is a bucket more that it was cut from.
    fn settle(&mut self, now: Time, opens: Option<&Arc<str>>, cut: bool) {
        if !self.instances.values().any(|row| row.lease_until > now) {
            return;
        }
        self.instances.retain(|_, row| row.lease_until + HAND_OVER > now);
        let before = self.buckets.clone();
        self.forget_names();
        self.assign(now);
        let mut changed: BTreeSet<Arc<str>> = opens.into_iter().cloned().collect();
        let mut gained = BTreeSet::new();
        for (bucket, held) in &before {
            let is = self.buckets.get(bucket).and_then(|held| held.instance.clone());
            if held.instance != is {
                // One that nobody had before counts as had from the beginning.
                gained.extend(held.instance.as_ref().map(|_| bucket.clone()));
                changed.extend(held.instance.iter().cloned().chain(is));
            }
        }
        let rest = self.buckets.get(&Bucket::Rest).and_then(|held| held.instance.clone());
        changed.extend(rest.filter(|_| cut));
        for name in changed {
            self.renew(&name, &gained);
        }
    }

    /// A new generation for one instance and its buckets.
    fn renew(&mut self, name: &Arc<str>, gained: &BTreeSet<Bucket>) {
        let Some(row) = self.instances.get_mut(name) else { return };
        self.generation += 1;
        row.generation = self.generation;
        for (bucket, held) in self.buckets.iter_mut().filter(|(_, held)| held.instance.as_ref() == Some(name)) {
            held.generation = self.generation;
            if gained.contains(bucket) {
                held.gained = self.generation;
            }
        }
    }

    /// The bucket of a process that is gone is one with the rest as soon as both stand at the same entry with the same reader.
    fn forget_names(&mut self) {
        let Some(rest) = self.buckets.get(&Bucket::Rest).cloned() else { return };
        let instances = &self.instances;
        self.buckets.retain(|bucket, held| match bucket {
            Bucket::Named(name) => {
                let same = held.acked == rest.acked && held.instance == rest.instance;
                instances.contains_key(name) || !same
            }
            Bucket::Share(_) | Bucket::Rest => true,
        });
    }

    fn assign(&mut self, now: Time) {
        for name in self.instances.keys() {
            if let Some(own) = self.buckets.get_mut(&Bucket::Named(name.clone())) {
                own.instance = Some(name.clone());
            }
        }
        let own = |bucket: &Bucket| matches!(bucket, Bucket::Named(name) if self.instances.contains_key(name));
        let common: Vec<Bucket> = self.buckets.keys().filter(|bucket| !own(bucket)).cloned().collect();
        let mut has: BTreeMap<Arc<str>, Vec<Bucket>> =
            self.instances.keys().map(|name| (name.clone(), Vec::new())).collect();
        let mut free = Vec::new();
        for bucket in &common {
            let holder = self.buckets.get(bucket).and_then(|held| held.instance.as_ref());
            match holder.and_then(|name| has.get_mut(name)) {
                Some(part) => part.push(bucket.clone()),
                None => free.push(bucket.clone()),
            }
        }
        // Those who have most keep one more where it does not come out even.
        let (fair, over) = (common.len() / has.len(), common.len() % has.len());
        let mut by_part: Vec<(usize, Arc<str>)> = has.iter().map(|(name, part)| (part.len(), name.clone())).collect();
        by_part.sort_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)));
        let mut quota = BTreeMap::new();
        for (nth, (_, name)) in by_part.into_iter().enumerate() {
            quota.insert(name, fair + usize::from(nth < over));
        }
        // Whoever is not there just now keeps what it has, and gets nothing more.
        let there = |name: &Arc<str>| self.instances.get(name).is_some_and(|row| row.lease_until > now);
        for (name, part) in &mut has {
            let most = quota.get(name).copied().unwrap_or(0);
            free.extend(part.drain(most.min(part.len())..));
        }
        for bucket in free {
            let spare =
                |name: &Arc<str>, part: &Vec<Bucket>| quota.get(name).copied().unwrap_or(0) as i64 - part.len() as i64;
            let to = has.iter_mut().filter(|(name, _)| there(name)).max_by_key(|(name, part)| spare(name, part));
            if let Some((_, part)) = to {
                part.push(bucket);
            }
        }
        for (name, part) in has {
            for bucket in part {
                if let Some(held) = self.buckets.get_mut(&bucket) {
                    held.instance = Some(name.clone());
                }
            }
        }
    }
}

impl Held {
    fn new(acked: u64) -> Held {
        Held { acked, instance: None, generation: 0, gained: 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Time {
        Time(0) + Span::from_secs(seconds)
    }

    fn open(readers: &mut Readers, name: &str, now: i64) {
        readers.apply(&ReaderChange::Open { instance: Arc::from(name), now: at(now), until: at(now + 3) });
    }

    fn counts(readers: &Readers) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for held in readers.buckets.values() {
            *counts.entry(held.instance.as_deref().unwrap_or("nobody").to_owned()).or_insert(0) += 1;
        }
        counts
    }

    #[test]
    fn one_instance_has_all_and_each_further_one_its_own_and_a_fair_part() {
        let mut readers = Readers::default();
        open(&mut readers, "a", 0);
        assert_eq!(counts(&readers), [("a".into(), 18)].into());
        assert!(readers.shares("a").is_whole());
        open(&mut readers, "b", 1);
        assert_eq!(counts(&readers), [("a".into(), 10), ("b".into(), 9)].into());
        open(&mut readers, "c", 1);
        assert_eq!(counts(&readers), [("a".into(), 7), ("b".into(), 7), ("c".into(), 6)].into());
    }

    #[test]
    fn whoever_comes_back_in_time_finds_its_buckets_and_nobody_else_is_disturbed() {
        let mut readers = Readers::default();
        open(&mut readers, "a", 0);
        open(&mut readers, "b", 0);
        let (before, other) = (readers.shares("a"), readers.instances["b"].generation);
        readers.instances.get_mut("b").expect("it reads").lease_until = at(90);
        open(&mut readers, "a", 7);
        assert_eq!(readers.shares("a"), before);
        assert_eq!(readers.instances["b"].generation, other);
        assert!(readers.kept("a", readers.instances["a"].opening).len() == before.floors.len());
        readers.apply(&ReaderChange::Settle { now: at(15) });
        assert_eq!(counts(&readers), [("b".into(), 19)].into());
    }

    #[test]
    fn a_name_that_is_gone_is_forgotten_once_its_tickets_stand_where_the_rest_does() {
        let mut readers = Readers::default();
        open(&mut readers, "a", 0);
        open(&mut readers, "b", 0);
        readers.ack(readers.instances["a"].generation, 5);
        readers.instances.get_mut("b").expect("it reads").lease_until = at(90);
        readers.apply(&ReaderChange::Settle { now: at(9) });
        assert!(readers.buckets.contains_key(&Bucket::Named(Arc::from("a"))), "they stand further on");
        readers.ack(readers.instances["b"].generation, 6);
        open(&mut readers, "c", 10);
        assert!(!readers.buckets.contains_key(&Bucket::Named(Arc::from("a"))));
    }

    proptest! {
        /// I10: whatever comes and goes, every bucket has one reader, no generation is given twice, and none but the newest moves
        /// anything, and never back.
        #[test]
        fn every_bucket_has_one_reader_and_old_generations_move_nothing(
            steps in prop::collection::vec((0..4_u8, 0..4_u8, 0..6_i64, 1..50_u64), 1..60),
        ) {
            let mut readers = Readers::default();
            let mut given = BTreeSet::new();
            let mut now = 0;
            for (what, who, passed, seq) in steps {
                now += passed;
                let name: Arc<str> = Arc::from(["", "a", "b", "c"][usize::from(who)]);
                let before = readers.clone();
                match what {
                    0 => open(&mut readers, &name, now),
                    1 => readers.apply(&ReaderChange::Settle { now: at(now) }),
                    2 => {
                        let opening = before.instances.get(&name).map_or(seq, |row| row.opening);
                        let until = at(now + 3);
                        readers.apply(&ReaderChange::Rejoin { instance: name, opening, now: at(now), until });
                    }
                    _ => {
                        let newest: BTreeSet<u64> = before.instances.values().map(|row| row.generation).collect();
                        let old = given.iter().find(|generation| !newest.contains(generation)).copied();
                        readers.ack(old.unwrap_or(0), seq * 1_000);
                        prop_assert!(old.is_none_or(|_| readers == before) || !before.instances.contains_key(&name));
                        readers.ack(before.instances.get(&name).map_or(0, |row| row.generation), seq);
                    }
                }
                for (bucket, held) in &before.buckets {
                    prop_assert!(readers.buckets.get(bucket).is_none_or(|after| after.acked >= held.acked));
                }
                for (name, row) in &readers.instances {
                    let known = before.instances.get(name).is_some_and(|old| old.generation == row.generation);
                    prop_assert!(known || given.insert(row.generation));
                    let (was, is) = (before.shares(name), readers.shares(name));
                    prop_assert!(!known || was.floors.keys().eq(is.floors.keys()));
                    prop_assert!(!known || !is.floors.contains_key(&Bucket::Rest) || was.named == is.named);
                }
                let there = |held: &&Held| held.instance.as_ref().is_some_and(|name| readers.instances.contains_key(name));
                prop_assert!(readers.buckets.values().all(|held| there(&held)));
                prop_assert!(readers.buckets.values().all(|held| held.instance.as_ref().is_some_and(
                    |name| readers.instances[name].generation == held.generation)));
            }
        }
    }
}
