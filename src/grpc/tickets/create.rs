//! CreateTicket, as a call of its own and as an item of SubmitTickets.

use std::collections::BTreeSet;
use std::sync::Arc;

use tonic::Status;

use super::{LINE_BYTES, PROSE_BYTES, Tickets, changed};
use crate::availability::Availability;
use crate::domain::id::{AgentId, DeskKey, TicketId, TicketName};
use crate::domain::requirement::{Band, Channel};
use crate::domain::ticket::{Content, Customer};
use crate::grpc::call::{call, only_validate, submit};
use crate::grpc::form::Form;
use crate::grpc::name::TicketRef;
use crate::grpc::render::View;
use crate::grpc::status::About;
use crate::proto::handoff::v1 as pb;
use crate::routing::command::{Command, NewTicket};
use crate::store::Store;

const MAX_CONVERSATIONS: usize = 10;
const MAX_PREFERRED: usize = 10;
const URI_BYTES: usize = 2 * 1024;

impl<S: Store, A: Availability> Tickets<S, A> {
    pub(super) async fn create(&self, request: &pb::CreateTicketRequest) -> Result<pb::Ticket, Status> {
        let minted = || self.engine.entropy().ticket_id(self.engine.clock().now());
        let (desk, new, request_id) = read(request, minted)?;
        let about = About::ticket(&TicketRef { desk: desk.clone(), name: new.name.clone() });
        let call = call(desk.clone(), Command::CreateTicket(Box::new(new)), request, request_id);
        let reply = submit(&self.engine, only_validate(call, request.validate_only), &about).await?;
        // Not the id minted above: a repeat answers with the ticket of the first call.
        Ok(self.draw(&desk, changed(reply)?.as_ref(), View::Full))
    }
}

type Read = (DeskKey, NewTicket, Option<uuid::Uuid>);

/// Reads the request; `mint` gives the id of a ticket for which the caller chose no name.
fn read(request: &pb::CreateTicketRequest, mint: impl FnOnce() -> TicketId) -> Result<Read, Status> {
    let mut form = Form::new();
    let desk = form.desk("parent", &request.parent);
    let connector = form.connector_of(desk.as_ref(), "connector", &request.connector);
    let chosen = !request.ticket_id.is_empty();
    let name = if chosen { form.id("ticket_id", &request.ticket_id, TicketName::parse) } else { None };
    let instance = form.short("instance", &request.instance);
    let request_id = form.request_id(&request.request_id);
    let empty = pb::Ticket::default();
    let given = form.present("ticket", &request.ticket);
    let asked = given.unwrap_or(&empty);
    let channel = given.and_then(|asked| form.choice::<Channel>("ticket.channel", asked.channel));
    let band = form.choice_if_said::<Band>("ticket.band", asked.band);
    let priority = form.number("ticket.priority", asked.priority, 0..=100);
    let category = form.short("ticket.category", &asked.category);
    let language = form.language("ticket.language_code", &asked.language_code);
    let parent = parent(&mut form, desk.as_ref(), &asked.parent_ticket);
    let requirement = form.requirement("ticket.requirement", asked.requirement.as_ref());
    let preferred = preferred(&mut form, desk.as_ref(), &asked.preferred_agents);
    let arrival_time = form.time("ticket.arrival_time", asked.arrival_time.as_ref());
    let schedule_time = form.time("ticket.schedule_time", asked.schedule_time.as_ref());
    let content = content(&mut form, asked);
    let ((desk, connector), channel) = form.finish(desk.zip(connector).zip(channel))?;
    let (id, name) = match name {
        Some(name) => (TicketId::of_name(&name), name),
        None => {
            let id = mint();
            (id, id.default_name())
        }
    };
    let new = NewTicket {
        id,
        name,
        connector,
        instance,
        channel,
        band,
        priority,
        category,
        language,
        parent,
        requirement,
        preferred,
        arrival_time,
        schedule_time,
        content,
    };
    Ok((desk, new, request_id))
}

fn parent(form: &mut Form, desk: Option<&DeskKey>, text: &str) -> Option<TicketName> {
    if text.is_empty() { None } else { form.ticket_of(desk, "ticket.parent_ticket", text).map(|parent| parent.name) }
}

fn preferred(form: &mut Form, desk: Option<&DeskKey>, names: &[String]) -> Vec<AgentId> {
    let field = "ticket.preferred_agents";
    form.at_most(field, names.len(), MAX_PREFERRED);
    let mut preferred = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let field = format!("{field}[{at}]");
        match form.agent_of(desk, &field, name) {
            Some(agent) if preferred.contains(&agent) => form.refuse(field, format!("{name} is listed twice")),
            Some(agent) => preferred.push(agent),
            None => {}
        }
    }
    preferred
}

fn content(form: &mut Form, asked: &pb::Ticket) -> Content {
    Content {
        external_id: form.line("ticket.external_id", &asked.external_id, LINE_BYTES),
        conversation_keys: conversations(form, &asked.conversation_keys),
        customer: customer(form, asked.customer.as_ref()),
        subject: form.line("ticket.subject", &asked.subject, LINE_BYTES),
        summary: form.prose("ticket.summary", &asked.summary, PROSE_BYTES),
        context_uri: form.line("ticket.context_uri", &asked.context_uri, URI_BYTES),
        labels: form.labels("ticket.labels", &asked.labels),
        ..Content::default()
    }
}

fn conversations(form: &mut Form, keys: &[String]) -> Vec<Arc<str>> {
    let field = "ticket.conversation_keys";
    form.at_most(field, keys.len(), MAX_CONVERSATIONS);
    let mut seen = BTreeSet::new();
    for (at, key) in keys.iter().enumerate() {
        let field = format!("{field}[{at}]");
        if key.is_empty() {
            form.refuse(field, "must not be empty");
        } else if !seen.insert(key.as_str()) {
            form.refuse(field, "is listed twice");
        } else {
            form.line(&field, key, LINE_BYTES);
        }
    }
    keys.iter().map(|key| Arc::from(key.as_str())).collect()
}

/// The content of an update is read by the same rules.
pub(super) fn customer(form: &mut Form, asked: Option<&pb::Customer>) -> Customer {
    let Some(asked) = asked else { return Customer::default() };
    Customer {
        id: form.line("ticket.customer.id", &asked.id, LINE_BYTES),
        display_name: form.line("ticket.customer.display_name", &asked.display_name, LINE_BYTES),
        address: form.line("ticket.customer.address", &asked.address, LINE_BYTES),
        attributes: form.labels("ticket.customer.attributes", &asked.attributes),
    }
}

/// As [`content`], for the fields that an update may change.
pub(super) fn text_fields(form: &mut Form, asked: &pb::Ticket) -> Content {
    content(form, &pb::Ticket { conversation_keys: Vec::new(), ..asked.clone() })
}
