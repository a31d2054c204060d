//! Stories told over the API, each from its first call to its last.

mod calls;
mod moves;
mod place;
mod service;
mod streams;

/// `ok!(stage.clients.tickets.get_ticket(request))`: the answer of a call that must be accepted.
macro_rules! ok {
    ($($client:ident).+ ($request:expr)) => {
        $($client).+($request).await.expect(stringify!($($client).+)).into_inner()
    };
}

/// Code and reason of a call that must be refused.
macro_rules! refused {
    ($($client:ident).+ ($request:expr)) => {
        crate::end_to_end::bad_input::reason(&$($client).+($request).await.expect_err(stringify!($($client).+)))
    };
}

pub(crate) use {ok, refused};

use handoff::proto::handoff::v1 as pb;

use crate::harness::agents::OnDuty;
use crate::harness::stage::Stage;

/// A chat that the agent handles.
async fn handled(stage: &mut Stage, agent: &mut OnDuty, ticket: pb::Ticket) -> pb::Ticket {
    let name = stage.submit(ticket).await.name;
    let offer = stage.offered(&name).await;
    assert_eq!(offer.agent, agent.name);
    agent.accept_connected(&offer.name).await.expect("it is theirs");
    stage.until(&name, pb::TicketState::Assigned).await
}

fn chat() -> pb::Ticket {
    Stage::ticket(pb::Channel::Chat)
}

/// Points booked for an agent.
async fn held(agent: &mut OnDuty) -> u32 {
    agent.get().await.load.iter().map(|load| load.offered() + load.active() + load.wrapping()).sum()
}

fn skill(name: &str) -> pb::Requirement {
    let skills = vec![pb::SkillNeed { skill: name.into(), min_level: None }];
    pb::Requirement { skills, ..Default::default() }
}

fn tier(tier: u32) -> pb::Requirement {
    pb::Requirement { min_tier: Some(tier), ..Default::default() }
}
