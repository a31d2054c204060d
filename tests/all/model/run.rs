//! Running the checker over a configuration, and telling what it found.

use std::io::Write;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Path, UniformChooser};

use super::broken::Broken;
use super::config::Config;
use super::protocol::{Action, Protocol, State};

/// What a run came to.
pub struct Outcome {
    pub extent: Extent,
    pub found: Option<Found>,
    states: usize,
    transitions: usize,
    repaired: usize,
    depth: usize,
    took: Duration,
}

/// How much of what can happen was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Exhaustive,
    /// What is nearest to the start.
    Bounded,
    /// Some ways to their ends.
    Walked,
}

/// A way to break an invariant; of [`explore`] the shortest, for it searches breadth first, by one thread.
pub struct Found {
    pub broken: Broken,
    pub steps: usize,
    pub trace: String,
}

/// Looks at up to `limit` distinct states, the nearest first.
pub fn explore(config: Config, limit: usize) -> Outcome {
    let began = Instant::now();
    let builder = Protocol::new(config, limit).checker().finish_when(HasDiscoveries::AnyFailures);
    let checker = builder.spawn_bfs().join();
    let extent = if checker.model().is_cut_off() { Extent::Bounded } else { Extent::Exhaustive };
    checker.model().lift_limit();
    Outcome::of(&checker, extent, began)
}

/// Takes about `steps` steps along random ways, each to its end: far from the start, where [`explore`] does not come.
pub fn wander(config: Config, seed: u64, steps: usize) -> Outcome {
    let began = Instant::now();
    let builder = Protocol::new(config, usize::MAX).checker().finish_when(HasDiscoveries::AnyFailures);
    let checker = builder.target_state_count(steps).spawn_simulation(seed, UniformChooser).join();
    Outcome::of(&checker, Extent::Walked, began)
}

impl Outcome {
    fn of(checker: &impl Checker<Protocol>, extent: Extent, began: Instant) -> Outcome {
        let model = checker.model();
        let found = checker.discoveries().into_values().next().map(|path| tell(model, path));
        Outcome {
            extent,
            found,
            states: checker.unique_state_count(),
            transitions: checker.state_count(),
            repaired: model.repaired(),
            depth: checker.max_depth(),
            took: began.elapsed(),
        }
    }

    /// A line of the table, past the capture of the test harness: it is worth reading when all is well, too.
    pub fn print(&self, name: &str) {
        let Outcome { extent, found, states, transitions, repaired, depth, took } = self;
        let end = match found {
            Some(found) => format!("{:?} after {} steps", found.broken, found.steps),
            None => format!("{extent:?}"),
        };
        let seconds = took.as_secs_f64();
        let counts =
            format!("{states:>9} states {transitions:>10} transitions {repaired:>6} views repaired, depth {depth:>2}");
        writeln!(std::io::stderr(), "{name:<42} {counts}, {seconds:>5.1} s: {end}").expect("standard error takes it");
    }
}

impl Found {
    /// The way there, for whoever asks for it.
    pub fn print(&self) {
        if std::env::var_os("HANDOFF_MODEL_TRACES").is_some() {
            writeln!(std::io::stderr(), "{}", self.trace).expect("standard error takes it");
        }
    }
}

fn tell(model: &Protocol, path: Path<State, Action>) -> Found {
    let last = path.last_state().clone();
    let broken = model.broken(&last).expect("the path ends where an invariant is broken");
    let steps: Vec<String> = path.into_vec().iter().filter_map(|(state, action)| line(state, (*action)?)).collect();
    let trace = format!("{}\n  ends in {last:#?}", steps.join("\n"));
    Found { broken, steps: steps.len(), trace }
}

fn line(state: &State, action: Action) -> Option<String> {
    let actor = match action {
        Action::Step(at, _) | Action::Stop(at) | Action::Repeat(at) | Action::Read(at, _) => state.actors.get(at),
        Action::Do(command) => return Some(format!("  {command:?}")),
        Action::Reserve(..)
        | Action::SendLate(_)
        | Action::Lift(_)
        | Action::Tail(_)
        | Action::TailPage(..)
        | Action::Expire(..)
        | Action::Suspect(..)
        | Action::Beat(..)
        | Action::Match(_)
        | Action::Rebuild
        | Action::Audit
        | Action::Fault(_) => None,
    };
    Some(actor.map_or_else(|| format!("  {action:?}"), |actor| format!("  {action:?} {actor:?}")))
}
