//! Decisions that a connector does not take: rejected or never acknowledged, tried five times, their ticket kept back and let go.

use std::collections::BTreeMap;

use handoff::proto::handoff::v1 as pb;
use pb::Channel::Chat;
use pb::decision::Payload;
use tonic::Code;

use super::instances::{create, join};
use super::{chats, reason};
use crate::harness::stage::Stage;
use crate::harness::streams::Subscription;
use crate::harness::{PATIENCE, Service, eventually};

async fn connector(stage: &Stage) -> pb::Connector {
    let request = pb::GetConnectorRequest { name: stage.connector.clone() };
    stage.clients.decisions.clone().get_connector(request).await.expect("the connector").into_inner()
}

async fn release(stage: &Stage, name: &str) -> pb::Ticket {
    let request = pb::ReleaseTicketRequest { name: name.into(), ..Default::default() };
    stage.clients.tickets.clone().release_ticket(request).await.expect("released").into_inner()
}

async fn in_quarantine(stage: &Stage, name: &str) -> pb::QuarantinedTicket {
    eventually("the quarantine", async || {
        let found = connector(stage).await.quarantined;
        found.into_iter().find(|kept| kept.ticket == name)
    })
    .await
}

/// Takes decisions until this ticket's `cancelled`, acknowledges them, and answers those of the ticket in order.
async fn all_of(stream: &mut Subscription, name: &str) -> Vec<pb::Decision> {
    let mut found = Vec::new();
    let hearing = async {
        loop {
            let decision = stream.next().await.expect("the stream goes on");
            if decision.ticket == name {
                let last = matches!(decision.payload, Some(Payload::Cancelled(_)));
                found.push(decision);
                if last {
                    return;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, hearing).await.expect("it comes to its end in time");
    found
}

async fn cancel(stage: &Stage, name: &str) {
    let reason = pb::CancelReason::Withdrawn.into();
    let request = pb::CancelTicketRequest { name: name.into(), reason, ..Default::default() };
    stage.clients.tickets.clone().cancel_ticket(request).await.expect("cancelled");
}

/// Rejects every delivery of this ticket until it comes no more; takes everything else.
async fn refuse(stream: &mut Subscription, name: &str, times: u32) {
    let mut attempts = Vec::new();
    while attempts.len() < times as usize {
        let decision = stream.next_unacknowledged().await.expect("the stream goes on");
        if decision.ticket == name && attempts.last().is_none_or(|last| *last < decision.attempt) {
            attempts.push(decision.attempt);
            stream.reject(&decision, "NO_LINE").await;
        }
    }
    assert_eq!(attempts, (1..=times).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_fifth_rejection_keeps_the_ticket_back_and_lets_all_others_through() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let everything = pb::Connector { reach: pb::ConnectorReach::Desk.into(), ..Default::default() };
    let monitor = stage.connect("monitor", everything).await;
    let watching = pb::SubscribeHello { connector: monitor, ..Default::default() };
    let mut monitor = Subscription::with(&mut stage.clone(), watching).await.expect("a monitor");
    let mut stream = Subscription::open(&mut stage).await;
    let names = chats(&mut stage, 3).await;
    refuse(&mut stream, &names[0], 5).await;
    let kept = in_quarantine(&stage, &names[0]).await;
    assert_eq!(kept.reason, "NO_LINE");
    assert_eq!(connector(&stage).await.quarantined_count, Some(1));

    cancel(&stage, &names[0]).await;
    let others = chats(&mut stage, 2).await;
    let mut queued = BTreeMap::new();
    while !others.iter().all(|name| queued.contains_key(name)) {
        let decision = stream.next().await.expect("the stream goes on");
        assert_ne!((decision.ticket.as_str(), stream.rebalances.len()), (names[0].as_str(), 1), "it is kept back");
        queued.insert(decision.ticket, decision.attempt);
    }
    assert!(queued.contains_key(&names[1]) && queued.contains_key(&names[2]), "what came after it comes again");
    let alarm = monitor.until(|decision| matches!(decision.payload, Some(Payload::Quarantined(_)))).await;
    let Some(Payload::Quarantined(alarm)) = alarm.payload else { panic!("as asked") };
    assert_eq!((alarm.connector, alarm.from_seq, alarm.attempts), (stage.connector.clone(), kept.from_seq, 5));
    assert_eq!(alarm.reason, "NO_LINE");

    release(&stage, &names[0]).await;
    assert!(connector(&stage).await.quarantined.is_empty());
    let missed = all_of(&mut stream, &names[0]).await;
    assert_eq!(missed.first().map(|first| first.seq), Some(kept.from_seq));
    let numbers: Vec<u32> = missed.iter().map(|decision| decision.ticket_seq).collect();
    assert_eq!(numbers, (1..=numbers.len() as u32).collect::<Vec<_>>(), "nothing of it is missing");
    let again = release(&stage, &names[0]).await;
    let kinds: Vec<String> = stage.history(&names[0]).await.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "released").count(), 1, "{kinds:?}");
    assert_eq!(again.state(), pb::TicketState::Cancelled);
    service.stop().await;
}

#[tokio::test]
async fn a_decision_that_is_never_acknowledged_is_kept_back_after_five_deadlines() {
    let service = Service::start_at_rate(60).await;
    let mut stage = Stage::set(&service).await;
    let mut stream = Subscription::open(&mut stage).await;
    let names = chats(&mut stage, 1).await;
    let mut attempts = 0;
    let listening = async {
        while let Ok(decision) = stream.next_unacknowledged().await {
            attempts = decision.attempt.max(attempts);
        }
    };
    tokio::select! {
        kept = in_quarantine(&stage, &names[0]) => assert_eq!(kept.reason, "NO_ACK"),
        () = listening => panic!("the stream ended"),
    }
    assert_eq!(attempts, 5);
    service.stop().await;
}

#[tokio::test]
async fn attempts_are_counted_over_streams_and_a_reconnect_is_none() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let mut stream = Subscription::open(&mut stage).await;
    let names = chats(&mut stage, 1).await;
    refuse(&mut stream, &names[0], 2).await;
    while stream.next_unacknowledged().await.expect("the stream goes on").attempt < 3 {}
    for _ in 0..6 {
        drop(stream);
        stream = Subscription::open(&mut stage).await;
        let again = stream.next_unacknowledged().await.expect("it comes again");
        assert_eq!((again.ticket.as_str(), again.attempt), (names[0].as_str(), 3));
    }
    assert!(connector(&stage).await.quarantined.is_empty());
    service.stop().await;
}

#[tokio::test]
async fn what_is_kept_back_stays_so_for_the_instance_that_takes_over() {
    let service = Service::start_at_rate(20).await;
    let stage = Stage::set(&service).await;
    let (mut a, mut b) = (join(&stage, "a").await, join(&stage, "b").await);
    let of_b = create(&stage, Chat, "b", 1).await.into_iter().next().expect("one");
    refuse(&mut b, &of_b, 5).await;
    in_quarantine(&stage, &of_b).await;
    let later = create(&stage, Chat, "b", 2).await;
    drop(b);
    let told = super::instances::hear(&mut [&mut a], &later).await;
    assert!(!told[0].contains_key(&of_b));
    cancel(&stage, &of_b).await;
    release(&stage, &of_b).await;
    let missed = all_of(&mut a, &of_b).await;
    assert_eq!(missed.first().map(|first| first.ticket_seq), Some(1));
    service.stop().await;
}

#[tokio::test]
async fn what_was_pulled_is_rejected_with_the_acknowledgement_call() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let names = chats(&mut stage, 2).await;
    let mut decisions = stage.clients.decisions.clone();
    let mut generation = 0;
    for attempt in 1..=5 {
        let request = pb::PullDecisionsRequest { connector: stage.connector.clone(), generation, ..Default::default() };
        let pulled = decisions.pull_decisions(request).await.expect("a pull").into_inner();
        generation = pulled.generation;
        let first = &pulled.decisions[0];
        assert_eq!((first.ticket.as_str(), first.attempt), (names[0].as_str(), attempt));
        let rejection = |id: &str| pb::Rejection { decision_id: id.into(), reason: "FULL".into(), retry_delay: None };
        let request = pb::AckDecisionsRequest {
            connector: stage.connector.clone(),
            generation,
            acked_seq: 0,
            rejections: vec![rejection("another"), rejection(&first.decision_id)],
        };
        decisions.ack_decisions(request).await.expect("it counts");
    }
    assert_eq!(in_quarantine(&stage, &names[0]).await.reason, "FULL");
    let request = pb::PullDecisionsRequest { connector: stage.connector.clone(), generation, ..Default::default() };
    let pulled = decisions.pull_decisions(request).await.expect("a pull").into_inner();
    assert!(pulled.generation > generation, "it has another part");
    assert!(pulled.decisions.iter().all(|decision| decision.ticket != names[0]));
    assert!(pulled.decisions.iter().any(|decision| decision.ticket == names[1]));
    service.stop().await;
}

#[tokio::test]
async fn a_bad_rejection_ends_the_stream_by_field_and_an_unknown_ticket_is_not_found() {
    let service = Service::start().await;
    let mut stage = Stage::set(&service).await;
    let mut stream = Subscription::open(&mut stage).await;
    chats(&mut stage, 1).await;
    let decision = stream.next_unacknowledged().await.expect("sent");
    stream.reject(&decision, "").await;
    let ended = stream.until_error().await;
    assert_eq!(reason(&ended), (Code::InvalidArgument, "INVALID_FIELD".to_owned()));
    assert!(ended.message().contains("ack.rejections[0].reason"), "{}", ended.message());
    let request = pb::ReleaseTicketRequest { name: format!("{}/tickets/none", stage.desk), ..Default::default() };
    let missing = stage.clients.tickets.release_ticket(request).await.expect_err("there is none");
    assert_eq!(missing.code(), Code::NotFound);
    service.stop().await;
}
