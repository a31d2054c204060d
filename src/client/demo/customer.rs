//! A customer: comes, waits, talks, and leaves when patience or the plot says so.
//!
//! A customer knows what the connector knows, and acts through it: a hang-up is a CancelTicket while nobody has the ticket, a
//! FailOffer while an agent is being connected, an EndLeg in conversation.

use std::sync::Arc;

use tokio::sync::watch;

use super::plot::{Leaves, Plot};
use super::stage::Stage;
use super::traffic::{Arrival, LINES, scaled};
use crate::clock::{Span, Time};
use crate::proto::handoff::v1::decision::Payload;
use crate::proto::handoff::v1::{
    CancelReason, CancelTicketRequest, Channel, CreateTicketRequest, Customer as Person, Decision, DecisionSide,
    EndLegRequest, EndedBy, FailOfferRequest, FailReason, QueuedReason, ReopenTicketRequest, Ticket,
};

/// Where a customer is, as far as the connector has told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Waiting,
    Ringing,
    Connecting {
        offer: String,
    },
    Talking {
        leg: String,
    },
    /// On hold, or between one agent and what comes next.
    Between,
    Resolved,
    Over,
}

impl Phase {
    /// Where the decision leaves the customer. `None`: where they are.
    pub(super) fn after(&self, decision: &Decision) -> Option<Phase> {
        if decision.side() == DecisionSide::AgentSide {
            return None;
        }
        match (decision.payload.as_ref()?, self) {
            // The handler keeps the customer until the target has them.
            (Payload::Queued(queued), Phase::Talking { .. })
                if matches!(queued.reason(), QueuedReason::Transferred | QueuedReason::Escalated) =>
            {
                None
            }
            (Payload::Queued(_) | Payload::Reopened(_), _) => Some(Phase::Waiting),
            (Payload::Offered(_), Phase::Waiting) => Some(Phase::Ringing),
            (Payload::OfferRevoked(_), Phase::Ringing) => Some(Phase::Waiting),
            (Payload::Connect(connect), Phase::Waiting | Phase::Ringing | Phase::Between) => {
                Some(Phase::Connecting { offer: connect.offer.as_ref()?.name.clone() })
            }
            (Payload::ConnectFailed(_), Phase::Connecting { .. }) => Some(Phase::Waiting),
            (Payload::Assigned(assigned), _) => Some(Phase::Talking { leg: assigned.offer.as_ref()?.leg.clone() }),
            (Payload::Held(_), _) => Some(Phase::Between),
            (Payload::LegEnded(ended), Phase::Talking { leg }) if ended.leg == *leg => Some(Phase::Between),
            (Payload::Resolved(_), _) => Some(Phase::Resolved),
            (Payload::Closed(_) | Payload::Cancelled(_), _) => Some(Phase::Over),
            _ => None,
        }
    }
}

/// One customer's whole visit.
pub(super) struct Customer {
    stage: Arc<Stage>,
    channel: Channel,
    /// The ticket's id and name, and its connector's name.
    id: String,
    ticket: String,
    connector: String,
    plot: Plot,
    phase: watch::Receiver<Phase>,
}

/// What a customer does when the time for it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    Leave,
    WriteBack,
}

/// From seeing what one has waited for to hanging up on it: enough to be overtaken now and then.
const REACTION: Span = Span::from_millis(1_500);
const WRITES_BACK_AFTER: Span = Span::from_secs(60);

impl Customer {
    pub(super) fn new(stage: Arc<Stage>, arrival: Arrival) -> Customer {
        let line = LINES.iter().find(|line| line.channel == arrival.channel);
        let connector = stage.connector(line.map(|line| line.connector).unwrap_or_default());
        let ticket = stage.ticket(&arrival.id);
        let phase = stage.cases.open(ticket.clone(), arrival.plot.clone());
        Customer { stage, channel: arrival.channel, id: arrival.id, ticket, connector, plot: arrival.plot, phase }
    }

    /// Ends when the ticket is over, when there is nothing more that the customer would do, or when the run stops.
    pub(super) async fn visit(mut self) {
        let mut stopping = self.stage.stopping.clone();
        tokio::select! {
            biased;
            () = stopping.wait() => {}
            () = self.come_and_go() => {}
        }
    }

    async fn come_and_go(&mut self) {
        if !self.come().await {
            return;
        }
        let mut entered = self.stage.clock.now();
        let mut patience_from = entered;
        let mut written_back = false;
        let mut talked = false;
        loop {
            let phase = self.phase.borrow_and_update().clone();
            if phase == Phase::Over || (phase == Phase::Resolved && (written_back || !self.plot.reopens)) {
                return;
            }
            if let Phase::Talking { .. } = phase {
                talked = true;
            } else if talked && phase == Phase::Waiting {
                // Moved on: patience begins anew.
                talked = false;
                patience_from = entered;
            }
            let planned = self.planned(&phase, entered, patience_from);
            let clock = self.stage.clock.clone();
            tokio::select! {
                biased;
                changed = self.phase.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                act = due(&clock, planned) => match act {
                    Move::Leave => {
                        self.leave(&phase).await;
                        return;
                    }
                    Move::WriteBack => {
                        written_back = true;
                        self.write_back().await;
                    }
                },
            }
            entered = self.stage.clock.now();
        }
    }

    /// What the customer will do if the phase lasts.
    fn planned(&self, phase: &Phase, entered: Time, patience_from: Time) -> Option<(Time, Move)> {
        let reaction = self.stage.human(REACTION);
        let leave = |at: Option<Time>| at.map(|at| (at, Move::Leave));
        let patience = self.plot.patience.map(|patience| patience_from + patience);
        let soon = Some(entered + reaction);
        match phase {
            Phase::Ringing if self.plot.leaves == Leaves::WhileRinging => leave(soon),
            Phase::Connecting { .. } if self.plot.leaves == Leaves::WhileConnecting => {
                leave(Some(entered + scaled(reaction, 0.2)))
            }
            Phase::Waiting | Phase::Ringing => leave(patience),
            Phase::Talking { .. } => match (self.plot.leaves, self.plot.chapters.first()) {
                (Leaves::Talking(share), Some(first)) => leave(Some(entered + scaled(first.handling, share))),
                _ => None,
            },
            Phase::Resolved => Some((entered + self.stage.human(WRITES_BACK_AFTER), Move::WriteBack)),
            Phase::Connecting { .. } | Phase::Between | Phase::Over => None,
        }
    }

    /// Creates the ticket. False: there is none, or it is cancelled already.
    async fn come(&self) -> bool {
        let calls = &self.stage.calls;
        let request = CreateTicketRequest {
            parent: self.stage.desk.clone(),
            connector: self.connector.clone(),
            ticket: Some(self.wish()),
            ticket_id: self.id.clone(),
            instance: "demo".to_owned(),
            request_id: calls.request_id(),
            validate_only: false,
        };
        if self.plot.leaves == Leaves::AtOnce {
            // Both are on their way at once, and which arrives first is nobody's to say.
            let (cancelled, created) = tokio::join!(calls.cancel_ticket(self.cancel()), calls.create_ticket(request));
            calls.settle("CancelTicket", cancelled);
            calls.settle("CreateTicket", created);
            return false;
        }
        let created = calls.create_ticket(request).await;
        calls.settle("CreateTicket", created).is_some()
    }

    fn wish(&self) -> Ticket {
        let plot = &self.plot;
        let person = Person {
            id: format!("customer-of-{}", self.id),
            display_name: plot.customer.to_owned(),
            ..Person::default()
        };
        let threaded = matches!(self.channel, Channel::Chat | Channel::Social | Channel::Email);
        Ticket {
            channel: i32::from(self.channel),
            priority: plot.priority,
            requirement: Some(plot.needs.requirement()),
            conversation_keys: if threaded { vec![format!("thread-{}", self.id)] } else { Vec::new() },
            external_id: self.id.clone(),
            customer: Some(person),
            language_code: plot.language.to_owned(),
            category: plot.category.to_owned(),
            subject: plot.subject.to_owned(),
            ..Ticket::default()
        }
    }

    fn cancel(&self) -> CancelTicketRequest {
        CancelTicketRequest {
            name: self.ticket.clone(),
            reason: i32::from(CancelReason::CustomerLeft),
            allow_missing: true,
            connector: self.connector.clone(),
            request_id: self.stage.calls.request_id(),
        }
    }

    async fn leave(&self, phase: &Phase) {
        let calls = &self.stage.calls;
        let request_id = calls.request_id();
        match phase {
            Phase::Talking { leg } => {
                let ended_by = i32::from(EndedBy::Customer);
                let request = EndLegRequest { name: leg.clone(), ended_by, request_id };
                calls.settle("EndLeg", calls.end_leg(request).await);
            }
            Phase::Connecting { offer } => {
                let reason = i32::from(FailReason::CustomerGone);
                let request = FailOfferRequest { name: offer.clone(), reason, request_id };
                if calls.settle("FailOffer", calls.fail_offer(request).await).is_none() {
                    calls.settle("CancelTicket", calls.cancel_ticket(self.cancel()).await);
                }
            }
            Phase::Waiting | Phase::Ringing | Phase::Between | Phase::Resolved | Phase::Over => {
                calls.settle("CancelTicket", calls.cancel_ticket(self.cancel()).await);
            }
        }
    }

    async fn write_back(&self) {
        let calls = &self.stage.calls;
        let request = ReopenTicketRequest {
            name: self.ticket.clone(),
            reason: "the customer has one more question".to_owned(),
            request_id: calls.request_id(),
        };
        calls.settle("ReopenTicket", calls.reopen_ticket(request).await);
    }
}

/// Returns what was planned when its time has come; without a plan, never.
async fn due(clock: &crate::clock::Clock, planned: Option<(Time, Move)>) -> Move {
    match planned {
        Some((at, act)) => {
            clock.sleep_until(at).await;
            act
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::handoff::v1::{
        AssignedDecision, CancelledDecision, ConnectDecision, LegEndedDecision, Offer, OfferRevokedDecision,
        OfferedDecision, QueuedDecision,
    };

    fn after(phase: &Phase, payload: Payload) -> Option<Phase> {
        phase.after(&Decision { payload: Some(payload), ..Decision::default() })
    }

    fn queued(reason: QueuedReason) -> Payload {
        Payload::Queued(QueuedDecision { reason: i32::from(reason), ..QueuedDecision::default() })
    }

    fn talking() -> Phase {
        Phase::Talking { leg: "legs/1".to_owned() }
    }

    #[test]
    fn a_call_goes_from_the_line_to_the_agent() {
        let offer = Some(Offer { name: "o".to_owned(), leg: "legs/1".to_owned(), ..Offer::default() });
        assert_eq!(after(&Phase::Waiting, Payload::Offered(OfferedDecision::default())), Some(Phase::Ringing));
        let connect = Payload::Connect(ConnectDecision { offer: offer.clone(), ..ConnectDecision::default() });
        assert_eq!(after(&Phase::Ringing, connect), Some(Phase::Connecting { offer: "o".to_owned() }));
        let assigned = Payload::Assigned(AssignedDecision { offer, ..AssignedDecision::default() });
        assert_eq!(after(&Phase::Connecting { offer: "o".to_owned() }, assigned), Some(talking()));
    }

    #[test]
    fn a_transfer_that_looks_for_its_target_leaves_the_customer_with_the_handler() {
        assert_eq!(after(&talking(), queued(QueuedReason::Transferred)), None);
        assert_eq!(after(&talking(), Payload::Offered(OfferedDecision::default())), None);
        assert_eq!(after(&talking(), queued(QueuedReason::Requeued)), Some(Phase::Waiting));
    }

    #[test]
    fn only_the_leg_one_talks_on_can_end_the_conversation() {
        let ended =
            |leg: &str| Payload::LegEnded(LegEndedDecision { leg: leg.to_owned(), ..LegEndedDecision::default() });
        assert_eq!(after(&talking(), ended("legs/2")), None);
        assert_eq!(after(&talking(), ended("legs/1")), Some(Phase::Between));
    }

    #[test]
    fn an_offer_that_came_to_nothing_puts_the_customer_back_in_line_and_a_cancel_ends_it() {
        let revoked = Payload::OfferRevoked(OfferRevokedDecision::default());
        assert_eq!(after(&Phase::Ringing, revoked), Some(Phase::Waiting));
        assert_eq!(after(&talking(), Payload::Cancelled(CancelledDecision::default())), Some(Phase::Over));
    }
}
