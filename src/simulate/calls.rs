//! Recorded calls: who came when, what it took, how long they would wait, and who was there. Read from CSV.
//!
//! Columns go by their names, in any order; what each holds is described in `docs/simulate.md`. A file is read whole before
//! anything is played: the first fault is told with its line and column.

use std::collections::BTreeMap;
use std::sync::Arc;

use csv::StringRecord;
use jiff::civil::DateTime;

use super::draw::{secs, span};
use crate::domain::id::AgentId;
use crate::domain::time::{Span, Time};

/// Rows that one file may have.
pub const MAX_ROWS: usize = 5_000_000;

const CALL_COLUMNS: [&str; 6] = ["arrival", "class", "skills", "priority", "handling_s", "patience_s"];
const AGENT_COLUMNS: [&str; 4] = ["agent", "from", "until", "skills"];

/// Skill and level.
pub type Skills = BTreeMap<Arc<str>, u8>;

#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub at: Time,
    pub class: Arc<str>,
    /// Names the line of the second table: priority customers, or the number.
    pub standing: Arc<str>,
    pub skills: Skills,
    pub priority: u8,
    /// Counted as waited before.
    pub credit: Span,
    pub handling: Span,
    /// `None`: waits for as long as it takes.
    pub patience: Option<Span>,
    /// What happened then.
    pub recorded: Option<Recorded>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub wait: Span,
    pub answered: bool,
}

/// An agent with the times on duty.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    pub name: AgentId,
    pub skills: Skills,
    pub shifts: Vec<(Time, Time)>,
}

/// What a play needs, with what was assumed where the record is silent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calls {
    /// In order of arrival.
    pub calls: Vec<Call>,
    pub agents: Vec<Agent>,
    pub assumptions: Vec<String>,
}

/// Something in a file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct Fault {
    pub line: u64,
    /// Of the field, from 1; 0: the line as a whole.
    pub column: u64,
    pub message: String,
}

/// Reads a file of calls.
///
/// # Errors
/// The first thing that cannot be used.
pub fn read_calls(source: &[u8]) -> Result<Vec<Call>, Fault> {
    let mut table = Table::open(source, &CALL_COLUMNS, &["wait_s", "outcome"])?;
    let mut calls = Vec::new();
    while let Some(row) = table.next()? {
        calls.push(call(&row)?);
    }
    // Those of the same second stay in the order of the file.
    calls.sort_by_key(|call| call.at);
    Ok(calls)
}

/// Reads a file of agents: a line is a shift.
///
/// # Errors
/// The first thing that cannot be used.
pub fn read_agents(source: &[u8]) -> Result<Vec<Agent>, Fault> {
    let mut table = Table::open(source, &AGENT_COLUMNS, &[])?;
    let mut agents: BTreeMap<AgentId, Agent> = BTreeMap::new();
    while let Some(row) = table.next()? {
        let name = AgentId::parse(row.text("agent")).map_err(|error| row.fault("agent", &error.to_string()))?;
        let skills = skills(&row)?;
        let (from, until) = (time(&row, "from")?, time(&row, "until")?);
        if until <= from {
            return Err(row.fault("until", "the shift ends before it begins"));
        }
        let agent = Agent { name: name.clone(), skills: skills.clone(), shifts: Vec::new() };
        let agent = agents.entry(name).or_insert(agent);
        if agent.skills != skills {
            return Err(row.fault("skills", "differ from those of an earlier shift of this agent"));
        }
        agent.shifts.push((from, until));
        agent.shifts.sort_unstable();
        if agent.shifts.windows(2).any(|pair| pair[1].0 <= pair[0].1) {
            return Err(row.fault("from", "the shift overlaps another one of this agent"));
        }
    }
    Ok(agents.into_values().collect())
}

fn call(row: &Row<'_>) -> Result<Call, Fault> {
    let priority: u8 = match row.text("priority") {
        "" => 0,
        text => text
            .parse()
            .ok()
            .filter(|number| *number <= 100)
            .ok_or_else(|| row.fault("priority", "is not a whole number from 0 to 100"))?,
    };
    let recorded = match (row.text("wait_s"), row.text("outcome")) {
        ("", "") => None,
        (_, outcome) => {
            let answered = match outcome {
                "answered" => true,
                "abandoned" => false,
                _ => return Err(row.fault("outcome", "is neither `answered` nor `abandoned`")),
            };
            Some(Recorded { wait: seconds(row, "wait_s")?, answered })
        }
    };
    Ok(Call {
        at: time(row, "arrival")?,
        class: Arc::from(row.text("class")),
        standing: Arc::from(format!("priority {priority}")),
        skills: skills(row)?,
        priority,
        credit: Span::ZERO,
        handling: seconds(row, "handling_s")?,
        patience: if row.text("patience_s").is_empty() { None } else { Some(seconds(row, "patience_s")?) },
        recorded,
    })
}

/// `billing:3;french`: names with the level, 1 where none is given.
fn skills(row: &Row<'_>) -> Result<Skills, Fault> {
    let text = row.text("skills");
    let mut skills = Skills::new();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, level) = part.split_once(':').unwrap_or((part, "1"));
        let level = level.parse().ok().filter(|level| (1..=10).contains(level));
        let level = level.ok_or_else(|| row.fault("skills", &format!("`{part}`: a level is 1 to 10")))?;
        skills.insert(Arc::from(name), level);
    }
    Ok(skills)
}

fn seconds(row: &Row<'_>, column: &str) -> Result<Span, Fault> {
    let number = row.text(column).parse::<f64>().ok().filter(|number| (0.0..=1e7).contains(number));
    number.map(span).ok_or_else(|| row.fault(column, "is not a number of seconds"))
}

fn time(row: &Row<'_>, column: &str) -> Result<Time, Fault> {
    let parsed: Option<DateTime> = row.text(column).parse().ok();
    parsed.map(instant).ok_or_else(|| row.fault(column, "is not a time such as `2025-03-17T09:00:00`"))
}

/// Times of a file are read as they stand, whatever their zone.
pub(super) fn instant(time: DateTime) -> Time {
    let since = time.duration_since(DateTime::new(1970, 1, 1, 0, 0, 0, 0).expect("a day"));
    Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// `2025-03-17` of a time that was read by [`instant`].
pub(super) fn day(time: Time) -> String {
    let epoch = DateTime::new(1970, 1, 1, 0, 0, 0, 0).expect("a day");
    let at = epoch.checked_add(jiff::SignedDuration::from_micros(time.micros()));
    at.map_or_else(|_| String::new(), |at| at.date().to_string())
}

/// To the millisecond, in the spelling that is read.
fn time_text(time: Time) -> String {
    let epoch = DateTime::new(1970, 1, 1, 0, 0, 0, 0).expect("a day");
    let at = epoch.checked_add(jiff::SignedDuration::from_millis(time.micros() / 1_000));
    at.map_or_else(|_| String::new(), |at| at.to_string())
}

/// A CSV file with a head.
pub(super) struct Table<'s> {
    reader: csv::Reader<&'s [u8]>,
    columns: BTreeMap<String, usize>,
    record: StringRecord,
    rows: usize,
}

/// One line of a table.
pub(super) struct Row<'t> {
    columns: &'t BTreeMap<String, usize>,
    record: &'t StringRecord,
}

impl<'s> Table<'s> {
    /// Checks the head: every column of `needed`, and none that is unknown.
    pub fn open(source: &'s [u8], needed: &[&str], optional: &[&str]) -> Result<Table<'s>, Fault> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(source);
        let head = reader.headers().map_err(|error| broken(&error))?.clone();
        let columns: BTreeMap<String, usize> =
            head.iter().enumerate().map(|(at, name)| (name.to_owned(), at)).collect();
        let fault = |column, message| Fault { line: 1, column, message };
        if let Some(missing) = needed.iter().find(|name| !columns.contains_key(**name)) {
            return Err(fault(0, format!("the column `{missing}` is missing; needed are {}", needed.join(", "))));
        }
        let unknown = head.iter().position(|name| !needed.contains(&name) && !optional.contains(&name));
        if let Some(at) = unknown {
            let name = head.get(at).unwrap_or_default();
            return Err(fault(at as u64 + 1, format!("the column `{name}` is not known")));
        }
        Ok(Table { reader, columns, record: StringRecord::new(), rows: 0 })
    }

    pub fn next(&mut self) -> Result<Option<Row<'_>>, Fault> {
        if !self.reader.read_record(&mut self.record).map_err(|error| broken(&error))? {
            return Ok(None);
        }
        self.rows += 1;
        let row = Row { columns: &self.columns, record: &self.record };
        if self.rows > MAX_ROWS {
            return Err(Fault { line: row.line(), column: 0, message: format!("more than {MAX_ROWS} rows") });
        }
        Ok(Some(row))
    }
}

impl Row<'_> {
    /// The field; empty where the file has no such column.
    pub fn text(&self, column: &str) -> &str {
        self.columns.get(column).and_then(|at| self.record.get(*at)).unwrap_or_default()
    }

    fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    pub fn fault(&self, column: &str, message: &str) -> Fault {
        let at = self.columns.get(column).map_or(0, |at| *at as u64 + 1);
        let text: String = self.text(column).chars().take(40).collect();
        Fault { line: self.line(), column: at, message: format!("{column}: `{}` {message}", text.escape_debug()) }
    }
}

fn broken(error: &csv::Error) -> Fault {
    let line = error.position().map_or(0, csv::Position::line);
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields where {expected_len} are due")
        }
        csv::ErrorKind::Utf8 { .. } => "is not UTF-8".to_owned(),
        _ => error.to_string(),
    };
    Fault { line, column: 0, message }
}

/// Calls as a file that [`read_calls`] reads.
pub fn write_calls(calls: &[Call]) -> String {
    let mut text = CALL_COLUMNS.join(",") + "\n";
    for call in calls {
        let skills: Vec<String> = call.skills.iter().map(|(name, level)| format!("{name}:{level}")).collect();
        let patience = call.patience.map_or_else(String::new, |span| format!("{:.1}", secs(span)));
        let (at, class, priority, handling) = (time_text(call.at), &call.class, call.priority, secs(call.handling));
        text.push_str(&format!("{at},{class},{},{priority},{handling:.1},{patience}\n", skills.join(";")));
    }
    text
}
