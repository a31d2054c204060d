//! Which device watches an agent's session now: one seat per key, and the newest claim wins.
//!
//! Taking a seat displaces whoever sits there; letting go of it (the stream ended, whatever the way) leaves it. Displacement is
//! told to the displaced stream, never waited for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Whether a reader may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Seated,
    /// A newer stream took the seat.
    Displaced,
}

#[derive(Debug)]
pub struct Seats<K: Ord> {
    inner: Arc<Inner<K>>,
}

#[derive(Debug)]
struct Inner<K: Ord> {
    /// Guards the map; held for one look-up. Told when their seat is lost.
    places: Mutex<BTreeMap<K, watch::Sender<Standing>>>,
}

/// Held by a stream as long as it lives.
#[derive(Debug)]
pub struct Seat<K: Ord + Clone> {
    inner: Arc<Inner<K>>,
    key: K,
    standing: watch::Receiver<Standing>,
}

impl<K: Ord> Default for Seats<K> {
    fn default() -> Seats<K> {
        Seats { inner: Arc::new(Inner { places: Mutex::new(BTreeMap::new()) }) }
    }
}

impl<K: Ord + Clone> Seats<K> {
    /// Sits down; whoever sat there is displaced.
    pub fn take(&self, key: K) -> Seat<K> {
        let (sender, standing) = watch::channel(Standing::Seated);
        if let Some(before) = self.inner.lock().insert(key.clone(), sender) {
            before.send_replace(Standing::Displaced);
        }
        Seat { inner: self.inner.clone(), key, standing }
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
            Err(_) => Standing::Displaced,
        }
    }
}

impl<K: Ord + Clone> Drop for Seat<K> {
    fn drop(&mut self) {
        let mut places = self.inner.lock();
        if places.get(&self.key).is_some_and(|sender| sender.subscribe().same_channel(&self.standing)) {
            places.remove(&self.key);
        }
    }
}

impl<K: Ord> Inner<K> {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, watch::Sender<Standing>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_newer_stream_displaces_the_older_and_keeps_the_seat_when_the_older_ends() {
        let seats = Seats::default();
        let mut first = seats.take("device");
        assert_eq!(first.standing(), Standing::Seated);
        let second = seats.take("device");
        assert_eq!(first.lost().await, Standing::Displaced);
        drop(first);
        assert_eq!((second.standing(), seats.inner.lock().len()), (Standing::Seated, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_seat_that_was_left_leaves_nothing_behind() {
        let seats = Seats::default();
        drop(seats.take("device"));
        assert!(seats.inner.lock().is_empty());
    }
}
