//! What is played, on one replica or several: the clients' calls, agents who beat and fall silent, connectors that read, and
//! the repair at the end, after which everything is as it should be.

use std::sync::{Arc, Mutex, MutexGuard};

use handoff::domain::id::AgentId;
use handoff::domain::time::{Span, Time};
use handoff::engine::Decide;
use handoff::routing::command::Command;
use handoff::routing::decide::decide_rows;
use handoff::routing::workset::WorkingSet;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use super::calls::{Book, carry_out};
use super::fleet::Fleet;
use super::pair;
use super::pause;
use super::readers::{self, Habits};
use super::repair;
use super::scene::{self, POLICIES, desk_key};
use super::store::{Ground, Slip};
use super::trace::Trace;
use super::watch::Watch;
use crate::pure::commands::{self, Bytes, Scene};

/// How long nothing goes wrong in the end: every offer has run out by then, every view has been built again.
const REPAIR: Span = Span::from_secs(40);
/// From when on what waits is with whoever is free.
const SETTLED: Span = Span::from_secs(5);
/// From when on deadlines are: a replica that could not write fires none for five seconds after it can.
const ON_TIME: Span = Span::from_secs(11);

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

/// Chance of its own for each purpose in each life.
#[derive(Clone, Copy)]
pub struct Chance {
    pub seed: u64,
    pub life: u32,
}

impl Chance {
    pub fn dice(self, purpose: u64) -> StdRng {
        StdRng::seed_from_u64(self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (u64::from(self.life) << 8) ^ purpose)
    }
}

pub struct Game {
    pub plan: Plan,
    pub ground: Arc<Ground>,
    pub watch: Watch,
    book: Arc<Mutex<Book>>,
    readers: Vec<readers::Shared>,
    pair: pair::Shared,
}

impl Game {
    pub fn new(plan: Plan, ground: Arc<Ground>, trace: &Trace) -> Game {
        let book = Arc::new(Mutex::new(Book::new(ground.clone(), trace.clone())));
        let watch = Watch::new(ground.clone(), desk_key(), trace.clone());
        Game { plan, ground, watch, book, readers: readers::all(trace), pair: pair::new(trace) }
    }

    /// What brings the desk about.
    pub async fn open(&mut self, fleet: &Fleet) -> Result<(), String> {
        for command in scene::opening() {
            let what = format!("{command:?}");
            let outcome = fleet.submit(scene::call(command, None, "")).await;
            outcome.map_err(|failure| format!("the opening was refused: {failure}: {what}"))?;
        }
        self.watch.look()
    }

    /// Clients ask, in bursts; agents beat and fall silent; connectors come and go.
    pub async fn play(&mut self, fleet: &Arc<Fleet>, chance: Chance) -> Result<(), String> {
        let mut dice = chance.dice(3);
        let mut tasks: JoinSet<Result<(), String>> = JoinSet::new();
        for (reader, turn) in self.readers.iter().zip(0_i64..) {
            let habits = Habits { dice: chance.dice(10 + turn.unsigned_abs()), faithful: false, turn };
            tasks.spawn(readers::read(reader.clone(), fleet.clone(), habits));
        }
        self.pair_reads(&mut tasks, fleet, |turn| Habits {
            dice: chance.dice(30 + turn.unsigned_abs()),
            faithful: false,
            turn,
        });
        tasks.spawn(beats(self.ground.clone(), fleet.clone(), Some(chance.dice(4))));
        for number in self.book().open() {
            tasks.spawn(carry_out(self.book.clone(), fleet.clone(), number));
        }
        while self.book().asked() < self.plan.calls {
            let burst = if dice.random_bool(0.1) { dice.random_range(10..40) } else { dice.random_range(1..5) };
            for _ in 0..burst {
                if let Some(number) = self.ask(&mut dice, fleet.clock.now()) {
                    tasks.spawn(carry_out(self.book.clone(), fleet.clone(), number));
                }
            }
            let rest = if dice.random_bool(0.05) { dice.random_range(1_000..6_000) } else { dice.random_range(1..500) };
            pause::millis(&fleet.clock, rest).await;
            reap(&mut tasks)?;
            self.watch.look()?;
        }
        pause::millis(&fleet.clock, dice.random_range(1..3_000)).await;
        reap(&mut tasks)?;
        self.watch.look()
    }

    fn pair_reads(&self, tasks: &mut JoinSet<Result<(), String>>, fleet: &Arc<Fleet>, habits: impl Fn(i64) -> Habits) {
        for (process, turn) in pair::PROCESSES.into_iter().zip(self.readers.len() as i64..) {
            tasks.spawn(pair::read(self.pair.clone(), process, fleet.clone(), habits(turn)));
        }
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
    pub async fn repair(&mut self, fleet: &Arc<Fleet>, chance: Chance, skew: Span) -> Result<(), String> {
        let mut dice = chance.dice(5);
        let mut tasks: JoinSet<Result<(), String>> = JoinSet::new();
        for (reader, turn) in self.readers.iter().zip(0_i64..) {
            let habits = Habits { dice: chance.dice(20 + turn.unsigned_abs()), faithful: true, turn };
            tasks.spawn(readers::read(reader.clone(), fleet.clone(), habits));
        }
        self.pair_reads(&mut tasks, fleet, |turn| Habits {
            dice: chance.dice(40 + turn.unsigned_abs()),
            faithful: true,
            turn,
        });
        tasks.spawn(beats(self.ground.clone(), fleet.clone(), None));
        for number in self.book().open() {
            tasks.spawn(carry_out(self.book.clone(), fleet.clone(), number));
        }
        let began = fleet.clock.now();
        let answers = dice.random_bool(0.5);
        let mut stranded = std::collections::BTreeSet::new();
        while fleet.clock.now() < began + REPAIR {
            pause::millis(&fleet.clock, 700).await;
            reap(&mut tasks)?;
            self.watch.look()?;
            let now = fleet.clock.now();
            if now > began + ON_TIME {
                self.ground
                    .look(&desk_key(), |rows, _| repair::on_time(rows, now - Span(skew.micros().abs())))
                    .unwrap_or(Ok(()))?;
            }
            if now > began + SETTLED {
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
                tasks.spawn(carry_out(self.book.clone(), fleet.clone(), number));
            }
        }
        let open = self.book().open();
        if !open.is_empty() {
            return Err(format!("I4: calls {open:?} were never answered"));
        }
        // What is decided at this very moment reaches its readers a moment later.
        let log = self.ground.log(&desk_key());
        pause::millis(&fleet.clock, 500).await;
        for reader in &self.readers {
            readers::lock(reader).complete(&log)?;
        }
        pair::lock(&self.pair).complete(&log)?;
        for live in fleet.all() {
            live.engine.stop().await;
        }
        self.watch.fold()
    }

    pub fn ending(&self, lives: u32, faults: u32) -> Ending {
        let book = self.book();
        Ending {
            answered: book.answered,
            refused: book.refused,
            repeated: book.repeated,
            lives,
            faults,
            entries: self.watch.head,
            redelivered: self.readers.iter().map(|reader| readers::lock(reader).redelivered).sum(),
        }
    }

    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("nothing that panics runs under this lock")
    }
}

fn reap(tasks: &mut JoinSet<Result<(), String>>) -> Result<(), String> {
    while let Some(ended) = tasks.try_join_next() {
        ended.map_err(|error| format!("a client panicked: {error}"))??;
    }
    Ok(())
}

/// Heartbeats of everybody who has a session; with `silences`, some fall silent for a while.
async fn beats(ground: Arc<Ground>, fleet: Arc<Fleet>, mut silences: Option<StdRng>) -> Result<(), String> {
    let mut silent: std::collections::BTreeMap<AgentId, Time> = Default::default();
    loop {
        pause::millis(&fleet.clock, 3_700).await;
        let now = fleet.clock.now();
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
        fleet.beat(&beats).await;
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
