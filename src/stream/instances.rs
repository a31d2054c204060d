//! Who reads a connector's decisions through this process: one seat per instance, and the newest stream under a name wins.
//!
//! What each reader has is decided in the store, for all replicas; here its streams are told. A stream learns of a new part, of a
//! newer stream under its name and of the end of its connector by looking at its seat.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::clock::Clock;
use crate::domain::bucket::Shares;
use crate::domain::id::{ConnectorId, DeskKey};
use crate::domain::readers::{HAND_OVER, Readers};
use crate::domain::time::Time;

pub type Key = (DeskKey, ConnectorId);

/// What a stream reads, under its generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub generation: u64,
    pub shares: Shares,
    /// How often decisions of the connector were not taken so far.
    pub failures: Vec<(u64, u32)>,
}

/// How a stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Footing {
    /// The store does not have it yet.
    Opening,
    Reading(Arc<Part>),
    /// A newer stream has its name.
    Displaced,
    /// The connector was deleted.
    Removed,
}

/// A stream as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupant {
    /// The process, as it calls itself.
    pub who: Arc<str>,
    pub since: Time,
    /// The last entry sent to it; 0: none.
    pub sent_seq: u64,
}

/// A reader that is here, or left a while ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    pub key: Key,
    pub instance: Arc<str>,
    pub opening: u64,
    /// 0: it left.
    pub generation: u64,
    pub left: Option<Time>,
}

#[derive(Debug, Default)]
pub struct Instances {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Guards the map; held for one look-up.
    places: Mutex<BTreeMap<Key, Place>>,
}

#[derive(Debug, Default)]
struct Place {
    seats: BTreeMap<Arc<str>, Taken>,
    left: BTreeMap<Arc<str>, Left>,
    /// The latest that is known of all its readers.
    known: Readers,
    /// Since when nobody is known to read for it, here or elsewhere.
    empty_since: Option<Time>,
}

#[derive(Debug)]
struct Taken {
    since: Time,
    sent: Arc<AtomicU64>,
    /// 0: it is about to open.
    opening: u64,
    footing: watch::Sender<Footing>,
}

#[derive(Debug)]
struct Left {
    at: Time,
    opening: u64,
    /// The store knows.
    told: bool,
}

/// Held by a stream as long as it lives.
#[derive(Debug)]
pub struct InstanceSeat {
    inner: Arc<Inner>,
    key: Key,
    instance: Arc<str>,
    clock: Clock,
    sent: Arc<AtomicU64>,
    footing: watch::Receiver<Footing>,
}

impl Instances {
    /// Sits down under a name; whoever sat there is displaced.
    pub fn take(&self, key: Key, instance: Arc<str>, clock: &Clock) -> InstanceSeat {
        let mut places = self.inner.lock();
        self.sit(places.entry(key.clone()).or_default(), key, instance, clock)
    }

    /// Sits down again for a reader that was opened before, displacing an earlier claim of the same. `None`: another stream has
    /// the name, or is about to open under it.
    pub fn retake(&self, key: Key, instance: Arc<str>, opening: u64, clock: &Clock) -> Option<InstanceSeat> {
        let mut places = self.inner.lock();
        let place = places.entry(key.clone()).or_default();
        if place.seats.get(&instance).is_some_and(|taken| taken.opening != opening) {
            return None;
        }
        Some(self.sit(place, key, instance, clock))
    }

    fn sit(&self, place: &mut Place, key: Key, instance: Arc<str>, clock: &Clock) -> InstanceSeat {
        let (footing, watched) = watch::channel(Footing::Opening);
        let sent = Arc::new(AtomicU64::new(0));
        let taken = Taken { since: clock.now(), sent: sent.clone(), opening: 0, footing };
        place.empty_since = None;
        if let Some(before) = place.seats.insert(instance.clone(), taken) {
            before.footing.send_replace(Footing::Displaced);
        }
        InstanceSeat { inner: self.inner.clone(), key, instance, clock: clock.clone(), sent, footing: watched }
    }

    /// Tells every stream of the connector what it has now.
    pub fn spread(&self, key: &Key, readers: &Readers, now: Time) {
        if let Some(place) = self.inner.lock().get_mut(key) {
            place.learn(readers, now);
        }
    }

    /// Every reader that is here, and those of whose end the store was not told.
    pub fn here(&self) -> Vec<Here> {
        let places = self.inner.lock();
        places.iter().flat_map(|(key, place)| place.here(key)).collect()
    }

    /// The same, of one connector.
    pub fn here_of(&self, key: &Key) -> Vec<Here> {
        self.inner.lock().get(key).map(|place| place.here(key)).unwrap_or_default()
    }

    /// Whether some reader of the connector left lately, and others are here.
    pub fn was_left(&self, key: &Key) -> bool {
        self.inner.lock().get(key).is_some_and(|place| !place.left.is_empty() && !place.seats.is_empty())
    }

    /// The store knows that they left.
    pub fn told(&self, gone: &[Here]) {
        let mut places = self.inner.lock();
        for here in gone.iter().filter(|here| here.left.is_some()) {
            let left = places.get_mut(&here.key).and_then(|place| place.left.get_mut(&here.instance));
            if let Some(left) = left.filter(|left| Some(left.at) == here.left) {
                left.told = true;
            }
        }
    }

    /// Whoever left is not waited for any longer.
    pub fn give_up(&self, now: Time) {
        for place in self.inner.lock().values_mut() {
            place.left.retain(|_, left| !left.told || left.at + HAND_OVER > now);
        }
    }

    pub fn occupants(&self, key: &Key) -> Vec<Occupant> {
        let places = self.inner.lock();
        let seats = places.get(key).into_iter().flat_map(|place| &place.seats);
        let occupant = |(name, taken): (&Arc<str>, &Taken)| Occupant {
            who: name.clone(),
            since: taken.since,
            sent_seq: taken.sent.load(Ordering::Relaxed),
        };
        seats.map(occupant).collect()
    }

    /// Since when nobody is subscribed for the connector; `None` while somebody is. One that is asked about for the first
    /// time counts from `now`: after a start each gets the time to come back.
    pub fn unattended_since(&self, key: &Key, now: Time) -> Option<Time> {
        let mut places = self.inner.lock();
        let place = places.entry(key.clone()).or_default();
        place.seats.is_empty().then(|| *place.empty_since.get_or_insert(now))
    }

    /// Somebody is subscribed for the connector on another replica.
    pub fn attended_elsewhere(&self, key: Key, now: Time) {
        let mut places = self.inner.lock();
        let place = places.entry(key).or_default();
        if place.seats.is_empty() {
            place.empty_since = Some(now);
        }
    }

    /// The connector was deleted: its streams end.
    pub fn dismiss(&self, key: &Key) {
        let place = self.inner.lock().remove(key);
        for taken in place.into_iter().flat_map(|place| place.seats.into_values()) {
            taken.footing.send_replace(Footing::Removed);
        }
    }
}

impl Place {
    fn here(&self, key: &Key) -> Vec<Here> {
        let here = |instance: &Arc<str>, opening, generation, left| Here {
            key: key.clone(),
            instance: instance.clone(),
            opening,
            generation,
            left,
        };
        let open = self.seats.iter().filter(|(_, taken)| taken.opening > 0);
        let open = open.map(|(name, taken)| here(name, taken.opening, taken.generation(), None));
        let gone = self.left.iter().filter(|(name, left)| !left.told && !self.seats.contains_key(*name));
        open.chain(gone.map(|(name, left)| here(name, left.opening, 0, Some(left.at)))).collect()
    }

    /// Whatever came later is known already, if this is older.
    fn learn(&mut self, readers: &Readers, now: Time) {
        if readers.generation >= self.known.generation {
            self.known = readers.clone();
        }
        let Place { seats, known, empty_since, .. } = self;
        seats.retain(|name, taken| {
            let Some(row) = known.instances.get(name).filter(|_| taken.opening > 0) else { return true };
            if row.opening != taken.opening {
                taken.footing.send_replace(Footing::Displaced);
                return false;
            }
            if row.generation != taken.generation() {
                let failures = known.failures().collect();
                let part = Part { generation: row.generation, shares: known.shares(name), failures };
                taken.footing.send_replace(Footing::Reading(Arc::new(part)));
            }
            true
        });
        if seats.is_empty() {
            empty_since.get_or_insert(now);
        }
    }
}

impl Taken {
    fn generation(&self) -> u64 {
        match &*self.footing.borrow() {
            Footing::Reading(part) => part.generation,
            Footing::Opening | Footing::Displaced | Footing::Removed => 0,
        }
    }
}

impl InstanceSeat {
    pub fn footing(&self) -> Footing {
        self.footing.borrow().clone()
    }

    /// What the stream reads; `None`: it does not, or not yet.
    pub fn part(&self) -> Option<Arc<Part>> {
        match &*self.footing.borrow() {
            Footing::Reading(part) => Some(part.clone()),
            Footing::Opening | Footing::Displaced | Footing::Removed => None,
        }
    }

    /// Returns when the seat is lost, or its part is another than that of this generation. May be cancelled and called again.
    pub async fn moved(&mut self, generation: u64) {
        let stays = |footing: &Footing| match footing {
            Footing::Reading(part) => part.generation == generation,
            Footing::Opening => true,
            Footing::Displaced | Footing::Removed => false,
        };
        // Without a word the registry lets go of it only when it is dropped itself.
        let _moved = self.footing.wait_for(|footing| !stays(footing)).await;
    }

    pub fn sent(&self, seq: u64) {
        self.sent.store(seq, Ordering::Relaxed);
    }

    /// The store has it, with this opening; all streams of the connector are told what they have now.
    pub fn opened(&self, opening: u64, readers: &Readers) {
        let mut places = self.inner.lock();
        let Some(place) = places.get_mut(&self.key) else { return };
        if let Some(taken) = place.seats.get_mut(&self.instance).filter(|taken| Arc::ptr_eq(&taken.sent, &self.sent)) {
            taken.opening = opening;
            place.left.remove(&self.instance);
        }
        place.learn(readers, self.clock.now());
    }
}

impl Drop for InstanceSeat {
    fn drop(&mut self) {
        let mut places = self.inner.lock();
        let Some(place) = places.get_mut(&self.key) else { return };
        let mine = |taken: &&Taken| Arc::ptr_eq(&taken.sent, &self.sent);
        let Some(opening) = place.seats.get(&self.instance).filter(mine).map(|taken| taken.opening) else { return };
        let now = self.clock.now();
        place.seats.remove(&self.instance);
        if opening > 0 {
            place.left.insert(self.instance.clone(), Left { at: now, opening, told: false });
        }
        if place.seats.is_empty() {
            place.empty_since = Some(now);
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
