//! Tickets that move on: escalated, transferred, assigned.

use handoff::proto::handoff::v1 as pb;
use tonic::Code;

use super::{chat, handled, held, ok, refused, skill, tier};
use crate::harness::Service;
use crate::harness::agents::OnDuty;
use crate::harness::stage::{Stage, request_id};
use crate::harness::streams::Subscription;

async fn opened() -> (Service, Stage, Subscription) {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let stream = Subscription::open(&mut stage).await;
    (service, stage, stream)
}

fn escalation(name: &str, axis: pb::EscalationAxis, requirement: pb::Requirement) -> pb::EscalateTicketRequest {
    pb::EscalateTicketRequest {
        name: name.into(),
        axis: axis.into(),
        reason: pb::EscalationReason::InsufficientKnowledge.into(),
        requirement: Some(requirement),
        handover: pb::Handover::Blind.into(),
        request_id: request_id(),
        ..Default::default()
    }
}

fn transfer(name: &str, target: pb::transfer_target::Target) -> pb::TransferTicketRequest {
    pb::TransferTicketRequest {
        name: name.into(),
        kind: pb::TransferKind::Blind.into(),
        target: Some(pb::TransferTarget { target: Some(target) }),
        request_id: request_id(),
        ..Default::default()
    }
}

async fn taken(stage: &mut Stage, name: &str, agent: &mut OnDuty) -> pb::Ticket {
    let offer = stage.offered(name).await;
    assert_eq!(offer.agent, agent.name);
    agent.accept_connected(&offer.name).await.expect("it is theirs");
    stage.get(name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_escalated_to_expertise_and_then_to_authority_and_keeps_both_needs() {
    let (service, mut stage, _stream) = opened().await;
    let mut ann = stage.agent("ann").ready().await;
    let mut neta = stage.agent("neta").skill("network", 5).tier(2).ready().await;
    let _manager = stage.agent("manager").tier(4).ready().await;
    let mut boss = stage.agent("boss").skill("network", 3).tier(4).ready().await;
    let before = handled(&mut stage, &mut ann, chat()).await;

    let request = escalation(&before.name, pb::EscalationAxis::Functional, skill("network"));
    let answer = ok!(stage.clients.tickets.escalate_ticket(request));
    assert_eq!((answer.level_taken, answer.infeasibility()), (1, pb::Infeasibility::Unspecified));
    assert_eq!(stage.get(&before.name).await.handler, ann.name, "she keeps it until the target is there");
    let after = taken(&mut stage, &before.name, &mut neta).await;
    assert_eq!((&after.handler, &after.owner), (&neta.name, &ann.name));
    assert_eq!(held(&mut ann).await, 0);

    let request = escalation(&before.name, pb::EscalationAxis::Hierarchical, tier(4));
    ok!(stage.clients.tickets.escalate_ticket(request));
    let after = taken(&mut stage, &before.name, &mut boss).await;
    assert_eq!((after.functional_level(), after.hierarchical_level()), (1, 1));
    let needs = after.effective_requirement.expect("needs");
    assert_eq!((needs.skills.len(), needs.min_tier), (1, Some(4)));
    assert_eq!(after.enqueue_time, before.enqueue_time);
    assert_eq!(after.transfers.iter().map(pb::Transfer::state).collect::<Vec<_>>(), [pb::TransferState::Completed; 2]);

    let request = escalation(&before.name, pb::EscalationAxis::Hierarchical, tier(9));
    let refusal = refused!(stage.clients.tickets.escalate_ticket(request));
    assert_eq!(refusal, (Code::FailedPrecondition, "NOBODY_FITS".to_owned()));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_its_named_agent_declines_comes_back() {
    let (service, mut stage, _stream) = opened().await;
    let mut ann = stage.agent("ann").ready().await;
    let mut ben = stage.agent("ben").tier(2).ready().await;
    let before = handled(&mut stage, &mut ann, chat()).await;
    let request = transfer(&before.name, pb::transfer_target::Target::Agent(ben.name.clone()));
    let started = ok!(stage.clients.tickets.transfer_ticket(request)).transfer.expect("a transfer");
    assert_eq!((&started.from_agent, &started.to_agent), (&ann.name, &ben.name));
    let offer = stage.offered(&before.name).await;
    assert_eq!(offer.agent, ben.name);
    ben.decline(&offer.name, pb::DeclineReason::Other).await.expect("it is theirs");
    let after = stage.get(&before.name).await;
    assert_eq!(after.transfers[0].state(), pb::TransferState::Returned);
    assert_eq!((after.handler.as_str(), after.state()), (ann.name.as_str(), pb::TicketState::Assigned));
    assert_eq!(after.hop_count(), 0);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_to_an_agent_a_need_and_a_queue_each_count_as_a_hop() {
    let (service, mut stage, _stream) = opened().await;
    let mut ann = stage.agent("ann").ready().await;
    let mut ben = stage.agent("ben").tier(2).ready().await;
    let mut cid = stage.agent("cid").tier(3).ready().await;
    let name = handled(&mut stage, &mut ann, chat()).await.name;

    let to_agent = transfer(&name, pb::transfer_target::Target::Agent(ben.name.clone()));
    ok!(stage.clients.tickets.transfer_ticket(to_agent));
    assert_eq!(taken(&mut stage, &name, &mut ben).await.hop_count(), 1);

    let back = transfer(&name, pb::transfer_target::Target::Agent(ann.name.clone()));
    let refusal = refused!(stage.clients.tickets.transfer_ticket(back));
    assert_eq!(refusal, (Code::FailedPrecondition, "PING_PONG".to_owned()));

    let to_need = transfer(&name, pb::transfer_target::Target::Requirement(tier(3)));
    ok!(stage.clients.tickets.transfer_ticket(to_need));
    assert_eq!(taken(&mut stage, &name, &mut cid).await.hop_count(), 2);

    let to_queue = transfer(&name, pb::transfer_target::Target::Queue("social".into()));
    ok!(stage.clients.tickets.transfer_ticket(to_queue));
    let waiting = stage.get(&name).await;
    assert_eq!(waiting.effective_requirement.expect("needs").queue, "social");
    assert_eq!(waiting.handler, cid.name, "who alone fits, and cannot take it from herself");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn force_puts_a_ticket_on_an_agent_who_is_off_duty_but_never_over_capacity() {
    let (service, mut stage, _stream) = opened().await;
    let mut ann = stage.agent("ann").ready().await;
    let eve = stage.agent("eve").create().await;
    let name = handled(&mut stage, &mut ann, chat()).await.name;
    let force = |ticket: &str| pb::AssignTicketRequest {
        name: ticket.into(),
        agent: eve.clone(),
        mode: pb::AssignMode::Force.into(),
        reason: "she asked for it".into(),
        request_id: request_id(),
    };
    let after = ok!(stage.clients.tickets.assign_ticket(force(&name)));
    assert_eq!((after.handler.as_str(), after.state()), (eve.as_str(), pb::TicketState::Assigned));
    assert_eq!(held(&mut ann).await, 0);
    for _ in 0..3 {
        let other = handled(&mut stage, &mut ann, chat()).await.name;
        ok!(stage.clients.tickets.assign_ticket(force(&other)));
    }
    let fifth = handled(&mut stage, &mut ann, chat()).await.name;
    let refusal = refused!(stage.clients.tickets.assign_ticket(force(&fifth)));
    assert_eq!(refusal, (Code::FailedPrecondition, "CAPACITY".to_owned()));
    assert_eq!(stage.get(&fifth).await.handler, ann.name);
    service.stop().await;
}
