//! Presence and capacity, read from the specification: declared states, sessions, lost agents, deletion.

use std::sync::Arc;

use handoff::domain::agent::{Declared, OpenWork};
use handoff::domain::event::{Body, SessionEnd};
use handoff::domain::leg::LegState;
use handoff::domain::offer::{OfferEnd, RevokeReason};
use handoff::domain::requirement::{Channel, Pool};
use handoff::domain::ticket::{Release, TicketState, TransferState};
use handoff::domain::time::Span;
use handoff::routing::command::{Answer, AssignMode, Command, ProfilePatch, SessionMode, Timing};
use handoff::routing::reject::Reject;

use super::desk::{agent_id, profile};
use super::handover::{assign, to_agent};
use super::world::{World, set_state, start_session};

fn lunch() -> Declared {
    Declared::Break { reason: Arc::from("lunch") }
}

fn state(declared: Declared, timing: Timing, open_work: OpenWork) -> Command {
    Command::SetAgentState { agent: agent_id("ann"), declared, timing, open_work }
}

fn lose(world: &mut World, agent: &str) {
    let epoch = world.agent(agent).last_epoch;
    world.call(Command::EndSession { agent: agent_id(agent), epoch, reason: SessionEnd::Lost });
}

#[test]
fn break_and_offline_return_pending_offers_at_once_without_a_miss() {
    for (declared, why) in [(lunch(), RevokeReason::AgentOnBreak), (Declared::Offline, RevokeReason::AgentOffline)] {
        let mut world = World::open();
        let ticket = world.create("t", Channel::Chat, |_| {});
        let offer = world.propose(ticket, &["ann"])[0];
        world.call(set_state("ann", declared));
        assert_eq!(world.offer(offer).end, Some(OfferEnd::Revoked(why)));
        let leg = world.leg(offer.leg);
        assert_eq!((leg.state, leg.exclusions.len()), (LegState::Waiting, 0));
        assert_eq!((world.agent("ann").misses, world.agent("ann").used_live), (0, 0));
    }
}

#[test]
fn after_current_applies_when_the_current_work_has_ended() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Phone, |_| {});
    let offer = world.propose(ticket, &["ann"])[0];
    world.call(state(lunch(), Timing::AfterCurrent, OpenWork::Keep));
    assert_eq!(world.agent("ann").declared, Declared::Ready);
    assert!(!world.agent("ann").on_duty(), "no new work");
    world.call(world.accept(offer, "desk", true));
    world.call(Command::EndLeg { leg: offer.leg, ended_by: handoff::domain::leg::EndedBy::Agent });
    assert_eq!(world.agent("ann").declared, Declared::Ready, "wrap-up is work");
    world.pass(30);
    assert_eq!(world.agent("ann").declared, lunch());
    assert_eq!(world.agent("ann").next_declared, None);
}

#[test]
fn a_later_state_replaces_one_that_was_to_come() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |_| {});
    world.handle(ticket, "ann");
    world.call(state(lunch(), Timing::AfterCurrent, OpenWork::Keep));
    world.call(state(Declared::Offline, Timing::AfterCurrent, OpenWork::Keep));
    assert_eq!(world.agent("ann").next_declared.as_ref().map(|next| next.declared.clone()), Some(Declared::Offline));
    world.call(set_state("ann", Declared::Ready));
    assert!(world.agent("ann").on_duty());
}

#[test]
fn after_current_applies_at_once_when_there_is_no_work() {
    let mut world = World::open();
    world.call(state(Declared::Offline, Timing::AfterCurrent, OpenWork::Keep));
    assert_eq!(world.agent("ann").declared, Declared::Offline);
}

#[test]
fn offline_keeps_or_requeues_digital_work_and_never_touches_a_call() {
    for (channel, open_work, kept) in [
        (Channel::Chat, OpenWork::Keep, true),
        (Channel::Chat, OpenWork::Requeue, false),
        (Channel::Phone, OpenWork::Requeue, true),
    ] {
        let mut world = World::open();
        let ticket = world.create("t", channel, |_| {});
        world.handle(ticket, "ann");
        world.call(state(Declared::Offline, Timing::Now, open_work));
        let handler = world.ticket(ticket).handler().cloned();
        assert_eq!(handler.is_some(), kept, "{channel:?} {open_work:?}");
        let expected = if kept { TicketState::Assigned } else { TicketState::Queued };
        assert_eq!(world.ticket(ticket).state, expected);
    }
}

#[test]
fn a_change_of_state_never_ends_a_wrap_up() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Phone, |_| {});
    let leg = world.handle(ticket, "ann");
    world.call(Command::EndLeg { leg, ended_by: handoff::domain::leg::EndedBy::Customer });
    world.call(state(Declared::Offline, Timing::Now, OpenWork::Requeue));
    world.call(set_state("ann", Declared::Ready));
    assert_eq!((world.leg(leg).state, world.agent("ann").held(Channel::Phone)), (LegState::Wrapping, 1));
}

#[test]
fn ready_needs_a_session() {
    let mut world = World::closed();
    let refused = world.refused(set_state("ann", Declared::Ready));
    assert!(matches!(refused, Reject::AgentUnavailable { .. }), "{refused:?}");
}

#[test]
fn further_devices_join_and_a_stale_secret_does_not() {
    let mut world = World::open();
    let ann = agent_id("ann");
    let join = |device: &str, shown| start_session(&ann, device, SessionMode::Join, "other", shown);
    assert_eq!(world.call(join("phone", None)), Answer::Session { agent: ann.clone(), epoch: 1 });
    assert_eq!(world.call(join("desk", Some("s"))), Answer::Session { agent: ann.clone(), epoch: 1 });
    assert_eq!(world.agent("ann").session.as_ref().map(|session| session.devices.len()), Some(2));
    // Taken over meanwhile: a client must not come back by itself.
    assert_eq!(world.refused(join("desk", Some("old"))), Reject::SessionHeld { agent: ann.clone() });
    for n in 2..8 {
        world.call(join(&format!("d{n}"), None));
    }
    assert!(matches!(world.refused(join("d9", None)), Reject::LimitReached { .. }));
}

#[test]
fn a_take_over_revokes_ringing_offers_and_keeps_held_legs_and_preferences() {
    let mut world = World::open();
    let held = world.create("held", Channel::Chat, |_| {});
    world.handle(held, "ann");
    let ringing = world.create("ringing", Channel::Chat, |_| {});
    let offer = world.propose(ringing, &["ann"])[0];
    let waiting = world.create("waiting", Channel::Chat, |_| {});
    world.call(assign(waiting, "ann", AssignMode::Offer));
    let old = world.accept(offer, "desk", true);
    let answer = world.call(start_session(&agent_id("ann"), "new", SessionMode::TakeOver, "t", None));
    assert_eq!(answer, Answer::Session { agent: agent_id("ann"), epoch: 2 });
    assert_eq!(world.offer(offer).end, Some(OfferEnd::Revoked(RevokeReason::SessionEnded)));
    assert!(matches!(world.refused(old), Reject::OfferGone { .. }));
    assert_eq!(world.ticket(held).handler(), Some(&agent_id("ann")));
    assert_eq!(world.pending(waiting).prefer, Some(agent_id("ann")));
    assert!(world.agent("ann").on_duty());
    assert_eq!(world.propose(ringing, &["ann"]).len(), 1);
    let ended = |event: &handoff::domain::event::Event| {
        matches!(&event.body, Body::SessionEnded { reason: SessionEnd::TakenOver, epoch: 1, .. })
    };
    assert!(world.log.iter().any(ended));
}

#[test]
fn a_session_that_ends_in_order_leaves_the_agent_offline_and_ends_once() {
    let mut world = World::open();
    let end = |epoch| Command::EndSession { agent: agent_id("ann"), epoch, reason: SessionEnd::Ended };
    assert!(matches!(world.refused(end(5)), Reject::SessionStale { current: 1, .. }));
    world.call(end(1));
    assert_eq!((world.agent("ann").declared.clone(), world.agent("ann").session.is_some()), (Declared::Offline, false));
    let before = world.log.len();
    world.call(end(1));
    assert_eq!(world.log.len(), before);
}

#[test]
fn a_lost_agent_keeps_digital_work_for_five_minutes_then_is_preferred_for_one() {
    let mut world = World::open();
    let chat = world.create("chat", Channel::Chat, |_| {});
    world.handle(chat, "ann");
    let ringing = world.create("ringing", Channel::Chat, |_| {});
    let offer = world.propose(ringing, &["ann"])[0];
    lose(&mut world, "ann");
    assert_eq!(world.offer(offer).end, Some(OfferEnd::Revoked(RevokeReason::SessionEnded)));
    let grace = Some(world.now + Span::from_secs(300));
    let told = |event: &handoff::domain::event::Event| matches!(&event.body, Body::HandlerLost { requeue_time, .. } if *requeue_time == grace);
    assert!(world.log.iter().any(told), "handler_lost is streamed at once");
    world.pass(299);
    assert_eq!(world.ticket(chat).handler(), Some(&agent_id("ann")));
    world.pass(1);
    let leg = world.pending(chat).clone();
    assert_eq!(leg.prefer, Some(agent_id("ann")));
    assert_eq!(leg.prefer_until, Some(world.now + Span::from_secs(60)));
    assert_eq!(leg.order_time, world.ticket(chat).arrival_time - Span::from_mins(10), "its age is kept");
    assert_eq!(world.ticket(chat).hops, 0);
}

#[test]
fn a_lost_agent_who_returns_within_the_grace_keeps_the_work_under_a_new_epoch() {
    let mut world = World::open();
    let chat = world.create("chat", Channel::Chat, |_| {});
    world.handle(chat, "ann");
    lose(&mut world, "ann");
    world.pass(200);
    let answer = world.call(start_session(&agent_id("ann"), "desk", SessionMode::Join, "t", Some("s")));
    assert_eq!(answer, Answer::Session { agent: agent_id("ann"), epoch: 2 });
    assert!(world.agent("ann").on_duty(), "still READY");
    world.pass(400);
    assert_eq!(world.ticket(chat).handler(), Some(&agent_id("ann")));
}

#[test]
fn a_lost_agents_call_is_left_to_its_connector() {
    let mut world = World::open();
    let call = world.create("call", Channel::Phone, |_| {});
    world.handle(call, "ann");
    lose(&mut world, "ann");
    world.pass(3_000);
    assert_eq!(world.ticket(call).handler(), Some(&agent_id("ann")));
}

#[test]
fn work_confirmed_after_its_agent_was_lost_is_requeued_with_the_rest() {
    let mut world = World::open();
    let chat = world.create("chat", Channel::Chat, |new| new.connector = super::desk::connector_id("soc"));
    let offer = world.propose(chat, &["ann"])[0];
    world.call(world.accept(offer, "desk", false));
    lose(&mut world, "ann");
    world.call(Command::ConfirmOffer { offer });
    assert_eq!(world.ticket(chat).handler(), Some(&agent_id("ann")));
    world.pass(300);
    assert_eq!(world.ticket(chat).state, TicketState::Queued);
}

#[test]
fn a_deleted_agent_gives_everything_back() {
    let mut world = World::open();
    let call = world.create("call", Channel::Phone, |_| {});
    world.handle(call, "ann");
    world.call(Command::DeleteAgent { agent: agent_id("ann"), etag: None });
    assert_eq!(world.ticket(call).state, TicketState::Queued);
    assert_eq!(world.agent("ann").used_live, 0);
    assert!(matches!(world.refused(set_state("ann", Declared::Ready)), Reject::NotFound { .. }));
    let again = Command::CreateAgent { agent: agent_id("ann"), profile: Box::new(profile(2, &[])) };
    world.call(again);
    assert!(!world.agent("ann").deleted && world.agent("ann").last_epoch == 1);
}

#[test]
fn an_agent_deleted_while_connecting_gives_a_named_transfer_back() {
    let mut world = World::open();
    let call = world.create("call", Channel::Phone, |_| {});
    world.handle(call, "bob");
    world.call(to_agent(call, "ann", Release::AfterConfirm));
    let offer = world.propose(call, &["ann"])[0];
    world.call(world.accept(offer, "desk", false));
    world.call(Command::DeleteAgent { agent: agent_id("ann"), etag: None });
    assert_eq!(world.ticket(call).transfers[0].state, TransferState::Returned);
    assert_eq!(world.ticket(call).handler(), Some(&agent_id("bob")));
}

#[test]
fn capacity_lowered_below_the_load_is_full_until_work_ends() {
    let mut world = World::open();
    let first = world.create("first", Channel::Chat, |_| {});
    let leg = world.handle(first, "ann");
    let patch = ProfilePatch { pools: Some([(Pool::Live, 10)].into()), ..ProfilePatch::default() };
    world.call(Command::UpdateAgent { agent: agent_id("ann"), patch: Box::new(patch), etag: Some(1) });
    let second = world.create("second", Channel::Chat, |_| {});
    let proposal = world.proposal(handoff::domain::id::LegId { ticket: second, leg: 1 }, &["ann"]);
    assert_eq!(world.refused(proposal), Reject::Stale);
    world.call(Command::EndLeg { leg, ended_by: handoff::domain::leg::EndedBy::Agent });
    assert_eq!(world.agent("ann").used_live, 0);
}

#[test]
fn a_stale_etag_of_a_profile_is_refused() {
    let mut world = World::open();
    let patch = Box::new(ProfilePatch { tier: Some(2), ..ProfilePatch::default() });
    let update = |etag| Command::UpdateAgent { agent: agent_id("ann"), patch: patch.clone(), etag };
    world.call(update(Some(1)));
    assert_eq!(world.refused(update(Some(1))), Reject::EtagMismatch { found: 2 });
}
