//! What an agent does with a ticket, as calls: resolve, escalate, transfer, hold, give back.

use tonic::Status;

use super::calls::{Calls, reason};
use super::plot::{Act, COLLEAGUES, Needs, euro};
use super::stage::Stage;
use super::words;
use crate::clock::Span;
use crate::proto::handoff::v1::transfer_target::Target;
use crate::proto::handoff::v1::{
    Channel, Concession, EndLegRequest, EndedBy, EscalateTicketRequest, EscalationAxis, EscalationReason, Handover,
    HoldTicketRequest, OnUnavailable, RequeueTicketRequest, ResolveTicketRequest, ResumeTicketRequest, TransferKind,
    TransferTarget, TransferTicketRequest,
};

/// A piece of work in somebody's hands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Work {
    pub(super) ticket: String,
    pub(super) leg: String,
    /// The agent's resource name.
    pub(super) agent: String,
    /// As in the protos: a key in maps wants a plain number.
    pub(super) channel: i32,
}

/// How it stands after the act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It is, or will be, out of the agent's hands.
    Done,
    /// Somebody else is looked for: still here after this time, it is to be answered as well as one can.
    Look(Span),
    /// On hold: to be taken off after this time.
    Held(Span),
}

/// A transfer that is still looking after this is given up by whoever has the customer on the line.
const PATIENCE_OF_HANDLER: Span = Span::from_secs(150);
/// Before answering by oneself what nobody else could take.
const SECOND_THOUGHT: Span = Span::from_secs(20);

impl Stage {
    /// Does it. A refusal that the agent can live with leads to another way, never to a ticket that is left lying.
    pub(super) async fn perform(&self, work: &Work, act: &Act) -> After {
        let calls = &self.calls;
        match act {
            Act::Resolve => self.resolve(work, None).await,
            Act::Refund(euros) => self.refund(work, *euros).await,
            Act::HangUp if work.channel == i32::from(Channel::Phone) => {
                let ended_by = i32::from(EndedBy::Agent);
                let request = EndLegRequest { name: work.leg.clone(), ended_by, request_id: calls.request_id() };
                calls.settle("EndLeg", calls.end_leg(request).await);
                After::Done
            }
            Act::HangUp => self.resolve(work, None).await,
            Act::Escalate { axis, reason, needs, note } => self.escalate(work, *axis, *reason, needs, note).await,
            Act::TransferToAgent { agent, unavailable } => {
                let target = Target::Agent(self.agent(colleague(agent, &work.agent)));
                self.transfer(work, target, *unavailable).await
            }
            Act::TransferToNeeds(needs) => {
                let target = Target::Requirement(needs.requirement());
                self.transfer(work, target, OnUnavailable::Unspecified).await
            }
            Act::TransferToQueue(queue) => {
                self.transfer(work, Target::Queue((*queue).to_owned()), OnUnavailable::Unspecified).await
            }
            Act::Hold { wait, reason } => {
                let request = HoldTicketRequest {
                    name: work.ticket.clone(),
                    reason: (*reason).to_owned(),
                    request_id: calls.request_id(),
                    ..HoldTicketRequest::default()
                };
                match calls.settle("HoldTicket", calls.hold_ticket(request).await) {
                    Some(_) => After::Held(*wait),
                    None => After::Look(self.human(SECOND_THOUGHT)),
                }
            }
            Act::Requeue { reason, prefer } => {
                let request = RequeueTicketRequest {
                    name: work.ticket.clone(),
                    reason: (*reason).to_owned(),
                    prefer_handler: *prefer,
                    request_id: calls.request_id(),
                };
                match calls.settle("RequeueTicket", calls.requeue_ticket(request).await) {
                    Some(_) => After::Done,
                    None => After::Look(self.human(SECOND_THOUGHT)),
                }
            }
        }
    }

    pub(super) async fn resume(&self, ticket: &str) {
        let request = ResumeTicketRequest { name: ticket.to_owned(), request_id: self.calls.request_id() };
        self.calls.settle("ResumeTicket", self.calls.resume_ticket(request).await);
    }

    async fn resolve(&self, work: &Work, concession: Option<Concession>) -> After {
        let answer = self.calls.resolve_ticket(resolution(&self.calls, work, concession)).await;
        self.calls.settle("ResolveTicket", answer);
        After::Done
    }

    /// Somebody whose authority does not cover the amount asks one who may decide.
    async fn refund(&self, work: &Work, euros: i64) -> After {
        let concession = Concession { authority: "refund".to_owned(), amount: Some(euro(euros)) };
        let answer = self.calls.resolve_ticket(resolution(&self.calls, work, Some(concession))).await;
        if answer.as_ref().is_err_and(not_authorised) {
            let needs = Needs { refund: Some(euros), ..Needs::default() };
            let (axis, reason) = (EscalationAxis::Hierarchical, EscalationReason::AuthorizationRequired);
            return self.escalate(work, axis, reason, &needs, "A refund beyond my limit").await;
        }
        self.calls.settle("ResolveTicket", answer);
        After::Done
    }

    async fn escalate(
        &self,
        work: &Work,
        axis: EscalationAxis,
        reason: EscalationReason,
        needs: &Needs,
        note: &str,
    ) -> After {
        let request = EscalateTicketRequest {
            name: work.ticket.clone(),
            axis: i32::from(axis),
            reason: i32::from(reason),
            requirement: Some(needs.requirement()),
            handover: i32::from(Handover::Blind),
            requested_by: work.agent.clone(),
            note: note.to_owned(),
            request_id: self.calls.request_id(),
            validate_only: false,
        };
        self.moved("EscalateTicket", self.calls.escalate_ticket(request).await)
    }

    async fn transfer(&self, work: &Work, target: Target, unavailable: OnUnavailable) -> After {
        let request = TransferTicketRequest {
            name: work.ticket.clone(),
            kind: i32::from(TransferKind::Blind),
            target: Some(TransferTarget { target: Some(target) }),
            on_unavailable: i32::from(unavailable),
            reason: "belongs elsewhere".to_owned(),
            note: "The customer has been told".to_owned(),
            request_id: self.calls.request_id(),
            ..TransferTicketRequest::default()
        };
        self.moved("TransferTicket", self.calls.transfer_ticket(request).await)
    }

    /// Until the target has it, the agent does; if nobody takes it, or the move was refused, it is theirs to answer.
    fn moved<T>(&self, what: &str, answer: Result<T, Status>) -> After {
        match self.calls.settle(what, answer) {
            Some(_) => After::Look(self.human(PATIENCE_OF_HANDLER)),
            None => After::Look(self.human(SECOND_THOUGHT)),
        }
    }
}

/// The one meant, or the next if that is who asks.
fn colleague(meant: &'static str, asks: &str) -> &'static str {
    let others = COLLEAGUES.iter().chain(&COLLEAGUES).skip_while(|id| **id != meant);
    others.copied().find(|id| *id != words::short(asks)).unwrap_or(meant)
}

fn resolution(calls: &Calls, work: &Work, concession: Option<Concession>) -> ResolveTicketRequest {
    ResolveTicketRequest {
        name: work.ticket.clone(),
        resolution: "Explained and put right".to_owned(),
        code: "solved".to_owned(),
        concession,
        request_id: calls.request_id(),
        ..ResolveTicketRequest::default()
    }
}

fn not_authorised(status: &Status) -> bool {
    reason(status) == "NOT_AUTHORISED"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_transfers_to_themselves() {
        assert_eq!(colleague("lea", "desks/demo/agents/ada"), "lea");
        assert_eq!(colleague("lea", "desks/demo/agents/lea"), "max");
        assert_eq!(colleague("pia", "desks/demo/agents/pia"), "lea");
    }
}
