//! One seed, from the opening of the desk to the last check: lives of a replica under its weather, each from a start to a
//! kill, then one in which nothing goes wrong any more.

use std::sync::{Arc, Mutex};

use handoff::availability::Availability;
use handoff::clock::Clock;
use handoff::domain::id::AgentId;
use handoff::domain::time::{Span, Time};
use handoff::engine::{Decide, Engine};
use handoff::entropy::Entropy;
use handoff::routing::command::Command;
use handoff::routing::decide::decide_rows;
use handoff::routing::workset::WorkingSet;
use handoff::store::Store;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use super::calls::{Book, carry_out};
use super::pause;
use super::ports::{WeatheredIndex, WeatheredStore};
use super::readers::{self, Habits};
use super::repair;
use super::scene::{self, POLICIES, START, desk_key};
use super::store::{Ground, MemoryStore, Slip};
use super::trace::Trace;
use super::watch::Watch;
use super::weather::{Climate, Weather};
use crate::pure::commands::{self, Bytes, Scene};

/// Lives that may end by the fuse; after these the replica is left alive.
const LIVES: u32 = 15;
/// How long nothing goes wrong in the end: every offer has run out by then, every view has been built again.
const REPAIR: Span = Span::from_secs(40);
/// From when on deadlines are on time again.
const SETTLED: Span = Span::from_secs(5);

/// What is simulated.
#[derive(Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    /// Calls of the clients, repeats not counted.
    pub calls: usize,
    pub slip: Slip,
    pub decide: Decide,
}

impl Plan {
    pub fn of(seed: u64) -> Plan {
        Plan { seed, calls: 260, slip: Slip::default(), decide: decide_rows }
    }
}

/// What a seed came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    pub answered: usize,
    pub refused: usize,
    pub repeated: usize,
    pub lives: u32,
    pub faults: u32,
    pub entries: u64,
    pub redelivered: usize,
}

impl std::ops::AddAssign for Ending {
    fn add_assign(&mut self, other: Ending) {
        self.answered += other.answered;
        self.refused += other.refused;
        self.repeated += other.repeated;
        self.lives += other.lives;
        self.faults += other.faults;
        self.entries += other.entries;
        self.redelivered += other.redelivered;
    }
}

/// Runs a seed. `Err`: what must not be, in words.
pub fn run(plan: Plan, trace: &Trace) -> Result<Ending, String> {
    let ground = Ground::new(plan.slip, 7);
    let mut simulation = Simulation {
        plan,
        book: Arc::new(Mutex::new(Book::new(ground.clone(), trace.clone()))),
        watch: Watch::new(ground.clone(), desk_key(), trace.clone()),
        readers: readers::all(trace),
        climate: Climate::of(plan.seed),
        now: START,
        skew: Span::ZERO,
        lives: 0,
        faults: 0,
        ground,
        trace: trace.clone(),
    };
    while !simulation.live()? {}
    simulation.ending()
}

struct Simulation {
    plan: Plan,
    ground: Arc<Ground>,
    trace: Trace,
    book: Arc<Mutex<Book>>,
    watch: Watch,
    readers: Vec<readers::Shared>,
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

type Running = Engine<WeatheredStore, WeatheredIndex>;

impl Simulation {
    /// One life. `true`: it was the last.
    fn live(&mut self) -> Result<bool, String> {
        let mut dice = self.dice(1);
        let asked = self.book().asked();
        let phase = match (self.lives, asked >= self.plan.calls) {
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
            let weather = Weather::new(self.dice(2), climate, clock.clone(), self.trace.clone());
            let store = MemoryStore::open(self.ground.clone(), clock.clone(), skew);
            let end = {
                let life = Box::pin(self.life(phase, store, weather.clone(), clock.clone()));
                tokio::select! {
                    biased;
                    () = weather.killed.notified() => End::Killed,
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
        self.book().hang_up();
        let end = match end {
            End::Done(Err(broken)) => return Err(broken),
            end => end,
        };
        self.watch.all()?;
        match end {
            End::Done(last) => last,
            End::Failed if phase != Phase::Faults => Err("the replica does not come up in good weather".into()),
            End::Killed | End::Failed => Ok(false),
        }
    }

    async fn life(&mut self, phase: Phase, store: MemoryStore, weather: Arc<Weather>, clock: Clock) -> End {
        let store = WeatheredStore::new(store, weather.clone());
        let index = WeatheredIndex::new(weather.clone());
        let entropy = Entropy::seeded(self.plan.seed ^ u64::from(self.lives));
        let started = Engine::deciding(store, index, clock, entropy, self.plan.decide).await;
        let Ok(engine) = started else { return End::Failed };
        let broken = engine.clone();
        let played = async {
            match phase {
                Phase::Opening => self.open(&engine).await.map(|()| false),
                Phase::Faults => self.play_on(&engine, &weather).await,
                Phase::Repair => self.repair(&engine).await.map(|()| true),
            }
        };
        tokio::select! {
            biased;
            () = broken.broken() => End::Done(Err("the writer broke".into())),
            last = played => End::Done(last),
        }
    }

    async fn open(&mut self, engine: &Running) -> Result<(), String> {
        for command in scene::opening() {
            let what = format!("{command:?}");
            let outcome = engine.submit(scene::call(command, None, "")).await;
            outcome.map_err(|failure| format!("the opening was refused: {failure}: {what}"))?;
        }
        self.watch.look()
    }

    /// Half of the time the replica that saw the faults is the one that has to repair what they left.
    async fn play_on(&mut self, engine: &Running, weather: &Weather) -> Result<bool, String> {
        self.play(engine).await?;
        let stays = self.dice(6).random_bool(0.5);
        if stays {
            weather.clear_up();
            self.repair(engine).await?;
        }
        Ok(stays)
    }

    /// Clients ask, in bursts; agents beat and fall silent; connectors come and go.
    async fn play(&mut self, engine: &Running) -> Result<(), String> {
        let mut dice = self.dice(3);
        let mut tasks: JoinSet<Result<(), String>> = JoinSet::new();
        for (reader, turn) in self.readers.iter().zip(0_i64..) {
            let habits = Habits { dice: self.dice(10 + turn.unsigned_abs()), faithful: false, turn };
            tasks.spawn(readers::read(reader.clone(), engine.clone(), habits));
        }
        tasks.spawn(beats(self.ground.clone(), engine.clone(), Some(self.dice(4))));
        for number in self.book().open() {
            tasks.spawn(carry_out(self.book.clone(), engine.clone(), number));
        }
        while self.book().asked() < self.plan.calls {
            let burst = if dice.random_bool(0.1) { dice.random_range(10..40) } else { dice.random_range(1..5) };
            for _ in 0..burst {
                if let Some(number) = self.ask(&mut dice, engine.clock().now()) {
                    tasks.spawn(carry_out(self.book.clone(), engine.clone(), number));
                }
            }
            let rest = if dice.random_bool(0.05) { dice.random_range(1_000..6_000) } else { dice.random_range(1..500) };
            pause::millis(engine.clock(), rest).await;
            reap(&mut tasks)?;
            self.watch.look()?;
        }
        pause::millis(engine.clock(), dice.random_range(1..3_000)).await;
        reap(&mut tasks)?;
        self.watch.look()
    }

    /// Notes the next call of a client: something that makes sense now, or a repeat, or a request id used for something else.
    fn ask(&self, dice: &mut StdRng, now: Time) -> Option<usize> {
        let mut book = self.book();
        if dice.random_bool(0.06) {
            let earlier = book.earlier(dice.random_range(0..10_000))?;
            let mut again = earlier.as_ref().clone();
            if dice.random_bool(0.2)
                && let Some(dedup) = &mut again.dedup
            {
                dedup.request_hash = Arc::from("another body");
            }
            return Some(book.ask(again));
        }
        let nth = book.asked();
        let command = self.ground.look(&desk_key(), |rows, _| command(dice, rows, now, nth)).flatten()?;
        let request = format!("r{nth}");
        let request = dice.random_bool(0.9).then_some(request.as_str());
        let mut call = scene::call(command, request, "body");
        call.validate_only = dice.random_bool(0.02);
        if call.validate_only {
            call.dedup = None;
        }
        Some(book.ask(call))
    }

    /// Nothing goes wrong any more. Open calls are answered, time passes, and in the end everything is as it should be.
    async fn repair(&mut self, engine: &Running) -> Result<(), String> {
        let mut dice = self.dice(5);
        let mut tasks: JoinSet<Result<(), String>> = JoinSet::new();
        for (reader, turn) in self.readers.iter().zip(0_i64..) {
            let habits = Habits { dice: self.dice(20 + turn.unsigned_abs()), faithful: true, turn };
            tasks.spawn(readers::read(reader.clone(), engine.clone(), habits));
        }
        tasks.spawn(beats(self.ground.clone(), engine.clone(), None));
        for number in self.book().open() {
            tasks.spawn(carry_out(self.book.clone(), engine.clone(), number));
        }
        let began = engine.clock().now();
        let answers = dice.random_bool(0.5);
        let mut stranded = std::collections::BTreeSet::new();
        while engine.clock().now() < began + REPAIR {
            pause::millis(engine.clock(), 700).await;
            reap(&mut tasks)?;
            self.watch.look()?;
            let now = engine.clock().now();
            if now > began + SETTLED {
                self.ground
                    .look(&desk_key(), |rows, _| repair::on_time(rows, now - Span(self.skew.micros().abs())))
                    .unwrap_or(Ok(()))?;
                let found = self.ground.look(&desk_key(), |rows, _| repair::stranded(rows)).unwrap_or_default();
                if now > began + REPAIR - SETTLED
                    && let Some(pair) = found.intersection(&stranded).next()
                {
                    return Err(format!("I5: {pair:?} was there 700 ms ago"));
                }
                stranded = found;
            }
            let still = answers && now < began + REPAIR - SETTLED;
            if still
                && let Some(command) = self.ground.look(&desk_key(), |rows, _| answer(&mut dice, rows, now)).flatten()
            {
                let call = scene::call(command, None, "");
                let number = self.book().ask(call);
                tasks.spawn(carry_out(self.book.clone(), engine.clone(), number));
            }
        }
        let open = self.book().open();
        if !open.is_empty() {
            return Err(format!("I4: calls {open:?} were never answered"));
        }
        // What is decided at this very moment reaches its readers a moment later.
        let log = self.ground.log(&desk_key());
        pause::millis(engine.clock(), 500).await;
        for reader in &self.readers {
            readers::lock(reader).complete(&log)?;
        }
        engine.stop().await;
        self.watch.fold()
    }

    fn ending(&self) -> Result<Ending, String> {
        let book = self.book();
        Ok(Ending {
            answered: book.answered,
            refused: book.refused,
            repeated: book.repeated,
            lives: self.lives,
            faults: self.faults,
            entries: self.watch.head,
            redelivered: self.readers.iter().map(|reader| readers::lock(reader).redelivered).sum(),
        })
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().expect("nothing that panics runs under this lock")
    }

    /// Chance of its own for each purpose in each life.
    fn dice(&self, purpose: u64) -> StdRng {
        StdRng::seed_from_u64(
            self.plan.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (u64::from(self.lives) << 8) ^ purpose,
        )
    }
}

fn reap(tasks: &mut JoinSet<Result<(), String>>) -> Result<(), String> {
    while let Some(ended) = tasks.try_join_next() {
        ended.map_err(|error| format!("a client panicked: {error}"))??;
    }
    Ok(())
}

/// Heartbeats of everybody who has a session; with `silences`, some fall silent for a while.
async fn beats<S: Store, A: Availability>(
    ground: Arc<Ground>,
    engine: Engine<S, A>,
    mut silences: Option<StdRng>,
) -> Result<(), String> {
    let mut silent: std::collections::BTreeMap<AgentId, Time> = Default::default();
    loop {
        pause::millis(engine.clock(), 3_700).await;
        let now = engine.clock().now();
        let sessions = ground.look(&desk_key(), |rows, _| {
            let rows = rows.agents.own().values();
            rows.filter_map(|row| Some((row.id.clone(), row.session.as_ref()?.epoch))).collect::<Vec<_>>()
        });
        let mut beats = sessions.unwrap_or_default();
        if let Some(dice) = &mut silences {
            for (agent, _) in &beats {
                if dice.random_bool(0.03) {
                    silent.insert(agent.clone(), now + Span::from_secs(dice.random_range(5..45)));
                }
            }
            beats.retain(|(agent, _)| silent.get(agent).is_none_or(|until| *until < now));
        }
        // Nobody to hear it: the next one comes soon.
        let _heard = engine.beat(&desk_key(), &beats).await;
    }
}

/// A command of a client, out of the pure tests' bytes: what the engine alone may say is left out.
fn command(dice: &mut StdRng, rows: &WorkingSet<'static>, now: Time, nth: usize) -> Option<Command> {
    let scene = Scene { rows, now, nth, policies: POLICIES };
    for _ in 0..8 {
        let op = match dice.random_range(0..100) {
            0..24 => dice.random_range(0..30),
            24..58 => dice.random_range(86..128),
            58..66 => dice.random_range(128..136),
            66..76 => dice.random_range(164..180),
            76..78 => dice.random_range(180..184),
            78..79 => dice.random_range(184..188),
            79..84 => dice.random_range(194..206),
            84..87 => dice.random_range(206..216),
            _ => dice.random_range(216..=255),
        };
        let bytes: Bytes = [op, dice.random(), dice.random(), dice.random()];
        let found = commands::command(&scene, bytes);
        let of_the_engine = |command: &Command| {
            matches!(
                command,
                Command::TickTicket { .. }
                    | Command::TickAgent { .. }
                    | Command::Intern { .. }
                    | Command::Retire { .. }
                    | Command::ConnectorPresence { .. }
                    | Command::Propose { .. }
                    | Command::EndSession { reason: handoff::domain::event::SessionEnd::Lost, .. }
            )
        };
        if let Some(command) = found.filter(|command| !of_the_engine(command)) {
            return Some(command);
        }
    }
    None
}

/// What somebody who does her work says: accepts, confirms, ends.
fn answer(dice: &mut StdRng, rows: &WorkingSet<'static>, now: Time) -> Option<Command> {
    let scene = Scene { rows, now, nth: 0, policies: POLICIES };
    let [a, b, c]: [u8; 3] = [dice.random(), dice.random(), dice.random()];
    let op = if dice.random_bool(0.7) { 90 } else { 130 };
    commands::command(&scene, [op, a, b, c])
}
