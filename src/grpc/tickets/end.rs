//! The ends: of a contact, of a wrap-up, of a ticket, and the way back from there.

use tonic::Status;

use super::{LINE_BYTES, NOTE_CHARACTERS, PROSE_BYTES};
use crate::domain::leg::EndedBy;
use crate::domain::ticket::CancelReason;
use crate::engine::Call;
use crate::grpc::call::call;
use crate::grpc::form::Form;
use crate::grpc::name::{LegRef, TicketRef};
use crate::proto::handoff::v1 as pb;
use crate::routing::command::{Command, Missing, NewResolution};

/// Who may be said to have ended a contact; what Handoff ends it knows itself.
const ENDS: &[EndedBy] = &[EndedBy::Customer, EndedBy::Agent, EndedBy::Connector, EndedBy::Supervisor];

pub(super) fn leg(request: &pb::EndLegRequest) -> Result<(LegRef, Call), Status> {
    let mut form = Form::new();
    let leg = form.leg("name", &request.name);
    let ended_by = form.choice_of("ended_by", request.ended_by, ENDS);
    let request_id = form.request_id(&request.request_id);
    let (leg, ended_by) = form.finish(leg.zip(ended_by))?;
    let command = Command::EndLeg { leg: leg.id(), ended_by };
    let call = call(leg.ticket.desk.clone(), command, request, request_id);
    Ok((leg, call))
}

pub(super) fn wrap_up(request: &pb::FinishWrapUpRequest) -> Result<(LegRef, Call), Status> {
    let mut form = Form::new();
    let leg = form.leg("name", &request.name);
    let code = form.short("code", &request.code);
    let note = form.note("note", &request.note, NOTE_CHARACTERS);
    let request_id = form.request_id(&request.request_id);
    let leg = form.finish(leg)?;
    let command = Command::FinishWrapUp { leg: leg.id(), code, note };
    let call = call(leg.ticket.desk.clone(), command, request, request_id);
    Ok((leg, call))
}

pub(super) fn resolve(request: &pb::ResolveTicketRequest) -> Result<(TicketRef, Call), Status> {
    let mut form = Form::new();
    let ticket = form.ticket("name", &request.name);
    let text = form.prose("resolution", &request.resolution, PROSE_BYTES);
    let code = form.short("code", &request.code);
    let concession = request.concession.as_ref().and_then(|conceded| {
        let amount = conceded.amount.as_ref().and_then(|money| form.amount("concession.amount", money));
        form.named("concession.authority", &conceded.authority).map(|authority| (authority, amount))
    });
    let etag = form.etag("etag", &request.etag);
    let request_id = form.request_id(&request.request_id);
    let ticket = form.finish(ticket)?;
    let resolution = NewResolution { text, code, first_contact: request.first_contact, concession };
    let command = Command::ResolveTicket { ticket: ticket.id(), resolution: Box::new(resolution), etag };
    let call = call(ticket.desk.clone(), command, request, request_id);
    Ok((ticket, call))
}

pub(super) fn reopen(request: &pb::ReopenTicketRequest) -> Result<(TicketRef, Call), Status> {
    let mut form = Form::new();
    let ticket = form.ticket("name", &request.name);
    let reason = form.line("reason", &request.reason, LINE_BYTES);
    let request_id = form.request_id(&request.request_id);
    let ticket = form.finish(ticket)?;
    let call = call(ticket.desk.clone(), Command::ReopenTicket { ticket: ticket.id(), reason }, request, request_id);
    Ok((ticket, call))
}

/// What is to be let out, and the call that writes it down.
pub(super) fn release(request: &pb::ReleaseTicketRequest) -> Result<(TicketRef, Call), Status> {
    let mut form = Form::new();
    let ticket = form.ticket("name", &request.name);
    let request_id = form.request_id(&request.request_id);
    let ticket = form.finish(ticket)?;
    let call = call(ticket.desk.clone(), Command::ReleaseTicket { ticket: ticket.id() }, request, request_id);
    Ok((ticket, call))
}

pub(super) fn cancel(request: &pb::CancelTicketRequest) -> Result<(TicketRef, Call), Status> {
    let mut form = Form::new();
    let ticket = form.ticket("name", &request.name);
    let reason = form.choice::<CancelReason>("reason", request.reason);
    let desk = ticket.as_ref().map(|ticket| &ticket.desk);
    // Otherwise the connector is not read.
    let connector = if request.allow_missing { form.connector_of(desk, "connector", &request.connector) } else { None };
    let request_id = form.request_id(&request.request_id);
    let (ticket, reason) = form.finish(ticket.zip(reason))?;
    let missing = request.allow_missing.then(|| Missing { name: ticket.name.clone(), connector });
    let command = Command::CancelTicket { ticket: ticket.id(), reason, missing };
    let call = call(ticket.desk.clone(), command, request, request_id);
    Ok((ticket, call))
}
