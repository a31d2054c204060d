//! The preset `bank`: the call-by-call record of the "Anonymous Bank" telephone centre (Guedj and Mandelbaum, Technion).
//!
//! The record says what happened, not what would have happened: how long those who were answered would have waited, and
//! when an agent had a break, is assumed. Every assumption is told with the result.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::DateTime;
use rand::RngExt;

use super::calls::{Agent, Call, Calls, Fault, Recorded, Row, Skills, Table, day, instant};
use crate::domain::id::AgentId;
use crate::domain::time::{Span, Time};
use crate::entropy;

/// What a priority customer is credited at entry.
const CREDIT: Span = Span::from_secs(90);

const COLUMNS: [&str; 17] = [
    "vru+line",
    "call_id",
    "customer_id",
    "priority",
    "type",
    "date",
    "vru_entry",
    "vru_exit",
    "vru_time",
    "q_start",
    "q_exit",
    "q_time",
    "outcome",
    "ser_start",
    "ser_exit",
    "ser_time",
    "server",
];

/// A call as it was recorded; who hung up before the queue, and what was no call, is left out.
struct Line {
    at: Time,
    kind: Arc<str>,
    priority: bool,
    wait: Span,
    /// Who answered, from when, and for how long.
    service: Option<(AgentId, Time, Span)>,
}

/// Reads the record. `seed`: for the patience of those who were answered.
///
/// # Errors
/// The first thing that cannot be used.
pub fn read(source: &[u8], seed: u64) -> Result<Calls, Fault> {
    let mut table = Table::open(source, &COLUMNS, &[])?;
    let mut lines = Vec::new();
    let (mut unqueued, mut phantoms, mut nobody) = (0_u32, 0_u32, 0_u32);
    while let Some(row) = table.next()? {
        match row.text("outcome") {
            "PHANTOM" => phantoms += 1,
            "AGENT" if row.text("server") == "NO_SERVER" => nobody += 1,
            "HANG" if row.text("q_start") == "0:00:00" => unqueued += 1,
            "AGENT" | "HANG" => lines.push(line(&row)?),
            _ => return Err(row.fault("outcome", "is none of AGENT, HANG, PHANTOM")),
        }
    }
    lines.sort_by_key(|line| line.at);
    let agents = agents(&lines);
    let idle = idle_while_waiting(&lines, &agents);
    let calls = with_patience(&lines, seed);
    let mean = handling_of_the_answered(&lines);
    let assumptions = vec![
        format!("left out: {unqueued} callers who hung up before the queue, {phantoms} phantoms, {nobody} calls answered by no known agent"),
        "a call enters the queue when its q_start says so, or when its service begins if it never queued".to_owned(),
        "agents are on duty from their first to their last service of a day, and free whenever they are not in one: breaks and other work are not recorded".to_owned(),
        "an agent takes the types of call (IN: internet support, and the others) that he or she took at least once in the file".to_owned(),
        "one queue ordered by time in queue; priority customers are credited 90 s at entry".to_owned(),
        "service times as recorded, whoever answers; of callers who gave up then and are answered now, the mean of their type".to_owned(),
        "patience of callers who gave up: their recorded time in the queue".to_owned(),
        format!("patience of callers who were answered is unknown: drawn from the Kaplan-Meier curve of their type, given that it exceeds their recorded wait (seed {seed}); beyond the curve's end, its end"),
        format!("recorded: while somebody waited, {:.1} % of the agents' time on duty passed without a service", idle * 100.0),
    ];
    let calls = calls.into_iter().zip(&lines);
    let calls = calls.map(|(patience, line)| call(line, patience, &mean)).collect();
    Ok(Calls { calls, agents, assumptions })
}

fn line(row: &Row<'_>) -> Result<Line, Fault> {
    let queued = row.text("q_start") != "0:00:00";
    let answered = row.text("outcome") == "AGENT";
    let wait = if queued { seconds(row, "q_time")? } else { Span::ZERO };
    let service = if answered {
        let name = row.text("server").to_ascii_lowercase();
        let name = AgentId::parse(&name).map_err(|error| row.fault("server", &error.to_string()))?;
        Some((name, time(row, "ser_start")?, seconds(row, "ser_time")?))
    } else {
        None
    };
    let at = if queued { time(row, "q_start")? } else { time(row, "ser_start")? };
    let priority = row.text("priority") == "2";
    Ok(Line { at, kind: Arc::from(row.text("type")), priority, wait, service })
}

fn time(row: &Row<'_>, column: &str) -> Result<Time, Fault> {
    let clock = row.text(column);
    let parsed: Option<DateTime> = format!("{}T{clock:0>8}", row.text("date")).parse().ok();
    parsed.map(instant).ok_or_else(|| row.fault(column, "is not a time of day"))
}

fn seconds(row: &Row<'_>, column: &str) -> Result<Span, Fault> {
    let number = row.text(column).parse::<u32>().ok();
    number.map(|secs| Span::from_secs(secs.into())).ok_or_else(|| row.fault(column, "is not a number of seconds"))
}

/// What an agent was seen to take, and by day the first and the last moment of it.
#[derive(Default)]
struct Seen {
    skills: Skills,
    days: BTreeMap<String, (Time, Time)>,
}

fn agents(lines: &[Line]) -> Vec<Agent> {
    let mut agents: BTreeMap<AgentId, Seen> = BTreeMap::new();
    for line in lines {
        let Some((name, from, took)) = &line.service else { continue };
        let Seen { skills, days } = agents.entry(name.clone()).or_default();
        skills.insert(skill(&line.kind), 1);
        let until = *from + *took;
        let shift = days.entry(day(*from)).or_insert((*from, until));
        *shift = (shift.0.min(*from), shift.1.max(until));
    }
    let agent = |(name, Seen { skills, days }): (AgentId, Seen)| {
        let mut shifts: Vec<(Time, Time)> = Vec::new();
        for (from, until) in days.into_values() {
            match shifts.last_mut() {
                // A service that lasted over midnight reaches into the next day's.
                Some(last) if last.1 >= from => last.1 = last.1.max(until),
                _ => shifts.push((from, until.max(from + Span::from_secs(1)))),
            }
        }
        Agent { name, skills, shifts }
    };
    agents.into_iter().map(agent).collect()
}

fn skill(kind: &str) -> Arc<str> {
    Arc::from(kind.to_ascii_lowercase())
}

fn call(line: &Line, patience: Span, mean: &BTreeMap<Arc<str>, Span>) -> Call {
    let handling = line.service.as_ref().map(|(_, _, took)| *took);
    Call {
        at: line.at,
        class: line.kind.clone(),
        standing: Arc::from(if line.priority { "priority" } else { "regular" }),
        skills: [(skill(&line.kind), 1)].into(),
        priority: 0,
        credit: if line.priority { CREDIT } else { Span::ZERO },
        handling: handling.or(mean.get(&line.kind).copied()).unwrap_or_default(),
        patience: Some(patience),
        recorded: Some(Recorded { wait: line.wait, answered: line.service.is_some() }),
    }
}

fn handling_of_the_answered(lines: &[Line]) -> BTreeMap<Arc<str>, Span> {
    let mut sums: BTreeMap<Arc<str>, (i64, i64)> = BTreeMap::new();
    for line in lines {
        let Some((_, _, took)) = &line.service else { continue };
        let (sum, count) = sums.entry(line.kind.clone()).or_default();
        *sum += took.micros();
        *count += 1;
    }
    sums.into_iter().map(|(kind, (sum, count))| (kind, Span(sum / count))).collect()
}

/// One curve of a type: the shares of callers who are still patient after each time at which somebody gave up.
#[derive(Default)]
struct Curve {
    /// Rising times, with the share of those who would wait longer.
    steps: Vec<(Span, f64)>,
    end: Span,
}

impl Curve {
    /// Kaplan and Meier, Nonparametric estimation from incomplete observations, JASA 53 (1958).
    fn of(waits: &mut [(Span, bool)]) -> Curve {
        // Who was answered at the very time at which others gave up was at risk then.
        waits.sort_unstable_by_key(|(wait, gave_up)| (*wait, !gave_up));
        let mut curve = Curve { steps: Vec::new(), end: waits.last().map_or(Span::ZERO, |(wait, _)| *wait) };
        let mut left = 1.0;
        for (at, (wait, gave_up)) in waits.iter().enumerate() {
            if *gave_up {
                left *= 1.0 - ((waits.len() - at) as f64).recip();
                match curve.steps.last_mut() {
                    Some((same, share)) if same == wait => *share = left,
                    _ => curve.steps.push((*wait, left)),
                }
            }
        }
        curve
    }

    /// The share of callers who would wait longer than this.
    fn beyond(&self, wait: Span) -> f64 {
        let after = self.steps.partition_point(|(at, _)| *at <= wait);
        after.checked_sub(1).map_or(1.0, |before| self.steps[before].1)
    }

    /// A patience that exceeds `wait`; `part` is drawn from 0 to 1.
    fn longer_than(&self, wait: Span, part: f64) -> Span {
        let share = self.beyond(wait) * part;
        let first = self.steps.iter().find(|(at, left)| *at > wait && *left <= share);
        first.map_or(self.end, |(at, _)| *at).max(wait + Span::from_secs(1))
    }
}

fn with_patience(lines: &[Line], seed: u64) -> Vec<Span> {
    let mut waits: BTreeMap<Arc<str>, Vec<(Span, bool)>> = BTreeMap::new();
    for line in lines {
        waits.entry(line.kind.clone()).or_default().push((line.wait, line.service.is_none()));
    }
    let curves: BTreeMap<Arc<str>, Curve> =
        waits.into_iter().map(|(kind, mut waits)| (kind, Curve::of(&mut waits))).collect();
    let mut rng = entropy::stream(seed, 0);
    let patience = lines.iter().map(|line| match (&line.service, curves.get(&line.kind)) {
        (Some(_), Some(curve)) => curve.longer_than(line.wait, rng.random()),
        (None, _) | (Some(_), None) => line.wait,
    });
    patience.collect()
}

/// Of the time that agents were on duty while somebody who queued waited, the share without a recorded service.
fn idle_while_waiting(lines: &[Line], agents: &[Agent]) -> f64 {
    // Changes in the numbers of waiting callers, of agents on duty and of agents in a service.
    let mut changes: BTreeMap<Time, [i64; 3]> = BTreeMap::new();
    let mut span = |at: usize, from: Time, until: Time| {
        changes.entry(from).or_default()[at] += 1;
        changes.entry(until).or_default()[at] -= 1;
    };
    for line in lines {
        span(0, line.at, line.at + line.wait);
    }
    for agent in agents {
        agent.shifts.iter().for_each(|(from, until)| span(1, *from, *until));
        for (from, until) in merged(lines, &agent.name) {
            span(2, from, until);
        }
    }
    let (mut now, mut before): ([i64; 3], Option<Time>) = ([0; 3], None);
    let (mut on_duty, mut idle) = (0_i64, 0_i64);
    for (at, change) in changes {
        if let Some(before) = before.filter(|_| now[0] > 0) {
            let passed = (at - before).micros() / 1_000_000;
            on_duty += passed * now[1];
            idle += passed * (now[1] - now[2]).max(0);
        }
        (0..3).for_each(|which| now[which] += change[which]);
        before = Some(at);
    }
    if on_duty == 0 { 0.0 } else { idle as f64 / on_duty as f64 }
}

/// An agent's services; a few overlap in the record.
fn merged(lines: &[Line], name: &AgentId) -> Vec<(Time, Time)> {
    let services = lines.iter().filter_map(|line| line.service.as_ref().filter(|(agent, _, _)| agent == name));
    let spans: BTreeSet<(Time, Time)> = services.map(|(_, from, took)| (*from, *from + *took)).collect();
    let mut merged: Vec<(Time, Time)> = Vec::new();
    for (from, until) in spans {
        match merged.last_mut() {
            Some(last) if last.1 >= from => last.1 = last.1.max(until),
            _ => merged.push((from, until)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_counts_those_who_were_answered_only_as_long_as_they_waited() {
        let secs = Span::from_secs;
        let mut waits = [(secs(10), true), (secs(20), false), (secs(30), true), (secs(40), false)];
        let curve = Curve::of(&mut waits);
        assert!((curve.beyond(secs(9)) - 1.0).abs() < 1e-12);
        assert!((curve.beyond(secs(10)) - 0.75).abs() < 1e-12);
        // Of the two who were still there at 30 s, one gave up.
        assert!((curve.beyond(secs(30)) - 0.375).abs() < 1e-12);
        assert_eq!(curve.longer_than(secs(20), 0.9), secs(30));
        assert_eq!(curve.longer_than(secs(20), 0.4), secs(40), "the half who are left at the end of the curve");
        assert_eq!(curve.longer_than(secs(0), 0.8), secs(10));
        assert_eq!(curve.longer_than(secs(0), 0.7), secs(30));
        assert_eq!(curve.longer_than(secs(40), 0.5), secs(41));
    }
}
