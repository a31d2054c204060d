//! The replicas that are up, as clients see them: a call, a heartbeat or a stream goes to one of them, and ends with it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use handoff::clock::Clock;
use handoff::domain::id::AgentId;
use handoff::engine::{Call, Engine, Failure, Reply};
use rand::RngExt;
use rand::rngs::StdRng;

use super::ports::{WeatheredIndex, WeatheredStore};
use super::scene::desk_key;
use super::weather::Weather;

pub type Running = Engine<WeatheredStore, WeatheredIndex>;

/// A replica in its weather.
#[derive(Clone)]
pub struct Live {
    pub engine: Running,
    pub weather: Arc<Weather>,
}

pub struct Fleet {
    /// The clients' clock.
    pub clock: Clock,
    slots: Mutex<Vec<Option<Live>>>,
    dice: Mutex<StdRng>,
}

impl Fleet {
    pub fn new(size: usize, clock: Clock, dice: StdRng) -> Arc<Fleet> {
        Arc::new(Fleet { clock, slots: Mutex::new((0..size).map(|_| None).collect()), dice: Mutex::new(dice) })
    }

    pub fn put(&self, slot: usize, live: Option<Live>) {
        self.slots()[slot] = live;
    }

    pub fn at(&self, slot: usize) -> Option<Live> {
        self.slots()[slot].clone()
    }

    pub fn all(&self) -> Vec<Live> {
        self.slots().iter().flatten().cloned().collect()
    }

    /// One that is up, by chance.
    pub fn pick(&self) -> Option<Live> {
        let mut up = self.all();
        match up.len() {
            0 => None,
            1 => up.pop(),
            many => {
                let nth = self.dice.lock().expect("nothing that panics runs under this lock").random_range(0..many);
                Some(up.swap_remove(nth))
            }
        }
    }

    /// # Errors
    /// [`Failure::StoreAway`], which says to try again, also when no replica is up, or the one that was asked dies over it.
    pub async fn submit(&self, call: Call) -> Result<Reply, Failure> {
        let gone = Failure::StoreAway { retry_after: Duration::ZERO };
        let Some(Live { engine, weather }) = self.pick() else { return Err(gone) };
        tokio::select! {
            biased;
            () = weather.died() => Err(gone),
            answer = engine.submit(call) => answer,
        }
    }

    /// Heartbeats through one of the replicas, which may come to nothing.
    pub async fn beat(&self, beats: &[(AgentId, u64)]) {
        let Some(Live { engine, weather }) = self.pick() else { return };
        let desk = desk_key();
        tokio::select! {
            biased;
            () = weather.died() => {}
            _ = engine.beat(&desk, beats) => {}
        }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Option<Live>>> {
        self.slots.lock().expect("nothing that panics runs under this lock")
    }
}
