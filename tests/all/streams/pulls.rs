//! Decisions by unary calls: pulled, acknowledged, displaced, waited for.

use handoff::proto::handoff::v1 as pb;
use pb::pull_decisions_request::Resume;
use prost_types::Duration;
use tonic::{Code, Status};

use super::{chats, reason};
use crate::harness::stage::Stage;
use crate::harness::streams::Subscription;
use crate::harness::{PATIENCE, Service, eventually};

fn pull_of(stage: &Stage, generation: u64) -> pb::PullDecisionsRequest {
    pb::PullDecisionsRequest {
        connector: stage.connector.clone(),
        instance: "test".into(),
        generation,
        ..Default::default()
    }
}

async fn pull(stage: &Stage, request: pb::PullDecisionsRequest) -> Result<pb::PullDecisionsResponse, Status> {
    stage.clients.decisions.clone().pull_decisions(request).await.map(|answer| answer.into_inner())
}

async fn ack(stage: &Stage, generation: u64, acked_seq: u64) -> Result<u64, Status> {
    let request =
        pb::AckDecisionsRequest { connector: stage.connector.clone(), generation, acked_seq, rejections: vec![] };
    let answer = stage.clients.decisions.clone().ack_decisions(request).await?.into_inner();
    Ok(answer.acked_seq.expect("where it stands"))
}

async fn connector(stage: &Stage) -> pb::Connector {
    let request = pb::GetConnectorRequest { name: stage.connector.clone() };
    stage.clients.decisions.clone().get_connector(request).await.expect("the connector").into_inner()
}

fn waiting(stage: &Stage, generation: u64) -> pb::PullDecisionsRequest {
    pb::PullDecisionsRequest { wait_time: Some(Duration { seconds: 60, nanos: 0 }), ..pull_of(stage, generation) }
}

#[tokio::test]
async fn what_is_pulled_comes_again_until_it_is_acknowledged_and_its_chain_has_no_gap() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    chats(&mut stage, 3).await;
    let few = pb::PullDecisionsRequest { max_decisions: Some(2), ..pull_of(&stage, 0) };
    let first = pull(&stage, few.clone()).await.expect("a pull");
    assert_eq!((first.decisions.len(), first.acked_seq), (2, Some(0)));
    assert_eq!(first.decisions[0].prev_seq, Some(0));
    assert_eq!(first.decisions[1].prev_seq, Some(first.decisions[0].seq));
    let go_on = |generation| pb::PullDecisionsRequest { generation, ..few.clone() };
    let again = pull(&stage, go_on(first.generation)).await.expect("a pull");
    assert_eq!(again.generation, first.generation);
    assert_eq!(again.decisions, first.decisions);

    let last = first.decisions[1].seq;
    assert_eq!(ack(&stage, first.generation, last).await.expect("it counts"), last);
    let next = pull(&stage, go_on(first.generation)).await.expect("a pull");
    assert_eq!(next.acked_seq, Some(last));
    assert_eq!(next.decisions[0].prev_seq, Some(last));
    let cursor = next.resume.expect("where to go on");
    assert_eq!(cursor.seq, next.decisions.last().map(|decision| decision.seq));
    let onward = pb::PullDecisionsRequest { resume: Some(Resume::Cursor(cursor)), ..go_on(first.generation) };
    let onward = pull(&stage, onward).await.expect("a pull");
    assert_eq!(onward.decisions[0].prev_seq, cursor.seq);
    service.stop().await;
}

#[tokio::test]
async fn an_ack_of_an_older_generation_has_no_effect_and_one_ahead_of_the_log_is_refused() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    chats(&mut stage, 2).await;
    let first = pull(&stage, pull_of(&stage, 0)).await.expect("a pull");
    let (early, late) = (first.decisions[0].seq, first.decisions[1].seq);
    assert_eq!(ack(&stage, first.generation, early).await.expect("it counts"), early);
    assert_eq!(ack(&stage, first.generation, early - 1).await.expect("no error"), early, "it never moves back");
    let ahead = ack(&stage, first.generation, 1_000_000).await.expect_err("nothing has that number");
    assert_eq!(reason(&ahead), (Code::InvalidArgument, "ACK_AHEAD".to_owned()));

    let second = pull(&stage, pull_of(&stage, 0)).await.expect("a pull");
    assert!(second.generation > first.generation);
    assert_eq!(ack(&stage, first.generation, late).await.expect("no error"), early);
    assert_eq!(ack(&stage, second.generation, late).await.expect("it counts"), late);
    let refused = pull(&stage, pull_of(&stage, first.generation)).await.expect_err("a newer one has the seat");
    assert_eq!(reason(&refused), (Code::Aborted, "SUBSCRIPTION_DISPLACED".to_owned()));
    service.stop().await;
}

#[tokio::test]
async fn a_restart_changes_nothing_for_a_client_that_pulls() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    chats(&mut stage, 2).await;
    let before = pull(&stage, pull_of(&stage, 0)).await.expect("a pull");
    let service = Service::start_with(service.stop().await, 1).await;
    let stage = Stage::again(&service, "stage").await;
    let seq = before.decisions[0].seq;
    assert_eq!(ack(&stage, before.generation, seq).await.expect("it is still the newest"), seq);
    let after = pull(&stage, pull_of(&stage, before.generation)).await.expect("a pull");
    assert_eq!((after.generation, after.decisions[0].prev_seq), (before.generation, Some(seq)));
    service.stop().await;
}

#[tokio::test]
async fn a_pull_waits_for_the_next_decision_and_ends_when_its_time_is_over() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let empty = pull(&stage, pull_of(&stage, 0)).await.expect("a pull");
    assert!(empty.decisions.is_empty());
    let short = Duration { seconds: 0, nanos: 1_000_000 };
    let short = pb::PullDecisionsRequest { wait_time: Some(short), ..pull_of(&stage, empty.generation) };
    assert!(pull(&stage, short).await.expect("a pull").decisions.is_empty());

    let (other, request) = (stage.clone(), waiting(&stage, empty.generation));
    let patient = async { pull(&other, request).await.expect("a pull") };
    let (pulled, names) = tokio::join!(patient, chats(&mut stage, 1));
    assert_eq!(pulled.decisions[0].ticket, names[0]);
    service.stop().await;
}

#[tokio::test]
async fn a_pull_that_waits_is_displaced_by_a_stream_and_a_stream_by_a_new_pull() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let (other, request) = (stage.clone(), waiting(&stage, 0));
    let patient = tokio::spawn(async move { pull(&other, request).await });
    let seated = async || connector(&stage).await.instances.into_iter().next();
    assert_eq!(eventually("the pull has the seat", seated).await.instance, "test");
    let mut stream = Subscription::open(&mut stage).await;
    let displaced = tokio::time::timeout(PATIENCE, patient).await.expect("in time").expect("no panic");
    let displaced = displaced.expect_err("the stream has the seat");
    assert_eq!(reason(&displaced), (Code::Aborted, "SUBSCRIPTION_DISPLACED".to_owned()));

    pull(&stage, pull_of(&stage, 0)).await.expect("a pull");
    let displaced = stream.next_unacknowledged().await.expect_err("the pull took the seat");
    assert_eq!(reason(&displaced), (Code::Aborted, "SUBSCRIPTION_DISPLACED".to_owned()));
    service.stop().await;
}

#[tokio::test]
async fn a_connector_is_away_when_it_stops_pulling_and_back_when_it_pulls() {
    let service = Service::start_at_rate(20).await;
    let stage = Stage::set(&service).await;
    let is = async |away: bool| (connector(&stage).await.away == away).then_some(());
    eventually("nobody reads for it", async || is(true).await).await;
    let request =
        pb::PullDecisionsRequest { resume: Some(Resume::Point(pb::ResumePoint::Now as i32)), ..waiting(&stage, 0) };
    let pulling = async {
        loop {
            pull(&stage, request.clone()).await.expect("a pull");
        }
    };
    tokio::select! {
        () = pulling => {}
        () = eventually("somebody pulls", async || is(false).await) => {}
    }
    eventually("nobody pulls any more", async || is(true).await).await;
    service.stop().await;
}

#[tokio::test]
async fn a_pull_that_waits_ends_with_the_service() {
    let service = Service::start().await;
    let stage = Stage::set(&service).await;
    let request = waiting(&stage, 0);
    let (refused, _) = tokio::join!(pull(&stage, request), service.stop());
    assert_eq!(reason(&refused.expect_err("it is stopped")), (Code::Unavailable, "SHUTTING_DOWN".to_owned()));
}
