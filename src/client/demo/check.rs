//! The verdict: the connectors' own records against the server's log, ticket by ticket, and tickets that nothing moves.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::Ledger;
use super::words;
use crate::proto::handoff::v1::{LegState, Ticket, TicketEvent, TicketState};

/// A ticket's history as ListTicketEvents gives it.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) ticket: String,
    /// The connector that created the ticket.
    pub(super) connector: String,
    pub(super) events: Vec<TicketEvent>,
}

/// What the comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Deliveries that had to be there.
    pub(super) expected: usize,
    /// In the log and addressed to a connector, but not in its record, or there as something else.
    pub(super) missing: Vec<String>,
    /// In a record and not in the log, or in one of the orders broken.
    pub(super) disorder: Vec<String>,
}

impl Findings {
    /// Compares every decision of the log with the records of the connectors it was addressed to, by connector name.
    pub(super) fn of(ledgers: &BTreeMap<String, Ledger>, histories: &[History]) -> Findings {
        let mut findings = Findings::default();
        let mut logged: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for history in histories {
            findings.check_numbers(history);
            for event in history.events.iter().filter(|event| !event.decision_id.is_empty()) {
                let side = Some(event.agent_side_connector.as_str()).filter(|side| !side.is_empty());
                let addressed: BTreeSet<&str> = [history.connector.as_str()].into_iter().chain(side).collect();
                for connector in addressed {
                    findings.expected += 1;
                    logged.entry(connector).or_default().insert(event.seq);
                    if !ledgers.get(connector).is_some_and(|ledger| holds(ledger, history, event)) {
                        findings.missing.push(missing(connector, history, event));
                    }
                }
            }
        }
        for (name, ledger) in ledgers {
            let connector = words::short(name);
            let known = logged.get(name.as_str());
            let invented = ledger.decisions().filter(|one| !known.is_some_and(|known| known.contains(&one.seq)));
            findings.disorder.extend(
                invented.map(|one| format!("{connector} has decision {}, which the log does not send it", one.seq)),
            );
            findings.disorder.extend(ledger.breaks().iter().map(|what| format!("{connector}: {what}")));
        }
        findings
    }

    /// A ticket's decisions are numbered from 1 without a hole: a log that lost one is found here, not believed.
    fn check_numbers(&mut self, history: &History) {
        let numbers = history.events.iter().filter_map(|event| event.ticket_seq);
        for (expected, found) in (1..).zip(numbers) {
            if expected != found {
                let ticket = words::short(&history.ticket);
                self.disorder.push(format!("the log of {ticket} has decision {found} where {expected} belongs"));
                return;
            }
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.missing.is_empty() && self.disorder.is_empty()
    }
}

fn holds(ledger: &Ledger, history: &History, event: &TicketEvent) -> bool {
    ledger.get(event.seq).is_some_and(|decision| {
        decision.decision_id == event.decision_id
            && decision.ticket == history.ticket
            && Some(decision.ticket_seq) == event.ticket_seq
            && words::kind(decision) == event.kind
    })
}

fn missing(connector: &str, history: &History, event: &TicketEvent) -> String {
    let (connector, ticket) = (words::short(connector), words::short(&history.ticket));
    format!("{connector} lacks decision {} ({} of {ticket})", event.seq, event.kind)
}

pub(super) fn is_over(state: TicketState) -> bool {
    match state {
        TicketState::Resolved | TicketState::Closed | TicketState::Cancelled => true,
        TicketState::Unspecified
        | TicketState::Open
        | TicketState::Queued
        | TicketState::Assigned
        | TicketState::OnHold => false,
    }
}

/// An open ticket with no open leg, no timer and no handler: nothing will ever move it. Judged from view FULL.
pub(super) fn in_limbo(ticket: &Ticket) -> bool {
    let leg = ticket.legs.iter().any(|leg| match leg.state() {
        LegState::Waiting | LegState::Offered | LegState::Connecting | LegState::Active | LegState::Wrapping => true,
        LegState::Unspecified | LegState::Done | LegState::Cancelled => false,
    });
    let parked = ticket.state() == TicketState::Open && ticket.schedule_time.is_some();
    let held =
        ticket.state() == TicketState::OnHold && ticket.hold.as_ref().is_some_and(|hold| hold.resume_time.is_some());
    !is_over(ticket.state()) && !leg && !parked && !held && ticket.handler.is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::ledger::tests::{decision, kept};
    use super::*;
    use crate::proto::handoff::v1::{Decision, DecisionSide, Hold, Leg};

    const PHONE: &str = "desks/demo/connectors/phone";
    const MAILBOX: &str = "desks/demo/connectors/mailbox";

    fn event(of: &Decision) -> TicketEvent {
        TicketEvent {
            seq: of.seq,
            ticket_seq: Some(of.ticket_seq),
            decision_id: of.decision_id.clone(),
            kind: words::kind(of).to_owned(),
            ..TicketEvent::default()
        }
    }

    /// Two decisions of one ticket, with a private event between them, all of them received.
    fn story() -> (BTreeMap<String, Ledger>, Vec<History>) {
        let all = [decision(3, 0, "a", 1), decision(6, 3, "a", 2)];
        let private = TicketEvent { seq: 4, kind: "wrap_up_finished".to_owned(), ..TicketEvent::default() };
        let history = History {
            ticket: "desks/demo/tickets/a".to_owned(),
            connector: PHONE.to_owned(),
            events: vec![event(&all[0]), private, event(&all[1])],
        };
        (BTreeMap::from([(PHONE.to_owned(), kept(&all))]), vec![history])
    }

    fn ledger<'a>(ledgers: &'a mut BTreeMap<String, Ledger>, name: &str) -> &'a mut Ledger {
        ledgers.get_mut(name).expect("a connector of the story")
    }

    #[test]
    fn records_that_hold_every_decision_are_clean() {
        let (ledgers, histories) = story();
        let findings = Findings::of(&ledgers, &histories);
        assert!(findings.is_clean(), "{findings:?}");
        assert_eq!(findings.expected, 2);
    }

    #[test]
    fn a_decision_torn_out_of_a_record_is_missing() {
        let (mut ledgers, histories) = story();
        ledger(&mut ledgers, PHONE).forget(6);
        assert_eq!(Findings::of(&ledgers, &histories).missing, ["phone lacks decision 6 (closed of a)"]);
    }

    #[test]
    fn a_record_of_another_decision_under_the_same_number_does_not_count() {
        let (mut ledgers, mut histories) = story();
        histories[0].events[0].decision_id = "another".to_owned();
        assert_eq!(Findings::of(&ledgers, &histories).missing.len(), 1);
        (ledgers, histories) = story();
        histories[0].events[2].kind = "cancelled".to_owned();
        assert_eq!(Findings::of(&ledgers, &histories).missing.len(), 1);
    }

    #[test]
    fn a_broken_chain_is_disorder_even_when_nothing_is_missing() {
        let (mut ledgers, histories) = story();
        let again = decision(6, 5, "a", 2);
        ledger(&mut ledgers, PHONE).take(&again);
        let findings = Findings::of(&ledgers, &histories);
        assert!(findings.missing.is_empty());
        assert_eq!(findings.disorder, ["phone: decision 6 follows 5, but 3 was the last seen"]);
    }

    #[test]
    fn what_the_log_sends_nobody_is_disorder() {
        let (mut ledgers, histories) = story();
        ledger(&mut ledgers, PHONE).take(&decision(8, 6, "b", 1));
        let findings = Findings::of(&ledgers, &histories);
        assert_eq!(findings.disorder, ["phone has decision 8, which the log does not send it"]);
    }

    #[test]
    fn a_hole_in_the_log_itself_is_found_though_the_records_agree_with_it() {
        let (_, mut histories) = story();
        histories[0].events.remove(0);
        let only = [decision(6, 0, "a", 2)];
        let mut late = only[0].clone();
        late.side = i32::from(DecisionSide::AgentSide);
        let ledgers = BTreeMap::from([(PHONE.to_owned(), kept(&[late]))]);
        let findings = Findings::of(&ledgers, &histories);
        assert_eq!(findings.disorder, ["the log of a has decision 2 where 1 belongs"]);
    }

    #[test]
    fn the_agents_side_must_have_its_decisions_too() {
        let (mut ledgers, mut histories) = story();
        histories[0].events[2].agent_side_connector = MAILBOX.to_owned();
        assert_eq!(Findings::of(&ledgers, &histories).missing, ["mailbox lacks decision 6 (closed of a)"]);
        let mut side = decision(6, 0, "a", 2);
        side.side = i32::from(DecisionSide::AgentSide);
        ledgers.insert(MAILBOX.to_owned(), kept(&[side]));
        assert!(Findings::of(&ledgers, &histories).is_clean());
    }

    #[test]
    fn an_open_ticket_that_nothing_moves_is_in_limbo() {
        let ticket = |state: TicketState| Ticket { state: i32::from(state), ..Ticket::default() };
        let leg = |state: LegState| Leg { state: i32::from(state), ..Leg::default() };
        assert!(in_limbo(&ticket(TicketState::Queued)));
        assert!(in_limbo(&ticket(TicketState::OnHold)));
        assert!(in_limbo(&Ticket { legs: vec![leg(LegState::Done)], ..ticket(TicketState::Assigned) }));
        assert!(!in_limbo(&Ticket { legs: vec![leg(LegState::Waiting)], ..ticket(TicketState::Queued) }));
        assert!(!in_limbo(&Ticket { handler: "desks/demo/agents/ada".to_owned(), ..ticket(TicketState::Assigned) }));
        let hold = Some(Hold { resume_time: Some(prost_types::Timestamp::default()), ..Hold::default() });
        assert!(!in_limbo(&Ticket { hold, ..ticket(TicketState::OnHold) }));
        assert!(!in_limbo(&ticket(TicketState::Resolved)));
        assert!(!in_limbo(&ticket(TicketState::Cancelled)));
    }
}
