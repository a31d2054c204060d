//! Running the checker over a configuration, and telling what it found.

use std::io::Write;
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model, Path};

use super::broken::Broken;
use super::config::Config;
use super::protocol::{Action, Protocol, State};

/// What a run came to.
pub struct Outcome {
    /// Nothing was left to look at.
    pub is_exhaustive: bool,
    pub found: Option<Found>,
}

/// The shortest way to break an invariant: the search is breadth first, by one thread.
pub struct Found {
    pub broken: Broken,
    pub steps: usize,
    pub trace: String,
}

/// Looks at up to `limit` distinct states, and prints a line of the table.
pub fn explore(name: &str, config: Config, limit: usize) -> Outcome {
    let began = Instant::now();
    let builder = Protocol::new(config, limit).checker().finish_when(HasDiscoveries::AnyFailures);
    let checker = builder.spawn_bfs().join();
    let model = checker.model();
    let is_cut_off = model.is_cut_off();
    model.lift_limit();
    let found = checker.discoveries().into_values().next().map(|path| tell(model, path));
    let end = match (&found, is_cut_off) {
        (Some(found), _) => format!("{:?} after {} steps", found.broken, found.steps),
        (None, true) => "bounded".to_owned(),
        (None, false) => "exhaustive".to_owned(),
    };
    say(&format!(
        "{name:<46} {:>9} states {:>10} transitions {:>6} views repaired, depth {:>2}, {:>5.1} s: {end}",
        checker.unique_state_count(),
        checker.state_count(),
        model.repaired(),
        checker.max_depth(),
        began.elapsed().as_secs_f64()
    ));
    Outcome { is_exhaustive: found.is_none() && !is_cut_off, found }
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
        Action::Step(at, _) | Action::Stop(at) | Action::Read(at, _) => state.actors.get(at),
        _ => None,
    };
    Some(actor.map_or_else(|| format!("  {action:?}"), |actor| format!("  {action:?} {actor:?}")))
}

/// Past the capture of the test harness: the table is worth reading when all is well, too.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("stderr takes a line");
}
