//! Who reads a stream now: one seat per key, and the newest claim wins.
//!
//! A connector's subscription and an agent's device hold one seat each. Taking a seat displaces whoever sits there; letting
//! go of it (the stream ended, whatever the way) leaves it. Displacement is told to the displaced stream, never waited for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::clock::Clock;
use crate::domain::time::Time;

/// What becomes of a seat that nobody sits on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Since when it is empty is kept, until the key is removed.
    Remembered,
    Forgotten,
}

/// Whether a reader may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Seated,
    /// A newer stream took the seat.
    Displaced,
    /// What the seat belonged to was deleted.
    Removed,
}

/// Who sits where, as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupant {
    /// The process or device, as it calls itself.
    pub who: Arc<str>,
    pub since: Time,
    /// The last entry sent to it; 0: none.
    pub sent_seq: u64,
}

#[derive(Debug)]
pub struct Seats<K: Ord> {
    inner: Arc<Inner<K>>,
}

#[derive(Debug)]
struct Inner<K: Ord> {
    absence: Absence,
    /// Guards the map; held for one look-up.
    places: Mutex<BTreeMap<K, Place>>,
}

#[derive(Debug)]
enum Place {
    Taken(Taken),
    EmptySince(Time),
}

#[derive(Debug)]
struct Taken {
    who: Arc<str>,
    since: Time,
    sent: Arc<AtomicU64>,
    generation: Arc<AtomicU64>,
    standing: watch::Sender<Standing>,
}

/// Held by a stream as long as it lives.
#[derive(Debug)]
pub struct Seat<K: Ord + Clone> {
    inner: Arc<Inner<K>>,
    key: K,
    clock: Clock,
    sent: Arc<AtomicU64>,
    generation: Arc<AtomicU64>,
    standing: watch::Receiver<Standing>,
}

impl<K: Ord + Clone> Seats<K> {
    pub fn new(absence: Absence) -> Seats<K> {
        Seats { inner: Arc::new(Inner { absence, places: Mutex::new(BTreeMap::new()) }) }
    }

    /// Sits down; whoever sat there is displaced.
    pub fn take(&self, key: K, who: Arc<str>, clock: &Clock) -> Seat<K> {
        self.sit(&mut self.inner.lock(), key, who, 0, clock)
    }

    /// Sits down again under a generation that is still the newest, displacing an earlier claim of the same. `None`: another
    /// generation sits there, or is about to open.
    pub fn retake(&self, key: K, who: Arc<str>, generation: u64, clock: &Clock) -> Option<Seat<K>> {
        let mut places = self.inner.lock();
        match places.get(&key) {
            Some(Place::Taken(taken)) if taken.generation.load(Ordering::Relaxed) != generation => None,
            Some(Place::Taken(_) | Place::EmptySince(_)) | None => {
                Some(self.sit(&mut places, key, who, generation, clock))
            }
        }
    }

    fn sit(&self, places: &mut BTreeMap<K, Place>, key: K, who: Arc<str>, generation: u64, clock: &Clock) -> Seat<K> {
        let (sender, standing) = watch::channel(Standing::Seated);
        let sent = Arc::new(AtomicU64::new(0));
        let generation = Arc::new(AtomicU64::new(generation));
        let since = clock.now();
        let taken = Taken { who, since, sent: sent.clone(), generation: generation.clone(), standing: sender };
        if let Some(Place::Taken(before)) = places.insert(key.clone(), Place::Taken(taken)) {
            before.standing.send_replace(Standing::Displaced);
        }
        Seat { inner: self.inner.clone(), key, clock: clock.clone(), sent, generation, standing }
    }

    pub fn occupant(&self, key: &K) -> Option<Occupant> {
        match self.inner.lock().get(key) {
            Some(Place::Taken(taken)) => Some(Occupant {
                who: taken.who.clone(),
                since: taken.since,
                sent_seq: taken.sent.load(Ordering::Relaxed),
            }),
            Some(Place::EmptySince(_)) | None => None,
        }
    }

    /// Since when nobody sits there; `None` while somebody does. A key first asked about counts from `now`: after a start
    /// everybody gets the time to come back.
    pub fn empty_since(&self, key: &K, now: Time) -> Option<Time> {
        match self.inner.lock().entry(key.clone()).or_insert(Place::EmptySince(now)) {
            Place::Taken(_) => None,
            Place::EmptySince(since) => Some(*since),
        }
    }

    /// Every seat that is taken under a generation.
    pub fn opened(&self) -> Vec<(K, u64)> {
        let places = self.inner.lock();
        let opened = places.iter().filter_map(|(key, place)| match place {
            Place::Taken(taken) => Some((key.clone(), taken.generation.load(Ordering::Relaxed))),
            Place::EmptySince(_) => None,
        });
        opened.filter(|(_, generation)| *generation > 0).collect()
    }

    /// Ends whoever sits there under this generation, for a newer one.
    pub fn displace(&self, key: &K, generation: u64, now: Time) {
        let mut places = self.inner.lock();
        if let Some(place) = places.get_mut(key)
            && let Place::Taken(taken) = place
            && taken.generation.load(Ordering::Relaxed) == generation
        {
            taken.standing.send_replace(Standing::Displaced);
            *place = Place::EmptySince(now);
        }
    }

    /// Nobody sits here, for somebody sits elsewhere: it counts as left from `now` on.
    pub fn taken_elsewhere(&self, key: K, now: Time) {
        let mut places = self.inner.lock();
        if let Place::EmptySince(since) = places.entry(key).or_insert(Place::EmptySince(now)) {
            *since = now;
        }
    }

    /// Ends whoever sits there, for good.
    pub fn remove(&self, key: &K) {
        if let Some(Place::Taken(taken)) = self.inner.lock().remove(key) {
            taken.standing.send_replace(Standing::Removed);
        }
    }
}

impl<K: Ord + Clone> Seat<K> {
    pub fn standing(&self) -> Standing {
        *self.standing.borrow()
    }

    /// Returns when the seat is lost. May be cancelled and called again.
    pub async fn lost(&mut self) -> Standing {
        match self.standing.wait_for(|standing| *standing != Standing::Seated).await {
            Ok(standing) => *standing,
            // The registry let go of it without a word: it is being dropped.
            Err(_) => Standing::Removed,
        }
    }

    pub fn sent(&self, seq: u64) {
        self.sent.store(seq, Ordering::Relaxed);
    }

    /// The generation that was opened on this seat; 0 before.
    pub fn opened(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
    }
}

impl<K: Ord + Clone> Drop for Seat<K> {
    fn drop(&mut self) {
        let mut places = self.inner.lock();
        let mine = match places.get(&self.key) {
            Some(Place::Taken(taken)) => Arc::ptr_eq(&taken.sent, &self.sent),
            Some(Place::EmptySince(_)) | None => false,
        };
        if !mine {
            return;
        }
        match self.inner.absence {
            Absence::Remembered => places.insert(self.key.clone(), Place::EmptySince(self.clock.now())),
            Absence::Forgotten => places.remove(&self.key),
        };
    }
}

impl<K: Ord> Inner<K> {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock::starting_at(Time(1_000), 1)
    }

    fn who(name: &str) -> Arc<str> {
        Arc::from(name)
    }

    #[tokio::test(start_paused = true)]
    async fn the_newer_stream_displaces_the_older_and_keeps_the_seat_when_the_older_ends() {
        let (seats, clock) = (Seats::new(Absence::Remembered), clock());
        let mut first = seats.take("adapter", who("a"), &clock);
        assert_eq!(first.standing(), Standing::Seated);
        let second = seats.take("adapter", who("b"), &clock);
        assert_eq!(first.lost().await, Standing::Displaced);
        drop(first);
        assert_eq!(seats.empty_since(&"adapter", clock.now()), None);
        assert_eq!(second.standing(), Standing::Seated);
    }

    #[tokio::test(start_paused = true)]
    async fn a_seat_is_empty_since_its_stream_ended_or_since_it_was_first_asked_about() {
        let (seats, clock) = (Seats::new(Absence::Remembered), clock());
        assert_eq!(seats.empty_since(&"adapter", Time(7)), Some(Time(7)));
        assert_eq!(seats.empty_since(&"adapter", Time(9)), Some(Time(7)));
        let seat = seats.take("adapter", who("a"), &clock);
        tokio::time::advance(std::time::Duration::from_secs(3)).await;
        drop(seat);
        assert_eq!(seats.empty_since(&"adapter", Time(9)), Some(clock.now()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_seat_is_taken_again_under_its_own_generation_and_never_from_a_newer_one() {
        let (seats, clock) = (Seats::new(Absence::Remembered), clock());
        let retake = |generation| seats.retake("adapter", who("a"), generation, &clock);
        let first = retake(3).expect("nobody sits there");
        let second = retake(3).expect("it is the same subscription");
        assert_eq!((first.standing(), second.standing()), (Standing::Displaced, Standing::Seated));
        let newer = seats.take("adapter", who("b"), &clock);
        assert!(retake(3).is_none(), "a newer one is about to open");
        newer.opened(4);
        assert!(retake(3).is_none(), "a newer one is open");
        assert_eq!(newer.standing(), Standing::Seated);
    }

    #[tokio::test(start_paused = true)]
    async fn a_forgotten_seat_leaves_nothing_behind() {
        let (seats, clock) = (Seats::new(Absence::Forgotten), clock());
        drop(seats.take("device", who("a"), &clock));
        assert!(seats.inner.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_sits_where_something_was_deleted_is_told_so() {
        let (seats, clock) = (Seats::new(Absence::Remembered), clock());
        let mut seat = seats.take("adapter", who("a"), &clock);
        seat.sent(17);
        let seen = Occupant { who: who("a"), since: Time(1_000), sent_seq: 17 };
        assert_eq!(seats.occupant(&"adapter"), Some(seen));
        seats.remove(&"adapter");
        assert_eq!(seat.lost().await, Standing::Removed);
        drop(seat);
        assert!(seats.inner.lock().is_empty());
    }
}
