//! The stored form of a row: what is empty is left out, and a row that was stored with it reads the same.

use serde_json::{Map, Value, json};

use super::Ticket;
use crate::domain::event::{Birth, TicketChange};
use crate::domain::id::{LegId, OfferId, TicketId};
use crate::domain::leg::Leg;
use crate::domain::offer::Offer;
use crate::domain::ticket::Content;

/// Reads the short form, which is written again as it is; the long form is the same row.
fn read<R>(short: Value, empty: Value) -> R
where
    R: serde::de::DeserializeOwned + serde::Serialize + PartialEq + std::fmt::Debug,
{
    let row: R = serde_json::from_value(short.clone()).expect("the short form is read");
    assert_eq!(serde_json::to_value(&row).expect("a row is written"), short);
    let parts: [Map<String, Value>; 2] = [short, empty].map(|part| part.as_object().expect("a row").clone());
    let long: R = serde_json::from_value(Value::Object(parts.into_iter().flatten().collect())).expect("the long form");
    assert_eq!(long, row);
    row
}

#[test]
fn a_ticket_stored_with_its_empty_fields_reads_as_one_without() {
    let short = json!({
        "id": "00000000-0000-0000-0000-000000000001", "name": "t-1", "ver": 1, "ticket_seq": 1, "connector": "web",
        "channel": "chat", "state": "queued", "policy_rev": 1, "queue": "chats", "band": "live", "priority": 50,
        "requirement": {}, "effective": {}, "arrival_time": 5, "customer_turn": 0, "functional_level": 0,
        "hierarchical_level": 0, "hops": 0, "tombstone": false, "terminal_visits": 0, "create_time": 5, "update_time": 5
    });
    let empty = json!({
        "instance": "", "band_asked": null, "priority_asked": null, "category": "", "language": "", "parent": null,
        "preferred": [], "enqueue_time": null, "schedule_time": null, "customer_turn_since": null, "owner": null,
        "visits": [], "transfers": [], "hold": null, "resolution": null, "cancel_reason": null, "infeasibility": null,
        "unassigned_due": null, "close_due": null, "answer_time": null, "resolve_time": null, "close_time": null,
        "next_due_at": null
    });
    let ticket: Ticket = read(short, empty);
    assert!(ticket.owner.is_none() && ticket.visits.is_empty() && ticket.category.is_empty());
}

#[test]
fn a_leg_and_an_offer_stored_with_their_empty_fields_read_as_those_without() {
    let short = json!({
        "n": 1, "ver": 1, "state": "waiting", "role": "handle", "lane": 1, "requirement": {}, "order_time": 5, "want": 1,
        "weight": 0, "failures": 0, "wait_start": 5
    });
    let empty = json!({
        "alternatives": [], "agent": null, "exclusions": [], "prefer": null, "prefer_until": null, "declines": [],
        "pause_until": null, "transfer": null, "offer_time": null, "connect_time": null, "end_time": null,
        "wrap_up_expire_time": null, "ended_by": null, "wrap_up_code": null
    });
    read::<Leg>(short, empty);
    let leg = LegId { ticket: TicketId(uuid::Uuid::from_u128(1)), leg: 1 };
    let id = OfferId { leg, leg_ver: 1, nth: 0 };
    let short = json!({
        "id": id, "agent": "ann", "session": 1, "state": "pending", "weight": 20, "offer_time": 5, "ring": 30,
        "expire_time": 35, "lapse_time": 37
    });
    read::<Offer>(short, json!({"device": null, "end": null, "endpoint": null, "confirm_expire_time": null}));
}

#[test]
fn what_people_wrote_and_a_birth_stored_with_their_empty_fields_read_as_those_without() {
    let empty = json!({
        "external_id": "", "conversation_keys": [], "subject": "", "summary": "", "context_uri": "", "labels": {},
        "resolution_text": "", "notes": []
    });
    let content: Content = read(json!({"customer": {}}), empty);
    assert_eq!(content, Content::default());
    let short = json!({
        "name": "t-1", "connector": "web", "channel": "chat", "policy_rev": 1, "queue": "chats", "band": "live",
        "priority": 50, "requirement": {}, "effective": {}, "arrival_time": 5, "unassigned_due": 9
    });
    let empty = json!({
        "instance": "", "band_asked": null, "priority_asked": null, "category": "", "language": "", "parent": null,
        "preferred": [], "schedule_time": null
    });
    read::<Birth>(short, empty);
}

#[test]
fn a_field_that_was_cleared_is_told_from_one_that_was_left_alone() {
    for change in [
        TicketChange { priority_asked: Some(None), schedule_time: Some(None), ..TicketChange::default() },
        TicketChange { priority_asked: Some(Some(7)), ..TicketChange::default() },
        TicketChange::default(),
    ] {
        let stored = serde_json::to_string(&change).expect("a change is written");
        assert_eq!(serde_json::from_str::<TicketChange>(&stored).expect("it is read"), change, "{stored}");
    }
}
