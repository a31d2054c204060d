//! Handing on through the API of a real service: what the answers say.

use handoff::proto::handoff::v1 as pb;
use pb::transfer_target::Target;
use tonic::Status;
use tonic_types::StatusExt as _;

use crate::harness::agents::OnDuty;
use crate::harness::stage::{Stage, request_id};
use crate::harness::{Service, eventually};

/// A desk where two hops are the limit, and a chat that `anna` has.
async fn chat_of_anna(service: &Service) -> (Stage, OnDuty, String) {
    let mut stage = Stage::set(service).await;
    let policy = pb::Policy {
        name: format!("{}/policy", stage.desk),
        source: "limits: {hop_soft: 1, hop_hard: 2}".into(),
        ..Default::default()
    };
    let request = pb::UpdatePolicyRequest { policy: Some(policy), ..Default::default() };
    stage.clients.policies.update_policy(request).await.expect("a policy");
    let mut anna = stage.agent("anna").ready().await;
    let ticket = stage.submit(Stage::ticket(pb::Channel::Chat)).await.name;
    take(&mut stage, &mut anna, &ticket).await;
    (stage, anna, ticket)
}

/// The agent accepts what the ticket offers; connected.
async fn take(stage: &mut Stage, agent: &mut OnDuty, ticket: &str) {
    let offered = || {
        let mut stage = stage.clone();
        let (ticket, name) = (ticket.to_owned(), agent.name.clone());
        async move { stage.pending_offer(&ticket).await.filter(|offer| offer.agent == name) }
    };
    let offer = eventually("an offer", offered).await;
    agent.accept_connected(&offer.name).await.expect("accepted");
}

fn to(ticket: &str, agent: &OnDuty) -> pb::TransferTicketRequest {
    pb::TransferTicketRequest {
        name: ticket.into(),
        kind: pb::TransferKind::Blind.into(),
        target: Some(pb::TransferTarget { target: Some(Target::Agent(agent.name.clone())) }),
        request_id: request_id(),
        ..Default::default()
    }
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|it| it.reason).unwrap_or_default()
}

#[tokio::test]
async fn a_transfer_past_the_hop_limit_says_that_it_was_redirected() {
    let service = Service::start().await;
    let (mut stage, _anna, ticket) = chat_of_anna(&service).await;
    for id in ["bert", "carl"] {
        let mut agent = stage.agent(id).ready().await;
        let moved = stage.clients.tickets.transfer_ticket(to(&ticket, &agent)).await.expect("moved").into_inner();
        assert!(!moved.redirected);
        take(&mut stage, &mut agent, &ticket).await;
    }
    let dora = stage.agent("dora").ready().await;
    let moved = stage.clients.tickets.transfer_ticket(to(&ticket, &dora)).await.expect("moved").into_inner();
    assert!(moved.redirected);
    let transfer = moved.transfer.expect("a hand-over");
    assert_eq!(transfer.axis(), pb::EscalationAxis::Hierarchical);
    assert_eq!(transfer.target.and_then(|it| it.target), Some(Target::Queue("chat".into())));
    let told: Vec<(String, String)> = stage
        .history(&ticket)
        .await
        .into_iter()
        .filter(|event| event.kind == "notification")
        .map(|event| (event.reason, event.agent))
        .collect();
    let anna = format!("{}/agents/anna", stage.desk);
    assert_eq!(told, [("HOP_LIMIT_NEAR".into(), anna.clone()), ("HOP_LIMIT_REACHED".into(), anna)]);
    service.stop().await;
}

#[tokio::test]
async fn a_named_target_that_is_full_is_capacity_and_its_team_takes_over_if_asked() {
    let service = Service::start().await;
    let (mut stage, anna, ticket) = chat_of_anna(&service).await;
    let of_team = |profile: &mut pb::Agent| profile.team = "net".into();
    let small = |profile: &mut pb::Agent| {
        profile.team = "net".into();
        profile.pools = vec![pb::PoolCapacity { pool: pb::Pool::Live.into(), capacity: Some(0) }];
    };
    let bert = stage.agent("bert").profile(small).ready().await;
    let mut carl = stage.agent("carl").profile(of_team).ready().await;
    let full = stage.clients.tickets.transfer_ticket(to(&ticket, &bert)).await.expect_err("no room");
    assert_eq!(reason(&full), "CAPACITY");
    let request =
        pb::TransferTicketRequest { on_unavailable: pb::OnUnavailable::Fallback.into(), ..to(&ticket, &bert) };
    let moved = stage.clients.tickets.transfer_ticket(request).await.expect("moved").into_inner();
    assert!(!moved.redirected);
    take(&mut stage, &mut carl, &ticket).await;
    let row = stage.get(&ticket).await;
    assert_eq!(row.handler, carl.name);
    let back = stage.clients.tickets.transfer_ticket(to(&ticket, &anna)).await.expect_err("she had it just now");
    assert_eq!(reason(&back), "PING_PONG");
    let visited = back.get_details_error_info().and_then(|it| it.metadata.get("visited").cloned());
    assert_eq!(visited, Some(anna.name.clone()));
    service.stop().await;
}
