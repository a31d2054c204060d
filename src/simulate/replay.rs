//! Playing recorded calls, and what came of it, recorded beside replayed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::calls::{Agent, Calls, day};
use super::draw::secs;
use super::measure::percentile;
use super::report::table;
use super::run::{Arrival, Fate, Kind, Person, Run};
use super::world::Broken;
use crate::domain::agent::Profile;
use crate::domain::requirement::{Channel, Expertise, Requirement};
use crate::domain::time::{Span, Time};
use crate::policy::Policy;
use crate::policy::queue::AfterContact;

/// Waits for which the share of those answered within is told.
const WITHIN: [Span; 2] = [Span::from_secs(20), Span::from_secs(60)];
/// The heading of a whole day, and of all days.
const ALL: &str = "all";

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replayed {
    pub assumptions: Vec<String>,
    pub calls: u64,
    pub agents: usize,
    /// Callers who still waited when nothing was left to happen.
    pub unsettled: u64,
    /// The days in order; after more than one, `all` of them.
    pub days: Vec<Day>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Day {
    pub day: String,
    /// All calls, then by class, then by priority.
    pub rows: Vec<Beside>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beside {
    pub of: String,
    pub calls: u64,
    /// Absent where the file tells nothing of what happened.
    pub recorded: Option<Outcome>,
    pub replayed: Outcome,
}

/// Of all callers, those who gave up with the time until they did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    pub mean_wait_secs: f64,
    pub median_wait_secs: f64,
    pub p90_wait_secs: f64,
    /// Shares.
    pub answered_within_20s: f64,
    pub answered_within_60s: f64,
    pub abandoned: f64,
}

/// Waits in microseconds, and whether each was answered.
type Waits = Vec<(i64, bool)>;

/// Plays the calls. `progress` is told how many of them are settled.
///
/// # Errors
/// [`Broken`]: a bug in the router, or a file that the desk refuses.
pub fn replay(calls: &Calls, mut progress: impl FnMut(u64)) -> Result<Replayed, Broken> {
    let mut kinds: Vec<Kind> = Vec::new();
    let arrivals: Vec<Arrival> = calls
        .calls
        .iter()
        .map(|call| {
            let requirement = Requirement { skills: call.skills.clone(), ..Requirement::default() };
            let kind = Kind { channel: Channel::Phone, requirement, priority: Some(call.priority) };
            let at = kinds.iter().position(|known| *known == kind).unwrap_or_else(|| {
                kinds.push(kind);
                kinds.len() - 1
            });
            let (handling, patience, credit) = (call.handling, call.patience, call.credit);
            Arrival { at: call.at, kind: at, handling, patience, credit }
        })
        .collect();
    let begins = calls.agents.iter().flat_map(|agent| &agent.shifts).map(|shift| shift.0);
    let start = begins.chain(arrivals.first().map(|call| call.at)).min().unwrap_or_default();
    let people = calls.agents.iter().map(person).collect();
    let mut run = Run::new(policy(), kinds, people, arrivals.into_iter(), 0, start)?;
    let mut replayed: Vec<Option<(Span, Fate)>> = vec![None; calls.calls.len()];
    let mut settled = 0;
    while let Some(caller) = run.step()? {
        replayed[caller.number as usize] = Some((caller.wait, caller.fate));
        settled += 1;
        if settled % 64 == 0 {
            progress(settled);
        }
    }
    Ok(Replayed {
        assumptions: calls.assumptions.clone(),
        calls: calls.calls.len() as u64,
        agents: calls.agents.len(),
        unsettled: calls.calls.len() as u64 - settled,
        days: days(calls, &replayed),
    })
}

/// One line ordered by time waited, no wrap-up beside the recorded service, and nobody sent elsewhere.
fn policy() -> Policy {
    let mut policy = Policy { revision: 1, ..Policy::built_in() };
    for queue in policy.queues.values_mut() {
        queue.wrap_up = Some(Span::ZERO);
        queue.after_contact = Some(AfterContact::Resolve);
        queue.unassigned_timeout = Some(Span::from_days(90));
    }
    policy
}

fn person(agent: &Agent) -> Person {
    let expertise = Expertise { tier: 1, skills: agent.skills.clone(), ..Expertise::default() };
    let profile = Profile { expertise, ..Profile::default() };
    Person { name: agent.name.clone(), group: 0, profile, answer: None, shifts: agent.shifts.clone() }
}

fn days(calls: &Calls, replayed: &[Option<(Span, Fate)>]) -> Vec<Day> {
    // Whole days before their parts: classes after all, and priorities after the classes.
    type Sets = BTreeMap<(u8, Arc<str>), (Waits, Waits)>;
    let mut days: BTreeMap<String, Sets> = BTreeMap::new();
    let mut known: (Time, String) = (Time(i64::MIN), String::new());
    for (call, outcome) in calls.calls.iter().zip(replayed) {
        let Some((wait, fate)) = outcome else { continue };
        let then = call.recorded.map(|recorded| (recorded.wait.micros(), recorded.answered));
        let now = (wait.micros(), *fate == Fate::Answered);
        if known.0 != call.at {
            known = (call.at, day(call.at));
        }
        // After every date.
        for day in [known.1.as_str(), ALL] {
            let sets = days.entry(day.to_owned()).or_default();
            for set in [(0, Arc::from(ALL)), (1, call.class.clone()), (2, call.standing.clone())] {
                let (recorded, replayed) = sets.entry(set).or_default();
                recorded.extend(then);
                replayed.push(now);
            }
        }
    }
    let beside = |((_, of), (recorded, replayed)): ((u8, Arc<str>), (Waits, Waits))| Beside {
        of: of.to_string(),
        calls: replayed.len() as u64,
        recorded: (!recorded.is_empty()).then(|| outcome(recorded)),
        replayed: outcome(replayed),
    };
    if days.len() == 2 {
        // One day is all of them.
        days.remove(ALL);
    }
    days.into_iter().map(|(day, sets)| Day { day, rows: sets.into_iter().map(beside).collect() }).collect()
}

fn outcome(mut waits: Waits) -> Outcome {
    waits.sort_unstable();
    let count = waits.len() as f64;
    let all: Vec<i64> = waits.iter().map(|(wait, _)| *wait).collect();
    let share = |of: &dyn Fn(&(i64, bool)) -> bool| waits.iter().filter(|wait| of(wait)).count() as f64 / count;
    let within = |span: Span| share(&|(wait, answered)| *answered && *wait <= span.micros());
    Outcome {
        mean_wait_secs: all.iter().map(|wait| secs(Span(*wait))).sum::<f64>() / count,
        median_wait_secs: secs(Span(percentile(&all, 0.5))),
        p90_wait_secs: secs(Span(percentile(&all, 0.9))),
        answered_within_20s: within(WITHIN[0]),
        answered_within_60s: within(WITHIN[1]),
        abandoned: share(&|(_, answered)| !answered),
    }
}

/// Tables for people, a day each, with what was assumed first.
pub fn text(replayed: &Replayed) -> String {
    let mut text = format!("{} calls, {} agents\n", replayed.calls, replayed.agents);
    if !replayed.assumptions.is_empty() {
        text.push_str("\nAssumed:\n");
        replayed.assumptions.iter().for_each(|line| text.push_str(&format!("- {line}\n")));
    }
    if replayed.unsettled > 0 {
        text.push_str(&format!("\n{} callers were still waiting at the end\n", replayed.unsettled));
    }
    for day in &replayed.days {
        let with_record = day.rows.iter().any(|row| row.recorded.is_some());
        let heads = ["mean", "median", "p90", "in 20 s", "in 60 s", "gave up"].map(str::to_owned);
        let mut head = vec![day.day.clone(), "calls".to_owned()];
        if with_record {
            head.push("recorded".to_owned());
            head.extend(heads.clone());
        }
        head.push("replayed".to_owned());
        head.extend(heads);
        let mut rows = vec![head];
        for row in &day.rows {
            let mut cells = vec![row.of.clone(), row.calls.to_string()];
            if with_record {
                cells.push(String::new());
                cells.extend(row.recorded.as_ref().map_or_else(|| vec![String::new(); 6], cells_of));
            }
            cells.push(String::new());
            cells.extend(cells_of(&row.replayed));
            rows.push(cells);
        }
        text.push('\n');
        text.push_str(&table(&rows));
    }
    text
}

fn cells_of(outcome: &Outcome) -> Vec<String> {
    let waits = [outcome.mean_wait_secs, outcome.median_wait_secs, outcome.p90_wait_secs];
    let shares = [outcome.answered_within_20s, outcome.answered_within_60s, outcome.abandoned];
    let waits = waits.map(|wait| format!("{wait:.0} s"));
    waits.into_iter().chain(shares.map(|share| format!("{:.1} %", share * 100.0))).collect()
}
