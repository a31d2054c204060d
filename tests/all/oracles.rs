//! The router against what queueing theory says of it, and recorded calls played again.

mod bank;
mod calls;
mod exact;
mod scenarios;

use std::path::{Path, PathBuf};

use handoff::simulate::measure::Estimate;
use handoff::simulate::scenario::{self, Figures, Played, Scenario};

/// Tickets measured in a long run, if one is asked for.
const LONG_MODE: &str = "HANDOFF_ORACLE_TICKETS";
/// All of these scenarios have services of 100 s on average.
const SERVICE_SECS: f64 = 100.0;

pub fn in_tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub fn scenario_of(path: &str) -> Scenario {
    let source = std::fs::read_to_string(in_tree(path)).expect("the scenario is in the tree");
    scenario::read(&source).expect("the scenario has no mistakes")
}

fn oracle(name: &str) -> Scenario {
    let mut scenario = scenario_of(&format!("tests/all/oracles/{name}.yaml"));
    if let Ok(tickets) = std::env::var(LONG_MODE) {
        scenario.tickets = tickets.parse().expect("a number of tickets");
    }
    scenario
}

fn play(scenario: &Scenario) -> Played {
    let played = scenario::play(scenario, |_| ()).expect("the router does what its index proposes");
    assert_eq!(played.unsettled, 0, "everybody was answered or gave up");
    played
}

fn figures<'p>(played: &'p Played, class: &str) -> &'p Figures {
    let found = played.classes.iter().find(|served| served.class == class);
    found.and_then(|served| served.figures.as_ref()).expect("the class had arrivals")
}

/// The exact value lies in the 99 % interval, and the interval says something.
#[track_caller]
#[expect(clippy::print_stdout, reason = "a measurement is there to be read")]
fn holds(what: &str, found: Estimate, exact: f64) {
    let Estimate { value, within } = found;
    println!("{what}: {value:.5} within {within:.5}, exactly {exact:.5}");
    assert!(found.covers(exact), "{what}: {value} lies further than {within} from {exact}");
    assert!(within < exact * 0.25, "{what}: an interval of {within} around {exact} would hold anything");
}

#[test]
fn the_published_values_are_those_of_the_formulas() {
    let near =
        |formula: f64, published: f64| assert!((formula - published).abs() < 6e-6, "{formula} is not {published}");
    near(exact::erlang_c(10, 8.0).waits, 0.409_18);
    near(exact::erlang_c(10, 8.0).mean_wait, 0.204_59);
    near(exact::erlang_a(100, 100.0, 1.0).waits, 0.513_30);
    near(exact::erlang_a(100, 100.0, 1.0).gives_up, 0.039_86);
    let [high, low] = exact::priority(10, [3.0, 5.0]);
    near(high, 0.058_45);
    near(low, 0.292_27);
    assert!((exact::erlang_c(90, 84.0).waits - 0.412_0).abs() < 5e-5);
}

#[test]
fn a_queue_without_impatience_is_erlang_c() {
    let played = play(&oracle("erlang-c"));
    let exact = exact::erlang_c(10, 8.0);
    let found = figures(&played, "calls");
    holds("P(wait)", found.waited, exact.waits);
    holds("mean wait", found.mean_wait_secs.times(1.0 / SERVICE_SECS), exact.mean_wait);
    let used = played.agents[0].utilisation.expect("there was time");
    holds("utilisation", used, 0.8);
    assert_eq!(found.abandoned.value, 0.0);
}

#[test]
fn a_queue_with_impatience_is_erlang_a() {
    let played = play(&oracle("erlang-a"));
    let exact = exact::erlang_a(100, 100.0, 1.0);
    let found = figures(&played, "calls");
    holds("P(wait)", found.waited, exact.waits);
    holds("abandoned", found.abandoned, exact.gives_up);
}

#[test]
fn strict_priority_waits_as_long_as_cobham_says() {
    let played = play(&oracle("priority"));
    let [high, low] = exact::priority(10, [3.0, 5.0]);
    holds("high", figures(&played, "high").mean_wait_secs.times(1.0 / SERVICE_SECS), high);
    holds("low", figures(&played, "low").mean_wait_secs.times(1.0 / SERVICE_SECS), low);
}

#[test]
fn six_classes_that_everybody_can_take_are_one_queue() {
    let played = play(&oracle("pooled"));
    let exact = exact::erlang_c(90, 84.0);
    for class in ["a", "b", "c", "d", "e", "f"] {
        holds(class, figures(&played, class).waited, exact.waits);
    }
}

/// An oracle that any router passes is none.
#[test]
fn a_desk_with_one_agent_more_or_in_another_order_is_found_out() {
    let mut eleven = oracle("erlang-c");
    eleven.groups[0].count = 11;
    let played = play(&eleven);
    let (exact, found) = (exact::erlang_c(10, 8.0), figures(&played, "calls"));
    assert!(!found.waited.covers(exact.waits), "P(wait) of eleven passes for that of ten");
    assert!(!found.mean_wait_secs.times(1.0 / SERVICE_SECS).covers(exact.mean_wait));

    let mut by_arrival = oracle("priority");
    // Without the minute's credit that a point of priority is worth.
    by_arrival.policy.queues.values_mut().for_each(|queue| queue.ordering = Default::default());
    by_arrival.classes.iter_mut().for_each(|class| class.kind.priority = Some(0));
    let played = play(&by_arrival);
    let [high, low] = exact::priority(10, [3.0, 5.0]);
    assert!(!figures(&played, "high").mean_wait_secs.times(1.0 / SERVICE_SECS).covers(high));
    assert!(!figures(&played, "low").mean_wait_secs.times(1.0 / SERVICE_SECS).covers(low));

    let mut patient = oracle("erlang-a");
    patient.classes[0].patience = None;
    patient.groups[0].count = 110;
    let played = play(&patient);
    assert!(!figures(&played, "calls").waited.covers(exact::erlang_a(100, 100.0, 1.0).waits));
}
