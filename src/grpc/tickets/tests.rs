//! How calls on tickets are read: what becomes of a good request. Bad ones are a table of the integration tests.

use crate::domain::id::TicketId;
use crate::proto::handoff::v1 as pb;
use crate::routing::command::Command;

const TICKET: &str = "desks/north/tickets/call-17";

fn patch(ticket: pb::Ticket, paths: &[&str]) -> Box<crate::routing::command::TicketPatch> {
    let paths: Vec<_> = paths.iter().map(ToString::to_string).collect();
    let request = pb::UpdateTicketRequest {
        ticket: Some(pb::Ticket { name: TICKET.into(), ..ticket }),
        update_mask: Some(prost_types::FieldMask { paths }),
        ..pb::UpdateTicketRequest::default()
    };
    match super::change::update(&request).expect("valid").1.command {
        Command::UpdateTicket { patch, .. } => patch,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_update_clears_what_the_mask_names_and_the_ticket_leaves_out() {
    let cleared = patch(pb::Ticket::default(), &["priority", "subject", "schedule_time", "requirement"]);
    assert_eq!((cleared.priority, cleared.schedule_time), (Some(None), Some(None)));
    assert_eq!(cleared.subject.as_deref(), Some(""));
    assert!(cleared.requirement.is_some() && cleared.summary.is_none() && cleared.labels.is_none());
    let fields: Vec<_> = cleared.fields.iter().map(|field| field.to_string()).collect();
    assert_eq!(fields, ["priority", "requirement", "schedule_time", "subject"]);
}

#[test]
fn an_update_without_a_mask_changes_what_is_set() {
    let set = patch(pb::Ticket { subject: "a".into(), priority: Some(0), ..pb::Ticket::default() }, &[]);
    assert_eq!((set.subject.as_deref(), set.priority), (Some("a"), Some(Some(0))));
    assert!(set.category.is_none() && set.customer.is_none());
}

#[test]
fn an_update_of_everything_replaces_every_field() {
    let all = patch(pb::Ticket::default(), &["*"]);
    assert_eq!(all.fields.len(), 11);
    assert!(all.customer.is_some() && all.labels.is_some() && all.context_uri.is_some());
}

#[test]
fn a_cancel_leaves_a_tombstone_only_if_it_may_be_missing() {
    let request = pb::CancelTicketRequest {
        name: TICKET.into(),
        reason: pb::CancelReason::CustomerLeft as i32,
        connector: "desks/north/connectors/pbx".into(),
        ..pb::CancelTicketRequest::default()
    };
    let missing = |request: &pb::CancelTicketRequest| match super::end::cancel(request).expect("valid").1.command {
        Command::CancelTicket { ticket, missing, .. } => (ticket, missing.map(|missing| missing.name)),
        other => panic!("{other:?}"),
    };
    let (id, none) = missing(&request);
    assert_eq!(none, None);
    let (_, name) = missing(&pb::CancelTicketRequest { allow_missing: true, ..request });
    assert_eq!(name.map(|name| TicketId::of_name(&name)), Some(id));
}

#[test]
fn a_repeat_of_a_call_is_the_same_call() {
    let request = pb::HoldTicketRequest {
        name: TICKET.into(),
        request_id: "01234567-89ab-cdef-0123-456789abcdef".into(),
        ..pb::HoldTicketRequest::default()
    };
    let dedup = |request: &pb::HoldTicketRequest| super::place::hold(request).expect("valid").1.dedup.expect("a key");
    assert_eq!(dedup(&request), dedup(&request.clone()));
    let other = pb::HoldTicketRequest { reason: "lunch".into(), ..request.clone() };
    assert_eq!(dedup(&request).key, dedup(&other).key);
    assert_ne!(dedup(&request).request_hash, dedup(&other).request_hash);
}
