//! A connector's own record of the decisions it was sent: what the demonstration is judged by at its end.
//!
//! Each decision is kept once, by its number. A break in one of the three orders is written down when it is seen:
//! `prev_seq` names the decision before it in this connector's selection, a ticket's own numbers are dense, and what comes
//! again is what came before.

use std::collections::BTreeMap;

use super::words;
use crate::proto::handoff::v1::{Decision, DecisionSide};

#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    decisions: BTreeMap<u64, Decision>,
    /// The highest `ticket_seq` of each ticket on the origin's side.
    tickets: BTreeMap<String, u32>,
    redelivered: u64,
    breaks: Vec<String>,
}

/// Whether a decision was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    New,
    /// Seen before: it is not carried out twice.
    Again,
}

impl Ledger {
    pub(super) fn take(&mut self, decision: &Decision) -> Taken {
        self.check_chain(decision);
        if let Some(before) = self.decisions.get(&decision.seq) {
            self.redelivered += 1;
            if before.decision_id != decision.decision_id || words::kind(before) != words::kind(decision) {
                self.breaks.push(format!("decision {} came again as another one", decision.seq));
            }
            return Taken::Again;
        }
        if let Some((last, _)) = self.decisions.last_key_value()
            && *last > decision.seq
        {
            self.breaks.push(format!("decision {} came after {last}", decision.seq));
        }
        self.check_ticket(decision);
        self.decisions.insert(decision.seq, decision.clone());
        Taken::New
    }

    /// Nothing was missed if `prev_seq` is the last decision before it that was seen; after a resume as well.
    fn check_chain(&mut self, decision: &Decision) {
        let before = self.decisions.range(..decision.seq).next_back().map_or(0, |(seq, _)| *seq);
        let told = decision.prev_seq.unwrap_or_default();
        if told != before {
            self.breaks.push(format!("decision {} follows {told}, but {before} was the last seen", decision.seq));
        }
    }

    /// On the agent's side only some of a ticket's decisions come; on the origin's all of them.
    fn check_ticket(&mut self, decision: &Decision) {
        if decision.side() == DecisionSide::AgentSide {
            return;
        }
        let last = self.tickets.entry(decision.ticket.clone()).or_default();
        if decision.ticket_seq != *last + 1 {
            let ticket = words::short(&decision.ticket);
            self.breaks.push(format!("decision {} of {ticket} follows its number {last}", decision.ticket_seq));
        }
        *last = decision.ticket_seq;
    }

    pub(super) fn last_seq(&self) -> Option<u64> {
        self.decisions.last_key_value().map(|(seq, _)| *seq)
    }

    pub(super) fn get(&self, seq: u64) -> Option<&Decision> {
        self.decisions.get(&seq)
    }

    /// In the order of the log.
    pub(super) fn decisions(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.values()
    }

    pub(super) fn redelivered(&self) -> u64 {
        self.redelivered
    }

    /// Deliveries so far, each repetition counted.
    pub(super) fn deliveries(&self) -> u64 {
        self.redelivered + self.decisions.len() as u64
    }

    pub(super) fn breaks(&self) -> &[String] {
        &self.breaks
    }

    /// Tears one decision out, as a test that must be found.
    #[cfg(test)]
    pub(super) fn forget(&mut self, seq: u64) {
        self.decisions.remove(&seq);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::proto::handoff::v1::decision::Payload;
    use crate::proto::handoff::v1::{ClosedDecision, QueuedDecision};

    /// The decision `seq` after `prev`, the ticket's `ticket_seq`-th.
    pub(in super::super) fn decision(seq: u64, prev: u64, ticket: &str, ticket_seq: u32) -> Decision {
        let first = Payload::Queued(QueuedDecision::default());
        let later = Payload::Closed(ClosedDecision {});
        Decision {
            seq,
            prev_seq: Some(prev),
            decision_id: format!("d.{seq}"),
            ticket: format!("desks/demo/tickets/{ticket}"),
            ticket_seq,
            side: i32::from(DecisionSide::Origin),
            payload: Some(if ticket_seq == 1 { first } else { later }),
            ..Decision::default()
        }
    }

    pub(in super::super) fn kept(all: &[Decision]) -> Ledger {
        let mut ledger = Ledger::default();
        for decision in all {
            ledger.take(decision);
        }
        ledger
    }

    #[test]
    fn an_unbroken_stream_resumed_below_its_end_leaves_no_break() {
        let all = [decision(3, 0, "a", 1), decision(5, 3, "b", 1), decision(9, 5, "a", 2)];
        let mut ledger = kept(&all);
        assert_eq!(ledger.take(&all[1]), Taken::Again);
        assert_eq!(ledger.take(&all[2]), Taken::Again);
        assert_eq!(ledger.take(&decision(12, 9, "b", 2)), Taken::New);
        assert_eq!(ledger.breaks(), &[] as &[String]);
        assert_eq!(ledger.redelivered(), 2);
    }

    #[test]
    fn a_decision_left_out_breaks_the_chain() {
        let ledger = kept(&[decision(3, 0, "a", 1), decision(9, 5, "b", 1)]);
        assert_eq!(ledger.breaks(), ["decision 9 follows 5, but 3 was the last seen"]);
    }

    #[test]
    fn a_hole_in_a_tickets_own_numbers_is_seen() {
        let ledger = kept(&[decision(3, 0, "a", 1), decision(4, 3, "a", 3)]);
        assert_eq!(ledger.breaks(), ["decision 3 of a follows its number 1"]);
    }

    #[test]
    fn an_older_decision_that_was_never_seen_is_a_break() {
        let mut ledger = kept(&[decision(3, 0, "a", 1), decision(7, 3, "b", 1)]);
        ledger.take(&decision(5, 3, "c", 1));
        assert_eq!(ledger.breaks(), ["decision 5 came after 7"]);
    }

    #[test]
    fn on_the_agents_side_a_ticket_may_begin_in_the_middle() {
        let mut seen = decision(4, 0, "a", 7);
        seen.side = i32::from(DecisionSide::AgentSide);
        assert_eq!(kept(&[seen]).breaks(), &[] as &[String]);
    }
}
