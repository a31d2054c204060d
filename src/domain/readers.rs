//! Who reads a connector's decisions: its processes ("instances"), and which buckets each of them has. Pure: the store loads it,
//! has it changed under a lock, and writes what became of it.
//!
//! A *generation* is one reader's hold on its buckets. It is a number that no other reader of the connector ever had or will
//! have; whenever a reader opens, gains or loses something, it gets a new one, and its buckets are marked with it. An
//! acknowledgement names a generation and moves only the buckets that bear its mark: one of an older generation moves none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bucket::{Bucket, SHARES, Shares};
use super::id::TicketId;
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
    pub aside: BTreeMap<TicketId, Aside>,
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
    /// The oldest decision that was not taken, and how often that was tried.
    pub head: u64,
    pub attempts: u32,
}

/// A ticket that is read apart from its bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// The bucket whose reader reads it.
    pub bucket: Bucket,
    /// The last decision of it that was acknowledged, or of its bucket.
    pub after: u64,
    /// It is read again, until it has caught up with its bucket.
    pub released: bool,
    pub reason: Arc<str>,
    pub since: Time,
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
            ReaderChange::Settle { now } => self.settle(*now, None),
        }
    }

    /// Everything up to `seq` is acknowledged by the reader of this generation, if there is one still.
    pub fn ack(&mut self, generation: u64, seq: u64) {
        let Readers { buckets, aside, .. } = self;
        for held in buckets.values_mut().filter(|held| held.generation == generation) {
            held.acked = held.acked.max(seq);
        }
        aside.retain(|_, row| {
            let Some(held) = buckets.get(&row.bucket).filter(|_| row.released) else { return true };
            if held.generation == generation {
                row.after = row.after.max(seq);
            }
            row.after < held.acked
        });
    }

    /// What everybody has acknowledged.
    pub fn acked(&self) -> u64 {
        let asides = self.aside.values().filter(|aside| aside.released).map(|aside| aside.after);
        self.buckets.values().map(|held| held.acked).chain(asides).min().unwrap_or(self.base)
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
        let aside = self.aside.iter().filter(|(_, aside)| floors.contains_key(&aside.bucket));
        let aside = aside.map(|(ticket, aside)| (*ticket, aside.released.then_some(aside.after))).collect();
        let named = self.buckets.keys().filter_map(|bucket| match bucket {
            Bucket::Named(name) => Some(name.clone()),
            Bucket::Share(_) | Bucket::Rest => None,
        });
        Shares { named: named.collect(), floors, aside }
    }

    /// `opening`: of a stream that had begun before.
    fn open(&mut self, instance: &Arc<str>, opening: Option<u64>, now: Time, until: Time) {
        if self.buckets.is_empty() {
            let shares = (0..SHARES).map(Bucket::Share).chain([Bucket::Rest]);
            self.buckets = shares.map(|bucket| (bucket, Held::new(self.base))).collect();
        }
        let own = Bucket::Named(instance.clone());
        if !instance.is_empty() && !self.buckets.contains_key(&own) {
            // Its tickets were read with the rest so far.
            let rest = self.buckets.get(&Bucket::Rest).map_or(self.base, |held| held.acked);
            self.buckets.insert(own, Held::new(rest));
        }
        let row = Instance { opening: 0, generation: 0, since: now, lease_until: until };
        self.instances.insert(instance.clone(), row);
        self.settle(now, Some(instance));
        if let Some(row) = self.instances.get_mut(instance) {
            row.opening = opening.unwrap_or(row.generation);
        }
    }

    /// Gives out the buckets anew, moving as few as that takes. Whoever's part changes gets a new generation, and so does the
    /// one that opens.
    fn settle(&mut self, now: Time, opens: Option<&Arc<str>>) {
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
        let asides: BTreeSet<Bucket> = self.aside.values().map(|aside| aside.bucket.clone()).collect();
        self.buckets.retain(|bucket, held| match bucket {
            Bucket::Named(name) => {
                let same = held.acked == rest.acked && held.instance == rest.instance;
                instances.contains_key(name) || !same || asides.contains(bucket)
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
        Held { acked, instance: None, generation: 0, gained: 0, head: 0, attempts: 0 }
    }
}
