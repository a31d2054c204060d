//! Bounds of a ticket, and what happens at them: nothing that must go on is refused for want of a number.

use std::sync::Arc;

use handoff::domain::agent::ChannelRule;
use handoff::domain::id::{LegId, TicketId};
use handoff::domain::leg::LegState;
use handoff::domain::requirement::{Channel, Pool};
use handoff::domain::ticket::{Release, TicketState, TransferState};
use handoff::routing::command::{AssignMode, Command, ProfilePatch};
use handoff::routing::reject::Reject;

use super::desk::{agent_id, queue_id};
use super::handover::{assign, to_agent};
use super::world::World;

fn requeue(ticket: TicketId) -> Command {
    Command::RequeueTicket { ticket, reason: Arc::from("dropped"), prefer_handler: true }
}

/// A chat in the queue `late` that was given back until it has this many legs; the last one waits.
fn worn(legs: usize) -> (World, TicketId) {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |new| new.requirement.queue = Some(queue_id("late")));
    while world.ticket(ticket).legs.len() < legs {
        world.handle(ticket, "ann");
        world.call(requeue(ticket));
        world.trace.clear();
    }
    (world, ticket)
}

#[test]
fn the_last_legs_are_kept_for_what_must_not_be_refused() {
    let (mut world, ticket) = worn(240);
    for asked in [to_agent(ticket, "bob", Release::AfterConfirm), assign(ticket, "bob", AssignMode::Offer)] {
        let refused = world.refused(asked);
        assert!(matches!(refused, Reject::LimitReached { .. }), "{refused:?}");
    }
    world.handle(ticket, "ann");
    world.call(requeue(ticket));
    assert_eq!(world.ticket(ticket).legs.len(), 241);
}

#[test]
fn a_ticket_without_another_leg_waits_in_one_that_is_over_and_is_never_stranded() {
    let (mut world, ticket) = worn(239);
    world.handle(ticket, "ann");
    world.call(to_agent(ticket, "bob", Release::Now));
    assert_eq!(world.ticket(ticket).legs.len(), 240);
    // The transfer comes back, and from then on the work is given back again and again.
    world.pass(60);
    assert_eq!(world.ticket(ticket).transfers[0].state, TransferState::Returned);
    while world.ticket(ticket).legs.len() < 255 {
        world.handle(ticket, "cas");
        world.call(requeue(ticket));
    }
    let before = world.ticket(ticket).legs[254].ver;
    world.handle(ticket, "cas");
    world.call(requeue(ticket));
    let again = world.pending(ticket).clone();
    assert_eq!((again.n, again.state), (255, LegState::Waiting));
    assert!(again.ver > before, "the index must see it as newer");
    assert!(again.offers.iter().any(|offer| offer.agent == agent_id("cas")), "its offers keep their names");
    assert!(again.offers.iter().all(|offer| !offer.is_open()), "whoever had it before has it no more");
    // Its timers still work: the terminal destination, and then hold and resume.
    world.pass(60);
    assert_eq!(world.ticket(ticket).queue, queue_id("last"));
    assert_eq!(world.ticket(ticket).legs.len(), 255);
    let leg = world.handle(ticket, "cas");
    world.call(Command::HoldTicket { ticket, reason: Arc::from("waits"), resume_time: None });
    world.call(Command::ResumeTicket { ticket });
    assert_eq!(world.ticket(ticket).state, TicketState::Assigned);
    assert_eq!(world.ticket(ticket).handler(), Some(&agent_id("cas")));
    let leg = LegId { leg: world.ticket(ticket).active_leg().map_or(leg.leg, |leg| leg.n), ..leg };
    assert_eq!(world.leg(leg).agent, Some(agent_id("cas")));
}

#[test]
fn huge_weights_and_tiny_pools_do_not_wrap_around() {
    let mut world = World::open();
    let heavy = ChannelRule { weight: Some(40_000), max: Some(9), paused: false };
    let patch = |pool: u16| ProfilePatch {
        channels: Some([(Channel::Chat, heavy.clone())].into()),
        pools: Some([(Pool::Live, pool)].into()),
        ..ProfilePatch::default()
    };
    let set = |pool| Command::UpdateAgent { agent: agent_id("ann"), patch: Box::new(patch(pool)), etag: None };
    world.call(set(60_000));
    let ticket = world.create("t", Channel::Chat, |_| {});
    world.handle(ticket, "ann");
    assert!(!world.agent("ann").has_room(Channel::Chat), "40,000 twice is more than 60,000");
    world.call(set(1));
    assert_eq!(world.agent("ann").load_percent(), u16::MAX);
}
