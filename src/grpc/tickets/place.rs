//! Assign, requeue, hold, resume: where a ticket lies while its needs stay.

use tonic::Status;

use super::LINE_BYTES;
use crate::engine::Call;
use crate::grpc::call::call;
use crate::grpc::form::Form;
use crate::grpc::name::TicketRef;
use crate::proto::handoff::v1 as pb;
use crate::routing::command::{AssignMode, Command};

pub(super) fn assign(request: &pb::AssignTicketRequest) -> Result<(TicketRef, Call), Status> {
    let mut form = Form::new();
    let ticket = form.ticket("name", &request.name);
    let agent = form.agent_of(ticket.as_ref().map(|ticket| &ticket.desk), "agent", &request.agent);
    let mode = form.choice::<AssignMode>("mode", request.mode);
    let reason = form.line("reason", &request.reason, LINE_BYTES);
    if mode == Some(AssignMode::Force) && reason.trim().is_empty() {
        form.refuse("reason", "is required with FORCE: it is written to the log");
    }
    let request_id = form.request_id(&request.request_id);
    let ((ticket, agent), mode) = form.finish(ticket.zip(agent).zip(mode))?;
    let command = Command::AssignTicket { ticket: ticket.id(), agent, mode, reason };
    let call = call(ticket.desk.clone(), command, request, request_id);
    Ok((ticket, call))
}

pub(super) fn requeue(request: &pb::RequeueTicketRequest) -> Result<(TicketRef, Call), Status> {
    let mut form = Form::new();
    let ticket = form.ticket("name", &request.name);
    let reason = form.line("reason", &request.reason, LINE_BYTES);
    let request_id = form.request_id(&request.request_id);
    let ticket = form.finish(ticket)?;
    let prefer_handler = request.prefer_handler;
    let command = Command::RequeueTicket { ticket: ticket.id(), reason, prefer_handler };
    let call = call(ticket.desk.clone(), command, request, request_id);
    Ok((ticket, call))
}

pub(super) fn hold(request: &pb::HoldTicketRequest) -> Result<(TicketRef, Call), Status> {
    let mut form = Form::new();
    let ticket = form.ticket("name", &request.name);
    let reason = form.line("reason", &request.reason, LINE_BYTES);
    let resume_time = form.time("resume_time", request.resume_time.as_ref());
    let request_id = form.request_id(&request.request_id);
    let ticket = form.finish(ticket)?;
    let command = Command::HoldTicket { ticket: ticket.id(), reason, resume_time };
    let call = call(ticket.desk.clone(), command, request, request_id);
    Ok((ticket, call))
}

pub(super) fn resume(request: &pb::ResumeTicketRequest) -> Result<(TicketRef, Call), Status> {
    let mut form = Form::new();
    let ticket = form.ticket("name", &request.name);
    let request_id = form.request_id(&request.request_id);
    let ticket = form.finish(ticket)?;
    let call = call(ticket.desk.clone(), Command::ResumeTicket { ticket: ticket.id() }, request, request_id);
    Ok((ticket, call))
}
