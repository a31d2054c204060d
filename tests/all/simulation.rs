//! Replicas under faults: the engine, its timers and the streams as `serve` runs them, with only the ports replaced, on one
//! seeded thread with paused time. They are killed at any of their waits and started again on what the store has; `run` plays one
//! replica with an index of its own, `cluster` several that share one.
//!
//! A seed is repeated with `HANDOFF_SIMULATION_SEED=17 cargo test --release --test all simulation::`, which prints the end of
//! its trace. `HANDOFF_SIMULATION_SEEDS` says up to which seed is run, and `HANDOFF_SIMULATION_FROM` from which on.

mod calls;
mod cluster;
mod fleet;
mod game;
mod healing;
mod pair;
mod pause;
pub mod ports;
mod readers;
mod repair;
pub mod run;
pub mod scene;
mod slips;
pub mod store;
pub mod trace;
mod view;
mod watch;
pub mod weather;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use game::{Ending, Plan};
use trace::Trace;

/// Seeds of an ordinary run.
const SEEDS: u64 = 2_000;
const CLUSTER_SEEDS: u64 = 500;
const THREADS: u64 = 2;
/// Lines of the trace that a report shows, unless more are asked for.
const TAIL: usize = 120;

type Run = fn(Plan, &Trace) -> Result<Ending, String>;

#[test]
fn no_weather_breaks_an_invariant() {
    search("no_weather_breaks_an_invariant", SEEDS, run::run);
}

#[test]
fn no_weather_over_several_replicas_breaks_an_invariant() {
    search("no_weather_over_several_replicas_breaks_an_invariant", CLUSTER_SEEDS, cluster::run);
}

/// Plays all seeds, or the one that is named.
fn search(test: &str, seeds: u64, run: Run) {
    if let Some(seed) = setting("HANDOFF_SIMULATION_SEED") {
        let trace = written();
        let outcome = run(Plan::of(seed), &trace);
        assert!(outcome.is_ok(), "{}", report(test, seed, &outcome.expect_err("not ok"), &trace));
        say(&format!("{}\n{outcome:?}", trace.tail()));
        return;
    }
    let seeds = setting("HANDOFF_SIMULATION_SEEDS").unwrap_or(seeds);
    let first = setting("HANDOFF_SIMULATION_FROM").unwrap_or(1);
    let next = AtomicU64::new(first);
    let began = Instant::now();
    let work = || {
        let mut sum = Ending::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > seeds {
                return Ok(sum);
            }
            match run(Plan::of(seed), &Trace::silent()) {
                Ok(ending) => sum += ending,
                Err(broken) => {
                    next.store(seeds + 1, Ordering::Relaxed);
                    return Err((seed, broken));
                }
            }
            if seed.is_multiple_of(1_000) {
                say(&format!("{test}: {seed} of {seeds} seeds, {:.0?}", began.elapsed()));
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
                let again = run(Plan::of(seed), &trace);
                panic!("{}", report(test, seed, &again.err().unwrap_or(broken), &trace));
            }
        }
    }
    say(&format!("{test}: seeds {first} to {seeds} in {:.1?}: {sum:?}", began.elapsed()));
}

#[test]
fn a_seed_run_fifty_times_leaves_one_trace() {
    leaves_one_trace(run::run);
}

#[test]
fn a_seed_of_several_replicas_run_fifty_times_leaves_one_trace() {
    leaves_one_trace(cluster::run);
}

fn leaves_one_trace(run: Run) {
    let run = |seed| {
        let trace = Trace::written(1);
        let ending = run(Plan::of(seed), &trace);
        (ending, trace.hash())
    };
    // One in which much goes wrong.
    let lively = |seed: &u64| {
        let ending = run(*seed).0.unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        ending.faults > 0 && ending.lives > 2
    };
    let mut seeds = setting("HANDOFF_SIMULATION_SEED").map_or(13..64, |seed| seed..seed + 1);
    let seed = seeds.find(lively).expect("a seed that is not quiet");
    let first = run(seed);
    for again in 1..50 {
        assert_eq!(run(seed), first, "run {again} of seed {seed}");
    }
}

/// A trace that is read: `HANDOFF_SIMULATION_TAIL` says how many lines a report shows.
fn written() -> Trace {
    let lines = setting("HANDOFF_SIMULATION_TAIL").and_then(|lines| usize::try_from(lines).ok());
    Trace::written(lines.unwrap_or(TAIL))
}

fn report(test: &str, seed: u64, broken: &str, trace: &Trace) -> String {
    let repeat = format!("HANDOFF_SIMULATION_SEED={seed} cargo test --release --test all simulation::{test}");
    format!("{}\n\n{broken}\n\n{repeat}", trace.tail())
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[allow(clippy::print_stderr, reason = "a long run says how far it is")]
fn say(line: &str) {
    eprintln!("{line}");
}
