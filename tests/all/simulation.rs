//! One replica under faults: the engine, its timers and the streams as `serve` runs them, with only the ports replaced, on one
//! seeded thread with paused time. It is killed at any of its waits and started again on what the store has.
//!
//! A seed is repeated with `HANDOFF_SIMULATION_SEED=17 cargo test --release --test all simulation::`, which prints the end of
//! its trace. `HANDOFF_SIMULATION_SEEDS` says how many are run.

mod calls;
mod healing;
mod pause;
mod ports;
mod readers;
mod repair;
pub mod run;
mod scene;
mod slips;
pub mod store;
pub mod trace;
mod watch;
mod weather;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use run::{Ending, Plan};
use trace::Trace;

/// Seeds of an ordinary run.
const SEEDS: u64 = 2_000;
const THREADS: u64 = 2;
/// Lines of the trace that a report shows, unless more are asked for.
const TAIL: usize = 120;

#[test]
fn no_weather_breaks_an_invariant() {
    if let Some(seed) = setting("HANDOFF_SIMULATION_SEED") {
        let trace = written();
        let outcome = run::run(Plan::of(seed), &trace);
        assert!(outcome.is_ok(), "{}", report(seed, &outcome.expect_err("not ok"), &trace));
        return;
    }
    let seeds = setting("HANDOFF_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(1);
    let began = Instant::now();
    let work = || {
        let mut sum = Ending::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > seeds {
                return Ok(sum);
            }
            match run::run(Plan::of(seed), &Trace::silent()) {
                Ok(ending) => sum += ending,
                Err(broken) => {
                    next.store(seeds + 1, Ordering::Relaxed);
                    return Err((seed, broken));
                }
            }
            if seed.is_multiple_of(1_000) {
                say(&format!("{seed} of {seeds} seeds, {:.0?}", began.elapsed()));
            }
        }
    };
    let mut sum = Ending::default();
    let ended = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a simulation does not panic")).collect::<Vec<_>>()
    });
    for outcome in ended {
        match outcome {
            Ok(ending) => sum += ending,
            Err((seed, broken)) => {
                let trace = written();
                let again = run::run(Plan::of(seed), &trace);
                panic!("{}", report(seed, &again.err().unwrap_or(broken), &trace));
            }
        }
    }
    say(&format!("{seeds} seeds in {:.1?}: {sum:?}", began.elapsed()));
}

#[test]
fn a_seed_run_fifty_times_leaves_one_trace() {
    let seed = setting("HANDOFF_SIMULATION_SEED").unwrap_or(11);
    let run = || {
        let trace = Trace::written(1);
        let ending = run::run(Plan::of(seed), &trace);
        (ending, trace.hash())
    };
    let first = run();
    assert!(first.0.as_ref().is_ok_and(|ending| ending.faults > 0 && ending.lives > 2), "{:?} is too quiet", first.0);
    for again in 1..50 {
        assert_eq!(run(), first, "run {again} of seed {seed}");
    }
}

/// A trace that is read: `HANDOFF_SIMULATION_TAIL` says how many lines a report shows.
fn written() -> Trace {
    let lines = setting("HANDOFF_SIMULATION_TAIL").and_then(|lines| usize::try_from(lines).ok());
    Trace::written(lines.unwrap_or(TAIL))
}

fn report(seed: u64, broken: &str, trace: &Trace) -> String {
    let test = "simulation::no_weather_breaks_an_invariant";
    format!("{}\n\n{broken}\n\nHANDOFF_SIMULATION_SEED={seed} cargo test --release --test all {test}", trace.tail())
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[allow(clippy::print_stderr, reason = "a long run says how far it is")]
fn say(line: &str) {
    eprintln!("{line}");
}
