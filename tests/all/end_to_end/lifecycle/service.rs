//! The service itself: its policy, calls that are only tried, repeated, given up, and its end.

use std::time::Duration;

use handoff::domain::id::{DeskId, DeskKey, TenantId};
use handoff::proto::handoff::v1 as pb;
use handoff::store::Store;
use tonic::transport::Channel;
use tonic::{Code, Request, Streaming};

use super::{chat, handled, ok, refused};
use crate::harness::Service;
use crate::harness::stage::{Stage, request_id};
use crate::harness::streams::Subscription;

const POLICY: &str = "\
classification:
  - name: outages
    when: {category: outage}
    queue: outage
    requirement: {min_tier: 2}
    priority: 30
queues:
  outage:
    band: live
";

async fn head(service: &Service) -> u64 {
    let key = DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse("stage").expect("a name") };
    service.engine.store().head(&key).await.expect("the store answers").expect("a desk").0
}

fn policy(stage: &Stage, source: &str) -> pb::UpdatePolicyRequest {
    let policy = pb::Policy { name: format!("{}/policy", stage.desk), source: source.into(), ..Default::default() };
    pb::UpdatePolicyRequest { policy: Some(policy), request_id: request_id(), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_policy_classifies_the_tickets_that_come_after_it() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let outage = || pb::Ticket { category: "outage".into(), ..chat() };
    let before = stage.submit(outage()).await;
    let request = policy(&stage, POLICY);
    ok!(stage.clients.policies.update_policy(request));
    let after = stage.submit(outage()).await;
    let place = |ticket: &pb::Ticket| {
        let needs = ticket.effective_requirement.clone().expect("needs");
        (needs.queue, needs.min_tier, ticket.effective_priority())
    };
    assert_eq!(place(&stage.get(&before.name).await), ("chat".to_owned(), None, 10));
    assert_eq!(place(&after), ("outage".to_owned(), Some(2), 30));
    assert_ne!(before.policy_revision, after.policy_revision);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_only_tried_answers_and_changes_nothing() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let _stream = Subscription::open(&mut stage).await;
    let mut ann = stage.agent("ann").ready().await;
    let _boss = stage.agent("boss").tier(2).ready().await;
    let name = handled(&mut stage, &mut ann, chat()).await.name;
    let before = (head(&service).await, stage.get(&name).await);

    let create = pb::CreateTicketRequest { validate_only: true, ..stage.create(chat()) };
    let planned = ok!(stage.clients.tickets.create_ticket(create.clone()));
    assert_eq!(planned.state(), pb::TicketState::Queued);
    let escalate = pb::EscalateTicketRequest {
        name: name.clone(),
        axis: pb::EscalationAxis::Hierarchical.into(),
        reason: pb::EscalationReason::CustomerDemand.into(),
        requirement: Some(super::tier(2)),
        handover: pb::Handover::Blind.into(),
        validate_only: true,
        ..Default::default()
    };
    let plan = ok!(stage.clients.tickets.escalate_ticket(escalate));
    assert_eq!((plan.plan[0].on_count, plan.transfer), (Some(1), None));
    let target = pb::transfer_target::Target::Queue("social".into());
    let transfer = pb::TransferTicketRequest {
        name: name.clone(),
        kind: pb::TransferKind::Blind.into(),
        target: Some(pb::TransferTarget { target: Some(target) }),
        validate_only: true,
        ..Default::default()
    };
    ok!(stage.clients.tickets.transfer_ticket(transfer));
    let tried = pb::UpdatePolicyRequest { validate_only: true, ..policy(&stage, POLICY) };
    ok!(stage.clients.policies.update_policy(tried));
    assert_eq!(before, (head(&service).await, stage.get(&name).await));
    // Not remembered under its request id either.
    ok!(stage.clients.tickets.create_ticket(pb::CreateTicketRequest { validate_only: false, ..create }));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_gets_its_first_answer_also_from_the_next_service_on_the_data() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let request = stage.create(pb::Ticket { subject: "once".into(), ..chat() });
    let first = ok!(stage.clients.tickets.create_ticket(request.clone()));
    let cancel = pb::CancelTicketRequest {
        name: first.name.clone(),
        reason: pb::CancelReason::Withdrawn.into(),
        request_id: request_id(),
        ..Default::default()
    };
    assert_eq!(ok!(stage.clients.tickets.create_ticket(request.clone())).name, first.name);
    ok!(stage.clients.tickets.cancel_ticket(cancel.clone()));
    let before = head(&service).await;
    ok!(stage.clients.tickets.cancel_ticket(cancel.clone()));

    let service = Service::start_with(service.stop().await, 1).await;
    let mut stage = Stage::again(&service, "stage").await;
    assert_eq!(ok!(stage.clients.tickets.create_ticket(request.clone())).name, first.name);
    ok!(stage.clients.tickets.cancel_ticket(cancel));
    assert_eq!(head(&service).await, before);
    let other = pb::CreateTicketRequest { ticket: Some(Stage::ticket(pb::Channel::Email)), ..request };
    let refusal = refused!(stage.clients.tickets.create_ticket(other));
    assert_eq!(refusal, (Code::InvalidArgument, "REQUEST_ID_REUSED".to_owned()));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_deadline_passes_is_done_whole_or_not_at_all_and_its_repeat_finds_out() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let mut given_up = 0;
    for nth in 0..60_u64 {
        let create = stage.create(pb::Ticket { conversation_keys: vec![format!("k{nth}")], ..chat() });
        let mut hurried = Request::new(create.clone());
        hurried.set_timeout(Duration::from_micros(40 * nth));
        if let Err(status) = stage.clients.tickets.create_ticket(hurried).await {
            assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
            given_up += 1;
        }
        // Whatever became of it: the same call again has one ticket to show for both.
        let ticket = ok!(stage.clients.tickets.create_ticket(create));
        assert_eq!(ticket.state(), pb::TicketState::Queued);
        assert_eq!(ticket.legs.len(), 1);
    }
    assert!(given_up > 0, "no deadline passed");
    let request = pb::ListTicketsRequest { parent: stage.desk.clone(), page_size: 1_000, ..Default::default() };
    assert_eq!(ok!(stage.clients.tickets.list_tickets(request)).tickets.len(), 60);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stops_lets_calls_end_and_refuses_those_that_come_after() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let mut subscription = Subscription::open(&mut stage).await;
    let ann = stage.agent("ann").ready().await;
    let watched = stage.submit(chat()).await.name;
    let mut watch = ok!(stage.clients.tickets.watch_ticket(pb::WatchTicketRequest { name: watched }));
    watch.message().await.expect("alive");
    let request = pb::WatchSessionRequest { name: ann.name, session_epoch: ann.epoch, device_id: ann.device };
    let mut session = ok!(stage.clients.agents.watch_session(request));
    let before = head(&service).await;
    let engine = service.engine.clone();
    let address = service.address.clone();

    let subscribed = async {
        loop {
            if let Err(ended) = subscription.next_unacknowledged().await {
                return ended.code();
            }
        }
    };
    let (folder, subscribed, watched, session) =
        tokio::join!(service.stop(), subscribed, end_of(&mut watch), end_of(&mut session));
    assert_eq!([subscribed, watched, session], [Code::Unavailable; 3]);
    let request = stage.create(chat());
    // A client that was not told yet that its connection is gone gives the call up itself: CANCELLED.
    stage.clients.tickets.create_ticket(request).await.expect_err("nobody listens");
    let later = Channel::from_shared(address).expect("an address").connect().await;
    later.expect_err("nobody listens any more");
    drop(engine);
    let service = Service::start_with(folder, 1).await;
    assert!(head(&service).await >= before);
    let request = pb::ListTicketsRequest { parent: stage.desk.clone(), ..Default::default() };
    let mut clients = service.clients().await;
    let tickets = ok!(clients.tickets.list_tickets(request)).tickets;
    assert_eq!(tickets.len(), 1, "nothing was done for a call that was refused");
    service.stop().await;
}

/// The code with which a stream ends.
async fn end_of<T>(stream: &mut Streaming<T>) -> Code {
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Code::Ok,
            Err(ended) => return ended.code(),
        }
    }
}
