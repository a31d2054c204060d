//! Exclusions from one leg of a ticket to the next.

use std::sync::Arc;

use handoff::domain::id::TicketId;
use handoff::domain::leg::ExclusionReason;
use handoff::domain::offer::DeclineReason;
use handoff::domain::requirement::Channel;
use handoff::domain::ticket::Release;
use handoff::routing::command::{AssignMode, Command};

use super::desk::agent_id;
use super::handover::{assign, to_agent};
use super::world::World;

fn decline(world: &mut World, ticket: TicketId, agent: &str, reason: DeclineReason) {
    let offer = world.propose(ticket, &[agent])[0];
    let session = world.offer(offer).session;
    world.call(Command::DeclineOffer { offer, session, reason });
}

fn requeue(ticket: TicketId) -> Command {
    Command::RequeueTicket { ticket, reason: Arc::from(""), prefer_handler: false }
}

fn excluded(world: &World, ticket: TicketId) -> Vec<(&str, ExclusionReason)> {
    let leg = world.pending(ticket);
    leg.exclusions.iter().map(|known| (known.agent.as_str(), known.reason)).collect()
}

#[test]
fn the_same_work_again_is_not_offered_to_those_who_just_declined_it() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |_| {});
    decline(&mut world, ticket, "bob", DeclineReason::Busy);
    decline(&mut world, ticket, "cas", DeclineReason::Conflict);
    world.handle(ticket, "ann");
    world.call(requeue(ticket));
    assert_eq!(excluded(&world, ticket), [("bob", ExclusionReason::Declined), ("cas", ExclusionReason::Conflict)]);
    // Hold and resume as well; what has run out does not come back.
    world.handle(ticket, "ann");
    world.call(Command::HoldTicket { ticket, reason: Arc::from(""), resume_time: None });
    world.pass(300);
    world.call(Command::ResumeTicket { ticket });
    world.call(requeue(ticket));
    assert_eq!(excluded(&world, ticket), []);
}

#[test]
fn other_work_inherits_what_is_for_good_and_conflicts() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |_| {});
    decline(&mut world, ticket, "fin", DeclineReason::Busy);
    world.pass(300);
    decline(&mut world, ticket, "fin", DeclineReason::Busy);
    decline(&mut world, ticket, "bob", DeclineReason::Busy);
    decline(&mut world, ticket, "cas", DeclineReason::Conflict);
    world.handle(ticket, "ann");
    world.call(to_agent(ticket, "hal", Release::AfterConfirm));
    let expected =
        [("fin", ExclusionReason::Declined), ("cas", ExclusionReason::Conflict), ("ann", ExclusionReason::Transferor)];
    assert_eq!(excluded(&world, ticket), expected);
    let offer = world.propose(ticket, &["hal"])[0];
    world.call(world.accept(offer, "", true));
    world.call(requeue(ticket));
    let expected = [("fin", ExclusionReason::Declined), ("cas", ExclusionReason::Conflict)];
    assert_eq!(excluded(&world, ticket), expected, "a transferor is one of one leg");
}

#[test]
fn whom_a_leg_is_meant_for_is_not_excluded_from_it() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |_| {});
    decline(&mut world, ticket, "bob", DeclineReason::Busy);
    world.call(assign(ticket, "bob", AssignMode::Offer));
    assert_eq!(excluded(&world, ticket), []);
    assert_eq!(world.propose(ticket, &["bob"]).len(), 1);
    assert_eq!(
        world.offer(world.leg(handoff::domain::id::LegId { ticket, leg: 2 }).offers[0].id).agent,
        agent_id("bob")
    );
}
