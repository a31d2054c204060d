//! One replica: lives under its weather, each from a start to a kill, then one in which nothing goes wrong any more.

use std::sync::Arc;

use handoff::clock::Clock;
use handoff::domain::time::{Span, Time};
use handoff::engine::Engine;
use handoff::entropy::Entropy;
use rand::RngExt;

use super::fleet::{Fleet, Live};
use super::game::{Chance, Ending, Game, Plan};
use super::ports::{WeatheredIndex, WeatheredStore};
use super::scene::START;
use super::store::{Ground, MemoryStore};
use super::trace::Trace;
use super::weather::{Climate, Weather};

/// Lives that may end by the fuse; after these the replica is left alive.
const LIVES: u32 = 15;

/// Runs a seed. `Err`: what must not be, in words.
pub fn run(plan: Plan, trace: &Trace) -> Result<Ending, String> {
    let ground = Ground::new(plan.slip, 7);
    let mut simulation = Simulation {
        game: Game::new(plan, ground, trace),
        climate: Climate::of(plan.seed),
        now: START,
        skew: Span::ZERO,
        lives: 0,
        faults: 0,
        trace: trace.clone(),
    };
    while !simulation.live()? {}
    Ok(simulation.game.ending(simulation.lives, simulation.faults))
}

struct Simulation {
    game: Game,
    trace: Trace,
    climate: Climate,
    /// When the current life began or the last one ended.
    now: Time,
    /// How far the store's clock is ahead in this life.
    skew: Span,
    lives: u32,
    faults: u32,
}

/// The parts of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Opening,
    Faults,
    Repair,
}

/// How a life ended.
#[derive(Debug)]
enum End {
    Killed,
    /// It did not come up.
    Failed,
    /// Whether it was the last.
    Done(Result<bool, String>),
}

impl Simulation {
    /// One life. `true`: it was the last.
    fn live(&mut self) -> Result<bool, String> {
        let mut dice = self.chance().dice(1);
        let asked = self.game.book().asked();
        let phase = match (self.lives, asked >= self.game.plan.calls) {
            (0, _) => Phase::Opening,
            (_, false) => Phase::Faults,
            (_, true) => Phase::Repair,
        };
        let mut climate = (phase == Phase::Faults).then_some(self.climate);
        if self.lives > LIVES {
            climate = climate.map(Climate::endless);
        }
        let gap = Span::from_millis(dice.random_range(50..2_500));
        let jump = self.climate.jump.micros();
        let jump = if phase == Phase::Faults && jump > 0 { Span(dice.random_range(-jump..=jump)) } else { Span::ZERO };
        self.now = self.now + gap + jump;
        let skew = climate.map_or(0, |climate| climate.skew.micros());
        let skew = if skew > 0 { Span(dice.random_range(-skew..=skew)) } else { Span::ZERO };
        self.skew = skew;
        self.trace.say(|| format!("life {} {phase:?} at {} skew {skew}", self.lives, (self.now - START).micros()));

        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
        let end = runtime.block_on(async {
            let clock = Clock::starting_at(self.now, 1);
            let weather = Weather::new(self.chance().dice(2), climate, clock.clone(), self.trace.clone());
            let store = MemoryStore::open(self.game.ground.clone(), clock.clone(), skew);
            let end = {
                let life = Box::pin(self.life(phase, store, weather.clone(), clock.clone()));
                tokio::select! {
                    biased;
                    () = weather.died() => End::Killed,
                    end = life => end,
                }
            };
            self.now = clock.now();
            self.faults += weather.faults();
            end
        });
        // With it go all the tasks of the replica, wherever they are.
        drop(runtime);
        self.trace.say(|| format!("life {} ends: {end:?}", self.lives));
        self.lives += 1;
        self.game.book().hang_up();
        let end = match end {
            End::Done(Err(broken)) => return Err(broken),
            end => end,
        };
        self.game.watch.all()?;
        match end {
            End::Done(last) => last,
            End::Failed if phase != Phase::Faults => Err("the replica does not come up in good weather".into()),
            End::Killed | End::Failed => Ok(false),
        }
    }

    async fn life(&mut self, phase: Phase, store: MemoryStore, weather: Arc<Weather>, clock: Clock) -> End {
        let store = WeatheredStore::new(store, weather.clone());
        let index = WeatheredIndex::new(weather.clone());
        let entropy = Entropy::seeded(self.game.plan.seed ^ u64::from(self.lives));
        let started = Engine::deciding(store, index, clock, entropy, self.game.plan.decide).await;
        let Ok(engine) = started else { return End::Failed };
        let broken = engine.clone();
        let fleet = Fleet::new(1, engine.clock().clone(), self.chance().dice(7));
        fleet.put(0, Some(Live { engine, weather: weather.clone() }));
        let played = async {
            match phase {
                Phase::Opening => self.game.open(&fleet).await.map(|()| false),
                Phase::Faults => self.play_on(&fleet, &weather).await,
                Phase::Repair => self.game.repair(&fleet, self.chance(), self.skew).await.map(|()| true),
            }
        };
        tokio::select! {
            biased;
            () = broken.broken() => End::Done(Err("the writer broke".into())),
            last = played => End::Done(last),
        }
    }

    /// Half of the time the replica that saw the faults is the one that has to repair what they left.
    async fn play_on(&mut self, fleet: &Arc<Fleet>, weather: &Weather) -> Result<bool, String> {
        self.game.play(fleet, self.chance()).await?;
        let stays = self.chance().dice(6).random_bool(0.5);
        if stays {
            weather.clear_up();
            self.game.repair(fleet, self.chance(), self.skew).await?;
        }
        Ok(stays)
    }

    fn chance(&self) -> Chance {
        Chance { seed: self.game.plan.seed, life: self.lives }
    }
}
