//! Several replicas over one store and one index, each in a weather of its own: killed, slow, cut off from either, with a clock
//! that differs. The index fails over to a node that is behind, or loses all it had.

use std::sync::{Arc, Mutex, MutexGuard};

use handoff::clock::Clock;
use handoff::domain::time::Span;
use handoff::engine::Engine;
use handoff::entropy::Entropy;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::task::JoinSet;

use super::fleet::{Fleet, Live};
use super::game::{Chance, Ending, Game, Plan};
use super::pause;
use super::ports::{SharedIndex, WeatheredIndex, WeatheredStore};
use super::scene::{START, desk_key};
use super::store::{Ground, MemoryStore};
use super::trace::Trace;
use super::view;
use super::weather::{Climate, Weather};

/// How long all replicas may take to come up in good weather.
const START_UP: Span = Span::from_secs(30);

/// Runs a seed. `Err`: what must not be, in words.
pub fn run(plan: Plan, trace: &Trace) -> Result<Ending, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(play(plan, trace))
}

async fn play(plan: Plan, trace: &Trace) -> Result<Ending, String> {
    let chance = Chance { seed: plan.seed, life: 0 };
    let clock = Clock::starting_at(START, 1);
    let size = chance.dice(1).random_range(2..=3);
    let cluster = Arc::new(Cluster {
        plan,
        ground: Ground::shared(plan.slip, 7),
        index: Arc::default(),
        fleet: Fleet::new(size, clock.clone(), chance.dice(7)),
        clock,
        trace: trace.clone(),
        sky: Mutex::new(Sky { climate: None, over: vec![None; size], lives: 0, faults: 0 }),
    });
    let mut game = Game::new(plan, cluster.ground.clone(), trace);
    let mut tasks: JoinSet<Result<(), String>> = JoinSet::new();
    for slot in 0..size {
        tasks.spawn(cluster.clone().keep(slot));
    }
    let mut played = Box::pin(async {
        cluster.all_up().await?;
        game.open(&cluster.fleet).await?;
        cluster.turn(Climate::of(plan.seed));
        let mut nature = JoinSet::new();
        nature.spawn(cluster.clone().upset(chance.dice(8)));
        game.play(&cluster.fleet, chance).await?;
        nature.shutdown().await;
        cluster.clear_up();
        cluster.all_up().await?;
        game.repair(&cluster.fleet, chance, cluster.most_skewed()).await?;
        cluster.view_is_right()?;
        if cluster.fleet.all().iter().any(|live| live.engine.drifts() > 0) {
            return Err("the view was not what the log says, and only anti-entropy found out".into());
        }
        let sky = cluster.sky();
        Ok(game.ending(sky.lives, sky.faults))
    });
    tokio::select! {
        biased;
        Some(ended) = tasks.join_next() => {
            ended.map_err(|error| format!("a replica's keeper panicked: {error}"))??;
            Err("a replica was given up".into())
        }
        ending = &mut played => ending,
    }
}

struct Cluster {
    plan: Plan,
    ground: Arc<Ground>,
    index: Arc<SharedIndex>,
    fleet: Arc<Fleet>,
    /// The store's.
    clock: Clock,
    trace: Trace,
    sky: Mutex<Sky>,
}

struct Sky {
    /// Of the lives that begin now.
    climate: Option<Climate>,
    /// Over each replica, from when it begins to come up.
    over: Vec<Option<Arc<Weather>>>,
    lives: u32,
    faults: u32,
}

impl Cluster {
    /// Starts a replica again and again.
    async fn keep(self: Arc<Cluster>, slot: usize) -> Result<(), String> {
        for life in 0.. {
            let chance = Chance { seed: self.plan.seed ^ ((slot as u64 + 1) << 40), life };
            let mut dice = chance.dice(1);
            let weather = {
                let mut sky = self.sky();
                sky.lives += 1;
                let weather = Weather::new(chance.dice(2), sky.climate, self.clock.clone(), self.trace.clone());
                sky.over[slot] = Some(weather.clone());
                weather
            };
            let most = self.most_skewed().micros();
            let skew = if most > 0 { Span(dice.random_range(-most..=most)) } else { Span::ZERO };
            self.trace.say(|| format!("replica {slot} life {life} at {} skew {skew}", self.clock.now().0));
            tokio::select! {
                biased;
                () = weather.died() => {}
                lived = self.live(slot, chance, weather.clone(), skew) => lived?,
            }
            self.trace.say(|| format!("replica {slot} life {life} ends at {}", self.clock.now().0));
            if self.fleet.at(slot).is_some_and(|live| live.engine.drifts() > 0) {
                return Err("the view was not what the log says, and only anti-entropy found out".into());
            }
            self.fleet.put(slot, None);
            self.sky().faults += weather.faults();
            pause::millis(&self.clock, dice.random_range(50..2_500)).await;
        }
        Ok(())
    }

    /// Returns when it does not come up.
    async fn live(&self, slot: usize, chance: Chance, weather: Arc<Weather>, skew: Span) -> Result<(), String> {
        let store = MemoryStore::open(self.ground.clone(), self.clock.clone(), Span::ZERO);
        let store = WeatheredStore::new(store, weather.clone());
        let index = WeatheredIndex::of(self.index.clone(), weather.clone(), self.plan.slip);
        let clock = Clock::starting_at(self.clock.now() + skew, 1);
        let entropy = Entropy::seeded(chance.seed ^ u64::from(chance.life));
        let started = Engine::deciding(store, index, clock, entropy, self.plan.decide).await;
        let Ok(engine) = started else { return Ok(()) };
        self.fleet.put(slot, Some(Live { engine: engine.clone(), weather }));
        engine.broken().await;
        Err(format!("the writer of replica {slot} broke"))
    }

    /// What befalls the index itself.
    async fn upset(self: Arc<Cluster>, mut dice: StdRng) {
        let (fails_over, loses) = (dice.random_bool(0.6), dice.random_bool(0.4));
        loop {
            pause::millis(&self.clock, dice.random_range(300..9_000)).await;
            if fails_over && dice.random_bool(0.7) {
                self.index.keep();
                pause::millis(&self.clock, dice.random_range(1..3_000)).await;
                let failed = self.index.fail_over();
                self.trace.say(|| format!("{} the index fails over: {failed}", self.clock.now().0));
            } else if loses {
                self.index.lose();
                self.trace.say(|| format!("{} the index loses all", self.clock.now().0));
            }
        }
    }

    async fn all_up(&self) -> Result<(), String> {
        let patience = self.clock.now() + START_UP;
        let size = self.sky().over.len();
        while self.fleet.all().len() < size {
            if self.clock.now() > patience {
                return Err("not every replica comes up in good weather".into());
            }
            pause::millis(&self.clock, 20).await;
        }
        Ok(())
    }

    /// From now on things go wrong.
    fn turn(&self, climate: Climate) {
        let mut sky = self.sky();
        sky.climate = Some(climate);
        sky.over.iter().flatten().for_each(|weather| weather.turn(climate));
    }

    /// From now on nothing does.
    fn clear_up(&self) {
        let mut sky = self.sky();
        sky.climate = None;
        sky.over.iter().flatten().for_each(|weather| weather.clear_up());
    }

    fn view_is_right(&self) -> Result<(), String> {
        let view = self.index.dump(&desk_key()).ok_or("there is no view")?;
        self.ground.look(&desk_key(), |rows, head| view::is_of(rows, head, &view)).unwrap_or(Ok(()))
    }

    /// How far a replica's clock may be from the store's.
    fn most_skewed(&self) -> Span {
        Climate::of(self.plan.seed).skew
    }

    fn sky(&self) -> MutexGuard<'_, Sky> {
        self.sky.lock().expect("nothing that panics runs under this lock")
    }
}
