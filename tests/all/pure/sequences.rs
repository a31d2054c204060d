//! Random sequences of commands, with every check after each. `HANDOFF_PURE_CASES` makes the run longer,
//! `HANDOFF_PURE_SEED` repeats one.

use handoff::entropy::Entropy;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use super::checks;
use super::commands::{self, Bytes};
use super::world::World;

/// Enough for every command to meet every state, in about twenty seconds of an unoptimised build.
const CASES: u32 = 250;
/// Commands that a report shows.
const REPORTED: usize = 40;

#[test]
fn no_sequence_of_commands_breaks_an_invariant() {
    let setting = |name| std::env::var(name).ok().map(|text: String| text.parse::<u64>().expect("a number"));
    let cases = setting("HANDOFF_PURE_CASES").map_or(CASES, |cases| u32::try_from(cases).expect("a number of cases"));
    let seed = setting("HANDOFF_PURE_SEED").unwrap_or_else(|| Entropy::from_system().uuid().as_u64_pair().0);
    let config = Config {
        cases,
        max_shrink_iters: 4_000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    };
    let steps = proptest::collection::vec(any::<Bytes>(), 1..120);
    let outcome = TestRunner::new(config).run(&steps, |steps| {
        let mut world = World::open();
        world.trace.clear();
        let report =
            |world: &World, broken: String| TestCaseError::fail(format!("{broken}\n\n{}", world.said(REPORTED)));
        for bytes in &steps {
            let done = step(&mut world, *bytes);
            done.map_err(|broken| report(&world, broken))?;
        }
        checks::folds(&world).map_err(|broken| report(&world, broken))
    });
    if let Err(failure) = outcome {
        let test = "pure::sequences::no_sequence_of_commands_breaks_an_invariant";
        panic!(
            "{failure}\n\nHANDOFF_PURE_SEED={seed} HANDOFF_PURE_CASES={cases} cargo test --release --test all {test}"
        );
    }
}

fn step(world: &mut World, bytes: Bytes) -> Result<(), String> {
    if let Some(command) = commands::command(&world.scene(), bytes) {
        let first = world.run(&command)?;
        if bytes[3].is_multiple_of(8) && first.is_ok() {
            // Again, as after a lost answer: whatever it says, nothing may break.
            world.run(&command)?.ok();
        }
        return Ok(());
    }
    let [_, a, b, c] = bytes;
    world.wait(commands::span(&world.scene(), a, b));
    // Now and then the timers are late.
    if c.is_multiple_of(8) { Ok(()) } else { ticks_reach_the_end(world) }
}

/// Every deadline that has passed fires, and firing them comes to an end.
fn ticks_reach_the_end(world: &mut World) -> Result<(), String> {
    for _ in 0..64 {
        let due = world.due();
        if due.is_empty() {
            return Ok(());
        }
        for command in due {
            // One row's tick may settle another row's deadline: then it is stale.
            world.run(&command)?.ok();
        }
    }
    Err(format!("deadlines do not come to an end: {:?}", world.due()))
}
