//! Scenario files: read with every mistake at once, played the same each time.

use handoff::simulate::report;
use handoff::simulate::scenario::{self, Scenario};

use super::{figures, in_tree, play, scenario_of};

const EXAMPLES: [&str; 3] = ["support", "gold", "chat"];

fn example(name: &str) -> Scenario {
    let mut scenario = scenario_of(&format!("examples/scenarios/{name}.yaml"));
    (scenario.tickets, scenario.warm_up) = (6_000, 500);
    scenario
}

fn findings(source: &str) -> Vec<String> {
    let problems = scenario::read(source).expect_err("it has mistakes");
    let said = |problem: &handoff::yaml::reader::Problem| {
        format!("{}:{} {} {}", problem.place.line, problem.place.column, problem.path, problem.message)
    };
    problems.iter().map(said).collect()
}

#[test]
fn the_examples_play_and_the_documentation_names_them() {
    let docs = std::fs::read_to_string(in_tree("docs/simulate.md")).expect("it is there");
    for name in EXAMPLES {
        let played = play(&example(name));
        assert_eq!(played.classes.iter().map(|class| class.arrivals).sum::<u64>(), 6_000, "{name}");
        assert!(report::text(&played).contains("utilisation"));
        assert!(docs.contains(&format!("examples/scenarios/{name}.yaml")), "{name} is not described");
    }
}

#[test]
fn equal_seeds_give_equal_runs_and_another_seed_another() {
    let scenario = example("support");
    let once = play(&scenario);
    assert_eq!(once, play(&scenario));
    assert_ne!(once.classes, play(&Scenario { seed: 2, ..scenario }).classes);
}

#[test]
fn specialists_are_kept_for_what_only_they_can_do() {
    let scenario = example("support");
    let served = |scenario: &Scenario| figures(&play(scenario), "technical").mean_wait_secs.value;
    let mut best = scenario.clone();
    best.policy.queues.values_mut().for_each(|queue| {
        queue.strategy = handoff::domain::requirement::Strategy::Best;
    });
    assert!(served(&scenario) < served(&best), "the most skilled first leaves technical customers waiting");
}

#[test]
fn a_desk_that_cannot_keep_up_is_broken_off_and_said_so() {
    let source = "tickets: 2000\nwarm_up: 0\nclasses: {calls: {arrivals: 600/h, handling: {constant: 100s}}}\n\
                  agents: {desk: {count: 10}}";
    let mut scenario = scenario::read(source).expect("no mistakes");
    scenario.policy.queues.values_mut().for_each(|queue| {
        queue.unassigned_timeout = Some(handoff::domain::time::Span::from_days(90));
    });
    let played = scenario::play(&scenario, |_| ()).expect("it plays");
    assert_eq!(played.unsettled, 0, "in order of arrival the measured ones are served first");
    scenario.policy.queues.values_mut().for_each(|queue| {
        queue.ordering = handoff::domain::requirement::Ordering::Strict;
    });
    scenario.classes.push(scenario::Class { rate: 0.2, ..scenario.classes[0].clone() });
    scenario.classes[1].kind.priority = Some(100);
    let played = scenario::play(&scenario, |_| ()).expect("it plays");
    assert!(played.unsettled > 0);
    assert!(report::text(&played).contains("there are not enough agents"));
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    let source = "\
tickets: 0
clases: {}
classes:
  calls:
    arrivals: 5 an hour
    handling: {exponential: 3 minutes}
    queue: nowhere
    patience: {exponential: 1m, constant: 2m}
agents:
  desk: {count: 10, skils: {a: 1}}
  'Front Desk': {count: 1}
";
    let found = findings(source);
    for expected in [
        "1:10 tickets 0 is out of bounds",
        "2:1 clases unknown key `clases`; did you mean `classes`?",
        "5:15 classes.calls.arrivals `5 an hour` is not a rate",
        "6:29 classes.calls.handling.exponential `3 minutes` is not a span",
        "7:12 classes.calls.queue there is no queue `nowhere`",
        "8:15 classes.calls.patience 2 laws are named",
        "10:21 agents.desk.skils unknown key `skils`; did you mean `skills`?",
        "11:3 agents.Front Desk `Front Desk` cannot name a group",
    ] {
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected}\n{found:#?}");
    }
    assert_eq!(found.len(), 8, "{found:#?}");
}

#[test]
fn a_scenario_without_customers_or_agents_is_refused() {
    let found = findings("tickets: 5");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(findings("classes: {a: {handling: {constant: 1s}}}\nagents: {b: {}}").len() >= 2);
}
