//! Tickets that wait: on hold, given back, reopened, parked; and agents about to leave.

use std::time::{Duration, SystemTime};

use handoff::proto::handoff::v1 as pb;

use super::{chat, handled, held, ok};
use crate::harness::stage::Stage;
use crate::harness::streams::Subscription;
use crate::harness::{Service, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_on_hold_frees_its_handler_and_a_call_does_not() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let _stream = Subscription::open(&mut stage).await;
    let mut ann = stage.agent("ann").ready().await;
    let hold =
        |name: &str| pb::HoldTicketRequest { name: name.into(), reason: "looks it up".into(), ..Default::default() };
    let resume = |name: &str| pb::ResumeTicketRequest { name: name.into(), ..Default::default() };

    let name = handled(&mut stage, &mut ann, chat()).await.name;
    assert_eq!(ok!(stage.clients.tickets.hold_ticket(hold(&name))).state(), pb::TicketState::OnHold);
    assert_eq!(held(&mut ann).await, 0);
    let back = ok!(stage.clients.tickets.resume_ticket(resume(&name)));
    assert_eq!((back.state(), back.handler.as_str()), (pb::TicketState::Assigned, ann.name.as_str()));
    assert_eq!(held(&mut ann).await, 1);
    let resolve = pb::ResolveTicketRequest { name, ..Default::default() };
    ok!(stage.clients.tickets.resolve_ticket(resolve));
    assert_eq!(held(&mut ann).await, 0);

    let call = handled(&mut stage, &mut ann, Stage::ticket(pb::Channel::Phone)).await.name;
    ok!(stage.clients.tickets.hold_ticket(hold(&call)));
    assert_eq!(held(&mut ann).await, 1);
    let back = ok!(stage.clients.tickets.resume_ticket(resume(&call)));
    assert_eq!((back.state(), back.handler.as_str()), (pb::TicketState::Assigned, ann.name.as_str()));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reopened_ticket_goes_to_its_owner_first_and_a_requeued_one_keeps_its_age() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let _stream = Subscription::open(&mut stage).await;
    let mut boss = stage.agent("boss").tier(2).ready().await;
    let before = handled(&mut stage, &mut boss, chat()).await;
    // Better suited, and not the owner.
    let _ann = stage.agent("ann").ready().await;
    let resolve =
        pb::ResolveTicketRequest { name: before.name.clone(), resolution: "done".into(), ..Default::default() };
    assert_eq!(ok!(stage.clients.tickets.resolve_ticket(resolve)).state(), pb::TicketState::Resolved);
    let reopen = pb::ReopenTicketRequest { name: before.name.clone(), ..Default::default() };
    let reopened = ok!(stage.clients.tickets.reopen_ticket(reopen));
    assert_eq!((reopened.state(), &reopened.enqueue_time), (pb::TicketState::Queued, &before.enqueue_time));
    let offer = stage.offered(&before.name).await;
    assert_eq!(offer.agent, boss.name);
    boss.accept_connected(&offer.name).await.expect("it is theirs");

    let requeue =
        pb::RequeueTicketRequest { name: before.name.clone(), reason: "end of shift".into(), ..Default::default() };
    let requeued = ok!(stage.clients.tickets.requeue_ticket(requeue));
    assert_eq!((requeued.state(), requeued.hop_count()), (pb::TicketState::Queued, 0));
    assert_eq!(requeued.enqueue_time, before.enqueue_time);
    let offer = stage.offered(&before.name).await;
    assert!(offer.agent.ends_with("/ann"), "{} is rung", offer.agent);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_break_after_the_current_work_begins_when_that_has_ended() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let _stream = Subscription::open(&mut stage).await;
    let mut ann = stage.agent("ann").ready().await;
    let name = handled(&mut stage, &mut ann, chat()).await.name;
    let request = pb::SetAgentStateRequest {
        name: ann.name.clone(),
        state: pb::DeclaredState::Break.into(),
        break_reason: "lunch".into(),
        timing: pb::StateTiming::AfterCurrent.into(),
        ..Default::default()
    };
    let presence = ok!(stage.clients.agents.set_agent_state(request)).presence.expect("a presence");
    assert_eq!(presence.declared(), pb::DeclaredState::Ready);
    assert!(presence.next_declared.is_some());
    let waiting = stage.submit(chat()).await;
    assert_eq!(stage.pending_offer(&waiting.name).await, None);
    assert_eq!(waiting.infeasibility(), pb::Infeasibility::Absent);

    let end =
        pb::EndLegRequest { name: format!("{name}/legs/1"), ended_by: pb::EndedBy::Agent.into(), ..Default::default() };
    ok!(stage.clients.tickets.end_leg(end));
    let presence = ann.get().await.presence.expect("a presence");
    assert_eq!((presence.declared(), presence.break_reason.as_str()), (pb::DeclaredState::Break, "lunch"));
    assert_eq!(stage.pending_offer(&waiting.name).await, None);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_ticket_is_queued_at_its_time() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let _stream = Subscription::open(&mut stage).await;
    let ann = stage.agent("ann").ready().await;
    let at = SystemTime::now() + Duration::from_millis(1_500);
    let parked = stage.submit(pb::Ticket { schedule_time: Some(at.into()), ..chat() }).await;
    assert_eq!((parked.state(), parked.legs.len()), (pb::TicketState::Open, 0));
    assert_eq!(parked.enqueue_time, None);
    let offer = stage.offered(&parked.name).await;
    assert_eq!(offer.agent, ann.name);
    let ticket = stage.get(&parked.name).await;
    assert!(ticket.enqueue_time.is_some_and(|time| SystemTime::try_from(time).is_ok_and(|time| time >= at)));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_connector_has_nobody_subscribed_its_calls_wait_and_say_so() {
    let service = Service::start_at_rate(20).await;
    let mut stage = Stage::set(&service).await;
    let mut ann = stage.agent("ann").ready().await;
    let away = |stage: Stage, mut ann: crate::harness::agents::OnDuty| async move {
        ann.beat().await;
        let connector = pb::GetConnectorRequest { name: stage.connector.clone() };
        let connector = stage.clone().clients.decisions.get_connector(connector).await.ok()?.into_inner();
        connector.away.then_some(())
    };
    eventually("the connector is away", || away(stage.clone(), ann.clone())).await;
    let name = stage.submit(chat()).await.name;
    let ticket = stage.get(&name).await;
    assert_eq!(ticket.infeasibility(), pb::Infeasibility::ConnectorAway);
    let _stream = Subscription::open(&mut stage).await;
    let rung = eventually("an offer", async || {
        ann.clone().beat().await;
        stage.clone().pending_offer(&name).await
    });
    assert_eq!(rung.await.agent, ann.name);
    ann.beat().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_of_one_channel_is_told_of_the_cancel_that_overtook_its_create() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let channels = vec![pb::Channel::Chat.into()];
    stage.connector = stage.connect("chat", pb::Connector { channels, ..Default::default() }).await;
    let mut stream = Subscription::open(&mut stage).await;
    let name = format!("{}/tickets/early", stage.desk);
    let cancel = pb::CancelTicketRequest {
        name: name.clone(),
        reason: pb::CancelReason::CustomerLeft.into(),
        allow_missing: true,
        connector: stage.connector.clone(),
        ..Default::default()
    };
    assert_eq!(ok!(stage.clients.tickets.cancel_ticket(cancel)).state(), pb::TicketState::Cancelled);
    let told = stream.until(|decision| matches!(decision.payload, Some(pb::decision::Payload::Cancelled(_)))).await;
    assert_eq!((told.ticket, told.ticket_seq), (name, 1));
    let create = pb::CreateTicketRequest { ticket_id: "early".into(), ..stage.create(chat()) };
    assert_eq!(ok!(stage.clients.tickets.create_ticket(create)).state(), pb::TicketState::Cancelled);
    service.stop().await;
}
