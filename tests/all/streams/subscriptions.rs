//! Subscriptions: the chain, acks, cursors, displacement, going away.

use handoff::proto::handoff::v1 as pb;
use pb::subscribe_hello::Resume;
use pb::subscribe_request::Request;
use pb::subscribe_response::Response;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::{chats, reason};
use crate::harness::stage::Stage;
use crate::harness::streams::Subscription;
use crate::harness::{PATIENCE, Service, eventually};

fn hello(stage: &Stage) -> pb::SubscribeHello {
    pb::SubscribeHello { connector: stage.connector.clone(), instance: "test".into(), ..Default::default() }
}

fn from(seq: u64, incarnation: u64) -> Option<Resume> {
    Some(Resume::Cursor(pb::Cursor { seq: Some(seq), incarnation }))
}

#[tokio::test]
async fn a_subscription_resumes_after_what_was_acknowledged_and_its_chain_has_no_gap() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let mut first = Subscription::open(&mut stage).await;
    assert_eq!(first.welcome.acked_seq, Some(0));
    chats(&mut stage, 4).await;
    let mut seen = 0;
    let mut acked = 0;
    for at in 0..8 {
        // Each ticket is queued, and told at once that nobody is on duty.
        let decision = first.next_unacknowledged().await.expect("a decision");
        assert_eq!(decision.prev_seq, Some(seen));
        assert_eq!(decision.attempt, 1);
        assert_eq!(decision.side(), pb::DecisionSide::Origin);
        seen = decision.seq;
        if at == 2 {
            acked = seen;
            first.ack(seen).await;
        }
    }
    let position = || {
        let mut stage = stage.clone();
        async move { connector(&mut stage).await.lag.and_then(|lag| lag.acked_seq).filter(|seq| *seq == acked) }
    };
    eventually("the ack counts", position).await;
    let row = connector(&mut stage).await;
    assert_eq!(row.lag.and_then(|lag| lag.pending_count), Some(5));
    assert_eq!(row.instances.len(), 1);
    assert_eq!(row.instances[0].sent_seq, Some(seen));

    let mut second = Subscription::open(&mut stage).await;
    assert!(second.welcome.generation > first.welcome.generation);
    assert_eq!(second.welcome.acked_seq, Some(acked));
    assert_eq!(second.next_unacknowledged().await.expect("again").prev_seq, Some(acked));
    let displaced = first.next_unacknowledged().await.expect_err("the newer stream has the seat");
    assert_eq!(reason(&displaced), (Code::Aborted, "SUBSCRIPTION_DISPLACED".to_owned()));
    service.stop().await;
}

async fn connector(stage: &mut Stage) -> pb::Connector {
    let request = pb::GetConnectorRequest { name: stage.connector.clone() };
    stage.clients.decisions.get_connector(request).await.expect("the connector").into_inner()
}

#[tokio::test]
async fn at_most_a_window_is_unacknowledged() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    chats(&mut stage, 3).await;
    let asked = pb::SubscribeHello { window: Some(2), ..hello(&stage) };
    let mut subscription = Subscription::with(&mut stage, asked).await.expect("a subscription");
    for _ in 0..2 {
        subscription.next_unacknowledged().await.expect("within the window");
    }
    let quiet = std::time::Duration::from_millis(200);
    assert!(tokio::time::timeout(quiet, subscription.next_unacknowledged()).await.is_err(), "the window is full");
    subscription.ack(subscription.last_seq).await;
    subscription.next_unacknowledged().await.expect("there is room again");
    service.stop().await;
}

#[tokio::test]
async fn a_cursor_that_is_not_of_this_log_is_refused_and_one_that_is_resumes_after_it() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    chats(&mut stage, 2).await;
    let welcome = Subscription::open(&mut stage).await.welcome;
    let head = welcome.head_seq.expect("a head");
    let ahead = pb::SubscribeHello { resume: from(head + 1_000, 0), ..hello(&stage) };
    let refused = Subscription::with(&mut stage, ahead).await.map(|_| ()).expect_err("ahead of the log");
    assert_eq!(reason(&refused), (Code::DataLoss, "CURSOR_AHEAD".to_owned()));
    let foreign = pb::SubscribeHello { resume: from(1, welcome.incarnation ^ 1), ..hello(&stage) };
    let refused = Subscription::with(&mut stage, foreign).await.map(|_| ()).expect_err("of another log");
    assert_eq!(reason(&refused), (Code::DataLoss, "CURSOR_FOREIGN".to_owned()));

    let mine = pb::SubscribeHello { resume: from(head, welcome.incarnation), ..hello(&stage) };
    let mut subscription = Subscription::with(&mut stage, mine).await.expect("it is of this log");
    let name = chats(&mut stage, 1).await.remove(0);
    let next = subscription.next().await.expect("what comes after the cursor");
    assert_eq!((next.prev_seq, next.ticket), (Some(head), name));
    service.stop().await;
}

#[tokio::test]
async fn what_the_protocol_does_not_allow_ends_the_stream() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let mut subscription = Subscription::open(&mut stage).await;
    subscription.ack(1_000_000).await;
    let refused = subscription.next_unacknowledged().await.expect_err("never sent");
    assert_eq!(reason(&refused), (Code::InvalidArgument, "ACK_AHEAD".to_owned()));

    let (up, requests) = mpsc::channel(4);
    up.send(pb::SubscribeRequest { request: Some(Request::Ack(Default::default())) }).await.expect("room");
    let refused = stage.clients.decisions.subscribe(ReceiverStream::new(requests)).await.map(|_| ());
    assert_eq!(reason(&refused.expect_err("no hello")), (Code::InvalidArgument, "PROTOCOL".to_owned()));
    service.stop().await;
}

#[tokio::test]
async fn the_connector_that_reaches_the_agent_is_told_as_well_and_a_monitor_sees_all() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let pbx = stage.connect("pbx", pb::Connector::default()).await;
    let reach = pb::ConnectorReach::Desk as i32;
    let monitor = stage.connect("monitor", pb::Connector { reach, ..Default::default() }).await;
    let _origin = Subscription::open(&mut stage).await;
    let mut side = subscribe(&mut stage, &pbx).await;
    let mut all = subscribe(&mut stage, &monitor).await;
    let endpoint = pb::Endpoint {
        channel: pb::Channel::Phone as i32,
        connector: pbx,
        address: "sip:ann@example.net".into(),
        accepts: pb::Accepts::Endpoint as i32,
        ..Default::default()
    };
    let mut ann = stage.agent("ann").profile(|profile| profile.endpoints.push(endpoint)).ready().await;
    let ticket = stage.submit(pb::Ticket { subject: "Line 3".into(), ..Stage::ticket(pb::Channel::Phone) }).await;

    let offered = side.until(|decision| matches!(decision.payload, Some(pb::decision::Payload::Offered(_)))).await;
    assert_eq!(offered.side(), pb::DecisionSide::AgentSide);
    let Some(pb::decision::Payload::Offered(what)) = offered.payload else { panic!("an offer") };
    assert_eq!(what.offers[0].agent, ann.name);
    assert_eq!(what.offers[0].brief.as_ref().map(|brief| brief.subject.as_str()), Some("Line 3"));
    assert_eq!(what.offers[0].endpoint.as_ref().map(|it| it.address.as_str()), Some("sip:ann@example.net"));
    ann.accept(&what.offers[0].name).await.expect("it is hers");
    let connect = side.until(|decision| matches!(decision.payload, Some(pb::decision::Payload::Connect(_)))).await;
    assert!(connect.expire_time.is_some());
    let seen = all.until(|decision| matches!(decision.payload, Some(pb::decision::Payload::Connect(_)))).await;
    assert_eq!((seen.side(), seen.decision_id), (pb::DecisionSide::Origin, connect.decision_id));
    assert_eq!(seen.ticket, ticket.name);
    service.stop().await;
}

async fn subscribe(stage: &mut Stage, connector: &str) -> Subscription {
    let hello = pb::SubscribeHello { connector: connector.into(), ..Default::default() };
    Subscription::with(stage, hello).await.expect("a subscription")
}

#[tokio::test]
async fn a_deleted_connectors_stream_ends() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let mut subscription = Subscription::open(&mut stage).await;
    let request = pb::DeleteConnectorRequest { name: stage.connector.clone(), ..Default::default() };
    stage.clients.decisions.delete_connector(request).await.expect("deleted");
    let ended = subscription.next_unacknowledged().await.expect_err("nobody is left to subscribe for");
    assert_eq!(ended.code(), Code::NotFound);
    service.stop().await;
}

#[tokio::test]
async fn a_service_that_stops_sends_its_streams_away_with_a_cursor_and_does_not_wait_for_them() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let (up, requests) = mpsc::channel(4);
    up.send(pb::SubscribeRequest { request: Some(Request::Hello(hello(&stage))) }).await.expect("room");
    let answer = stage.clients.decisions.subscribe(ReceiverStream::new(requests)).await;
    let mut down = answer.expect("a subscription").into_inner();
    assert!(matches!(down.message().await.expect("alive").and_then(|it| it.response), Some(Response::Welcome(_))));

    let stopped = tokio::spawn(service.stop());
    let last = down.message().await.expect("alive").and_then(|message| message.response);
    let Some(Response::GoingAway(going_away)) = last else { panic!("a farewell, not {last:?}") };
    assert!(going_away.resume.is_some_and(|cursor| cursor.seq.is_some() && cursor.incarnation != 0));
    let ended = down.message().await.expect_err("the stream ends");
    assert_eq!(reason(&ended), (Code::Unavailable, "SHUTTING_DOWN".to_owned()));
    tokio::time::timeout(PATIENCE, stopped).await.expect("in time").expect("in order");
}
