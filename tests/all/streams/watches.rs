//! Decisions for onlookers: order, cursors, heartbeats, the end; and what an onlooker leaves alone.

use handoff::proto::handoff::v1 as pb;
use pb::watch_decisions_request::Resume;
use pb::watch_decisions_response::Response;
use tonic::{Code, Status, Streaming};

use super::{chats, reason};
use crate::harness::stage::Stage;
use crate::harness::streams::Subscription;
use crate::harness::{PATIENCE, Service, eventually};

struct Watch {
    down: Streaming<pb::WatchDecisionsResponse>,
    welcome: pb::WatchWelcome,
}

impl Watch {
    async fn open(stage: &mut Stage, resume: Option<Resume>) -> Result<Watch, Status> {
        let request = pb::WatchDecisionsRequest { connector: stage.connector.clone(), resume, ..Default::default() };
        let mut down = stage.clients.decisions.watch_decisions(request).await?.into_inner();
        let first = down.message().await?.and_then(|message| message.response);
        let Some(Response::Welcome(welcome)) = first else { panic!("the first message is a welcome, not {first:?}") };
        Ok(Watch { down, welcome })
    }

    async fn next(&mut self) -> Result<Option<Response>, Status> {
        let message = tokio::time::timeout(PATIENCE, self.down.message()).await.expect("in time")?;
        Ok(message.and_then(|message| message.response))
    }

    async fn decisions(&mut self, count: usize) -> Vec<pb::Decision> {
        let mut found = Vec::new();
        while found.len() < count {
            match self.next().await.expect("the stream goes on") {
                Some(Response::Decisions(batch)) => found.extend(batch.items),
                Some(Response::Heartbeat(_)) => {}
                other => panic!("a decision, not {other:?}"),
            }
        }
        found
    }
}

#[tokio::test]
async fn onlookers_see_every_decision_in_order_and_leave_the_connectors_reader_alone() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let mut reader = Subscription::open(&mut stage).await;
    let mut first = Watch::open(&mut stage, None).await.expect("a watch");
    let mut second = Watch::open(&mut stage, None).await.expect("another");
    // More than the window of a subscription: nobody has to acknowledge what is watched.
    chats(&mut stage, 140).await;
    let seen = first.decisions(280).await;
    assert_eq!(second.decisions(280).await, seen);
    let mut before = first.welcome.start.and_then(|cursor| cursor.seq);
    for decision in &seen {
        assert_eq!((decision.prev_seq, decision.attempt), (before, 1));
        before = Some(decision.seq);
    }
    let mine = reader.next_unacknowledged().await.expect("it still has the seat");
    assert_eq!(mine, seen[0]);
    service.stop().await;
}

#[tokio::test]
async fn a_watch_resumes_after_its_cursor_and_a_bad_cursor_is_refused_as_on_a_subscription() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    chats(&mut stage, 2).await;
    let mut watch = Watch::open(&mut stage, None).await.expect("a watch");
    let seen = watch.decisions(3).await;
    let incarnation = watch.welcome.start.expect("a cursor").incarnation;
    let at = |seq| Some(Resume::Cursor(pb::Cursor { seq: Some(seq), incarnation }));
    let mut resumed = Watch::open(&mut stage, at(seen[0].seq)).await.expect("a watch");
    assert_eq!(resumed.decisions(2).await[..2], seen[1..3]);
    let now = Some(Resume::Point(pb::ResumePoint::Now as i32));
    let mut late = Watch::open(&mut stage, now).await.expect("a watch");
    let name = chats(&mut stage, 1).await.remove(0);
    assert_eq!(late.decisions(1).await[0].ticket, name);

    let ahead = Watch::open(&mut stage, at(1_000_000)).await.map(|_| ()).expect_err("ahead of the log");
    assert_eq!(reason(&ahead), (Code::DataLoss, "CURSOR_AHEAD".to_owned()));
    let foreign = Some(Resume::Cursor(pb::Cursor { seq: Some(1), incarnation: incarnation ^ 1 }));
    let foreign = Watch::open(&mut stage, foreign).await.map(|_| ()).expect_err("of another log");
    assert_eq!(reason(&foreign), (Code::DataLoss, "CURSOR_FOREIGN".to_owned()));
    service.stop().await;
}

#[tokio::test]
async fn an_onlooker_does_not_count_as_present() {
    let service = Service::start_at_rate(20).await;
    let mut stage = Stage::set(&service).await;
    let _watch = Watch::open(&mut stage, None).await.expect("a watch");
    let away = async || {
        let request = pb::GetConnectorRequest { name: stage.connector.clone() };
        let row = stage.clients.decisions.clone().get_connector(request).await.expect("the connector").into_inner();
        row.away.then_some(())
    };
    eventually("nobody reads for it", away).await;
    service.stop().await;
}

#[tokio::test]
async fn a_quiet_watch_hears_the_head_every_ten_seconds_and_ends_when_its_connector_is_deleted() {
    let service = Service::start_at_rate(60).await;
    let mut stage = Stage::set(&service).await;
    chats(&mut stage, 1).await;
    let mut watch = Watch::open(&mut stage, None).await.expect("a watch");
    let last = watch.decisions(2).await[1].seq;
    let beat = loop {
        if let Some(Response::Heartbeat(beat)) = watch.next().await.expect("alive") {
            break beat;
        }
    };
    assert!(beat.last_matching_seq >= Some(last) && beat.head_seq >= beat.last_matching_seq);
    assert_eq!(beat.interval.map(|interval| interval.seconds), Some(10));
    let request = pb::DeleteConnectorRequest { name: stage.connector.clone(), ..Default::default() };
    stage.clients.decisions.delete_connector(request).await.expect("deleted");
    let ended = loop {
        if let Err(ended) = watch.next().await {
            break ended;
        }
    };
    assert_eq!(ended.code(), Code::NotFound);
    service.stop().await;
}

#[tokio::test]
async fn a_service_that_stops_sends_its_onlookers_away_with_a_cursor() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    chats(&mut stage, 1).await;
    let mut watch = Watch::open(&mut stage, None).await.expect("a watch");
    let last = watch.decisions(2).await[1].seq;
    let stopped = tokio::spawn(service.stop());
    let said = watch.next().await.expect("alive");
    let Some(Response::GoingAway(farewell)) = said else { panic!("a farewell, not {said:?}") };
    assert_eq!(farewell.resume.and_then(|cursor| cursor.seq), Some(last));
    let ended = watch.next().await.expect_err("the stream ends");
    assert_eq!(reason(&ended), (Code::Unavailable, "SHUTTING_DOWN".to_owned()));
    tokio::time::timeout(PATIENCE, stopped).await.expect("in time").expect("in order");
}
