//! UpdateTicket: what was asked is replaced, what others put on top of it stays.

use std::sync::Arc;

use handoff::domain::id::TicketId;
use handoff::domain::requirement::{Channel, Requirement};
use handoff::domain::ticket::{Axis, Release};
use handoff::domain::time::Span;
use handoff::policy::Rule;
use handoff::policy::condition::Condition;
use handoff::routing::command::{Command, TicketPatch};

use super::desk::{agent_id, need, queue_id, skills};
use super::handover::{escalation, to_agent};
use super::world::World;

fn ask(ticket: TicketId, requirement: Requirement, reclassify: bool) -> Command {
    let patch = TicketPatch { requirement: Some(requirement), ..TicketPatch::default() };
    Command::UpdateTicket { ticket, patch: Box::new(patch), reclassify, etag: None }
}

/// A desk whose policy asks for `vpn` of everything of the category `net`.
fn with_rule() -> World {
    let mut world = World::open();
    let scope = world.ws.scope.as_mut().expect("a desk");
    let policy = Arc::make_mut(Arc::make_mut(&mut scope.policies).get_mut(&1).expect("a policy"));
    policy.classification = vec![Rule {
        name: Arc::from("net"),
        when: Condition { category: [Arc::from("net")].into(), ..Condition::default() },
        queue: queue_id("pair"),
        requirement: need("vpn", 3),
        priority: None,
    }];
    world
}

#[test]
fn what_a_rule_added_outlives_a_change_of_what_was_asked() {
    let mut world = with_rule();
    // Asked for more than the rule does, so that what the rule adds is not to be seen at first.
    let ticket = world.create("t", Channel::Chat, |new| {
        new.category = Arc::from("net");
        new.requirement = need("vpn", 5);
    });
    assert_eq!(world.ticket(ticket).effective, need("vpn", 5));
    world.call(ask(ticket, need("billing", 2), false));
    let row = world.ticket(ticket);
    assert_eq!(row.requirement, need("billing", 2));
    assert_eq!(row.effective.skills, skills(&[("billing", 2), ("vpn", 3)]));
    assert_eq!(world.pending(ticket).requirement.skills, row.effective.skills);
}

#[test]
fn what_an_escalation_added_outlives_it_too_and_reclassify_begins_anew() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |new| new.requirement = need("vpn", 2));
    world.handle(ticket, "ann");
    world.call(escalation(ticket, Axis::Functional, need("vpn", 8)));
    let offer = world.propose(ticket, &["cas"])[0];
    world.call(world.accept(offer, "", true));
    world.call(ask(ticket, need("vpn", 4), false));
    assert_eq!(world.ticket(ticket).effective, need("vpn", 8));
    world.call(ask(ticket, need("vpn", 4), true));
    assert_eq!(world.ticket(ticket).effective, need("vpn", 4));
}

#[test]
fn at_its_terminal_destination_a_ticket_keeps_the_needs_of_that() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Chat, |new| {
        new.requirement = Requirement { queue: Some(queue_id("late")), ..need("vpn", 9) };
    });
    world.pass(60);
    assert_eq!(world.ticket(ticket).terminal_visits, 1);
    world.call(ask(ticket, need("vpn", 10), false));
    let row = world.ticket(ticket);
    assert_eq!((row.effective.min_tier, row.effective.skills.len()), (Some(2), 0));
    assert_eq!(row.requirement, need("vpn", 10), "what was asked is kept all the same");
}

#[test]
fn whoever_has_accepted_keeps_the_ticket_when_its_needs_change() {
    let mut world = World::open();
    let ticket = world.create("t", Channel::Phone, |_| {});
    let offer = world.propose(ticket, &["ann"])[0];
    world.call(world.accept(offer, "", false));
    world.call(ask(ticket, need("billing", 3), false));
    assert_eq!(world.offer(offer).end, None);
    world.call(Command::ConfirmOffer { offer });
    assert_eq!(world.ticket(ticket).handler(), Some(&agent_id("ann")));
    world.wait(Span::from_secs(1));
    world.call(to_agent(ticket, "bob", Release::AfterConfirm));
}
