//! Hold, requeue, the end of a contact, wrap-up, resolution, reopening, cancelling: read from the specification.

use std::sync::Arc;

use handoff::domain::agent::Declared;
use handoff::domain::connector::Connector;
use handoff::domain::id::{LegId, TicketId, TicketName};
use handoff::domain::leg::{EndedBy, LegState};
use handoff::domain::offer::{OfferEnd, RevokeReason};
use handoff::domain::requirement::{Amount, Channel};
use handoff::domain::ticket::{CancelReason, Release, TicketState, TransferState};
use handoff::domain::time::{Span, Time};
use handoff::routing::command::{Answer, Command, Missing, NewResolution};
use handoff::routing::reject::Reject;

use super::desk::{self, agent_id, connector_id, euros, queue_id};
use super::handover::to_agent;
use super::world::{World, new_ticket, set_state, ticket_id};

fn hold(ticket: TicketId, resume_time: Option<Time>) -> Command {
    Command::HoldTicket { ticket, reason: Arc::from("waits"), resume_time }
}

fn resolve(ticket: TicketId, concession: Option<(&str, Option<Amount>)>) -> Command {
    let concession = concession.map(|(authority, amount)| (Arc::from(authority), amount));
    let resolution = NewResolution { text: Arc::from("done"), code: Arc::from("ok"), first_contact: None, concession };
    Command::ResolveTicket { ticket, resolution: Box::new(resolution), etag: None }
}

fn reopen(ticket: TicketId) -> Command {
    Command::ReopenTicket { ticket, reason: Arc::from("again") }
}

fn requeue(ticket: TicketId, prefer_handler: bool) -> Command {
    Command::RequeueTicket { ticket, reason: Arc::from("dropped"), prefer_handler }
}

fn cancel(ticket: TicketId) -> Command {
    Command::CancelTicket { ticket, reason: CancelReason::CustomerLeft, missing: None }
}

fn end(leg: LegId, ended_by: EndedBy) -> Command {
    Command::EndLeg { leg, ended_by }
}

#[test]
fn a_ticket_that_a_connector_does_not_take_is_noted_once_and_let_go_once_and_goes_on_as_before() {
    let mut world = World::open();
    let (ticket, leg) = handled(&mut world, Channel::Chat, "ann");
    let quarantine = |connector: &str, from| Command::QuarantineTicket {
        ticket,
        connector: connector_id(connector),
        from,
        attempts: 5,
        reason: Arc::from("no line"),
    };
    let before = world.ticket(ticket).clone();
    for (connector, from) in [("web", 7), ("web", 9), ("pbx", 8)] {
        world.call(quarantine(connector, from));
    }
    let kept_back = world.ticket(ticket);
    assert_eq!(kept_back.quarantines, [(connector_id("web"), 7), (connector_id("pbx"), 8)].into());
    assert_eq!((kept_back.state, kept_back.ticket_seq), (before.state, before.ticket_seq + 2));
    assert_eq!(kept_back.leg(leg.leg), before.leg(leg.leg));
    world.call(Command::ReleaseTicket { ticket });
    world.call(Command::ReleaseTicket { ticket });
    let released = world.ticket(ticket);
    assert!(released.quarantines.is_empty());
    assert_eq!((released.ver, released.ticket_seq), (before.ver + 4, before.ticket_seq + 2));
}

fn handled(world: &mut World, channel: Channel, agent: &str) -> (TicketId, LegId) {
    let ticket = world.create("t", channel, |_| {});
    let leg = world.handle(ticket, agent);
    (ticket, leg)
}

#[test]
fn hold_keeps_the_agent_on_the_phone_and_frees_them_on_digital_channels() {
    for (channel, kept) in [(Channel::Phone, true), (Channel::Chat, false), (Channel::Email, false)] {
        let mut world = World::open();
        let (ticket, _) = handled(&mut world, channel, "ann");
        world.call(hold(ticket, None));
        world.call(hold(ticket, None));
        assert_eq!(world.ticket(ticket).state, TicketState::OnHold);
        assert_eq!(world.agent("ann").holds_nothing(), !kept, "{channel:?}");
        world.call(Command::ResumeTicket { ticket });
        let row = world.ticket(ticket);
        assert_eq!((row.state, row.handler()), (TicketState::Assigned, Some(&agent_id("ann"))), "{channel:?}");
    }
}

#[test]
fn a_resume_without_room_waits_for_the_handler_for_two_minutes() {
    let mut world = World::open();
    let (ticket, _) = handled(&mut world, Channel::Chat, "ann");
    world.call(hold(ticket, None));
    for n in 0..4 {
        let other = world.create(&format!("o{n}"), Channel::Chat, |_| {});
        world.handle(other, "ann");
    }
    world.call(Command::ResumeTicket { ticket });
    let leg = world.pending(ticket);
    assert_eq!((leg.prefer.clone(), leg.prefer_until), (Some(agent_id("ann")), Some(world.now + Span::from_secs(120))));
    world.pass(120);
    assert_eq!(world.pending(ticket).prefer, None);
}

#[test]
fn a_resume_never_goes_to_an_agent_who_is_offline() {
    let mut world = World::open();
    let (ticket, _) = handled(&mut world, Channel::Chat, "ann");
    world.call(hold(ticket, Some(world.now + Span::from_mins(5))));
    world.call(set_state("ann", Declared::Offline));
    world.pass(300);
    let row = world.ticket(ticket);
    assert_eq!((row.state, row.customer_turn), (TicketState::Queued, Span::from_mins(5)));
    assert_eq!(world.pending(ticket).prefer, None);
    let arrived = row.arrival_time;
    assert_eq!(world.pending(ticket).order_time, arrived + Span::from_mins(5) - Span::from_mins(10));
}

#[test]
fn only_assigned_tickets_are_held_and_a_hold_ends_by_itself() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |_| {});
    assert!(matches!(world.refused(hold(ticket, None)), Reject::TicketState { .. }));
    world.handle(ticket, "ann");
    assert!(matches!(world.refused(hold(ticket, Some(world.now))), Reject::Invalid(_)));
    world.call(hold(ticket, None));
    world.pass(7 * 86_400);
    assert_eq!(world.ticket(ticket).state, TicketState::Assigned, "back with the handler");
}

#[test]
fn a_requeue_keeps_the_age_and_prefers_the_handler_if_asked() {
    for prefer in [true, false] {
        let mut world = World::open();
        let (ticket, first) = handled(&mut world, Channel::Phone, "ann");
        let age = world.leg(first).order_time;
        world.pass(60);
        world.call(requeue(ticket, prefer));
        let leg = world.pending(ticket);
        let until = prefer.then_some(world.now + Span::from_secs(30));
        assert_eq!((leg.order_time, leg.prefer_until), (age, until));
        assert_eq!((world.ticket(ticket).hops, world.agent("ann").used_live), (0, 0));
    }
    let mut world = World::open();
    let (ticket, leg) = handled(&mut world, Channel::Chat, "ann");
    world.call(end(leg, EndedBy::Agent));
    world.call(requeue(ticket, true));
    assert_eq!(world.pending(ticket).prefer, Some(agent_id("ann")), "its owner had kept it");
}

#[test]
fn a_call_on_hold_that_is_given_back_is_on_hold_no_longer() {
    let mut world = World::open();
    let (ticket, _) = handled(&mut world, Channel::Phone, "ann");
    world.call(hold(ticket, None));
    world.pass(60);
    world.call(requeue(ticket, true));
    let row = world.ticket(ticket);
    assert_eq!((row.state, row.hold.is_some(), row.customer_turn), (TicketState::Queued, false, Span::from_mins(1)));
}

#[test]
fn only_an_assigned_ticket_is_given_back() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Phone, |_| {});
    assert!(matches!(world.refused(requeue(ticket, false)), Reject::TicketState { .. }));
}

#[test]
fn a_call_that_ends_goes_to_wrap_up_and_is_then_resolved_by_its_queue() {
    let mut world = World::open();
    let (ticket, leg) = handled(&mut world, Channel::Phone, "ann");
    world.call(end(leg, EndedBy::Customer));
    world.call(end(leg, EndedBy::Customer));
    assert_eq!((world.leg(leg).state, world.ticket(ticket).state), (LegState::Wrapping, TicketState::Assigned));
    assert_eq!(world.agent("ann").used_live, 100, "booked until wrap-up ends");
    world.pass(29);
    assert_eq!(world.leg(leg).state, LegState::Wrapping);
    world.pass(1);
    assert_eq!(world.leg(leg).state, LegState::Done);
    let row = world.ticket(ticket);
    assert_eq!(row.state, TicketState::Closed, "a call is not reopened");
    assert_eq!(row.resolution.as_ref().map(|resolution| resolution.first_contact), Some(true));
    assert_eq!(world.agent("ann").used_live, 0);
}

#[test]
fn a_wrap_up_is_finished_by_the_agent_with_a_code() {
    let mut world = World::open();
    let (ticket, leg) = handled(&mut world, Channel::Phone, "ann");
    let finish = Command::FinishWrapUp { leg, code: Arc::from("billing"), note: Arc::from("paid") };
    assert!(matches!(world.refused(finish.clone()), Reject::LegState { .. }));
    world.call(end(leg, EndedBy::Agent));
    world.call(finish.clone());
    world.call(finish);
    assert_eq!(world.leg(leg).wrap_up_code.as_deref(), Some("billing"));
    assert_eq!(world.ticket(ticket).content.notes.len(), 1);
    assert_eq!(world.ticket(ticket).wrap_up_note(leg.leg).map(AsRef::as_ref), Some("paid"));
}

#[test]
fn a_chat_that_its_customer_left_is_queued_again_if_its_owner_forgets_it() {
    let mut world = World::open();
    let (ticket, leg) = handled(&mut world, Channel::Chat, "ann");
    world.call(end(leg, EndedBy::Customer));
    assert_eq!((world.leg(leg).state, world.ticket(ticket).state), (LegState::Done, TicketState::Assigned));
    world.pass(7 * 86_400);
    assert_eq!(
        (world.ticket(ticket).state, world.pending(ticket).prefer.clone()),
        (TicketState::Queued, Some(agent_id("ann")))
    );
}

#[test]
fn a_queue_may_resolve_a_chat_at_once() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |new| new.requirement.queue = Some(queue_id("vip")));
    let leg = world.handle(ticket, "ann");
    world.call(end(leg, EndedBy::Agent));
    assert_eq!(world.ticket(ticket).state, TicketState::Resolved);
}

#[test]
fn a_call_that_ends_on_hold_is_over() {
    let mut world = World::open();
    let (ticket, leg) = handled(&mut world, Channel::Phone, "ann");
    world.call(hold(ticket, None));
    world.call(end(leg, EndedBy::Customer));
    assert_eq!((world.leg(leg).state, world.ticket(ticket).state), (LegState::Wrapping, TicketState::Assigned));
    world.pass(30);
    assert_eq!(world.ticket(ticket).state, TicketState::Closed);
}

#[test]
fn a_customer_who_leaves_during_a_transfer_cancels_it() {
    let mut world = World::open();
    let (ticket, leg) = handled(&mut world, Channel::Phone, "ann");
    world.call(to_agent(ticket, "bob", Release::AfterConfirm));
    let offer = world.propose(ticket, &["bob"])[0];
    world.call(end(leg, EndedBy::Customer));
    assert_eq!(world.offer(offer).end, Some(OfferEnd::Revoked(RevokeReason::Cancelled)));
    assert_eq!(world.ticket(ticket).transfers[0].state, TransferState::Cancelled);
    assert_eq!(world.agent("bob").used_live, 0);
}

#[test]
fn a_resolved_chat_is_reopened_for_a_day_and_then_closed() {
    let mut world = World::open();
    let (ticket, _) = handled(&mut world, Channel::Chat, "ann");
    world.call(resolve(ticket, None));
    world.pass(3_600);
    world.call(reopen(ticket));
    let row = world.ticket(ticket);
    assert_eq!((row.state, row.customer_turn), (TicketState::Queued, Span::from_hours(1)));
    assert_eq!(world.pending(ticket).prefer, Some(agent_id("ann")), "its owner is tried first");
    world.handle(ticket, "ann");
    world.call(resolve(ticket, None));
    world.pass(24 * 3_600);
    assert_eq!(world.ticket(ticket).state, TicketState::Closed);
    assert!(matches!(world.refused(reopen(ticket)), Reject::TicketState { .. }));
}

#[test]
fn first_contact_means_neither_handed_on_nor_reopened() {
    let first = |world: &World, ticket| world.ticket(ticket).resolution.clone().expect("resolved").first_contact;
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |new| new.requirement.queue = Some(queue_id("vip")));
    let leg = world.handle(ticket, "ann");
    world.call(end(leg, EndedBy::Agent));
    assert!(first(&world, ticket));
    world.call(reopen(ticket));
    let leg = world.handle(ticket, "ann");
    world.call(end(leg, EndedBy::Agent));
    assert!(!first(&world, ticket), "reopened before");
}

#[test]
fn a_concession_is_checked_against_the_agents_authority() {
    let mut world = World::open();
    let (ticket, leg) = handled(&mut world, Channel::Chat, "cas");
    let refused = world.refused(resolve(ticket, Some(("refund", euros(501)))));
    assert_eq!(refused, Reject::NotAuthorised { authority: "refund".into() });
    assert_eq!(
        world.refused(resolve(ticket, Some(("legal_hold", None)))),
        Reject::NotAuthorised { authority: "legal_hold".into() }
    );
    world.call(end(leg, EndedBy::Agent));
    world.call(resolve(ticket, Some(("refund", euros(500)))));
    assert_eq!(world.ticket(ticket).state, TicketState::Resolved);
    let waiting = world.create("other", Channel::Chat, |_| {});
    assert!(matches!(world.refused(resolve(waiting, Some(("refund", None)))), Reject::TicketState { .. }));
}

#[test]
fn resolving_takes_back_what_rings_and_starts_the_wrap_up() {
    let mut world = World::open();
    let (ticket, leg) = handled(&mut world, Channel::Phone, "ann");
    world.call(to_agent(ticket, "bob", Release::AfterConfirm));
    let offer = world.propose(ticket, &["bob"])[0];
    world.call(resolve(ticket, None));
    assert_eq!(world.offer(offer).end, Some(OfferEnd::Revoked(RevokeReason::Resolved)));
    assert_eq!((world.leg(leg).state, world.ticket(ticket).state), (LegState::Wrapping, TicketState::Closed));
    world.pass(30);
    assert_eq!((world.leg(leg).state, world.agent("ann").used_live), (LegState::Done, 0));
}

#[test]
fn cancelling_cancels_what_waits_or_rings_and_wraps_up_what_is_active() {
    let mut world = World::open();
    let waiting = world.create("waiting", Channel::Chat, |_| {});
    world.call(cancel(waiting));
    assert_eq!(world.leg(LegId { ticket: waiting, leg: 1 }).state, LegState::Cancelled);
    let ringing = world.create("ringing", Channel::Chat, |_| {});
    let offer = world.propose(ringing, &["ann"])[0];
    world.call(cancel(ringing));
    assert_eq!(world.offer(offer).end, Some(OfferEnd::Revoked(RevokeReason::Cancelled)));
    assert_eq!((world.leg(offer.leg).state, world.agent("ann").used_live), (LegState::Cancelled, 0));
    let (active, leg) = handled(&mut world, Channel::Phone, "ann");
    world.call(cancel(active));
    assert_eq!((world.leg(leg).state, world.ticket(active).state), (LegState::Wrapping, TicketState::Cancelled));
    world.pass(30);
    assert_eq!((world.leg(leg).state, world.ticket(active).state), (LegState::Done, TicketState::Cancelled));
    let before = world.log.len();
    world.call(cancel(active));
    assert_eq!(world.log.len(), before, "once");
}

#[test]
fn a_cancel_that_overtakes_its_create_leaves_a_tombstone() {
    let mut world = World::open();
    let missing = Missing { name: TicketName::parse("early").expect("a name"), connector: Some(connector_id("web")) };
    let early = ticket_id("early");
    let bury = |missing| Command::CancelTicket { ticket: early, reason: CancelReason::Withdrawn, missing };
    assert!(matches!(world.refused(bury(None)), Reject::NotFound { .. }));
    let nameless = Missing { connector: None, ..missing.clone() };
    assert!(matches!(world.refused(bury(Some(nameless))), Reject::Invalid(_)));
    world.call(bury(Some(missing)));
    let answer = world.call(Command::CreateTicket(Box::new(new_ticket("early", Channel::Chat))));
    assert_eq!(answer, Answer::Ticket { ticket: early });
    assert_eq!(world.ticket(early).state, TicketState::Cancelled);
    let mut foreign = new_ticket("early", Channel::Chat);
    foreign.connector = connector_id("soc");
    assert!(matches!(world.refused(Command::CreateTicket(Box::new(foreign))), Reject::AlreadyExists { .. }));
}

#[test]
fn a_tombstone_is_of_a_channel_that_its_connector_is_told_of() {
    let mut world = World::open();
    let exchange = Connector {
        id: connector_id("pbx"),
        channels: [Channel::Phone].into(),
        ..desk::connectors().into_iter().next().expect("the desk has connectors")
    };
    world.call(Command::CreateConnector { connector: Box::new(exchange) });
    let missing = Missing { name: TicketName::parse("early").expect("a name"), connector: Some(connector_id("pbx")) };
    let early = ticket_id("early");
    let reason = CancelReason::CustomerLeft;
    world.call(Command::CancelTicket { ticket: early, reason, missing: Some(missing) });
    assert_eq!(world.ticket(early).channel, Channel::Phone);
}
