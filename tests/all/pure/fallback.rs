//! A transfer to a named agent who cannot take it, left to their team.

use std::sync::Arc;

use handoff::domain::agent::Declared;
use handoff::domain::id::TicketId;
use handoff::domain::offer::DeclineReason;
use handoff::domain::requirement::{Channel, Requirement};
use handoff::domain::ticket::{OnUnavailable, Release, Target, TransferState};
use handoff::routing::command::{Command, NewTransfer, ProfilePatch, TicketPatch};
use handoff::routing::lanes::fit;

use super::desk::{agent_id, need};
use super::world::{World, set_state};

fn join(world: &mut World, agent: &str, team: &str) {
    let patch = ProfilePatch { team: Some(Arc::from(team)), ..ProfilePatch::default() };
    world.call(Command::UpdateAgent { agent: agent_id(agent), patch: Box::new(patch), etag: None });
}

fn fall_back(ticket: TicketId, agent: &str) -> Command {
    let transfer = NewTransfer {
        target: Target::Agent(agent_id(agent)),
        release: Release::AfterConfirm,
        on_unavailable: OnUnavailable::Fallback,
        reason: Arc::from(""),
        override_reason: Arc::from(""),
        note: Arc::from(""),
    };
    Command::TransferTicket { ticket, transfer: Box::new(transfer) }
}

/// `cas` of the network team is away; `dee`, `eva` (a higher tier) and `ida` (a lower one) are in it too.
fn chat() -> (World, TicketId) {
    let mut world = World::open();
    for agent in ["cas", "dee", "eva", "ida"] {
        join(&mut world, agent, "net");
    }
    let ticket = world.create("t", Channel::Chat, |new| new.requirement = need("vpn", 1));
    world.handle(ticket, "ann");
    world.call(set_state("cas", Declared::Offline));
    (world, ticket)
}

/// Whose profile fits the lane that the pending leg waits in.
fn candidates(world: &World, ticket: TicketId) -> Vec<&'static str> {
    let desk = &world.ws.scope.as_ref().expect("a desk").desk;
    let lane = desk.lanes.get(world.pending(ticket).lane).expect("an interned lane");
    let fits = |name: &&str| {
        let group = desk.groups.get(world.agent(name).group).expect("an interned group");
        fit(lane, group, &Default::default()).is_some()
    };
    ["ann", "bob", "cas", "dee", "eva", "hal", "ida", "jon"].into_iter().filter(fits).collect()
}

#[test]
fn it_goes_to_anybody_of_the_team_and_tier_and_on_to_the_next_one() {
    let (mut world, ticket) = chat();
    world.call(fall_back(ticket, "cas"));
    assert_eq!(candidates(&world, ticket), ["cas", "dee", "eva"]);
    let leg = world.pending(ticket).clone();
    assert_eq!((leg.prefer, leg.pause_until), (None, None), "it waits for nobody alone");
    assert_eq!(world.ticket(ticket).effective, need("vpn", 1), "the ticket itself is not the team's");
    let offer = world.propose(ticket, &["eva"])[0];
    let session = world.offer(offer).session;
    world.call(Command::DeclineOffer { offer, session, reason: DeclineReason::Busy });
    assert_eq!(world.ticket(ticket).transfers[0].state, TransferState::Offered, "not returned by one of them");
    // Another field of the ticket changes: the leg stays the team's.
    let patch = TicketPatch { priority: Some(Some(40)), ..TicketPatch::default() };
    world.call(Command::UpdateTicket { ticket, patch: Box::new(patch), reclassify: false, etag: None });
    assert_eq!(candidates(&world, ticket), ["cas", "dee", "eva"]);
    world.propose(ticket, &["dee"]);
    let row = world.ticket(ticket);
    assert_eq!((row.handler(), row.transfers[0].state), (Some(&agent_id("dee")), TransferState::Completed));
}

#[test]
fn an_agent_who_can_take_it_gets_it_and_nobody_else() {
    let (mut world, ticket) = chat();
    world.call(set_state("cas", Declared::Ready));
    world.call(fall_back(ticket, "cas"));
    let leg = world.pending(ticket);
    assert_eq!((leg.prefer.clone(), &leg.requirement), (Some(agent_id("cas")), &need("vpn", 1)));
    let too_much = Requirement { language: Some(Arc::from("fi")), ..Requirement::default() };
    let other = world.create("other", Channel::Chat, |new| new.requirement = too_much);
    world.call(set_state("cas", Declared::Offline));
    assert_eq!(world.refused(fall_back(other, "cas")), handoff::routing::reject::Reject::NobodyFits);
}
