//! What the demonstration shows while it runs: a line per decision, as many of them as a reader can follow.
//!
//! Lines have a budget in real time. When it runs low, routine decisions are only counted; what was counted is said in one
//! faint line a minute of the morning later. With `--all`, and as JSON, every decision is shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::words::{self, Tone, Words};
use crate::clock::{Span, Time};
use crate::proto::handoff::v1::Decision;

/// How decisions are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Readable lines, at a reader's pace.
    Lines,
    /// Readable lines, all of them.
    AllLines,
    /// One JSON object per decision, and one at the end.
    Json,
}

/// Where the demonstration writes.
pub struct Output {
    pub to: Box<dyn Write + Send>,
    pub format: Format,
    pub colour: bool,
}

/// Lines that may follow each other at once, and lines per real second after that.
const BURST: f64 = 24.0;
const PER_SECOND: f64 = 9.0;
/// What was not shown is said after this time of the morning.
const SAID_AFTER: Span = Span::from_secs(60);
/// What routine lines leave of the budget to those that tell more.
const RESERVE: f64 = 12.0;

/// The lines' budget: a bucket that fills with real time.
#[derive(Debug)]
struct Budget {
    left: f64,
    filled: Duration,
}

impl Budget {
    fn new(now: Duration) -> Budget {
        Budget { left: BURST, filled: now }
    }

    fn admits(&mut self, tone: Tone, now: Duration) -> bool {
        self.left = (self.left + now.saturating_sub(self.filled).as_secs_f64() * PER_SECOND).min(BURST);
        self.filled = now;
        let floor = if tone == Tone::Routine || tone == Tone::Good { RESERVE } else { 0.0 };
        let admitted = self.left >= floor + 1.0;
        if admitted {
            self.left -= 1.0;
        }
        admitted
    }
}

pub(super) struct Printer {
    output: Output,
    /// The start of the morning.
    start: Time,
    budget: Budget,
    /// Kinds that were counted and not shown.
    unseen: BTreeMap<&'static str, u32>,
    /// When the first of them was made.
    unseen_since: Span,
}

impl Printer {
    pub(super) fn new(output: Output, start: Time, now: Duration) -> Printer {
        Printer { output, start, budget: Budget::new(now), unseen: BTreeMap::new(), unseen_since: Span::ZERO }
    }

    /// The morning begins: times are counted from here.
    pub(super) fn start_at(&mut self, start: Time) {
        self.start = start;
    }

    pub(super) fn is_json(&self) -> bool {
        self.output.format == Format::Json
    }

    /// Shows a decision that a connector got; `now` is real time.
    pub(super) fn decision(&mut self, connector: &str, decision: &Decision, now: Duration) -> io::Result<()> {
        let said = words::words(decision);
        let at = decision.create_time.as_ref().map_or(Span::ZERO, |made| words::time(made) - self.start);
        match self.output.format {
            Format::Json => {
                let object = as_json(connector, decision, &said, at);
                writeln!(self.output.to, "{object}")
            }
            Format::AllLines => self.show(decision, &said, at),
            Format::Lines => {
                self.say_unseen(at)?;
                if self.budget.admits(said.tone, now) {
                    self.show(decision, &said, at)
                } else {
                    if self.unseen.is_empty() {
                        self.unseen_since = at;
                    }
                    *self.unseen.entry(said.kind).or_default() += 1;
                    Ok(())
                }
            }
        }
    }

    fn show(&mut self, decision: &Decision, said: &Words, at: Span) -> io::Result<()> {
        let channel = words::channel(decision.channel());
        let ticket = words::short(&decision.ticket);
        let (time, text) = (self.painted(FAINT, &words::of_morning(at)), self.painted(style(said.tone), &said.text));
        writeln!(self.output.to, "{time}  {channel:<6}  {ticket:<11}  {text}")
    }

    /// What was not shown, once it is a minute's worth.
    fn say_unseen(&mut self, at: Span) -> io::Result<()> {
        if self.unseen.is_empty() || at - self.unseen_since < SAID_AFTER {
            return Ok(());
        }
        let text = counted(&self.unseen);
        self.unseen.clear();
        let line = format!("{}  {:<6}  {text}", words::of_morning(at), "...");
        let line = self.painted(FAINT, &line);
        writeln!(self.output.to, "{line}")
    }

    /// Something that is not a decision: what starts, what ends.
    pub(super) fn note(&mut self, text: &str) -> io::Result<()> {
        if self.is_json() {
            let object = json!({"type": "note", "text": text});
            writeln!(self.output.to, "{object}")?;
        } else {
            let line = self.painted(BOLD, text);
            writeln!(self.output.to, "{line}")?;
        }
        self.output.to.flush()
    }

    /// Something that happens beside the decisions, at a time of the morning.
    pub(super) fn aside(&mut self, at: Time, text: &str) -> io::Result<()> {
        if self.is_json() {
            return self.note(text);
        }
        let line = self.painted(ASIDE, &format!("{}  --      {text}", words::of_morning(at - self.start)));
        writeln!(self.output.to, "{line}")
    }

    /// Text as it is, and everything before it.
    pub(super) fn block(&mut self, text: &str) -> io::Result<()> {
        self.output.to.write_all(text.as_bytes())?;
        self.output.to.flush()
    }

    pub(super) fn painted(&self, style: Style, text: &str) -> String {
        if self.output.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

const FAINT: Style = Style::new().dimmed();
pub(super) const BOLD: Style = Style::new().bold();
const ASIDE: Style = AnsiColor::Cyan.on_default();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();

fn style(tone: Tone) -> Style {
    match tone {
        Tone::Routine => Style::new(),
        Tone::Good => GOOD,
        Tone::Move => AnsiColor::Magenta.on_default(),
        Tone::Back => AnsiColor::Yellow.on_default(),
        Tone::Bad => AnsiColor::Red.on_default(),
    }
}

/// `and 12 more: 5 offered, 4 queued, 3 assigned`, the most frequent first.
fn counted(unseen: &BTreeMap<&'static str, u32>) -> String {
    let mut kinds: Vec<_> = unseen.iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let mut text = format!("and {} more: ", unseen.values().sum::<u32>());
    for (place, (kind, count)) in kinds.into_iter().enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        // Writing to a string cannot fail.
        write!(text, "{comma}{count} {}", kind.replace('_', " ")).unwrap_or_default();
    }
    text
}

fn as_json(connector: &str, decision: &Decision, said: &Words, at: Span) -> Value {
    json!({
        "type": "decision",
        "morning": words::of_morning(at),
        "connector": words::short(connector),
        "channel": words::channel(decision.channel()),
        "ticket": words::short(&decision.ticket),
        "seq": decision.seq,
        "ticket_seq": decision.ticket_seq,
        "decision_id": decision.decision_id,
        "kind": said.kind,
        "text": said.text,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::ledger::tests::decision;
    use super::*;
    use crate::proto::handoff::v1::decision::Payload;
    use crate::proto::handoff::v1::{CancelReason, CancelledDecision, Channel};

    /// Lets a test read what was written.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no writer panics").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printed(format: Format, colour: bool, print: impl Fn(&mut Printer)) -> String {
        let paper = Paper::default();
        let output = Output { to: Box::new(paper.clone()), format, colour };
        print(&mut Printer::new(output, Time(0), Duration::ZERO));
        let bytes = paper.0.lock().expect("no writer panics").clone();
        String::from_utf8(bytes).expect("text")
    }

    fn phone_decision(seq: u64, at_secs: i64) -> Decision {
        let create_time = Some(words::stamp(Time(at_secs * 1_000_000)));
        Decision { create_time, channel: i32::from(Channel::Phone), ..decision(seq, seq - 1, "phone-017", 1) }
    }

    fn left(seq: u64, at_secs: i64) -> Decision {
        let reason = i32::from(CancelReason::CustomerLeft);
        Decision { payload: Some(Payload::Cancelled(CancelledDecision { reason })), ..phone_decision(seq, at_secs) }
    }

    #[test]
    fn a_line_gives_time_channel_ticket_and_what_happened() {
        let text = printed(Format::AllLines, false, |printer| {
            printer.decision("c", &left(1, 754), Duration::ZERO).expect("written");
        });
        assert_eq!(text, "09:12:34  phone   phone-017    cancelled: customer left\n");
    }

    #[test]
    fn colour_is_written_only_when_asked_for() {
        let print = |printer: &mut Printer| printer.decision("c", &left(1, 0), Duration::ZERO).expect("written");
        assert!(printed(Format::Lines, true, print).contains('\u{1b}'));
        assert!(!printed(Format::Lines, false, print).contains('\u{1b}'));
    }

    #[test]
    fn in_a_rush_routine_lines_are_counted_and_the_telling_ones_shown() {
        let text = printed(Format::Lines, false, |printer| {
            for seq in 1..=100 {
                printer.decision("c", &phone_decision(seq, 1), Duration::ZERO).expect("written");
            }
            printer.decision("c", &left(101, 2), Duration::ZERO).expect("written");
            printer.decision("c", &left(102, 61), Duration::ZERO).expect("written");
        });
        assert_eq!(text.matches("in line").count(), 12);
        assert_eq!(text.matches("customer left").count(), 2);
        assert!(text.contains("09:01:01  ...     and 88 more: 88 queued\n"), "{text}");
    }

    #[test]
    fn json_has_every_decision_as_an_object_of_its_own() {
        let text = printed(Format::Json, false, |printer| {
            for seq in 1..=100 {
                printer
                    .decision("desks/demo/connectors/phone", &phone_decision(seq, 1), Duration::ZERO)
                    .expect("written");
            }
        });
        assert_eq!(text.lines().count(), 100);
        let first: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
        assert_eq!((first["connector"].as_str(), first["seq"].as_u64()), (Some("phone"), Some(1)));
    }
}
