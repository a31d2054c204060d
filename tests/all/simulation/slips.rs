//! Six mistakes that are kept, each behind a switch of the test's own: the simulation has to notice every one of them.
//!
//! Four are the ports' (`store::Slip`): the store forgets answers, keeps old deadlines, or takes any acknowledgement for one of now;
//! the index takes its position down too soon. The other two are guards of the rules, which
//! no port could take away: what a store hands out is what the engine knows of the desk afterwards, and the index would
//! follow. So the engine is given these functions in place of `routing::decide`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use handoff::domain::agent::ChannelRule;
use handoff::domain::event::Actor;
use handoff::domain::leg::LegState;
use handoff::domain::requirement::{Channel, Pool};
use handoff::domain::time::Time;
use handoff::routing::command::Command;
use handoff::routing::decide::{Decision, decide, decide_rows};
use handoff::routing::evolve::evolve;
use handoff::routing::reject::Reject;
use handoff::routing::workset::{Changed, WorkingSet};

use super::game::Plan;
use super::run;
use super::store::Slip;
use super::trace::Trace;
use super::{Run, THREADS, cluster, say};

/// Seeds within which each is found.
const ENOUGH: u64 = 500;

type Decided = Result<(Decision, Changed), Reject>;

/// What was decided on other rows, applied to these.
fn applied(rows: &WorkingSet<'_>, decision: Decision) -> (Decision, Changed) {
    let mut after = rows.layer();
    decision.events.iter().for_each(|event| evolve(&mut after, event));
    let changed = after.into_changed();
    (decision, changed)
}

/// Decides as if everybody had room for everything.
fn without_room(rows: &WorkingSet<'_>, command: &Command, actor: &Actor, now: Time) -> Decided {
    if matches!(command, Command::UpdateAgent { .. } | Command::CreateAgent { .. }) {
        return decide_rows(rows, command, actor, now);
    }
    let mut roomy = rows.layer();
    for (id, agent) in rows.agents.all() {
        let mut agent = agent.as_ref().clone();
        let profile = Arc::make_mut(&mut agent.profile);
        profile.pools = [(Pool::Live, u16::MAX), (Pool::Deferred, u16::MAX)].into();
        for channel in Channel::ALL {
            let weight = Some(profile.weight(channel));
            let paused = profile.channels.get(&channel).is_some_and(|rule| rule.paused);
            profile.channels.insert(channel, ChannelRule { weight, max: Some(u16::MAX), paused });
        }
        roomy.agents.insert(id, Arc::new(agent));
    }
    decide(&roomy, command, actor, now).map(|decision| applied(rows, decision))
}

/// Decides a proposal as if the leg were still what it was when it was chosen.
fn without_version(rows: &WorkingSet<'_>, command: &Command, actor: &Actor, now: Time) -> Decided {
    let Command::Propose { leg, leg_ver, .. } = command else { return decide_rows(rows, command, actor, now) };
    let mut old = rows.layer();
    let row = old.tickets.get_mut(&leg.ticket).and_then(|row| row.legs.iter_mut().find(|row| row.n == leg.leg));
    if let Some(row) = row.filter(|row| row.state.is_pending()) {
        row.state = LegState::Waiting;
        row.ver = (*leg_ver).max(1);
    }
    decide(&old, command, actor, now).map(|decision| applied(rows, decision))
}

/// Runs seeds until one breaks; says which, and by what.
fn find(name: &str, run: Run, plan: impl Fn(u64) -> Plan + Sync) {
    let next = AtomicU64::new(1);
    let found = AtomicBool::new(false);
    let search = || {
        while !found.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > ENOUGH {
                break;
            }
            if let Err(broken) = run(plan(seed), &Trace::silent()) {
                found.store(true, Ordering::Relaxed);
                return Some((seed, broken));
            }
        }
        None
    };
    let found: Vec<(u64, String)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(search)).collect();
        threads.into_iter().filter_map(|thread| thread.join().expect("a simulation does not panic")).collect()
    });
    let Some((seed, broken)) = found.into_iter().min() else { panic!("{name}: not found in {ENOUGH} seeds") };
    say(&format!("{name}: found by seed {seed}: {}", broken.chars().take(120).collect::<String>()));
}

#[test]
fn a_missing_capacity_guard_is_found() {
    find("no capacity guard", run::run, |seed| Plan { decide: without_room, ..Plan::of(seed) });
}

#[test]
fn a_missing_version_guard_is_found() {
    find("no version guard", run::run, |seed| Plan { decide: without_version, ..Plan::of(seed) });
}

#[test]
fn an_answer_that_is_not_found_again_is_found() {
    find("dedup skipped on retry", run::run, |seed| Plan {
        slip: Slip { forgets_answers: true, ..Slip::default() },
        ..Plan::of(seed)
    });
}

#[test]
fn a_deadline_that_is_not_recomputed_is_found() {
    find("timer not recomputed", run::run, |seed| Plan {
        slip: Slip { keeps_deadlines: true, ..Slip::default() },
        ..Plan::of(seed)
    });
}

#[test]
fn a_cursor_that_is_saved_before_the_rest_is_done_is_found() {
    find("cursor saved before apply", cluster::run, |seed| Plan {
        slip: Slip { saves_cursor_first: true, ..Slip::default() },
        ..Plan::of(seed)
    });
}

#[test]
fn an_acknowledgement_that_is_not_fenced_is_found() {
    find("ack not fenced", cluster::run, |seed| Plan {
        slip: Slip { acks_unfenced: true, ..Slip::default() },
        ..Plan::of(seed)
    });
}

#[test]
fn a_missing_version_guard_is_found_between_replicas() {
    find("no version guard, several replicas", cluster::run, |seed| Plan { decide: without_version, ..Plan::of(seed) });
}
