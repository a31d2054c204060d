//! UpdateTicket.

use std::sync::Arc;

use tonic::Status;

use super::create::text_fields;
use crate::engine::Call;
use crate::grpc::call::call;
use crate::grpc::form::{Form, Mask};
use crate::grpc::name::TicketRef;
use crate::proto::handoff::v1 as pb;
use crate::routing::command::{Command, TicketPatch};

pub(super) fn update(request: &pb::UpdateTicketRequest) -> Result<(TicketRef, Call), Status> {
    let mut form = Form::new();
    let empty = pb::Ticket::default();
    let given = form.present("ticket", &request.ticket);
    let ticket = given.and_then(|asked| form.ticket("ticket.name", &asked.name));
    let asked = given.unwrap_or(&empty);
    let mask = form.mask(request.update_mask.as_ref(), &settable(asked));
    let etag = form.etag("ticket.etag", &asked.etag);
    let request_id = form.request_id(&request.request_id);
    let patch = patch(&mut form, asked, &mask);
    let ticket = form.finish(ticket)?;
    let (id, reclassify) = (ticket.id(), request.reclassify);
    let command = Command::UpdateTicket { ticket: id, patch: Box::new(patch), reclassify, etag };
    let call = call(ticket.desk.clone(), command, request, request_id);
    Ok((ticket, call))
}

/// The fields that may be changed, and whether the request sets them.
fn settable(asked: &pb::Ticket) -> [(&'static str, bool); 11] {
    [
        ("priority", asked.priority.is_some()),
        ("requirement", asked.requirement.is_some()),
        ("category", !asked.category.is_empty()),
        ("language_code", !asked.language_code.is_empty()),
        ("customer", asked.customer.is_some()),
        ("external_id", !asked.external_id.is_empty()),
        ("subject", !asked.subject.is_empty()),
        ("summary", !asked.summary.is_empty()),
        ("context_uri", !asked.context_uri.is_empty()),
        ("labels", !asked.labels.is_empty()),
        ("schedule_time", asked.schedule_time.is_some()),
    ]
}

fn patch(form: &mut Form, asked: &pb::Ticket, mask: &Mask) -> TicketPatch {
    let content = text_fields(form, asked);
    let priority = form.number("ticket.priority", asked.priority, 0..=100);
    let category = form.short("ticket.category", &asked.category);
    let language = form.language("ticket.language_code", &asked.language_code);
    let requirement = form.requirement("ticket.requirement", asked.requirement.as_ref());
    let schedule_time = form.time("ticket.schedule_time", asked.schedule_time.as_ref());
    TicketPatch {
        priority: mask.of("priority", || priority),
        category: mask.of("category", || category),
        language: mask.of("language_code", || language),
        requirement: mask.of("requirement", || requirement),
        schedule_time: mask.of("schedule_time", || schedule_time),
        external_id: mask.of("external_id", || content.external_id),
        customer: mask.of("customer", || content.customer),
        subject: mask.of("subject", || content.subject),
        summary: mask.of("summary", || content.summary),
        context_uri: mask.of("context_uri", || content.context_uri),
        labels: mask.of("labels", || content.labels),
        fields: mask.fields().map(Arc::from).collect(),
    }
}
