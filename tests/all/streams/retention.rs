//! What time does to a stream: decisions that are not acknowledged, and cursors that have grown old.

use handoff::clock::{Clock, Span};
use handoff::proto::handoff::v1 as pb;
use handoff::stream::cursor::RETENTION;
use pb::subscribe_hello::Resume;
use pb::{pull_decisions_request, watch_decisions_request};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{chats, reason};
use crate::harness::stage::Stage;
use crate::harness::streams::Subscription;
use crate::harness::{Folder, PATIENCE, Service};

#[tokio::test]
async fn an_unacknowledged_decision_is_sent_again_after_thirty_seconds_with_all_after_it() {
    let service = Service::start_at_rate(60).await;
    let mut stage = Stage::set(&service).await;
    let mut subscription = Subscription::open(&mut stage).await;
    let opened = service.engine.clock().now();
    chats(&mut stage, 2).await;
    let mut next = async || {
        let next = subscription.next_unacknowledged();
        tokio::time::timeout(PATIENCE, next).await.expect("in time").expect("the stream goes on")
    };
    let first = next().await;
    let mut between = 0;
    let again = loop {
        let decision = next().await;
        if decision.seq == first.seq {
            break decision;
        }
        assert_eq!(decision.attempt, 1, "only the oldest counts its attempts");
        between += 1;
    };
    assert!(between >= 3, "four decisions were made");
    assert!(service.engine.clock().now() - opened >= Span::from_secs(30), "not before its time");
    assert_eq!((again.attempt, again.prev_seq), (2, first.prev_seq));
    assert_eq!(pb::Decision { attempt: 1, ..again }, first);
    assert_eq!(next().await.prev_seq, Some(first.seq), "and all after it");
    service.stop().await;
}

#[tokio::test]
async fn a_cursor_behind_what_is_kept_is_refused_with_the_first_number_that_is_there() {
    let now = Clock::new(1).now();
    let long_ago = Clock::starting_at(now - RETENTION - Span::from_days(1), 1);
    let service = Service::start_on(Folder::new(), long_ago).await;
    let mut stage = Stage::set(&service).await;
    chats(&mut stage, 2).await;
    let welcome = Subscription::open(&mut stage).await.welcome;
    let old = pb::Cursor { seq: Some(1), incarnation: welcome.incarnation };

    let service = Service::start_on(service.stop().await, Clock::starting_at(now, 1)).await;
    let mut stage = Stage::again(&service, "stage").await;
    chats(&mut stage, 1).await;
    let connector = || stage.connector.clone();
    let hello = pb::SubscribeHello { connector: connector(), resume: Some(Resume::Cursor(old)), ..Default::default() };
    let pull = pb::PullDecisionsRequest {
        connector: connector(),
        resume: Some(pull_decisions_request::Resume::Cursor(old)),
        ..Default::default()
    };
    let watch = pb::WatchDecisionsRequest {
        connector: connector(),
        resume: Some(watch_decisions_request::Resume::Cursor(old)),
        ..Default::default()
    };
    let first = first_of(&Subscription::with(&mut stage, hello).await.map(|_| ()).expect_err("it is too old"));
    assert!(first > 1);
    let refused = stage.clients.decisions.pull_decisions(pull).await.map(|_| ()).expect_err("it is too old");
    assert_eq!(first_of(&refused), first);
    let refused = stage.clients.decisions.watch_decisions(watch).await.map(|_| ()).expect_err("it is too old");
    assert_eq!(first_of(&refused), first);

    let oldest = Some(Resume::Point(pb::ResumePoint::Oldest as i32));
    let hello = pb::SubscribeHello { connector: stage.connector.clone(), resume: oldest, ..Default::default() };
    let mut subscription = Subscription::with(&mut stage, hello).await.expect("an end of the log is always there");
    assert!(subscription.next().await.expect("what is kept").seq >= first);
    service.stop().await;
}

/// The first number available, as the refusal says it.
fn first_of(refused: &Status) -> u64 {
    assert_eq!(reason(refused), (Code::OutOfRange, "CURSOR_EXPIRED".to_owned()));
    let metadata = refused.get_details_error_info().expect("a reason").metadata;
    metadata["first_seq"].parse().expect("a number")
}
