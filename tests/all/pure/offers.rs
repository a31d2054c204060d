//! Offers, read from the specification: accept, confirm and fail, decline, expire, parallel offers, exclusions.

use std::sync::Arc;

use handoff::domain::agent::{Declared, Reachability};
use handoff::domain::id::{LegId, OfferId};
use handoff::domain::leg::{ExclusionReason, LegState};
use handoff::domain::offer::{DeclineReason, FailReason, OfferEnd, OfferState, RevokeReason};
use handoff::domain::requirement::Channel;
use handoff::domain::ticket::{CancelReason, TicketState};
use handoff::domain::time::Span;
use handoff::routing::command::{Answer, Command, ProfilePatch, Proposed};
use handoff::routing::reject::Reject;

use super::desk::{agent_id, need, queue_id, skills};
use super::world::{START, World, set_state};

fn decline(world: &World, offer: OfferId, reason: DeclineReason) -> Command {
    Command::DeclineOffer { offer, session: world.offer(offer).session, reason }
}

fn one_offer(world: &mut World, name: &str, channel: Channel, agent: &str) -> OfferId {
    let ticket = world.create(name, channel, |_| {});
    world.propose(ticket, &[agent])[0]
}

#[test]
fn an_offer_expires_at_its_deadline_and_grace_not_before() {
    let mut world = World::open();
    let offer = one_offer(&mut world, "t", Channel::Phone, "ann");
    assert_eq!(world.offer(offer).expire_time, START + Span::from_secs(20));
    world.wait(Span::from_secs(22) - Span(1));
    assert_eq!(world.refused(Command::TickTicket { ticket: offer.leg.ticket }), Reject::Stale);
    world.wait(Span(1));
    world.tick_all();
    assert_eq!(world.offer(offer).end, Some(OfferEnd::Expired));
    let leg = world.leg(offer.leg);
    assert_eq!((leg.state, leg.order_time), (LegState::Waiting, START - Span::from_mins(10)));
    let exclusion = leg.excludes(&agent_id("ann")).expect("a miss excludes");
    assert_eq!((exclusion.reason, exclusion.until), (ExclusionReason::Missed, Some(world.now + Span::from_secs(60))));
    world.pass(60);
    assert!(world.leg(offer.leg).exclusions.is_empty());
}

#[test]
fn an_accept_counts_until_the_time_out_two_seconds_after_the_ring_and_is_definitely_refused_then() {
    // A time-out that is late, as after an outage of the store, does not take it from whoever answers before it comes.
    for (late, fired, taken) in [(0, true, true), (1, true, true), (2, true, false), (60, false, true)] {
        let mut world = World::open();
        let offer = one_offer(&mut world, "t", Channel::Chat, "ann");
        if fired {
            world.pass(30 + late);
        } else {
            world.wait(Span::from_secs(30 + late));
        }
        let outcome = world.attempt(&world.accept(offer, "desk", true));
        assert_eq!(outcome.is_ok(), taken, "{late} s");
        if !taken {
            let gone = Reject::OfferGone { offer, state: OfferState::Expired, end: Some(OfferEnd::Expired) };
            assert_eq!(outcome, Err(gone));
        }
    }
}

#[test]
fn the_same_device_accepts_twice_and_another_is_told_it_was_elsewhere() {
    let mut world = World::open();
    let offer = one_offer(&mut world, "t", Channel::Chat, "ann");
    world.call(world.accept(offer, "desk", true));
    assert_eq!(world.call(world.accept(offer, "desk", true)), Answer::Offer { offer });
    assert_eq!(world.refused(world.accept(offer, "phone", true)), Reject::AcceptedElsewhere { offer });
}

#[test]
fn an_accept_with_another_epoch_is_refused() {
    let mut world = World::open();
    let offer = one_offer(&mut world, "t", Channel::Chat, "ann");
    let stale = Command::AcceptOffer { offer, session: 7, device: Arc::from("desk"), connected: true };
    assert_eq!(world.refused(stale), Reject::SessionStale { agent: agent_id("ann"), current: 1 });
}

#[test]
fn the_first_accept_of_parallel_offers_revokes_the_others_and_frees_their_agents() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |new| new.requirement.queue = Some(queue_id("pair")));
    let offers = world.propose(ticket, &["ann", "bob"]);
    assert_eq!(offers.len(), 2);
    assert_eq!((world.agent("ann").used_live, world.agent("bob").used_live), (20, 20));
    world.call(world.accept(offers[1], "desk", true));
    assert_eq!(world.offer(offers[0]).end, Some(OfferEnd::Revoked(RevokeReason::TakenByAnother)));
    assert_eq!((world.agent("ann").used_live, world.agent("bob").used_live), (0, 20));
    let gone = Reject::OfferGone {
        offer: offers[0],
        state: OfferState::Revoked,
        end: Some(OfferEnd::Revoked(RevokeReason::TakenByAnother)),
    };
    assert_eq!(world.refused(world.accept(offers[0], "desk", true)), gone);
}

#[test]
fn a_declined_parallel_offer_leaves_the_other_ringing() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |new| new.requirement.queue = Some(queue_id("pair")));
    let offers = world.propose(ticket, &["ann", "bob"]);
    world.call(decline(&world, offers[0], DeclineReason::Busy));
    assert_eq!(world.leg(offers[0].leg).state, LegState::Offered);
    world.call(decline(&world, offers[1], DeclineReason::Busy));
    assert_eq!(world.leg(offers[0].leg).state, LegState::Waiting);
}

#[test]
fn a_proposal_is_cut_to_what_the_leg_wants_and_names_nobody_twice() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |_| {});
    assert_eq!(world.propose(ticket, &["ann", "ann", "bob"]).len(), 1);
    assert_eq!((world.agent("ann").held(Channel::Chat), world.agent("bob").held(Channel::Chat)), (1, 0));
}

#[test]
fn a_proposal_is_guarded_by_leg_version_session_duty_and_room() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Phone, |_| {});
    let leg = LegId { ticket, leg: 1 };
    let good = world.proposal(leg, &["ann"]);
    let Command::Propose { leg_ver, record, .. } = good.clone() else { panic!("a proposal") };
    let stale = Command::Propose { leg, leg_ver: leg_ver + 1, agents: Vec::new(), record: record.clone() };
    assert_eq!(world.refused(stale), Reject::Stale);
    let row = world.agent("ann");
    let wrong = Proposed { agent: row.id.clone(), number: row.number, session: 9 };
    assert_eq!(world.refused(Command::Propose { leg, leg_ver, agents: vec![wrong], record }), Reject::Stale);
    world.call(set_state("ann", Declared::Break { reason: Arc::from("lunch") }));
    assert_eq!(world.refused(good.clone()), Reject::Stale);
    world.call(set_state("ann", Declared::Ready));
    let other = world.create("other", Channel::Phone, |_| {});
    world.propose(other, &["ann"]);
    assert_eq!(world.refused(good), Reject::Stale, "one call at a time");
}

#[test]
fn a_proposal_to_somebody_who_does_not_fit_any_more_is_stale() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |new| new.requirement = need("billing", 5));
    let leg = LegId { ticket, leg: 1 };
    world.call(learn(&[("billing", 5)]));
    let proposal = world.proposal(leg, &["ann"]);
    // Between the choice and the offer.
    world.call(learn(&[("billing", 4)]));
    assert_eq!(world.refused(proposal.clone()), Reject::Stale);
    world.call(learn(&[("billing", 6)]));
    world.call(proposal);
    assert_eq!(world.leg(leg).state, LegState::Offered);
}

fn learn(held: &[(&str, u8)]) -> Command {
    let patch = ProfilePatch { skills: Some(skills(held)), ..ProfilePatch::default() };
    Command::UpdateAgent { agent: agent_id("ann"), patch: Box::new(patch), etag: None }
}

#[test]
fn nothing_deferred_is_offered_during_a_call_but_the_pools_are_apart_otherwise() {
    let mut world = World::open();
    let mail = world.create("mail", Channel::Email, |_| {});
    let call = world.create("call", Channel::Phone, |_| {});
    world.handle(call, "ann");
    let proposal = world.proposal(LegId { ticket: mail, leg: 1 }, &["ann"]);
    assert_eq!(world.refused(proposal), Reject::Stale);
    for n in 0..4 {
        let chat = world.create(&format!("chat{n}"), Channel::Chat, |_| {});
        world.handle(chat, "bob");
    }
    world.handle(mail, "bob");
    assert_eq!((world.agent("bob").used_live, world.agent("bob").used_deferred), (80, 10));
}

#[test]
fn the_decliner_is_excluded_for_five_minutes_and_after_two_declines_for_good() {
    let mut world = World::open();
    let offer = one_offer(&mut world, "t", Channel::Chat, "ann");
    world.call(decline(&world, offer, DeclineReason::Busy));
    let until = |world: &World| world.leg(offer.leg).excludes(&agent_id("ann")).expect("excluded").until;
    assert_eq!(until(&world), Some(world.now + Span::from_secs(300)));
    assert_eq!(world.refused(world.proposal(offer.leg, &["ann"])), Reject::Stale);
    world.pass(300);
    let again = world.propose(offer.leg.ticket, &["ann"])[0];
    assert_ne!(again, offer);
    world.call(decline(&world, again, DeclineReason::Other));
    assert_eq!(until(&world), None);
}

#[test]
fn a_decline_may_be_repeated_and_not_changed() {
    let mut world = World::open();
    let offer = one_offer(&mut world, "t", Channel::Chat, "ann");
    world.call(decline(&world, offer, DeclineReason::Busy));
    let before = world.log.len();
    world.call(decline(&world, offer, DeclineReason::Busy));
    assert_eq!(world.log.len(), before);
    let other = world.refused(decline(&world, offer, DeclineReason::Other));
    assert!(matches!(other, Reject::OfferGone { .. }), "{other:?}");
}

#[test]
fn two_misses_in_a_row_make_an_agent_not_responding_until_ready() {
    let mut world = World::open();
    let miss = |world: &mut World, name: &str| {
        one_offer(world, name, Channel::Chat, "ann");
        world.pass(32);
    };
    miss(&mut world, "a");
    let offer = one_offer(&mut world, "b", Channel::Chat, "ann");
    world.call(decline(&world, offer, DeclineReason::Busy));
    miss(&mut world, "c");
    assert!(!world.agent("ann").not_responding, "who declines is there");
    miss(&mut world, "d");
    assert!(world.agent("ann").not_responding && !world.agent("ann").on_duty());
    world.call(set_state("ann", Declared::Ready));
    assert!(world.agent("ann").on_duty());
    miss(&mut world, "e");
    assert!(!world.agent("ann").not_responding);
}

#[test]
fn exclusions_are_lifted_after_fifteen_seconds_but_never_for_a_conflict() {
    for (reason, lifted) in [(DeclineReason::Busy, true), (DeclineReason::Conflict, false)] {
        let mut world = World::open();
        let offer = one_offer(&mut world, "t", Channel::Chat, "ann");
        world.call(decline(&world, offer, reason));
        let lift = |world: &World| Command::LiftExclusions { leg: offer.leg, leg_ver: world.leg(offer.leg).ver };
        world.wait(Span::from_secs(15) - Span(1));
        assert_eq!(world.refused(lift(&world)), Reject::Stale);
        world.wait(Span(1));
        assert_eq!(world.attempt(&lift(&world)).is_ok(), lifted, "{reason:?}");
        assert_eq!(world.leg(offer.leg).exclusions.is_empty(), lifted);
    }
}

#[test]
fn a_call_connects_until_its_connector_confirms_within_fifteen_seconds() {
    let mut world = World::open();
    let offer = one_offer(&mut world, "t", Channel::Phone, "ann");
    world.call(world.accept(offer, "desk", false));
    assert_eq!(world.leg(offer.leg).state, LegState::Connecting);
    assert_eq!(world.ticket(offer.leg.ticket).state, TicketState::Queued, "nobody talks to the customer yet");
    world.pass(14);
    world.call(Command::ConfirmOffer { offer });
    world.call(Command::ConfirmOffer { offer });
    assert_eq!(world.leg(offer.leg).state, LegState::Active);
    assert_eq!(world.ticket(offer.leg.ticket).state, TicketState::Assigned);
    assert_eq!(world.ticket(offer.leg.ticket).owner, Some(agent_id("ann")));
}

#[test]
fn an_unconfirmed_call_waits_again_and_blames_nobody() {
    let mut world = World::open();
    let offer = one_offer(&mut world, "t", Channel::Phone, "ann");
    world.call(world.accept(offer, "desk", false));
    world.pass(15);
    assert_eq!(world.offer(offer).end, Some(OfferEnd::Failed(FailReason::Unconfirmed)));
    let leg = world.leg(offer.leg);
    assert_eq!((leg.state, leg.exclusions.len()), (LegState::Waiting, 0));
    assert_eq!((world.agent("ann").used_live, world.agent("ann").misses), (0, 0));
}

#[test]
fn a_connector_without_confirmation_and_an_answer_on_the_endpoint_skip_connecting() {
    let mut world = World::open();
    let chat = one_offer(&mut world, "chat", Channel::Chat, "ann");
    world.call(world.accept(chat, "desk", false));
    assert_eq!(world.leg(chat.leg).state, LegState::Active);
    let call = one_offer(&mut world, "call", Channel::Phone, "bob");
    world.call(world.accept(call, "", true));
    assert_eq!(world.leg(call.leg).state, LegState::Active);
}

#[test]
fn an_offer_on_an_auto_endpoint_is_accepted_as_it_is_made() {
    let mut world = World::open();
    let chat = world.create("chat", Channel::Chat, |_| {});
    assert!(world.propose(chat, &["dee"]).is_empty());
    assert_eq!(world.ticket(chat).handler(), Some(&agent_id("dee")));
    let call = world.create("call", Channel::Phone, |_| {});
    assert!(world.propose(call, &["gil"]).is_empty());
    assert_eq!(world.pending(call).state, LegState::Connecting, "its connector still has to confirm");
}

#[test]
fn a_failed_connection_is_blamed_by_its_reason() {
    for (reason, marked) in [
        (FailReason::AgentUnreachable, Some(Reachability::Unreachable)),
        (FailReason::AgentBusyElsewhere, Some(Reachability::BusyElsewhere)),
        (FailReason::MediaError, None),
        (FailReason::Other, None),
    ] {
        let mut world = World::open();
        let offer = one_offer(&mut world, "t", Channel::Phone, "ida");
        world.call(world.accept(offer, "desk", false));
        world.call(Command::FailOffer { offer, reason });
        world.call(Command::FailOffer { offer, reason });
        let leg = world.leg(offer.leg);
        assert_eq!((leg.state, leg.failures), (LegState::Waiting, 1), "{reason:?}");
        let until = world.now + Span::from_secs(60);
        let excluded = leg.excludes(&agent_id("ida")).map(|exclusion| exclusion.until);
        assert_eq!(excluded, marked.map(|_| Some(until)), "{reason:?}");
        let endpoint = world.agent("ida").profile.endpoint(Channel::Phone).expect("has one").clone();
        assert_eq!(
            (endpoint.reachability, endpoint.until),
            marked.map_or((Reachability::Reachable, None), |m| (m, Some(until)))
        );
        world.pass(60);
        let endpoint = world.agent("ida").profile.endpoint(Channel::Phone).expect("has one").clone();
        assert_eq!(endpoint.reachability, Reachability::Reachable, "it lapses");
    }
    let mut world = World::open();
    let offer = one_offer(&mut world, "t", Channel::Phone, "ida");
    world.call(world.accept(offer, "desk", false));
    world.call(Command::FailOffer { offer, reason: FailReason::CustomerGone });
    world.call(Command::FailOffer { offer, reason: FailReason::CustomerGone });
    let ticket = world.ticket(offer.leg.ticket);
    assert_eq!((ticket.state, ticket.cancel_reason), (TicketState::Cancelled, Some(CancelReason::CustomerLeft)));
}

#[test]
fn the_third_failure_of_a_leg_pauses_it_for_thirty_seconds() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Phone, |_| {});
    let leg = LegId { ticket, leg: 1 };
    for failure in 1..=3 {
        let offer = world.propose(ticket, &["ann"])[0];
        world.call(world.accept(offer, "desk", false));
        world.call(Command::FailOffer { offer, reason: FailReason::MediaError });
        let pause = (failure == 3).then(|| world.now + Span::from_secs(30));
        assert_eq!(world.leg(leg).pause_until, pause);
    }
    assert_eq!(world.refused(world.proposal(leg, &["ann"])), Reject::Stale);
    world.pass(30);
    assert_eq!(world.propose(ticket, &["ann"]).len(), 1);
}

#[test]
fn call_backs_are_refused_by_field() {
    let mut world = World::open();
    let offer = one_offer(&mut world, "t", Channel::Phone, "ann");
    let refused = world.refused(Command::FailOffer { offer, reason: FailReason::CustomerUnreachable });
    assert!(matches!(refused, Reject::Unsupported { field: "reason", .. }), "{refused:?}");
}
