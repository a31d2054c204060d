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
/// How often a decision is not taken before its ticket is put into quarantine.
pub const MAX_ATTEMPTS: u32 = 5;

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
    /// The oldest decision that is not acknowledged, if it was not taken before, and how often.
    pub head: u64,
    pub attempts: u32,
}

/// A ticket whose decisions are kept back, or are read apart from their bucket until they are where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    pub bucket: Bucket,
    /// Of whoever has the bucket.
    pub generation: u64,
    /// The last decision before the one that was not taken; once released, the last one acknowledged.
    pub after: u64,
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
    /// The oldest decision that is not acknowledged was not taken by the reader of this generation.
    NotTaken { generation: u64, bucket: Bucket, seq: u64 },
    /// The ticket's decisions from this one on are kept back.
    SetAside { ticket: TicketId, bucket: Bucket, from: u64, reason: Arc<str>, now: Time },
    /// They are sent again from there on.
    Release { ticket: TicketId },
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
            ReaderChange::NotTaken { generation, bucket, seq } => self.not_taken(*generation, bucket, *seq),
            ReaderChange::SetAside { ticket, bucket, from, reason, now } => {
                self.set_aside(*ticket, bucket, *from, reason, *now);
            }
            ReaderChange::Release { ticket } => self.release(*ticket),
        }
        self.forget_asides();
    }

    /// Everything up to `seq` is acknowledged by the reader of this generation, if there is one still.
    pub fn ack(&mut self, generation: u64, seq: u64) {
        for held in self.buckets.values_mut().filter(|held| held.generation == generation) {
            held.acked = held.acked.max(seq);
        }
        for aside in self.aside.values_mut().filter(|aside| aside.released && aside.generation == generation) {
            aside.after = aside.after.max(seq);
        }
    }

    /// What everybody has acknowledged.
    pub fn acked(&self) -> u64 {
        let released = self.aside.values().filter(|aside| aside.released).map(|aside| aside.after);
        self.buckets.values().map(|held| held.acked).chain(released).min().unwrap_or(self.base)
    }

    /// How often decisions that are not acknowledged were not taken so far.
    pub fn failures(&self) -> impl Iterator<Item = (u64, u32)> {
        self.buckets.values().filter(|held| held.head > held.acked).map(|held| (held.head, held.attempts))
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
        let aside = self.aside.iter().filter(|(_, aside)| floors.contains_key(&self.existing(&aside.bucket)));
        let aside = aside.map(|(ticket, aside)| (*ticket, aside.released.then_some(aside.after))).collect();
        Shares { named: named.collect(), floors, aside }
    }

    /// The bucket of a process that has none of its own is the rest.
    fn existing(&self, bucket: &Bucket) -> Bucket {
        if self.buckets.contains_key(bucket) { bucket.clone() } else { Bucket::Rest }
    }

    fn not_taken(&mut self, generation: u64, bucket: &Bucket, seq: u64) {
        let bucket = self.existing(bucket);
        let held = self.buckets.get_mut(&bucket).filter(|held| held.generation == generation && held.acked < seq);
        if let Some(held) = held {
            held.attempts = if held.head == seq { held.attempts.saturating_add(1) } else { 1 };
            held.head = seq;
        }
    }

    /// What was acknowledged meanwhile stays so.
    fn set_aside(&mut self, ticket: TicketId, bucket: &Bucket, from: u64, reason: &Arc<str>, now: Time) {
        let Some(held) = self.buckets.get_mut(&self.existing(bucket)) else { return };
        if held.head == from {
            (held.head, held.attempts) = (0, 0);
        }
        let after = held.acked.max(from.saturating_sub(1));
        let (bucket, reason, instance) = (bucket.clone(), reason.clone(), held.instance.clone());
        self.aside.insert(ticket, Aside { bucket, generation: 0, after, released: false, reason, since: now });
        instance.into_iter().for_each(|name| self.renew(&name, &BTreeSet::new()));
    }

    fn release(&mut self, ticket: TicketId) {
        let Some(aside) = self.aside.get_mut(&ticket).filter(|aside| !aside.released) else { return };
        aside.released = true;
        let bucket = aside.bucket.clone();
        let holder = self.buckets.get(&self.existing(&bucket)).and_then(|held| held.instance.clone());
        holder.into_iter().for_each(|name| self.renew(&name, &BTreeSet::new()));
    }

    /// What is where its bucket is, is read with it.
    fn forget_asides(&mut self) {
        let reached = |aside: &Aside| {
            let held = self.buckets.get(&self.existing(&aside.bucket));
            aside.released && held.is_some_and(|held| aside.after >= held.acked)
        };
        let gone: Vec<TicketId> =
            self.aside.iter().filter(|(_, aside)| reached(aside)).map(|(ticket, _)| *ticket).collect();
        gone.iter().for_each(|ticket| {
            self.aside.remove(ticket);
        });
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
        let Readers { buckets, aside, generation, .. } = self;
        for aside in aside.values_mut() {
            let held = buckets.get(&aside.bucket).or_else(|| buckets.get(&Bucket::Rest));
            if held.is_some_and(|held| held.instance.as_ref() == Some(name)) {
                aside.generation = *generation;
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
        Held { acked, instance: None, generation: 0, gained: 0, head: 0, attempts: 0 }
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

    fn ticket(n: u8) -> TicketId {
        TicketId(uuid::Uuid::from_u128(u128::from(n)))
    }

    fn set_aside(readers: &mut Readers, n: u8, from: u64) {
        let (bucket, reason) = (Bucket::of_id(ticket(n)), Arc::from("NO_LINE"));
        readers.apply(&ReaderChange::SetAside { ticket: ticket(n), bucket, from, reason, now: at(1) });
    }

    #[test]
    fn what_is_not_taken_counts_for_the_oldest_of_its_bucket_alone_and_until_it_is_acknowledged() {
        let mut readers = Readers::default();
        open(&mut readers, "a", 0);
        let generation = readers.instances["a"].generation;
        let not_taken = |readers: &mut Readers, generation, seq| {
            readers.apply(&ReaderChange::NotTaken { generation, bucket: Bucket::Share(1), seq });
            readers.failures().collect::<Vec<_>>()
        };
        assert_eq!(not_taken(&mut readers, generation + 1, 7), [], "of another generation");
        assert_eq!(not_taken(&mut readers, generation, 7), [(7, 1)]);
        assert_eq!(not_taken(&mut readers, generation, 7), [(7, 2)]);
        assert_eq!(not_taken(&mut readers, generation, 9), [(9, 1)]);
        readers.ack(generation, 9);
        assert_eq!(not_taken(&mut readers, generation, 9), [], "it was taken meanwhile");
    }

    #[test]
    fn a_ticket_that_is_set_aside_is_not_read_and_once_released_from_where_it_stopped_until_it_is_even() {
        let mut readers = Readers::default();
        open(&mut readers, "a", 0);
        let first = readers.instances["a"].generation;
        readers.ack(first, 6);
        set_aside(&mut readers, 3, 9);
        let second = readers.instances["a"].generation;
        assert!(second > first, "whoever reads it has another part");
        assert_eq!(readers.shares("a").aside, [(ticket(3), None)].into());
        readers.ack(second, 20);
        assert_eq!(readers.acked(), 20, "what is kept back holds nothing up");
        readers.apply(&ReaderChange::Release { ticket: ticket(3) });
        let third = readers.instances["a"].generation;
        assert_eq!(readers.shares("a").aside, [(ticket(3), Some(8))].into());
        assert_eq!((readers.shares("a").first(), readers.acked()), (Some(8), 8));
        readers.ack(second, 30);
        assert_eq!(readers.acked(), 8, "an old generation moves nothing");
        readers.ack(third, 12);
        assert_eq!((readers.acked(), readers.buckets[&Bucket::Rest].acked), (12, 20));
        readers.ack(third, 25);
        readers.apply(&ReaderChange::Settle { now: at(2) });
        assert!(readers.aside.is_empty() && readers.shares("a").is_whole());
    }

    proptest! {
        /// I10: whatever comes and goes, every bucket has one reader, no generation is given twice, and none but the newest moves
        /// anything, and never back.
        #[test]
        fn every_bucket_has_one_reader_and_old_generations_move_nothing(
            steps in prop::collection::vec((0..6_u8, 0..4_u8, 0..6_i64, 1..50_u64), 1..60),
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
                    3 => set_aside(&mut readers, who, seq),
                    4 => readers.apply(&ReaderChange::Release { ticket: ticket(who) }),
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
                for (ticket, aside) in &readers.aside {
                    let before = before.aside.get(ticket).filter(|before| before.released == aside.released);
                    prop_assert!(before.is_none_or(|before| aside.after >= before.after) || what == 3);
                    let held = readers.buckets.get(&aside.bucket).unwrap_or(&readers.buckets[&Bucket::Rest]);
                    prop_assert!(aside.generation == held.generation || held.instance.is_none());
                }
                for (name, row) in &readers.instances {
                    let known = before.instances.get(name).is_some_and(|old| old.generation == row.generation);
                    prop_assert!(known || given.insert(row.generation));
                    let (was, is) = (before.shares(name), readers.shares(name));
                    prop_assert!(!known || was.floors.keys().eq(is.floors.keys()));
                    prop_assert!(!known || is.aside.keys().all(|ticket| was.aside.contains_key(ticket)));
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
