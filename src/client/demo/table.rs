//! The table at the end: what the connectors' own records say about the morning, and the verdict.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::check::Findings;
use super::ledger::Ledger;
use super::print::{BAD, BOLD, GOOD, Printer};
use super::traffic::LINES;
use super::words;
use crate::clock::{Span, Time};
use crate::proto::handoff::v1::decision::Payload;
use crate::proto::handoff::v1::{
    CancelReason, Channel, Decision, DecisionSide, EndedBy, EscalationAxis, OfferState, TransferState,
};

const ANSWERED_WITHIN: Span = Span::from_secs(20);

/// Findings that are written out.
const LISTED: usize = 20;

/// Figures of one channel. A ticket counts once in each, except where it says how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Figures {
    tickets: u32,
    answered: u32,
    answered_in_time: u32,
    resolved: u32,
    /// Cancelled before anybody had it.
    abandoned: u32,
    /// The customer ended a contact.
    hung_up: u32,
    /// Cancelled by somebody else, or later.
    withdrawn: u32,
    /// Completed transfers that no escalation asked for.
    transferred: u32,
    /// Escalations, by axis and reason.
    escalated: BTreeMap<(String, String), u32>,
    declined: u32,
    missed: u32,
    failed: u32,
    lost: u32,
}

/// A ticket while its decisions are read.
#[derive(Default)]
struct Course {
    queued: Option<Time>,
    answered: Option<Time>,
    resolved: bool,
    hung_up: bool,
    cancelled: Option<CancelReason>,
}

/// Everything the table says.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    channels: BTreeMap<i32, Figures>,
    redelivered: u64,
    decisions: usize,
}

/// What was judged, beside the tally.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    pub(super) findings: Findings,
    /// Names of tickets in limbo.
    pub(super) limbo: BTreeSet<String>,
    /// Open tickets that were looked at for it.
    pub(super) looked_at: usize,
}

impl Verdict {
    pub(super) fn is_good(&self) -> bool {
        self.findings.is_clean() && self.limbo.is_empty()
    }
}

impl Tally {
    pub(super) fn of<'a>(ledgers: impl Iterator<Item = &'a Ledger>) -> Tally {
        let mut tally = Tally::default();
        for ledger in ledgers {
            tally.redelivered += ledger.redelivered();
            let mut courses: BTreeMap<(i32, &str), Course> = BTreeMap::new();
            for decision in ledger.decisions() {
                tally.decisions += 1;
                if decision.side() != DecisionSide::AgentSide {
                    let course = courses.entry((decision.channel, decision.ticket.as_str())).or_default();
                    tally.channels.entry(decision.channel).or_default().add(decision, course);
                }
            }
            for ((channel, _), course) in courses {
                tally.channels.entry(channel).or_default().close(&course);
            }
        }
        tally
    }

    fn total(&self, figure: impl Fn(&Figures) -> u32) -> u32 {
        self.channels.values().map(figure).sum()
    }

    fn reasons(&self) -> BTreeSet<&(String, String)> {
        self.channels.values().flat_map(|figures| figures.escalated.keys()).collect()
    }

    pub(super) fn render(
        &self,
        verdict: Option<&Verdict>,
        overtaken: u32,
        unexpected: &[String],
        printer: &Printer,
    ) -> String {
        let mut lines = vec![String::new(), printer.painted(BOLD, &self.heading())];
        let mut row = |name: &str, figure: &dyn Fn(&Figures) -> String, total: String| {
            let cells =
                LINES.iter().map(|line| self.channels.get(&i32::from(line.channel)).map(figure).unwrap_or_default());
            let cells: String =
                cells.map(|cell| format!("{:>8}", if cell.is_empty() { "0".to_owned() } else { cell })).collect();
            lines.push(format!("{name:<46}{cells}{total:>8}"));
        };
        let mut count = |name: &str, figure: &dyn Fn(&Figures) -> u32| {
            row(name, &|figures| figure(figures).to_string(), self.total(figure).to_string());
        };
        count("tickets", &|figures| figures.tickets);
        count("answered", &|figures| figures.answered);
        count("answered within 20 s", &|figures| figures.answered_in_time);
        count("resolved", &|figures| figures.resolved);
        count("abandoned before anybody had it", &|figures| figures.abandoned);
        count("hung up in conversation", &|figures| figures.hung_up);
        count("withdrawn", &|figures| figures.withdrawn);
        for key in self.reasons() {
            let name = format!("escalated, {}: {}", key.0, key.1);
            count(&name, &|figures| figures.escalated.get(key).copied().unwrap_or_default());
        }
        count("transferred", &|figures| figures.transferred);
        count("offers declined", &|figures| figures.declined);
        count("offers missed", &|figures| figures.missed);
        count("connections failed", &|figures| figures.failed);
        count("handlers lost", &|figures| figures.lost);
        lines.push(format!("{:<46}{:>48}", "decisions received", self.decisions));
        lines.push(format!("{:<46}{:>48}", "redelivered", self.redelivered));
        lines.push(format!("{:<46}{overtaken:>48}", "calls that came too late, and were told so"));
        if !unexpected.is_empty() {
            lines.push(
                printer.painted(BAD, &format!("{:<46}{:>48}", "calls with an unexpected answer", unexpected.len())),
            );
            lines.extend(unexpected.iter().take(LISTED).map(|what| format!("  {what}")));
        }
        match verdict {
            Some(verdict) => lines.extend(judged(verdict, printer)),
            None => lines.push("\nBroken off: nothing was judged.".to_owned()),
        }
        lines.join("\n") + "\n"
    }

    fn heading(&self) -> String {
        let names: String = LINES.iter().map(|line| format!("{:>8}", line.word)).collect();
        format!("{:<46}{names}{:>8}", "the morning, by the connectors' own records", "all")
    }

    pub(super) fn as_json(&self, verdict: Option<&Verdict>, overtaken: u32, unexpected: &[String]) -> Value {
        let mut channels = Map::new();
        for (channel, figures) in &self.channels {
            let channel = Channel::try_from(*channel).unwrap_or_default();
            channels.insert(words::channel(channel), figures.as_json());
        }
        let verdict = verdict.map(|verdict| {
            json!({
                "missing_decisions": verdict.findings.missing.len(),
                "broken_order": verdict.findings.disorder.len(),
                "tickets_in_limbo": verdict.limbo.len(),
                "expected_decisions": verdict.findings.expected,
                "open_tickets_examined": verdict.looked_at,
                "findings": verdict.findings.missing.iter().chain(&verdict.findings.disorder).chain(&verdict.limbo)
                    .collect::<Vec<_>>(),
            })
        });
        json!({
            "type": "summary",
            "channels": channels,
            "decisions": self.decisions,
            "redelivered": self.redelivered,
            "overtaken_calls": overtaken,
            "unexpected_answers": unexpected,
            "verdict": verdict,
        })
    }
}

fn judged(verdict: &Verdict, printer: &Printer) -> Vec<String> {
    let Findings { expected, missing, disorder } = &verdict.findings;
    let line = |name: &str, count: usize, of: String| {
        let style = if count == 0 { GOOD } else { BAD };
        printer.painted(style, &format!("{:<46}{of:>40}{count:>8}", format!("{name}:")))
    };
    let mut lines = vec![
        String::new(),
        line("missing decisions", missing.len(), format!("of {expected} in the log")),
        line("breaks in their order", disorder.len(), String::new()),
        line("tickets in limbo", verdict.limbo.len(), format!("of {} seen open", verdict.looked_at)),
    ];
    let all: Vec<&String> = missing.iter().chain(disorder).chain(&verdict.limbo).collect();
    lines.extend(all.iter().take(LISTED).map(|what| format!("  {what}")));
    if all.len() > LISTED {
        lines.push(format!("  and {} more", all.len() - LISTED));
    }
    lines
}

impl Figures {
    fn add(&mut self, decision: &Decision, course: &mut Course) {
        let at = decision.create_time.as_ref().map(words::time);
        match &decision.payload {
            Some(Payload::Queued(_)) => course.queued = course.queued.or(at),
            Some(Payload::Assigned(_)) => course.answered = course.answered.or(at),
            Some(Payload::Resolved(_)) => course.resolved = true,
            Some(Payload::Cancelled(cancelled)) => course.cancelled = Some(cancelled.reason()),
            Some(Payload::LegEnded(ended)) => course.hung_up |= ended.ended_by() == EndedBy::Customer,
            Some(Payload::Escalated(escalated)) if escalated.axis() != EscalationAxis::Unspecified => {
                let key = (words::axis(escalated.axis()), words::reason(escalated.reason()));
                *self.escalated.entry(key).or_default() += 1;
            }
            Some(Payload::Transfer(transfer)) => {
                let plain = |one: &&crate::proto::handoff::v1::Transfer| one.axis() == EscalationAxis::Unspecified;
                let done = transfer.transfer.as_ref().filter(plain).map(|one| one.state() == TransferState::Completed);
                self.transferred += u32::from(done == Some(true));
            }
            Some(Payload::OfferRevoked(revoked)) => match revoked.offer.as_ref().map(|offer| offer.state()) {
                Some(OfferState::Declined) => self.declined += 1,
                Some(OfferState::Expired) => self.missed += 1,
                _ => {}
            },
            Some(Payload::ConnectFailed(_)) => self.failed += 1,
            Some(Payload::HandlerLost(_)) => self.lost += 1,
            _ => {}
        }
    }

    fn close(&mut self, course: &Course) {
        self.tickets += 1;
        self.answered += u32::from(course.answered.is_some());
        self.resolved += u32::from(course.resolved);
        let left = course.cancelled == Some(CancelReason::CustomerLeft);
        self.abandoned += u32::from(left && course.answered.is_none());
        self.hung_up += u32::from(course.hung_up);
        self.withdrawn += u32::from(course.cancelled.is_some() && !(left && course.answered.is_none()));
        if let (Some(queued), Some(answered)) = (course.queued, course.answered) {
            self.answered_in_time += u32::from(answered - queued <= ANSWERED_WITHIN);
        }
    }

    fn as_json(&self) -> Value {
        let escalated: Vec<_> = self
            .escalated
            .iter()
            .map(|((axis, reason), count)| json!({"axis": axis, "reason": reason, "count": count}))
            .collect();
        json!({
            "tickets": self.tickets,
            "answered": self.answered,
            "answered_within_20_s": self.answered_in_time,
            "resolved": self.resolved,
            "abandoned": self.abandoned,
            "hung_up_in_conversation": self.hung_up,
            "withdrawn": self.withdrawn,
            "transferred": self.transferred,
            "escalated": escalated,
            "offers_declined": self.declined,
            "offers_missed": self.missed,
            "connections_failed": self.failed,
            "handlers_lost": self.lost,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::ledger::tests::{decision, kept};
    use super::*;
    use crate::proto::handoff::v1::{
        AssignedDecision, CancelledDecision, EscalatedDecision, EscalationReason, QueuedDecision,
    };

    /// A phone call's decisions: each payload with its second.
    fn call(payloads: Vec<(i64, Payload)>) -> Ledger {
        let numbered = (1..).zip(payloads);
        let all: Vec<Decision> = numbered
            .map(|(number, (second, payload))| Decision {
                channel: i32::from(Channel::Phone),
                create_time: Some(words::stamp(Time(second * 1_000_000))),
                payload: Some(payload),
                ..decision(number, number - 1, "phone-001", u32::try_from(number).expect("small"))
            })
            .collect();
        kept(&all)
    }

    fn phone(ledger: &Ledger) -> Figures {
        Tally::of([ledger].into_iter()).channels.remove(&i32::from(Channel::Phone)).expect("phone tickets")
    }

    fn queued() -> Payload {
        Payload::Queued(QueuedDecision::default())
    }

    fn assigned() -> Payload {
        Payload::Assigned(AssignedDecision::default())
    }

    #[test]
    fn twenty_seconds_count_from_the_first_queue_to_the_first_agent() {
        assert_eq!(phone(&call(vec![(0, queued()), (20, assigned())])).answered_in_time, 1);
        let late = phone(&call(vec![(0, queued()), (15, queued()), (21, assigned()), (22, assigned())]));
        assert_eq!((late.answered, late.answered_in_time), (1, 0));
    }

    #[test]
    fn whoever_leaves_before_an_agent_has_them_has_abandoned() {
        let reason = i32::from(CancelReason::CustomerLeft);
        let left = || Payload::Cancelled(CancelledDecision { reason });
        let early = phone(&call(vec![(0, queued()), (5, left())]));
        assert_eq!((early.abandoned, early.withdrawn), (1, 0));
        let late = phone(&call(vec![(0, queued()), (5, assigned()), (60, left())]));
        assert_eq!((late.abandoned, late.withdrawn), (0, 1));
    }

    #[test]
    fn escalations_are_counted_by_axis_and_reason() {
        let escalated = |axis: EscalationAxis, reason: EscalationReason| {
            let (axis, reason) = (i32::from(axis), i32::from(reason));
            Payload::Escalated(EscalatedDecision { axis, reason, ..EscalatedDecision::default() })
        };
        let ledger = call(vec![
            (0, queued()),
            (1, escalated(EscalationAxis::Functional, EscalationReason::InsufficientKnowledge)),
            (2, escalated(EscalationAxis::Hierarchical, EscalationReason::CustomerDemand)),
            (3, escalated(EscalationAxis::Hierarchical, EscalationReason::CustomerDemand)),
        ]);
        let counts: Vec<_> = phone(&ledger).escalated.into_values().collect();
        assert_eq!(counts, [1, 2]);
    }
}
