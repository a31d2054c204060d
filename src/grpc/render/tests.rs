//! What is drawn of rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::domain::event::{Birth, Body, Entry, Event};
use crate::domain::id::{DeskKey, LaneNo, LegId, OfferId, TenantId, TicketId, TicketName};
use crate::domain::leg::{EndedBy, LegRole};
use crate::domain::offer::{DeclineReason, FailReason, Offer, OfferEnd, OfferState, RevokeReason};
use crate::domain::requirement::{Amount, Band, Channel, Requirement};
use crate::domain::ticket::{Content, Customer, Hold, Note, Resolution, Ticket, TicketState};
use crate::engine::Waiting;
use crate::routing::evolve::evolve;
use crate::routing::workset::WorkingSet;

fn key() -> DeskKey {
    DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse("north").expect("valid") }
}

fn name() -> TicketName {
    TicketName::parse("call-17").expect("valid")
}

fn anna() -> AgentId {
    AgentId::parse("anna").expect("valid")
}

fn content() -> Content {
    let pair = |key: &str, value: &str| BTreeMap::from([(Arc::from(key), Arc::from(value))]);
    Content {
        external_id: "ext".into(),
        customer: Customer { display_name: "Kim".into(), attributes: pair("risk", "high"), ..Customer::default() },
        subject: "my phone".into(),
        summary: "a difficult customer".into(),
        context_uri: "https://crm/17".into(),
        labels: pair("vip", "no"),
        resolution_text: "it was off".into(),
        notes: vec![Note { at: Time(5), text: "careful".into(), wrap_up_of: Some(1) }],
        ..Content::default()
    }
}

fn birth() -> Birth {
    Birth {
        name: name(),
        connector: crate::domain::id::ConnectorId::parse("pbx").expect("valid"),
        instance: "host-1".into(),
        follows_instance: false,
        channel: Channel::Phone,
        policy_rev: 3,
        queue: crate::domain::id::QueueId::parse("billing").expect("valid"),
        band_asked: None,
        band: Band::Live,
        priority_asked: None,
        priority: 10,
        category: "bill".into(),
        language: "de".into(),
        parent: None,
        requirement: Requirement::default(),
        effective: Requirement { min_tier: Some(2), ..Requirement::default() },
        preferred: vec![anna()],
        arrival_time: Time(1_000_000),
        schedule_time: None,
        unassigned_due: Time(9_000_000),
    }
}

fn new_leg() -> crate::domain::event::NewLeg {
    crate::domain::event::NewLeg {
        n: 1,
        role: LegRole::Handle,
        lane: LaneNo(1),
        requirement: Requirement::default(),
        alternatives: Vec::new(),
        order_time: Time(1_000_000),
        want: 1,
        prefer: None,
        prefer_until: None,
        exclusions: Vec::new(),
        pause_until: None,
        transfer: None,
    }
}

fn event(body: Body) -> Event {
    let ticket = Some(TicketId::of_name(&name()));
    Event { at: Time(2_000_000), actor: Actor::Agent(anna()), ticket, ticket_seq: 1, body }
}

fn created() -> Event {
    let (birth, leg) = (Box::new(birth()), Some(Box::new(new_leg())));
    event(Body::Created { birth, leg, content: Some(Arc::new(content())) })
}

fn row() -> Ticket {
    let mut ws = WorkingSet::empty(key());
    evolve(&mut ws, &created());
    ws.tickets.get(&TicketId::of_name(&name())).expect("created").as_ref().clone()
}

fn offer_id() -> OfferId {
    OfferId { leg: LegId { ticket: TicketId::of_name(&name()), leg: 1 }, leg_ver: 1, nth: 0 }
}

fn an_offer(end: Option<OfferEnd>) -> Offer {
    Offer {
        id: offer_id(),
        agent: anna(),
        session: 4,
        device: None,
        state: OfferState::Pending,
        end,
        endpoint: None,
        weight: 100,
        offer_time: Time(2_000_000),
        ring: Span::from_secs(20),
        expire_time: Time(22_000_000),
        lapse_time: Time(24_000_000),
        confirm_expire_time: None,
    }
}

#[test]
fn times_before_1970_and_money_are_drawn_exactly() {
    assert_eq!(timestamp(Time(-1)), Timestamp { seconds: -1, nanos: 999_999_000 });
    assert_eq!(timestamp(Time(1_500_000)), Timestamp { seconds: 1, nanos: 500_000_000 });
    assert_eq!(duration(Span(1_500_000)), Duration { seconds: 1, nanos: 500_000_000 });
    assert_eq!(rfc3339(Time(0)), "1970-01-01T00:00:00Z");
    let drawn = amount(&Amount { currency: "EUR".into(), micros: 12_340_000 });
    assert_eq!((drawn.units, drawn.nanos), (12, 340_000_000));
}

#[test]
fn views_differ_in_legs_and_wait() {
    let waiting = Waiting { position: 2, ..Waiting::default() };
    let drawn = |view| ticket(&key().desk, &row(), view, Some(&waiting));
    let (basic, full) = (drawn(View::Basic), drawn(View::Full));
    assert!(basic.legs.is_empty() && basic.wait.is_none());
    assert_eq!(full.wait.as_ref().and_then(|wait| wait.position), Some(2));
    assert_eq!(full.legs[0].name, "desks/north/tickets/call-17/legs/1");
    assert_eq!(pb::Ticket { legs: Vec::new(), wait: None, ..full }, basic);
    let effective = basic.effective_requirement.expect("always");
    assert_eq!((effective.queue.as_str(), effective.min_tier), ("billing", Some(2)));
}

#[test]
fn a_customer_sees_no_agent_no_note_and_nothing_that_is_said_about_them() {
    let hold = Hold { reason: "fraud check".into(), since: Time(3), resume_time: Time(4), handler: Some(anna()) };
    let resolution = Resolution { code: "goodwill".into(), first_contact: true, concession: None, agent: Some(anna()) };
    let mut row = row();
    row.owner = Some(anna());
    row.hold = Some(hold);
    row.resolution = Some(resolution);
    let drawn = ticket(&key().desk, &row, View::Customer, None);
    assert_eq!(drawn.resolution.as_ref().map(|it| it.text.as_str()), Some("it was off"));
    assert_eq!(drawn.subject, "my phone");
    let text = format!("{drawn:?}");
    for hidden in ["anna", "difficult", "careful", "risk", "vip", "crm", "fraud", "goodwill", "host-1", "pbx"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
}

#[test]
fn an_offer_says_why_it_ended() {
    let reason = |end| offer(&key().desk, &row(), &an_offer(end)).reason;
    assert_eq!(reason(None), None);
    assert_eq!(reason(Some(OfferEnd::Expired)), None);
    let declined = reason(Some(OfferEnd::Declined(DeclineReason::NotMySkill)));
    assert_eq!(declined, Some(pb::offer::Reason::DeclineReason(2)));
    let revoked = reason(Some(OfferEnd::Revoked(RevokeReason::AgentDeleted)));
    assert_eq!(revoked, Some(pb::offer::Reason::RevokeReason(8)));
    let failed = reason(Some(OfferEnd::Failed(FailReason::Other)));
    assert_eq!(failed, Some(pb::offer::Reason::FailReason(7)));
}

#[test]
fn a_brief_counts_the_wait_without_the_customers_own_turn() {
    let row = Ticket { customer_turn: Span::from_secs(2), ..row() };
    let drawn = brief(&row, &row.legs[0], Time(11_000_000));
    assert_eq!(drawn.wait, Some(Duration { seconds: 8, nanos: 0 }));
    assert_eq!((drawn.subject.as_str(), drawn.note.as_str()), ("my phone", ""));
    let early = brief(&row, &row.legs[0], Time(0));
    assert_eq!(early.wait, Some(Duration::default()));
}

/// Follows a history and gives kind, state, agent and reason of each entry.
fn told(bodies: Vec<Body>) -> Vec<(String, TicketState, String, String)> {
    let mut history = History::new(&key(), &name(), 7);
    let entries = bodies.into_iter().zip(1..).map(|(body, seq)| Entry { seq, event: event(body), route: None });
    let tell = |entry: Entry| {
        let drawn = history.next(&entry);
        (drawn.kind, history.state(), drawn.agent, drawn.reason)
    };
    entries.map(tell).collect()
}

#[test]
fn a_history_knows_the_state_after_each_entry_and_the_agent_of_each_offer() {
    let record = serde_json::from_value(serde_json::json!({
        "roster_seq": 0, "decide_time": 0, "policy_rev": 0, "trigger": "leg_arrived",
        "order": {"band": "live", "virtual_arrival_time": 0, "ahead": 0}, "strategy": "scarce", "preferred": null,
        "candidates": [], "omitted": 0, "unfit": {}
    }));
    let record = record.expect("a record");
    let (offer, agent) = (offer_id(), anna());
    let ended =
        Body::LegEnded { leg: 1, agent, ended_by: EndedBy::Customer, wrap_up_expire_time: None, keep_due: None };
    let bodies = vec![
        created().body,
        Body::Offered { leg: 1, offers: vec![an_offer(None)], record },
        Body::Accepted { offer, device: "d".into(), confirm_expire_time: Some(Time(3)) },
        Body::Confirmed { offer },
        ended,
        Body::Closed {},
    ];
    let agent = "desks/north/agents/anna";
    let line =
        |kind: &str, state, agent: &str, reason: &str| (kind.to_owned(), state, agent.to_owned(), reason.to_owned());
    let expected = [
        line("queued", TicketState::Queued, "", "CREATED"),
        line("offered", TicketState::Queued, agent, ""),
        line("connect", TicketState::Queued, agent, ""),
        line("assigned", TicketState::Assigned, agent, ""),
        line("leg_ended", TicketState::Assigned, agent, "CUSTOMER"),
        line("closed", TicketState::Closed, "", ""),
    ];
    assert_eq!(told(bodies), expected);
}

#[test]
fn a_customers_history_names_nobody() {
    let mut history = History::new(&key(), &name(), 7);
    let end = OfferEnd::Declined(DeclineReason::Personal);
    let placed = Body::Placed { leg: 1, offer: Box::new(an_offer(None)), reason: "".into() };
    let declined = Body::OfferEnded { offer: offer_id(), end, exclusion: None, not_responding: false };
    for (body, seq) in [created().body, placed, declined].into_iter().zip(1..) {
        let drawn = history.next(&Entry { seq, event: event(body), route: None });
        assert!(!drawn.decision_id.is_empty());
        let text = format!("{:?}", hide_from_customer(drawn));
        assert!(!text.contains("anna") && !text.contains("PERSONAL") && !text.contains("offers/"), "{text}");
    }
}

#[test]
fn decision_ids_differ_between_desks_incarnations_and_numbers() {
    let other = DeskKey { desk: DeskId::parse("south").expect("valid"), ..key() };
    let ids =
        [decision_id(&key(), 1, 1), decision_id(&key(), 1, 2), decision_id(&key(), 2, 1), decision_id(&other, 1, 1)];
    assert_eq!(ids[0], decision_id(&key(), 1, 1));
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
}

#[test]
fn a_leg_shows_what_was_noted_in_its_wrap_up() {
    let mut row = row();
    row.legs[0].wrap_up_code = Some("done".into());
    let drawn = ticket(&key().desk, &row, View::Full, None);
    let noted = pb::WrapUp { code: "done".into(), note: "careful".into() };
    assert_eq!(drawn.legs[0].wrap_up, Some(noted));
}
