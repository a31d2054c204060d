//! The protocol as it is designed, over desks small enough to see all of what can happen, and a look at larger ones.

use super::config::{Budget, Config};
use super::rows::{Agents, Lane};
use super::run::{Extent, explore, wander};

/// More states than any of the small desks has.
const WHOLE: usize = 2_000_000;
/// States of each larger desk that an ordinary run looks at; `HANDOFF_MODEL_STATES` says another number.
const GLANCE: usize = 10_000;

const NONE: Budget = Budget::NONE;
const LOST: Budget = Budget { losses: 1, rebuilds: 1, ..NONE };

fn holds(name: &str, config: Config) {
    let outcome = explore(config, WHOLE);
    outcome.print(name);
    if let Some(found) = outcome.found {
        panic!("{name}: {:?} after {} steps\n{}", found.broken, found.steps, found.trace);
    }
    assert_eq!(outcome.extent, Extent::Exhaustive, "{name} has more states than {WHOLE}");
}

#[test]
fn one_ticket_in_the_hands_of_three_tasks() {
    let budget = Budget { declines: 1, sessions: 1, ..NONE };
    holds("one leg, requeue, new session", Config { tailers: 2, budget, ..Config::of(1, 3) });
    let budget = Budget { declines: 1, cancels: 1, ..NONE };
    let config = Config { tail_in_two_steps: true, tailers: 2, budget, ..Config::of(1, 3) };
    holds("one leg, tailers with an old cursor", config);
    let budget = Budget { cancels: 1, late_reserves: 1, ..NONE };
    holds("one leg, reserve comes late", Config { budget, ..Config::of(1, 3) });
}

#[test]
fn calls_that_happen_twice() {
    let budget = Budget { repeats: 1, declines: 1, cancels: 1, ..NONE };
    holds("repeat: one leg, requeue, cancel", Config { budget, ..Config::of(1, 3) });
    let budget = Budget { repeats: 2, ..LOST };
    holds("repeat: one leg, loss", Config { budget, ..Config::of(1, 3) });
}

#[test]
fn sessions_that_miss_heartbeats() {
    let budget = Budget { suspects: 1, declines: 1, ..NONE };
    holds("suspect: one leg, requeue", Config { budget, ..Config::of(1, 2) });
    let budget = Budget { suspects: 1, ..LOST };
    holds("suspect: two legs, loss", Config { agents: 1, with_reserve: false, budget, ..Config::of(2, 2) });
}

#[test]
fn tickets_that_compete_for_one_agent() {
    let budget = Budget { declines: 1, cancels: 1, ..NONE };
    holds("two legs, one agent, requeue, cancel", Config { agents: 1, budget, ..Config::of(2, 2) });
    let budget = Budget { sessions: 1, ..NONE };
    holds("two legs, one agent, new session", Config { agents: 1, budget, ..Config::of(2, 2) });
    let config = Config { agents: 1, with_reserve: false, ..Config::of(3, 2) };
    holds("three legs, one agent, without R", config);
}

#[test]
fn exclusions_end_in_time_or_when_nobody_else_is_left() {
    let excluded = [Agents::one(1), Agents::NOBODY, Agents::NOBODY];
    let budget = Budget { declines: 1, lapses: 1, ..NONE };
    let config = Config { decline_excludes: true, excluded, budget, ..Config::of(1, 3) };
    holds("one leg, both agents excluded, lapse", config);
    let budget = Budget { declines: 1, leaves: 1, ..NONE };
    let config = Config { decline_excludes: true, budget, ..Config::of(1, 2) };
    holds("one leg, the other agent leaves", config);
    holds("two legs, one excludes an agent", Config { excluded, with_reserve: false, ..Config::of(2, 2) });
}

#[test]
fn two_lanes_and_two_groups_of_which_one_serves_only_one() {
    let groups = [0, 1, 0];
    let budget = Budget { widenings: 1, ..NONE };
    let config = Config { wide: false, groups, budget, ..Config::of(1, 3) };
    holds("lanes: one leg, interned, widened", config);
    let lanes = [Lane::Wide; _];
    holds("lanes: one leg, in a lane just interned", Config { wide: false, groups, lanes, ..Config::of(1, 3) });
    let lanes = [Lane::Wide, Lane::Narrow, Lane::Wide];
    holds("lanes: a leg in each", Config { groups, lanes, ..Config::of(2, 2) });
    let budget = Budget { regroups: 1, ..NONE };
    holds("lanes: a profile changes", Config { budget, ..Config::of(1, 3) });
}

#[test]
fn offers_to_two_agents_at_once() {
    let budget = Budget { declines: 1, sessions: 1, ..NONE };
    holds("parallel: one leg, requeue, new session", Config { want: [2; _], budget, ..Config::of(1, 2) });
    let config = Config { want: [2, 1, 1], with_reserve: false, ..Config::of(2, 2) };
    holds("parallel: two legs", config);
    let budget = Budget { declines: 1, ..LOST };
    holds("parallel: one leg, loss", Config { want: [2; _], budget, ..Config::of(1, 3) });
}

#[test]
fn a_failover_to_an_earlier_prefix() {
    let budget = Budget { failovers: 1, declines: 1, ..NONE };
    holds("failover: one leg, requeue", Config { budget, ..Config::of(1, 2) });
    let budget = Budget { failovers: 1, ..NONE };
    holds("failover: two legs", Config { agents: 1, with_reserve: false, budget, ..Config::of(2, 2) });
}

#[test]
fn two_masters_of_which_either_survives() {
    let budget = Budget { splits: 1, declines: 1, ..NONE };
    holds("split: one leg, requeue", Config { split_calls: 3, budget, ..Config::of(1, 2) });
    let budget = Budget { splits: 1, ..LOST };
    holds("split: one leg, loss", Config { split_calls: 3, budget, ..Config::of(1, 2) });
}

#[test]
fn a_lost_view_is_rebuilt() {
    let budget = Budget { rebuilds: 2, failovers: 1, ..LOST };
    holds("loss: two rebuilds, failover", Config { budget, ..Config::of(1, 2) });
    let config = Config { offline: Agents::one(1), budget: LOST, ..Config::of(2, 2) };
    holds("loss: two legs", config);
    let budget = Budget { rebuilds: 2, declines: 1, ..NONE };
    holds("a sound view is rebuilt twice", Config { idle_rebuilds: true, budget, ..Config::of(1, 2) });
    let config = Config { wide: false, groups: [0, 1, 0], budget: Budget { widenings: 1, ..LOST }, ..Config::of(1, 3) };
    holds("loss: lanes", config);
}

#[test]
fn a_serial_client_of_one_replica_is_never_overtaken() {
    let config = Config { serial: true, ..Config::of(3, 3) };
    holds("serial: three legs, one agent on duty", Config { offline: Agents::one(1), ..config });
    let budget = Budget { sessions: 1, ..NONE };
    holds("serial: two legs, new session", Config { legs: 2, budget, ..config });
    let budget = Budget { declines: 1, cancels: 1, ..NONE };
    holds("serial: two legs, one agent, requeue", Config { legs: 2, agents: 1, budget, ..config });
}

#[test]
fn anti_entropy_finds_what_rotted_and_nothing_else() {
    let budget = Budget { digests: 2, declines: 1, ..NONE };
    holds("anti-entropy: nothing is lost", Config { agents: 1, budget, ..Config::of(1, 3) });
    let budget = Budget { digests: 1, failovers: 1, ..NONE };
    holds("anti-entropy: failover", Config { agents: 1, budget, ..Config::of(1, 2) });
    let budget = Budget { digests: 1, cancels: 1, ..LOST };
    holds("anti-entropy: loss", Config { agents: 1, budget, ..Config::of(1, 3) });
    let budget = Budget { digests: 2, rots: 1, rebuilds: 1, cancels: 1, ..NONE };
    holds("anti-entropy: a leg vanishes", Config { budget, ..Config::of(1, 3) });
}

/// Each as far as the limit goes.
#[test]
fn larger_desks_hold_as_far_as_they_are_looked_at() {
    for (name, config) in larger() {
        let outcome = explore(config, limit());
        outcome.print(name);
        if let Some(found) = outcome.found {
            panic!("{name}: {:?} after {} steps\n{}", found.broken, found.steps, found.trace);
        }
    }
}

/// As far as the same limit goes, along ways that end where nothing can happen any more.
#[test]
fn larger_desks_hold_along_random_ways() {
    for (seed, (name, config)) in (1..).zip(larger()) {
        let outcome = wander(config, seed, limit());
        outcome.print(&name.replace("larger", "at random"));
        if let Some(found) = outcome.found {
            panic!("{name}: {:?} after {} steps\n{}", found.broken, found.steps, found.trace);
        }
    }
}

fn limit() -> usize {
    let asked = std::env::var("HANDOFF_MODEL_STATES").ok();
    asked.map_or(GLANCE, |text| text.parse().expect("HANDOFF_MODEL_STATES is a number"))
}

fn larger() -> Vec<(&'static str, Config)> {
    let busy = Budget { declines: 1, cancels: 1, sessions: 1, ..NONE };
    let groups = [0, 1, 0];
    let lanes = [Lane::Wide, Lane::Narrow, Lane::Wide];
    let with = |budget: Budget, config: Config| Config { budget, ..config };
    let excluding = Config {
        decline_excludes: true,
        excluded: [Agents::one(1), Agents::NOBODY, Agents::NOBODY],
        ..Config::of(2, 2)
    };
    let serial = Config { serial: true, ..Config::of(3, 4) };
    vec![
        ("larger: one leg, four tasks", with(busy, Config { tailers: 2, ..Config::of(1, 4) })),
        ("larger: two legs, two agents", with(busy, Config::of(2, 2))),
        ("larger: two legs, three tasks", with(NONE, Config { tailers: 2, ..Config::of(2, 3) })),
        ("larger: three legs, two agents", with(NONE, Config::of(3, 2))),
        ("larger: exclusions", with(Budget { lapses: 1, leaves: 1, ..busy }, excluding)),
        (
            "larger: lanes",
            with(
                Budget { widenings: 1, regroups: 1, declines: 1, ..NONE },
                Config { wide: false, groups, ..Config::of(2, 2) },
            ),
        ),
        ("larger: three agents in two lanes", with(busy, Config { agents: 3, groups, lanes, ..Config::of(3, 2) })),
        ("larger: parallel", with(busy, Config { agents: 3, want: [2, 2, 1], ..Config::of(2, 3) })),
        ("larger: failover", with(Budget { failovers: 1, ..busy }, Config::of(2, 2))),
        (
            "larger: two failovers, parallel",
            with(Budget { failovers: 2, declines: 1, ..NONE }, Config { want: [2; _], ..Config::of(1, 3) }),
        ),
        ("larger: split", with(Budget { splits: 1, ..busy }, Config { split_calls: 4, ..Config::of(1, 3) })),
        (
            "larger: split, lanes",
            with(Budget { splits: 1, ..NONE }, Config { split_calls: 3, groups, lanes, ..Config::of(2, 2) }),
        ),
        ("larger: loss", with(Budget { declines: 1, rebuilds: 2, ..LOST }, Config::of(2, 3))),
        ("larger: loss, failover, three legs", with(Budget { failovers: 1, ..LOST }, Config::of(3, 2))),
        ("larger: loss, calls twice", with(Budget { repeats: 3, rebuilds: 2, cancels: 1, ..LOST }, Config::of(2, 3))),
        ("larger: loss, suspects", with(Budget { suspects: 1, ..LOST }, Config::of(2, 2))),
        ("larger: loss, lanes, parallel", with(LOST, Config { want: [2; _], groups, lanes, ..Config::of(2, 3) })),
        ("larger: serial", with(Budget { sessions: 1, declines: 1, ..NONE }, serial)),
        (
            "larger: anti-entropy",
            with(Budget { digests: 2, failovers: 1, rebuilds: 1, ..busy }, Config { tailers: 2, ..Config::of(2, 3) }),
        ),
    ]
}
