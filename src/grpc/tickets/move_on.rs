//! EscalateTicket and TransferTicket: a ticket moves on, or is only asked where it would.

use tonic::Status;

use super::{LINE_BYTES, NOTE_CHARACTERS, Tickets, changed};
use crate::availability::Availability;
use crate::domain::event::Actor;
use crate::domain::id::{DeskKey, QueueId};
use crate::domain::requirement::Requirement;
use crate::domain::ticket::{Axis, EscalationReason, OnUnavailable, Release, Target, Ticket, Transfer};
use crate::engine::{Call, Reply, Waiting};
use crate::grpc::call::{call, only_validate, submit};
use crate::grpc::form::Form;
use crate::grpc::name::{self, TicketRef};
use crate::grpc::render::{self, View};
use crate::grpc::status::About;
use crate::proto::handoff::v1 as pb;
use crate::routing::command::{Answer, Command, NewEscalation, NewTransfer};
use crate::store::Store;

const NO_WARM: &str = "WARM does not exist yet; use BLIND";

impl<S: Store, A: Availability> Tickets<S, A> {
    pub(super) async fn escalate(
        &self,
        request: &pb::EscalateTicketRequest,
    ) -> Result<pb::EscalateTicketResponse, Status> {
        let (ticket, call) = escalation(request)?;
        let moved = self.moved(&ticket, call, request.validate_only).await?;
        let (leg, level) = match moved.answer {
            Answer::Escalated { leg, level, .. } => (leg, level),
            _ => (0, 0),
        };
        let leg_name = name::leg(&ticket.desk.desk, &ticket.name, leg);
        Ok(pb::EscalateTicketResponse {
            leg: if request.validate_only { String::new() } else { leg_name },
            transfer: moved.transfer(&ticket.desk, request.validate_only),
            level_taken: u32::from(level),
            plan: vec![self.step(&ticket.desk, &moved, u32::from(level))],
            infeasibility: moved.infeasibility(),
            redirected: moved.last().is_some_and(|last| matches!(last.target, Target::Queue(_))),
            ticket: Some(moved.drawn),
        })
    }

    pub(super) async fn transfer(
        &self,
        request: &pb::TransferTicketRequest,
    ) -> Result<pb::TransferTicketResponse, Status> {
        let (ticket, call) = transfer(request)?;
        let moved = self.moved(&ticket, call, request.validate_only).await?;
        Ok(pb::TransferTicketResponse {
            transfer: moved.transfer(&ticket.desk, request.validate_only),
            plan: vec![self.step(&ticket.desk, &moved, 0)],
            infeasibility: moved.infeasibility(),
            // At the hop limit a transfer becomes an escalation to the terminal destination.
            redirected: matches!(moved.answer, Answer::Escalated { .. }),
            ticket: Some(moved.drawn),
        })
    }

    async fn moved(&self, ticket: &TicketRef, call: Call, validate_only: bool) -> Result<Moved, Status> {
        let reply: Reply = submit(&self.engine, only_validate(call, validate_only), &About::ticket(ticket)).await?;
        let answer = reply.answer.clone();
        let row = changed(reply)?;
        let waiting = self.engine.waiting(&ticket.desk, &row);
        let drawn = if validate_only {
            let present = self.find(ticket).await?;
            self.draw(&ticket.desk, &present, View::Full)
        } else {
            render::ticket(&ticket.desk.desk, &row, View::Full, waiting.as_ref())
        };
        Ok(Moved { answer, row: row.as_ref().clone(), waiting, drawn })
    }

    fn step(&self, desk: &DeskKey, moved: &Moved, level: u32) -> pb::PlanStep {
        let needs = Requirement { queue: Some(moved.row.queue.clone()), ..moved.row.effective.clone() };
        pb::PlanStep {
            level: Some(level),
            target: Some(render::requirement(&needs)),
            on_count: Some(self.engine.on_count(desk, moved.needs())),
            estimated_wait: moved.waiting.as_ref().and_then(|waiting| waiting.estimated).map(render::duration),
        }
    }
}

/// A ticket that moved on, or would have.
struct Moved {
    answer: Answer,
    /// After the move, though it may only be tried.
    row: Ticket,
    waiting: Option<Waiting>,
    /// As the answer shows the ticket.
    drawn: pb::Ticket,
}

impl Moved {
    fn last(&self) -> Option<&Transfer> {
        self.row.transfers.last()
    }

    /// What the leg that looks for somebody needs.
    fn needs(&self) -> &Requirement {
        self.row.pending_leg().map_or(&self.row.effective, |leg| &leg.requirement)
    }

    /// The hand-over, if somebody had the ticket.
    fn transfer(&self, desk: &DeskKey, validate_only: bool) -> Option<pb::Transfer> {
        let last = self.last().filter(|last| last.from_leg.is_some() && !validate_only);
        last.map(|last| render::transfer(&desk.desk, &self.row, last))
    }

    fn infeasibility(&self) -> i32 {
        let of_leg = self.waiting.as_ref().and_then(|waiting| waiting.infeasibility);
        render::number(of_leg.or(self.row.infeasibility))
    }
}

fn escalation(request: &pb::EscalateTicketRequest) -> Result<(TicketRef, Call), Status> {
    let mut form = Form::new();
    let ticket = form.ticket("name", &request.name);
    let axis = form.choice::<Axis>("axis", request.axis);
    let reason = form.choice::<EscalationReason>("reason", request.reason);
    if request.requirement.is_none() {
        form.unsupported("requirement", "the policy's next level does not exist yet; say what is needed");
    }
    let requirement = form.requirement("requirement", request.requirement.as_ref());
    match pb::Handover::try_from(request.handover) {
        Ok(pb::Handover::Blind) => {}
        Ok(pb::Handover::Warm) => form.unsupported("handover", NO_WARM),
        Ok(pb::Handover::Unspecified) | Err(_) => form.refuse("handover", "must be BLIND"),
    }
    let desk = ticket.as_ref().map(|ticket| &ticket.desk);
    let requested_by = requested_by(&mut form, desk, &request.requested_by);
    let note = form.note("note", &request.note, NOTE_CHARACTERS);
    let request_id = form.request_id(&request.request_id);
    let ((ticket, axis), reason) = form.finish(ticket.zip(axis).zip(reason))?;
    let escalation = NewEscalation { axis, reason, requirement, requested_by, note };
    let command = Command::EscalateTicket { ticket: ticket.id(), escalation: Box::new(escalation) };
    let call = call(ticket.desk.clone(), command, request, request_id);
    Ok((ticket, call))
}

fn requested_by(form: &mut Form, desk: Option<&DeskKey>, text: &str) -> Actor {
    let field = "requested_by";
    let read = if text.is_empty() {
        None
    } else if text.contains("/connectors/") {
        form.connector_of(desk, field, text).map(Actor::Connector)
    } else {
        form.agent_of(desk, field, text).map(Actor::Agent)
    };
    read.unwrap_or(Actor::Caller)
}

fn transfer(request: &pb::TransferTicketRequest) -> Result<(TicketRef, Call), Status> {
    let mut form = Form::new();
    let ticket = form.ticket("name", &request.name);
    match pb::TransferKind::try_from(request.kind) {
        Ok(pb::TransferKind::Blind) => {}
        Ok(pb::TransferKind::Warm) => form.unsupported("kind", NO_WARM),
        Ok(pb::TransferKind::Unspecified) | Err(_) => form.refuse("kind", "must be BLIND"),
    }
    let desk = ticket.as_ref().map(|ticket| &ticket.desk);
    let target = target(&mut form, desk, request.target.as_ref());
    let release = form.choice_if_said::<Release>("release", request.release);
    let on_unavailable = form.choice_if_said::<OnUnavailable>("on_unavailable", request.on_unavailable);
    if on_unavailable.is_some() && matches!(target, Some(Target::Requirement(_) | Target::Queue(_))) {
        form.refuse("on_unavailable", "is only for a transfer to a named agent");
    }
    let reason = form.line("reason", &request.reason, LINE_BYTES);
    let override_reason = form.line("override_reason", &request.override_reason, LINE_BYTES);
    let note = form.note("note", &request.note, NOTE_CHARACTERS);
    let request_id = form.request_id(&request.request_id);
    let (ticket, target) = form.finish(ticket.zip(target))?;
    let transfer = NewTransfer {
        target,
        release: release.unwrap_or_default(),
        on_unavailable: on_unavailable.unwrap_or_default(),
        reason,
        override_reason,
        note,
    };
    let command = Command::TransferTicket { ticket: ticket.id(), transfer: Box::new(transfer) };
    let call = call(ticket.desk.clone(), command, request, request_id);
    Ok((ticket, call))
}

fn target(form: &mut Form, desk: Option<&DeskKey>, asked: Option<&pb::TransferTarget>) -> Option<Target> {
    match asked.and_then(|asked| asked.target.as_ref()) {
        Some(pb::transfer_target::Target::Agent(agent)) => {
            form.agent_of(desk, "target.agent", agent).map(Target::Agent)
        }
        Some(pb::transfer_target::Target::Requirement(need)) => {
            if *need == pb::Requirement::default() {
                form.refuse("target.requirement", "names nothing that is needed");
            }
            Some(Target::Requirement(form.requirement("target.requirement", Some(need))))
        }
        Some(pb::transfer_target::Target::Queue(queue)) => {
            form.id("target.queue", queue, QueueId::parse).map(Target::Queue)
        }
        None => {
            form.refuse("target", "is required: one of agent, requirement, queue");
            None
        }
    }
}
