//! Creation, classification, updates, schedules, places in line and time-outs: read from the specification.

use std::sync::Arc;

use handoff::domain::agent::Declared;
use handoff::domain::id::{LegId, TicketId};
use handoff::domain::leg::EndedBy;
use handoff::domain::offer::{OfferEnd, RevokeReason};
use handoff::domain::requirement::{Band, Channel, Requirement};
use handoff::domain::ticket::{Infeasibility, TicketState};
use handoff::domain::time::Span;
use handoff::policy::Rule;
use handoff::policy::condition::Condition;
use handoff::routing::command::{Command, NewTicket, TicketPatch};
use handoff::routing::decide::leg_key;
use handoff::routing::reject::Reject;

use super::desk::{agent_id, connector_id, need, queue_id};
use super::world::{START, World, new_ticket, set_state};

fn refused_create(world: &mut World, change: impl FnOnce(&mut NewTicket)) -> Reject {
    let mut new = new_ticket("bad", Channel::Chat);
    change(&mut new);
    world.refused(Command::CreateTicket(Box::new(new)))
}

fn fields(reject: Reject) -> Vec<String> {
    match reject {
        Reject::Invalid(violations) => violations.into_iter().map(|violation| violation.field).collect(),
        other => panic!("{other:?}"),
    }
}

fn update(ticket: TicketId, patch: TicketPatch) -> Command {
    Command::UpdateTicket { ticket, patch: Box::new(patch), reclassify: false, etag: None }
}

fn keyed(key: &str) -> impl FnOnce(&mut NewTicket) {
    let key = Arc::from(key);
    move |new| new.content.conversation_keys = vec![key]
}

fn resolve(ticket: TicketId) -> Command {
    let resolution = handoff::routing::command::NewResolution {
        text: Arc::from(""),
        code: Arc::from(""),
        first_contact: None,
        concession: None,
    };
    Command::ResolveTicket { ticket, resolution: Box::new(resolution), etag: None }
}

#[test]
fn a_ticket_id_or_conversation_in_use_is_refused_naming_the_ticket() {
    let mut world = World::open();
    world.create("first", Channel::Chat, keyed("k"));
    let twice = world.refused(Command::CreateTicket(Box::new(new_ticket("first", Channel::Chat))));
    assert!(matches!(&twice, Reject::AlreadyExists { name, .. } if name == "first"), "{twice:?}");
    let taken = refused_create(&mut world, keyed("k"));
    assert!(matches!(&taken, Reject::ConversationInUse { ticket, .. } if ticket.as_str() == "first"), "{taken:?}");
    let other = |new: &mut NewTicket| {
        new.connector = connector_id("soc");
        keyed("k")(new);
    };
    world.create("elsewhere", Channel::Chat, other);
}

#[test]
fn a_reopen_is_refused_while_a_newer_ticket_has_the_conversation() {
    let mut world = World::open();
    let old = world.create("old", Channel::Chat, keyed("k"));
    world.handle(old, "ann");
    world.call(resolve(old));
    world.create("new", Channel::Chat, keyed("k"));
    let refused = world.refused(Command::ReopenTicket { ticket: old, reason: Arc::from("again") });
    assert!(matches!(&refused, Reject::ConversationInUse { ticket, .. } if ticket.as_str() == "new"), "{refused:?}");
}

#[test]
fn closing_a_ticket_leaves_the_conversation_to_the_newer_one() {
    let mut world = World::open();
    let old = world.create("old", Channel::Chat, keyed("k"));
    world.handle(old, "ann");
    world.call(resolve(old));
    world.create("new", Channel::Chat, keyed("k"));
    world.pass(24 * 3_600);
    assert_eq!(world.ticket(old).state, TicketState::Closed);
    assert!(matches!(refused_create(&mut world, keyed("k")), Reject::ConversationInUse { .. }));
}

#[test]
fn arrival_may_be_back_dated_by_seven_days_and_every_bad_field_is_named() {
    let mut world = World::open();
    let old = world.create("old", Channel::Email, |new| new.arrival_time = Some(START - Span::from_days(7)));
    assert_eq!(world.ticket(old).arrival_time, START - Span::from_days(7));
    assert_eq!(world.ticket(old).enqueue_time, Some(START));
    let bad = refused_create(&mut world, |new| {
        new.arrival_time = Some(START - Span::from_days(7) - Span(1));
        new.connector = connector_id("mon");
        new.preferred = vec![agent_id("nobody")];
        new.requirement.queue = Some(queue_id("gone"));
    });
    let expected = ["connector", "ticket.preferred_agents[0]", "ticket.requirement.queue", "ticket.arrival_time"];
    assert_eq!(fields(bad), expected);
}

#[test]
fn what_a_catalogue_lists_is_enforced() {
    let mut world = World::open();
    let scope = world.ws.scope.as_mut().expect("a desk");
    let policy = Arc::make_mut(Arc::make_mut(&mut scope.policies).get_mut(&1).expect("a policy"));
    policy.catalogue.skills = Some([Arc::from("vpn")].into());
    policy.catalogue.break_reasons = Some([Arc::from("lunch")].into());
    policy.catalogue.wrap_up_codes = Some([Arc::from("ok")].into());
    let typo = refused_create(&mut world, |new| new.requirement = need("vnp", 1));
    assert_eq!(fields(typo), ["ticket.requirement.skills[skill=vnp]"]);
    let profile = super::desk::profile(1, &[("abc", 1), ("vnp", 1), ("vpn", 1)]);
    let agent = world.refused(Command::CreateAgent { agent: agent_id("new"), profile: Box::new(profile) });
    assert_eq!(fields(agent), ["agent.skills[skill=abc]", "agent.skills[skill=vnp]"]);
    world.create("open", Channel::Chat, |new| new.category = Arc::from("anything"));
    let nap = world.refused(set_state("ann", Declared::Break { reason: Arc::from("nap") }));
    assert_eq!(fields(nap), ["break_reason"]);
    let call = world.create("call", Channel::Phone, |_| {});
    let leg = world.handle(call, "ann");
    world.call(Command::EndLeg { leg, ended_by: EndedBy::Agent });
    let code = world.refused(Command::FinishWrapUp { leg, code: Arc::from("no"), note: Arc::from("") });
    assert_eq!(fields(code), ["code"]);
}

#[test]
fn the_first_rule_that_matches_gives_queue_priority_and_needs() {
    let mut world = World::open();
    let scope = world.ws.scope.as_mut().expect("a desk");
    let policy = Arc::make_mut(Arc::make_mut(&mut scope.policies).get_mut(&1).expect("a policy"));
    let rule = |name: &str, category: &str, queue| Rule {
        name: Arc::from(name),
        when: Condition { category: [Arc::from(category)].into(), ..Condition::default() },
        queue: queue_id(queue),
        requirement: need("vpn", 3),
        priority: Some(40),
    };
    policy.classification = vec![rule("one", "net", "vip"), rule("two", "net", "pair")];
    let net = |new: &mut NewTicket| new.category = Arc::from("net");
    let ticket = world.create("t", Channel::Chat, net);
    let row = world.ticket(ticket);
    assert_eq!((&row.queue, row.priority, &row.effective), (&queue_id("vip"), 40, &need("vpn", 3)));
    assert_eq!(row.requirement, Requirement::default(), "what was asked is kept apart");
    let asked = world.create("asked", Channel::Chat, |new| {
        net(new);
        new.priority = Some(5);
    });
    assert_eq!(world.ticket(asked).priority, 5, "the caller's goes first");
}

#[test]
fn a_smaller_virtual_arrival_time_goes_first_and_a_smaller_band_before_that() {
    let mut world = World::open();
    let key = |world: &World, ticket: TicketId| leg_key(world.ticket(ticket), world.pending(ticket));
    let first = world.create("first", Channel::Chat, |_| {});
    world.wait(Span::from_secs(59));
    let urgent = world.create("urgent", Channel::Chat, |new| new.priority = Some(11));
    world.wait(Span::from_secs(2));
    let late = world.create("late", Channel::Chat, |new| new.priority = Some(11));
    assert!(key(&world, urgent) < key(&world, first), "a point is worth a minute");
    assert!(key(&world, first) < key(&world, late));
    let mail = world.create("mail", Channel::Email, |new| {
        new.arrival_time = Some(START - Span::from_days(6));
        new.priority = Some(100);
    });
    let alarm = world.create("alarm", Channel::Chat, |new| {
        new.band = Some(Band::Emergency);
        new.priority = Some(0);
    });
    assert!(key(&world, alarm) < key(&world, urgent) && key(&world, late) < key(&world, mail));
}

#[test]
fn strict_and_deadline_orderings_yield_times() {
    let mut world = World::open();
    let vip = |priority| {
        move |new: &mut NewTicket| {
            new.requirement.queue = Some(queue_id("vip"));
            new.priority = Some(priority);
        }
    };
    let low = world.create("low", Channel::Chat, vip(1));
    world.wait(Span::from_days(29));
    let high = world.create("high", Channel::Chat, vip(2));
    assert!(world.pending(high).order_time < world.pending(low).order_time);
    let late = world.create("late", Channel::Email, |new| new.requirement.queue = Some(queue_id("late")));
    assert_eq!(world.pending(late).order_time, world.now + Span::from_hours(8));
}

#[test]
fn an_update_moves_the_order_key_not_the_age() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |_| {});
    let offer = world.propose(ticket, &["ann"])[0];
    world.wait(Span::from_secs(5));
    world.call(update(ticket, TicketPatch { priority: Some(Some(30)), ..TicketPatch::default() }));
    assert_eq!(world.pending(ticket).order_time, START - Span::from_mins(30));
    assert_eq!((world.ticket(ticket).enqueue_time, world.offer(offer).end), (Some(START), None));
    world.call(update(ticket, TicketPatch { requirement: Some(need("billing", 1)), ..TicketPatch::default() }));
    assert_eq!(world.offer(offer).end, Some(OfferEnd::Revoked(RevokeReason::Superseded)), "chosen for other needs");
    assert_eq!(world.pending(ticket).requirement, need("billing", 1));
    let transfer = super::handover::to_agent(ticket, "bob", handoff::domain::ticket::Release::AfterConfirm);
    world.call(transfer);
    world.call(update(ticket, TicketPatch { priority: Some(Some(40)), ..TicketPatch::default() }));
    assert_eq!(world.pending(ticket).order_time, START - Span::from_mins(40), "a transfer's leg too");
    let needs = update(ticket, TicketPatch { requirement: Some(need("vpn", 1)), ..TicketPatch::default() });
    assert!(matches!(world.refused(needs), Reject::TicketState { .. }));
}

#[test]
fn a_stale_etag_of_a_ticket_is_refused() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |_| {});
    let command =
        Command::UpdateTicket { ticket, patch: Box::new(TicketPatch::default()), reclassify: false, etag: Some(9) };
    assert_eq!(world.refused(command), Reject::EtagMismatch { found: 1 });
}

#[test]
fn the_first_preferred_agent_on_duty_is_tried_first() {
    let mut world = World::open();
    world.call(set_state("ann", Declared::Offline));
    let both = |new: &mut NewTicket| new.preferred = vec![agent_id("ann"), agent_id("bob")];
    let chat = world.create("chat", Channel::Chat, both);
    let leg = world.pending(chat);
    assert_eq!((leg.prefer.clone(), leg.prefer_until), (Some(agent_id("bob")), Some(START + Span::from_secs(120))));
    let call = world.create("call", Channel::Phone, both);
    assert_eq!(world.pending(call).prefer_until, Some(START + Span::from_secs(30)));
    world.pass(120);
    assert_eq!((world.pending(chat).prefer.clone(), world.pending(call).prefer.clone()), (None, None));
}

#[test]
fn a_parked_ticket_is_queued_at_its_time_for_its_preferred_agent() {
    let mut world = World::open();
    let parked = |new: &mut NewTicket| {
        new.schedule_time = Some(START + Span::from_hours(1));
        new.preferred = vec![agent_id("ann")];
    };
    let ticket = world.create("t", Channel::Chat, parked);
    assert_eq!((world.ticket(ticket).state, world.ticket(ticket).enqueue_time), (TicketState::Open, None));
    world.pass(3_600);
    let row = world.ticket(ticket);
    assert_eq!(
        (row.state, row.enqueue_time, row.customer_turn),
        (TicketState::Queued, Some(world.now), Span::from_hours(1))
    );
    assert_eq!(world.pending(ticket).prefer, Some(agent_id("ann")));
    let other = world.create("other", Channel::Chat, |new| new.schedule_time = Some(START + Span::from_days(2)));
    world.call(update(other, TicketPatch { schedule_time: Some(None), ..TicketPatch::default() }));
    assert_eq!(world.ticket(other).state, TicketState::Queued, "now");
}

#[test]
fn a_full_queue_passes_on_and_then_refuses() {
    let mut world = World::open();
    let billing = |new: &mut NewTicket| new.requirement.queue = Some(queue_id("billing"));
    for n in 0..5 {
        let ticket = world.create(&format!("t{n}"), Channel::Chat, billing);
        let expected = if n < 2 { "billing" } else { "overflow" };
        assert_eq!(world.ticket(ticket).queue, queue_id(expected), "ticket {n}");
    }
    assert_eq!(refused_create(&mut world, billing), Reject::QueueFull { queue: "billing".into() });
}

#[test]
fn a_ticket_nobody_takes_goes_to_the_terminal_destination_three_times_and_waits_on() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Email, |new| new.requirement.queue = Some(queue_id("late")));
    for visit in 1..=3 {
        world.pass(59);
        assert_eq!(world.ticket(ticket).terminal_visits, visit - 1);
        world.pass(1);
        let row = world.ticket(ticket);
        assert_eq!((row.terminal_visits, &row.queue, row.state), (visit, &queue_id("last"), TicketState::Queued));
    }
    world.pass(86_400);
    assert_eq!((world.ticket(ticket).terminal_visits, world.ticket(ticket).legs.len()), (3, 4));
    assert!(world.ticket(ticket).pending_leg().is_some(), "never lost");
}

#[test]
fn a_diagnosis_is_written_once_and_ends_with_an_offer() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |_| {});
    let leg = LegId { ticket, leg: 1 };
    let diagnose = |world: &World, found| Command::Diagnose { leg, leg_ver: world.leg(leg).ver, infeasibility: found };
    world.call(diagnose(&world, Some(Infeasibility::Absent)));
    assert_eq!(world.refused(diagnose(&world, Some(Infeasibility::Absent))), Reject::Stale);
    world.propose(ticket, &["ann"]);
    assert_eq!(world.ticket(ticket).infeasibility, None);
}
