//! Handing on, read from the specification: blind transfers, manual escalation, assignment, ping-pong, hops.

use std::sync::Arc;

use handoff::domain::agent::Declared;
use handoff::domain::event::{Actor, Body, NotificationReason};
use handoff::domain::id::{AgentId, LegId, TicketId};
use handoff::domain::leg::{EndedBy, ExclusionReason, LegRole, LegState};
use handoff::domain::offer::{DeclineReason, OfferEnd, RevokeReason};
use handoff::domain::requirement::{Channel, Pool, Requirement};
use handoff::domain::ticket::{
    Axis, EscalationReason, Infeasibility, OnUnavailable, Release, Target, TicketState, TransferState,
};
use handoff::routing::command::{Answer, AssignMode, Command, NewEscalation, NewTransfer, ProfilePatch};
use handoff::routing::reject::{Reject, Visited};

use super::desk::{agent_id, euros, need, queue_id};
use super::world::{World, set_state};

fn transfer(target: Target) -> NewTransfer {
    NewTransfer {
        target,
        release: Release::AfterConfirm,
        on_unavailable: OnUnavailable::Reject,
        reason: Arc::from("theirs"),
        override_reason: Arc::from(""),
        note: Arc::from(""),
    }
}

fn send(ticket: TicketId, transfer: NewTransfer) -> Command {
    Command::TransferTicket { ticket, transfer: Box::new(transfer) }
}

pub fn to_agent(ticket: TicketId, agent: &str, release: Release) -> Command {
    send(ticket, NewTransfer { release, ..transfer(Target::Agent(agent_id(agent))) })
}

fn to_need(ticket: TicketId, need: Requirement) -> Command {
    send(ticket, transfer(Target::Requirement(need)))
}

pub fn assign(ticket: TicketId, agent: &str, mode: AssignMode) -> Command {
    Command::AssignTicket { ticket, agent: agent_id(agent), mode, reason: Arc::from("now") }
}

pub fn escalation(ticket: TicketId, axis: Axis, requirement: Requirement) -> Command {
    let escalation = NewEscalation {
        axis,
        reason: EscalationReason::InsufficientKnowledge,
        requirement,
        requested_by: Actor::Caller,
        note: Arc::from(""),
    };
    Command::EscalateTicket { ticket, escalation: Box::new(escalation) }
}

fn call_with(world: &mut World, agent: &str) -> TicketId {
    let ticket = world.create("t", Channel::Phone, |_| {});
    world.handle(ticket, agent);
    ticket
}

fn decline(world: &mut World, ticket: TicketId, agent: &str) {
    let offer = world.propose(ticket, &[agent])[0];
    let session = world.offer(offer).session;
    world.call(Command::DeclineOffer { offer, session, reason: DeclineReason::Busy });
}

#[test]
fn the_transferor_handles_until_the_target_is_confirmed() {
    let mut world = World::open();
    let ticket = call_with(&mut world, "ann");
    assert_eq!(world.call(to_agent(ticket, "bob", Release::AfterConfirm)), Answer::Transfer { ticket, transfer: 1 });
    let leg = world.pending(ticket).clone();
    assert_eq!((leg.role, leg.prefer.clone()), (LegRole::Transfer, Some(agent_id("bob"))));
    assert_eq!(leg.excludes(&agent_id("ann")).map(|known| known.reason), Some(ExclusionReason::Transferor));
    assert_eq!(world.ticket(ticket).transfers[0].state, TransferState::Requested);
    let offer = world.propose(ticket, &["bob"])[0];
    assert_eq!(world.ticket(ticket).transfers[0].state, TransferState::Offered);
    world.call(world.accept(offer, "", false));
    assert_eq!(world.ticket(ticket).handler(), Some(&agent_id("ann")), "connecting is not connected");
    world.call(Command::ConfirmOffer { offer });
    let row = world.ticket(ticket);
    assert_eq!((row.handler(), row.hops), (Some(&agent_id("bob")), 1));
    assert_eq!(row.transfers[0].state, TransferState::Completed);
    assert_eq!(row.owner, Some(agent_id("ann")), "the owner survives transfers");
    assert_eq!(row.leg(1).map(|leg| leg.state), Some(LegState::Wrapping));
}

#[test]
fn the_transferor_is_released_at_once_if_asked() {
    let mut world = World::open();
    let ticket = call_with(&mut world, "ann");
    world.call(to_agent(ticket, "bob", Release::Now));
    let row = world.ticket(ticket);
    assert_eq!((row.state, row.leg(1).map(|leg| leg.state)), (TicketState::Queued, Some(LegState::Wrapping)));
}

#[test]
fn a_named_agent_who_declines_or_misses_sends_it_back_to_the_transferor() {
    for misses in [false, true] {
        let mut world = World::open();
        let ticket = call_with(&mut world, "ann");
        world.call(to_agent(ticket, "bob", Release::AfterConfirm));
        if misses {
            world.propose(ticket, &["bob"]);
            world.pass(22);
        } else {
            decline(&mut world, ticket, "bob");
        }
        let row = world.ticket(ticket);
        assert_eq!(row.transfers[0].state, TransferState::Returned, "misses {misses}");
        assert_eq!((row.state, row.handler(), row.hops), (TicketState::Assigned, Some(&agent_id("ann")), 0));
        assert!(row.pending_leg().is_none());
    }
}

#[test]
fn a_returned_transfer_of_a_released_agent_waits_for_them_or_for_the_owner() {
    for there in [true, false] {
        let mut world = World::open();
        let chat = world.create("t", Channel::Chat, |_| {});
        world.handle(chat, "ann");
        world.call(to_agent(chat, "cas", Release::AfterConfirm));
        let offer = world.propose(chat, &["cas"])[0];
        world.call(world.accept(offer, "", true));
        world.call(to_agent(chat, "bob", Release::Now));
        if !there {
            world.call(set_state("cas", Declared::Offline));
        }
        decline(&mut world, chat, "bob");
        let back = if there { "cas" } else { "ann" };
        let leg = world.pending(chat);
        assert_eq!((leg.prefer.clone(), leg.prefer_until.is_some()), (Some(agent_id(back)), true));
        assert_eq!(world.ticket(chat).state, TicketState::Queued);
    }
}

#[test]
fn a_transfer_to_a_need_goes_on_to_the_next_candidate() {
    let mut world = World::open();
    let ticket = call_with(&mut world, "ann");
    world.call(to_need(ticket, need("vpn", 8)));
    decline(&mut world, ticket, "cas");
    assert_eq!(world.ticket(ticket).transfers[0].state, TransferState::Offered);
    let offer = world.propose(ticket, &["jon"])[0];
    world.call(world.accept(offer, "", true));
    assert_eq!(world.ticket(ticket).handler(), Some(&agent_id("jon")));
    assert_eq!(world.ticket(ticket).effective, need("vpn", 8));
}

#[test]
fn needs_are_replaced_only_by_those_named() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |new| {
        new.requirement = Requirement { language: Some(Arc::from("et")), ..need("vpn", 2) };
    });
    let before = world.pending(ticket).order_time;
    world.call(to_need(ticket, Requirement { min_tier: Some(2), ..Requirement::default() }));
    let wanted = Requirement { language: Some(Arc::from("et")), min_tier: Some(2), ..need("vpn", 2) };
    assert_eq!(world.ticket(ticket).effective, wanted);
    assert_eq!(world.pending(ticket).order_time, before, "its age is kept");
}

#[test]
fn a_transfer_to_a_need_returns_on_never_and_on_absent_after_a_minute() {
    let diagnose = |world: &World, ticket, found| {
        let leg = world.pending(ticket);
        Command::Diagnose { leg: LegId { ticket, leg: leg.n }, leg_ver: leg.ver, infeasibility: Some(found) }
    };
    let mut world = World::open();
    let ticket = call_with(&mut world, "ann");
    world.call(to_need(ticket, need("vpn", 8)));
    world.call(diagnose(&world, ticket, Infeasibility::Never));
    assert_eq!(world.ticket(ticket).transfers[0].state, TransferState::Returned);
    world.call(to_need(ticket, need("vpn", 8)));
    world.call(diagnose(&world, ticket, Infeasibility::Absent));
    world.pass(59);
    assert!(world.ticket(ticket).open_transfer().is_some());
    world.pass(1);
    assert_eq!(world.ticket(ticket).transfers[1].state, TransferState::Returned);
    // Somebody came after all: ringing is not cut short.
    world.call(to_need(ticket, need("vpn", 8)));
    world.call(diagnose(&world, ticket, Infeasibility::Absent));
    world.pass(50);
    let offer = world.propose(ticket, &["cas"])[0];
    world.pass(15);
    assert_eq!(world.offer(offer).end, None);
}

#[test]
fn a_transfer_nobody_takes_returns_at_the_unassigned_time_out() {
    let mut world = World::open();
    let ticket = call_with(&mut world, "ann");
    world.call(to_need(ticket, need("vpn", 8)));
    world.pass(2 * 3_600 - 1);
    assert!(world.ticket(ticket).open_transfer().is_some());
    world.pass(1);
    let row = world.ticket(ticket);
    assert_eq!((row.transfers[0].state, row.handler()), (TransferState::Returned, Some(&agent_id("ann"))));
    // Also when the transferor hung up before.
    world.call(to_need(ticket, need("vpn", 8)));
    let leg = LegId { ticket, leg: 1 };
    world.call(Command::EndLeg { leg, ended_by: EndedBy::Agent });
    assert_eq!(world.ticket(ticket).state, TicketState::Queued);
    assert!(world.ticket(ticket).unassigned_due.is_some());
}

#[test]
fn a_returned_transfer_leaves_queue_priority_and_needs_as_they_were() {
    let mut world = World::open();
    let ticket = call_with(&mut world, "ann");
    let before = world.ticket(ticket).clone();
    world.call(send(ticket, transfer(Target::Queue(queue_id("vip")))));
    assert_eq!(world.ticket(ticket).queue, queue_id("vip"));
    world.pass(2 * 3_600 + 7 * 86_400);
    let after = world.ticket(ticket);
    assert_eq!(after.transfers[0].state, TransferState::Returned);
    assert_eq!((&after.queue, after.priority, &after.effective), (&before.queue, before.priority, &before.effective));
}

#[test]
fn a_named_agent_who_cannot_take_it_is_refused_unless_it_may_wait() {
    let mut world = World::open();
    let ticket = call_with(&mut world, "ann");
    world.call(set_state("bob", Declared::Offline));
    let refused = world.refused(to_agent(ticket, "bob", Release::AfterConfirm));
    assert!(matches!(refused, Reject::AgentUnavailable { .. }), "{refused:?}");
    let fallback = NewTransfer { on_unavailable: OnUnavailable::Fallback, ..transfer(Target::Agent(agent_id("bob"))) };
    let refused = world.refused(send(ticket, fallback));
    assert!(matches!(refused, Reject::AgentUnavailable { .. }), "an agent without a team: {refused:?}");
    let refused = world.refused(to_agent(ticket, "ann", Release::Now));
    assert!(matches!(refused, Reject::Invalid(_)), "{refused:?}");
    let other = world.create("other", Channel::Phone, |_| {});
    world.handle(other, "cas");
    let refused = world.refused(to_agent(ticket, "cas", Release::AfterConfirm));
    assert_eq!(refused, Reject::NoRoom { agent: agent_id("cas") }, "on duty, but full");
}

#[test]
fn a_transfer_queued_for_an_agent_off_duty_waits_for_them_and_returns_at_the_time_out() {
    let queued = |ticket| {
        let wait = NewTransfer { on_unavailable: OnUnavailable::Queue, ..transfer(Target::Agent(agent_id("bob"))) };
        send(ticket, wait)
    };
    let mut world = World::open();
    let ticket = call_with(&mut world, "ann");
    world.call(set_state("bob", Declared::Offline));
    world.call(queued(ticket));
    let leg = LegId { ticket, leg: 2 };
    assert_eq!(world.refused(world.proposal(leg, &["cas"])), Reject::Stale, "nobody else gets it");
    world.call(set_state("bob", Declared::Ready));
    assert_eq!(world.leg(leg).pause_until, None);
    let offer = world.propose(ticket, &["bob"])[0];
    world.call(world.accept(offer, "", true));
    assert_eq!(world.ticket(ticket).handler(), Some(&agent_id("bob")));
    let mut world = World::open();
    let ticket = call_with(&mut world, "ann");
    world.call(set_state("bob", Declared::Offline));
    world.call(queued(ticket));
    world.pass(2 * 3_600);
    assert_eq!(world.ticket(ticket).transfers[0].state, TransferState::Returned);
}

#[test]
fn a_named_agent_who_stops_responding_elsewhere_sends_the_transfer_back() {
    let mut world = World::open();
    for n in 0..2 {
        let other = world.create(&format!("o{n}"), Channel::Phone, |_| {});
        world.propose(other, &["bob"]);
        if n == 0 {
            world.pass(22);
        }
    }
    let chat = world.create("t", Channel::Chat, |_| {});
    world.handle(chat, "ann");
    let wait = NewTransfer { on_unavailable: OnUnavailable::Queue, ..transfer(Target::Agent(agent_id("bob"))) };
    world.call(send(chat, wait));
    world.pass(22);
    assert!(world.agent("bob").not_responding);
    let proposal = world.proposal(LegId { ticket: chat, leg: 2 }, &["cas"]);
    world.call(proposal);
    let row = world.ticket(chat);
    assert_eq!((row.transfers[0].state, row.handler()), (TransferState::Returned, Some(&agent_id("ann"))));
    assert_eq!(world.agent("cas").used_live, 0);
}

#[test]
fn one_transfer_at_a_time() {
    let mut world = World::open();
    let ticket = call_with(&mut world, "ann");
    world.call(to_need(ticket, need("vpn", 8)));
    let refused = world.refused(to_agent(ticket, "bob", Release::Now));
    assert!(matches!(refused, Reject::TicketState { .. }), "{refused:?}");
}

#[test]
fn a_to_b_to_a_inside_half_an_hour_is_refused_unless_somebody_gives_a_reason() {
    let mut world = World::open();
    let chat = world.create("t", Channel::Chat, |_| {});
    world.handle(chat, "ann");
    let at = world.now;
    world.call(to_agent(chat, "bob", Release::AfterConfirm));
    let offer = world.propose(chat, &["bob"])[0];
    world.call(world.accept(offer, "", true));
    world.pass(30 * 60 - 1);
    let refused = world.refused(to_agent(chat, "ann", Release::AfterConfirm));
    assert_eq!(refused, Reject::PingPong { visited: Visited::Agent(agent_id("ann")), at });
    let back = NewTransfer { override_reason: Arc::from("knows her"), ..transfer(Target::Agent(agent_id("ann"))) };
    world.call(send(chat, back));
    decline(&mut world, chat, "ann");
    world.pass(1);
    world.call(to_agent(chat, "ann", Release::AfterConfirm));
}

#[test]
fn a_queue_and_tier_that_was_left_is_not_entered_again_with_the_same_needs() {
    let mut world = World::open();
    let chat = world.create("t", Channel::Chat, |_| {});
    world.handle(chat, "ann");
    world.call(send(chat, transfer(Target::Queue(queue_id("vip")))));
    let offer = world.propose(chat, &["bob"])[0];
    world.call(world.accept(offer, "", true));
    let refused = world.refused(send(chat, transfer(Target::Queue(queue_id("chat")))));
    assert!(matches!(refused, Reject::PingPong { .. }), "{refused:?}");
    let other = Requirement { queue: Some(queue_id("chat")), ..need("vpn", 3) };
    world.call(to_need(chat, other));
}

#[test]
fn the_transfer_after_five_hops_is_an_escalation_to_the_terminal_destination() {
    let mut world = World::open();
    let chat = world.create("t", Channel::Chat, |new| new.requirement.queue = Some(queue_id("late")));
    world.handle(chat, "ann");
    for agent in ["bob", "cas", "eva", "fin", "jon"] {
        world.call(to_agent(chat, agent, Release::AfterConfirm));
        let offer = world.propose(chat, &[agent])[0];
        world.call(world.accept(offer, "", true));
    }
    assert_eq!(world.ticket(chat).hops, 5);
    let told = notifications(&world);
    assert_eq!(told, [(NotificationReason::HopLimitNear, Some(agent_id("ann")), 3, 5)], "once, at the soft limit");
    let answer = world.call(to_agent(chat, "hal", Release::AfterConfirm));
    assert!(matches!(answer, Answer::Escalated { .. }), "{answer:?}");
    let row = world.ticket(chat);
    assert_eq!((&row.queue, row.effective.min_tier, row.terminal_visits), (&queue_id("last"), Some(2), 1));
    let told = notifications(&world);
    assert_eq!(told[1..], [(NotificationReason::HopLimitReached, Some(agent_id("ann")), 6, 5)]);
    // Whoever escalates gets there too, and is told so by where it went.
    let answer = world.call(escalation(chat, Axis::Functional, need("vpn", 2)));
    assert!(matches!(answer, Answer::Escalated { .. }), "{answer:?}");
    let last = world.ticket(chat).transfers.last().expect("a hand-over");
    assert_eq!((last.axis, &last.target), (Some(Axis::Hierarchical), &Target::Queue(queue_id("last"))));
}

/// Every notification so far: what, to whom, hops and limit.
fn notifications(world: &World) -> Vec<(NotificationReason, Option<AgentId>, u8, u8)> {
    let told = world.log.iter().filter_map(|event| match &event.body {
        Body::Notified { reason, owner, hops, limit } => Some((*reason, owner.clone(), *hops, *limit)),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_functional_escalation_adds_expertise_and_never_authority() {
    let mut world = World::open();
    let ticket = call_with(&mut world, "ann");
    let authority = Requirement { authorities: [(Arc::from("refund"), euros(100))].into(), ..Requirement::default() };
    let refused = world.refused(escalation(ticket, Axis::Functional, authority));
    assert!(matches!(refused, Reject::Invalid(_)), "{refused:?}");
    let answer = world.call(escalation(ticket, Axis::Functional, need("vpn", 8)));
    assert_eq!(answer, Answer::Escalated { ticket, leg: 2, level: 1, transfer: Some(1) });
    let row = world.ticket(ticket);
    assert_eq!((row.functional_level, row.hierarchical_level, row.hops, row.priority), (1, 0, 1, 10));
    assert_eq!(row.handler(), Some(&agent_id("ann")), "kept until the target is confirmed");
    assert_eq!(world.pending(ticket).role, LegRole::Escalation);
    assert_eq!(row.transfers[0].axis, Some(Axis::Functional));
}

#[test]
fn an_escalation_counts_one_hop_and_its_hand_over_no_other() {
    let mut world = World::open();
    let ticket = call_with(&mut world, "ann");
    world.call(escalation(ticket, Axis::Functional, need("vpn", 8)));
    let offer = world.propose(ticket, &["cas"])[0];
    world.call(world.accept(offer, "", true));
    let row = world.ticket(ticket);
    assert_eq!((row.handler(), row.hops), (Some(&agent_id("cas")), 1));
    assert_eq!(row.transfers[0].state, TransferState::Completed);
}

#[test]
fn a_hierarchical_escalation_keeps_the_skills_and_adds_ten_points() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |new| new.requirement = need("vpn", 5));
    world.handle(ticket, "ann");
    let refused = world.refused(escalation(ticket, Axis::Hierarchical, need("billing", 1)));
    assert!(matches!(refused, Reject::Invalid(_)), "{refused:?}");
    let asked = Requirement { authorities: [(Arc::from("refund"), euros(100))].into(), ..Requirement::default() };
    world.call(escalation(ticket, Axis::Hierarchical, asked.clone()));
    let row = world.ticket(ticket);
    assert_eq!((row.hierarchical_level, row.functional_level, row.priority), (1, 0, 20));
    assert_eq!(row.effective, Requirement { authorities: asked.authorities.clone(), ..need("vpn", 5) });
    let too_much = Requirement { authorities: [(Arc::from("hire"), None)].into(), ..Requirement::default() };
    assert_eq!(world.refused(escalation(ticket, Axis::Hierarchical, too_much)), Reject::NobodyFits);
    let nothing = world.refused(escalation(ticket, Axis::Hierarchical, asked));
    assert!(matches!(nothing, Reject::Invalid(_)), "{nothing:?}");
}

#[test]
fn a_second_axis_joins_the_leg_of_the_first() {
    let mut world = World::open();
    let ticket = call_with(&mut world, "ann");
    world.call(escalation(ticket, Axis::Functional, need("vpn", 8)));
    world.call(escalation(ticket, Axis::Hierarchical, Requirement { min_tier: Some(3), ..Requirement::default() }));
    let row = world.ticket(ticket);
    assert_eq!((row.functional_level, row.hierarchical_level), (1, 1));
    assert_eq!(world.pending(ticket).requirement, Requirement { min_tier: Some(3), ..need("vpn", 8) });
    assert_eq!(row.handler(), Some(&agent_id("ann")));
}

#[test]
fn a_second_axis_that_nobody_has_beside_the_first_is_refused_by_that_name() {
    let mut world = World::open();
    let ticket = call_with(&mut world, "ann");
    let hold = || Requirement { authorities: [(Arc::from("legal_hold"), None)].into(), ..Requirement::default() };
    world.call(escalation(ticket, Axis::Functional, need("billing", 8)));
    assert_eq!(world.refused(escalation(ticket, Axis::Hierarchical, hold())), Reject::NobodyHasBoth);
    let nobody = Requirement { authorities: [(Arc::from("hire"), None)].into(), ..Requirement::default() };
    assert_eq!(world.refused(escalation(ticket, Axis::Hierarchical, nobody)), Reject::NobodyFits);
    // Alone it is no question of both.
    world.pass(2 * 3_600);
    world.call(escalation(ticket, Axis::Hierarchical, hold()));
    let other = world.create("o", Channel::Chat, |_| {});
    world.handle(other, "bob");
    world.call(to_agent(other, "cas", Release::AfterConfirm));
    let refused = world.refused(escalation(other, Axis::Hierarchical, hold()));
    assert!(matches!(refused, Reject::TicketState { .. }), "a transfer under way is not joined: {refused:?}");
}

#[test]
fn an_escalation_nobody_takes_leaves_the_ticket_where_it_was() {
    let mut world = World::open();
    let ticket = call_with(&mut world, "ann");
    world.call(escalation(ticket, Axis::Functional, need("vpn", 8)));
    world.call(escalation(ticket, Axis::Hierarchical, Requirement { min_tier: Some(3), ..Requirement::default() }));
    world.pass(2 * 3_600);
    let row = world.ticket(ticket);
    assert_eq!((row.handler(), row.priority), (Some(&agent_id("ann")), 10));
    assert_eq!((&row.effective, &row.queue), (&Requirement::default(), &queue_id("phone")));
    assert_eq!((row.functional_level, row.hierarchical_level, row.hops), (1, 1, 2), "what was asked for stays said");
}

#[test]
fn assign_offer_waits_for_the_agent_without_a_limit() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |_| {});
    world.call(assign(ticket, "ann", AssignMode::Offer));
    let leg = world.pending(ticket);
    assert_eq!((leg.prefer.clone(), leg.prefer_until), (Some(agent_id("ann")), None));
    let offer = world.propose(ticket, &["ann"])[0];
    world.call(assign(ticket, "ann", AssignMode::Offer));
    assert_eq!(world.offer(offer).end, None, "asking again does not stop the ringing");
    let session = world.offer(offer).session;
    world.call(Command::DeclineOffer { offer, session, reason: DeclineReason::Busy });
    assert_eq!(world.pending(ticket).prefer, None, "then it is anybody's");
    world.call(set_state("bob", Declared::Offline));
    let refused = world.refused(assign(ticket, "bob", AssignMode::Offer));
    assert!(matches!(refused, Reject::AgentUnavailable { .. }), "{refused:?}");
}

#[test]
fn an_assigned_agent_who_goes_off_duty_does_not_strand_the_leg() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |_| {});
    world.call(assign(ticket, "ann", AssignMode::Offer));
    world.call(set_state("ann", Declared::Offline));
    assert_eq!(world.pending(ticket).prefer, None);
}

#[test]
fn force_skips_fit_ready_and_the_queue_and_takes_the_ticket_from_its_handler() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |new| new.requirement = need("vpn", 5));
    world.handle(ticket, "ann");
    world.call(set_state("bob", Declared::Offline));
    let silent =
        Command::AssignTicket { ticket, agent: agent_id("bob"), mode: AssignMode::Force, reason: Arc::from("") };
    assert!(matches!(world.refused(silent), Reject::Invalid(_)));
    world.call(assign(ticket, "bob", AssignMode::Force));
    assert_eq!(world.ticket(ticket).handler(), Some(&agent_id("bob")));
    assert_eq!((world.agent("ann").used_live, world.agent("bob").used_live), (0, 20));
}

#[test]
fn force_replaces_the_agents_own_offer_and_never_exceeds_capacity() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Phone, |_| {});
    let offer = world.propose(ticket, &["ann"])[0];
    world.call(assign(ticket, "ann", AssignMode::Force));
    assert_eq!(world.offer(offer).end, Some(OfferEnd::Revoked(RevokeReason::Superseded)));
    assert_eq!((world.ticket(ticket).handler(), world.agent("ann").used_live), (Some(&agent_id("ann")), 100));
    let other = world.create("other", Channel::Phone, |_| {});
    assert_eq!(world.refused(assign(other, "ann", AssignMode::Force)), Reject::NoRoom { agent: agent_id("ann") });
    world.propose(other, &["bob"]);
    let patch = ProfilePatch { pools: Some([(Pool::Live, 50)].into()), ..ProfilePatch::default() };
    world.call(Command::UpdateAgent { agent: agent_id("bob"), patch: Box::new(patch), etag: None });
    assert_eq!(world.refused(assign(other, "bob", AssignMode::Force)), Reject::NoRoom { agent: agent_id("bob") });
}
