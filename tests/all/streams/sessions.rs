//! Sessions: what they are told, who may resume them, how they end.

use handoff::proto::handoff::v1 as pb;
use pb::open_session_request::Request;
use pb::open_session_response::Response;
use pb::session_update::Update;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use super::reason;
use crate::harness::agents::OnDuty;
use crate::harness::stage::{Stage, request_id};
use crate::harness::streams::Subscription;
use crate::harness::{PATIENCE, Service};

/// What a session's stream says, message by message.
struct Told(Streaming<pb::SessionUpdate>);

impl Told {
    async fn watch(agent: &mut OnDuty) -> Told {
        let request = pb::WatchSessionRequest {
            name: agent.name.clone(),
            session_epoch: agent.epoch,
            device_id: agent.device.clone(),
        };
        Told(agent.stage.clients.agents.watch_session(request).await.expect("a stream").into_inner())
    }

    async fn next(&mut self) -> Update {
        let message = tokio::time::timeout(PATIENCE, self.0.message()).await.expect("in time").expect("alive");
        message.and_then(|message| message.update).expect("an update")
    }

    /// The next update that `wanted` finds something in.
    async fn until<T>(&mut self, wanted: impl Fn(Update) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.next().await) {
                return found;
            }
        }
    }

    async fn offer(&mut self, state: pb::OfferState) -> pb::Offer {
        self.until(|update| match update {
            Update::Offer(offer) if offer.state() == state => Some(offer),
            _ => None,
        })
        .await
    }

    async fn leg(&mut self, state: pb::LegState) -> pb::SessionLeg {
        self.until(|update| match update {
            Update::Leg(leg) if leg.leg.as_ref().is_some_and(|leg| leg.state() == state) => Some(leg),
            _ => None,
        })
        .await
    }
}

#[tokio::test]
async fn a_session_is_told_its_offers_and_legs_from_ringing_to_the_end_of_wrap_up() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let _adapter = Subscription::open(&mut stage).await;
    let mut ann = stage.agent("ann").ready().await;
    let mut told = Told::watch(&mut ann).await;
    let Update::Snapshot(snapshot) = told.next().await else { panic!("the snapshot is first") };
    let presence = snapshot.agent.and_then(|agent| agent.presence).expect("a presence");
    assert_eq!((presence.lease(), presence.session_epoch), (pb::Lease::Live, ann.epoch));
    assert!(snapshot.offers.is_empty());

    let ticket = stage.submit(pb::Ticket { subject: "Hello".into(), ..Stage::ticket(pb::Channel::Phone) }).await;
    let offer = told.offer(pb::OfferState::Pending).await;
    assert_eq!(offer.ticket, ticket.name);
    assert_eq!(offer.brief.as_ref().map(|brief| brief.subject.as_str()), Some("Hello"));
    assert_eq!(ann.get().await.load[0].offered, Some(1));
    ann.accept_connected(&offer.name).await.expect("it is hers");
    let leg = told.leg(pb::LegState::Active).await;
    assert_eq!(leg.ticket, ticket.name);

    let name = leg.leg.expect("a leg").name;
    let request = pb::EndLegRequest { name, ended_by: pb::EndedBy::Customer as i32, ..Default::default() };
    stage.clients.tickets.end_leg(request).await.expect("the customer hung up");
    told.leg(pb::LegState::Wrapping).await;
    let loads = ann.get().await.load;
    assert_eq!((loads[0].wrapping, loads[0].held, loads[0].active), (Some(1), Some(1), Some(0)));
    service.stop().await;
}

#[tokio::test]
async fn an_offer_that_ends_is_told_and_so_is_the_session() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let _adapter = Subscription::open(&mut stage).await;
    let mut ann = stage.agent("ann").ready().await;
    let mut told = Told::watch(&mut ann).await;
    assert!(matches!(told.next().await, Update::Snapshot(_)), "an offer made before it would be part of it");
    stage.submit(Stage::ticket(pb::Channel::Chat)).await;
    let offer = told.offer(pb::OfferState::Pending).await;
    let request = pb::EndSessionRequest { name: ann.name.clone(), session_epoch: ann.epoch, request_id: request_id() };
    let ended = stage.clients.agents.end_session(request.clone()).await.expect("it is hers").into_inner();
    assert_eq!(ended.state(), pb::SessionState::Ended);
    assert_eq!(told.offer(pb::OfferState::Revoked).await.name, offer.name);
    let state = told.until(|update| if let Update::Ended(ended) = update { Some(ended.state()) } else { None }).await;
    assert_eq!(state, pb::SessionState::Ended);
    assert!(told.0.message().await.expect("it ends in order").is_none());

    assert_eq!(ann.beat().await, pb::SessionState::Ended);
    let again = stage.clients.agents.end_session(request).await.expect("it is no error").into_inner();
    assert_eq!(again.state(), pb::SessionState::Ended);
    let watch =
        pb::WatchSessionRequest { name: ann.name.clone(), session_epoch: ann.epoch, device_id: "desktop".into() };
    let refused = stage.clients.agents.watch_session(watch).await.map(|_| ()).expect_err("it is over");
    assert_eq!(reason(&refused), (Code::FailedPrecondition, "SESSION_STALE".to_owned()));
    service.stop().await;
}

#[tokio::test]
async fn a_session_is_resumed_by_its_secret_joined_without_it_and_held_against_a_wrong_one() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let name = stage.agent("ann").create().await;
    let start = |device: &str, secret: &str| pb::StartSessionRequest {
        name: name.clone(),
        device_id: device.into(),
        secret: secret.into(),
        ..Default::default()
    };
    let first = pb::StartSessionRequest { request_id: request_id(), ..start("desktop", "") };
    let welcome = started(&mut stage, first.clone()).await;
    assert_eq!((welcome.session_epoch, welcome.resumed, welcome.secret.len()), (1, false, 32));
    assert_eq!(started(&mut stage, first).await, welcome, "a repeat is the first answer again");

    let resumed = started(&mut stage, start("desktop", &welcome.secret)).await;
    assert_eq!((resumed.session_epoch, resumed.resumed, &resumed.secret), (1, true, &welcome.secret));
    let joined = started(&mut stage, start("tablet", "")).await;
    assert_eq!((joined.session_epoch, joined.resumed, joined.secret.as_str()), (1, true, ""));
    let wrong = start("phone", &"0".repeat(32));
    let refused = stage.clients.agents.start_session(wrong).await.expect_err("not the secret");
    assert_eq!(reason(&refused), (Code::FailedPrecondition, "SESSION_HELD".to_owned()));
    service.stop().await;
}

async fn started(stage: &mut Stage, request: pb::StartSessionRequest) -> pb::SessionWelcome {
    let answer = stage.clients.agents.start_session(request).await.expect("a session");
    answer.into_inner().welcome.expect("a welcome")
}

#[tokio::test]
async fn a_newer_stream_of_the_same_device_displaces_the_older() {
    let service = Service::start().await;
    let stage = Stage::set(&service).await;
    let mut ann = stage.agent("ann").ready().await;
    let mut first = Told::watch(&mut ann).await;
    first.next().await;
    let mut second = Told::watch(&mut ann).await;
    assert!(matches!(second.next().await, Update::Snapshot(_)));
    let displaced = first.0.message().await.expect_err("the newer one has the seat");
    assert_eq!(reason(&displaced), (Code::Aborted, "SESSION_DISPLACED".to_owned()));
    service.stop().await;
}

#[tokio::test]
async fn one_stream_opens_keeps_and_ends_a_session() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let name = stage.agent("ann").create().await;
    let (up, requests) = mpsc::channel(4);
    let say = |request| pb::OpenSessionRequest { request: Some(request) };
    let hello = pb::SessionHello { agent: name, device_id: "desktop".into(), ..Default::default() };
    up.send(say(Request::Hello(hello))).await.expect("room");
    let mut down =
        stage.clients.agents.open_session(ReceiverStream::new(requests)).await.expect("a stream").into_inner();
    let mut next = async || down.message().await.expect("alive").and_then(|message| message.response);
    let Some(Response::Welcome(welcome)) = next().await else { panic!("the welcome is first") };
    assert_eq!(welcome.session_epoch, 1);
    let Some(Response::Update(first)) = next().await else { panic!("then updates") };
    assert!(matches!(first.update, Some(Update::Snapshot(_))));
    up.send(say(Request::Heartbeat(pb::SessionHeartbeat {}))).await.expect("room");
    up.send(say(Request::End(pb::SessionEnd {}))).await.expect("room");
    let mut last = None;
    while let Some(Response::Update(update)) = next().await {
        last = update.update;
    }
    let Some(Update::Ended(ended)) = last else { panic!("the end is last, not {last:?}") };
    assert_eq!(ended.state(), pb::SessionState::Ended);
    service.stop().await;
}
