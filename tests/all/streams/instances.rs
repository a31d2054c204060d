//! Several instances of one connector: who is sent what, when one comes, leaves, comes back or is displaced.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use handoff::proto::handoff::v1 as pb;
use pb::Channel::{Chat, Email};
use tonic::Code;

use super::reason;
use crate::harness::stage::Stage;
use crate::harness::streams::Subscription;
use crate::harness::{PATIENCE, Service};

pub async fn join(stage: &Stage, instance: &str) -> Subscription {
    let hello =
        pb::SubscribeHello { connector: stage.connector.clone(), instance: instance.into(), ..Default::default() };
    Subscription::with(&mut stage.clone(), hello).await.expect("a subscription")
}

pub async fn create(stage: &Stage, channel: pb::Channel, instance: &str, count: usize) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for _ in 0..count {
        let request = pb::CreateTicketRequest { instance: instance.into(), ..stage.create(Stage::ticket(channel)) };
        let created = stage.clients.tickets.clone().create_ticket(request).await.expect("a ticket");
        names.insert(created.into_inner().name);
    }
    names
}

/// Takes and acknowledges what comes until all of these tickets were queued; answers every ticket that it was told of.
pub async fn hear(streams: &mut [&mut Subscription], tickets: &BTreeSet<String>) -> Vec<BTreeMap<String, usize>> {
    let mut told = vec![BTreeMap::new(); streams.len()];
    let hearing = async {
        let mut missing = tickets.clone();
        while !missing.is_empty() {
            for (stream, told) in streams.iter_mut().zip(&mut told) {
                let soon = Duration::from_millis(20);
                let Ok(decision) = tokio::time::timeout(soon, stream.next()).await else { continue };
                let decision = decision.expect("the stream goes on");
                if matches!(decision.payload, Some(pb::decision::Payload::Queued(_))) {
                    *told.entry(decision.ticket.clone()).or_insert(0) += 1;
                    missing.remove(&decision.ticket);
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, hearing).await.expect("every ticket is told of in time");
    told
}

fn names(told: &BTreeMap<String, usize>) -> BTreeSet<String> {
    told.keys().cloned().collect()
}

#[tokio::test]
async fn a_tickets_decisions_go_to_the_instance_that_created_it_and_others_are_shared() {
    let service = Service::start().await;
    let stage = Stage::set(&service).await;
    let (mut a, mut b) = (join(&stage, "a").await, join(&stage, "b").await);
    let of_a = create(&stage, Chat, "a", 5).await;
    let of_b = create(&stage, Chat, "b", 5).await;
    let of_both = create(&stage, Email, "a", 40).await;
    let all: BTreeSet<String> = of_a.iter().chain(&of_b).chain(&of_both).cloned().collect();
    let told = hear(&mut [&mut a, &mut b], &all).await;
    let (by_a, by_b) = (names(&told[0]), names(&told[1]));
    assert!(by_a.is_disjoint(&by_b), "each ticket has one reader");
    assert!(by_a.is_superset(&of_a) && by_b.is_superset(&of_b));
    assert!(by_a.intersection(&of_both).count() > 5 && by_b.intersection(&of_both).count() > 5);
    assert_eq!(a.rebalances.len(), 1, "it had everything until the other came");
    assert!(a.rebalances[0].generation > a.welcome.generation);
    service.stop().await;
}

#[tokio::test]
async fn what_an_instance_that_left_had_not_acknowledged_goes_to_the_others_after_five_seconds() {
    let service = Service::start_at_rate(20).await;
    let stage = Stage::set(&service).await;
    let (mut a, mut b) = (join(&stage, "a").await, join(&stage, "b").await);
    let of_b = create(&stage, Chat, "b", 6).await;
    let heard = hear(&mut [&mut b], &of_b).await;
    assert_eq!(names(&heard[0]), of_b);
    let later = create(&stage, Chat, "b", 6).await;
    for _ in 0..3 {
        b.next_unacknowledged().await.expect("sent, and not taken on");
    }
    drop(b);
    let heard = hear(&mut [&mut a], &later).await;
    assert!(heard[0].keys().all(|ticket| !of_b.contains(ticket)), "what was acknowledged does not come again");
    // Its bucket is the others' to carry on, also for what is new.
    let newest = create(&stage, Chat, "b", 2).await;
    assert_eq!(names(&hear(&mut [&mut a], &newest).await[0]), newest);
    let mut back = join(&stage, "b").await;
    let home = create(&stage, Chat, "b", 3).await;
    assert_eq!(names(&hear(&mut [&mut back], &home).await[0]), home);
    service.stop().await;
}

#[tokio::test]
async fn an_instance_that_is_back_within_five_seconds_has_its_buckets_still() {
    let service = Service::start().await;
    let stage = Stage::set(&service).await;
    let (mut a, mut b) = (join(&stage, "a").await, join(&stage, "b").await);
    let tickets = create(&stage, Email, "", 24).await;
    let told = hear(&mut [&mut a, &mut b], &tickets).await;
    let given = a.rebalances.len();
    drop(b);
    let mut b = join(&stage, "b").await;
    let more = create(&stage, Email, "", 24).await;
    let again = hear(&mut [&mut a, &mut b], &more).await;
    assert_eq!(a.rebalances.len(), given, "nothing changed for the other");
    let digit = |names: &BTreeMap<String, usize>| {
        names.keys().map(|name| name.chars().last().expect("a digit")).collect::<BTreeSet<char>>()
    };
    assert!(digit(&told[0]).is_disjoint(&digit(&again[1])) && digit(&told[1]).is_disjoint(&digit(&again[0])));
    service.stop().await;
}

#[tokio::test]
async fn a_second_stream_under_a_name_displaces_the_first_and_nobody_else() {
    let service = Service::start().await;
    let stage = Stage::set(&service).await;
    let (mut a, mut b) = (join(&stage, "a").await, join(&stage, "b").await);
    let mut newer = join(&stage, "a").await;
    let displaced = a.next_unacknowledged().await.expect_err("the newer stream has the name");
    assert_eq!(reason(&displaced), (Code::Aborted, "SUBSCRIPTION_DISPLACED".to_owned()));
    let tickets = create(&stage, Chat, "a", 3).await;
    assert_eq!(names(&hear(&mut [&mut newer, &mut b], &tickets).await[0]), tickets);
    service.stop().await;
}

#[tokio::test]
async fn pulls_take_part_and_an_ack_of_the_generation_before_has_no_effect() {
    let service = Service::start().await;
    let stage = Stage::set(&service).await;
    create(&stage, Email, "", 24).await;
    let pull = async |instance: &str, generation| {
        let request = pb::PullDecisionsRequest {
            connector: stage.connector.clone(),
            instance: instance.into(),
            generation,
            max_decisions: Some(256),
            ..Default::default()
        };
        stage.clients.decisions.clone().pull_decisions(request).await.expect("a pull").into_inner()
    };
    let ack = async |generation, acked_seq| {
        let request =
            pb::AckDecisionsRequest { connector: stage.connector.clone(), generation, acked_seq, rejections: vec![] };
        let answer = stage.clients.decisions.clone().ack_decisions(request).await.expect("an answer");
        answer.into_inner().acked_seq.expect("where it stands")
    };
    let alone = pull("a", 0).await;
    let all = alone.decisions.len();
    let beside = pull("b", 0).await;
    let last = alone.decisions.last().expect("decisions").seq;
    assert_eq!(ack(alone.generation, last).await, 0, "half of it is the other's by now");
    let half = pull("a", alone.generation).await;
    assert!(half.generation > alone.generation);
    assert_eq!(half.decisions.len() + beside.decisions.len(), all);
    assert_eq!(ack(half.generation, last).await, last);
    let rest = pull("b", beside.generation).await;
    assert_eq!(rest.decisions, beside.decisions, "what the other acknowledged was not its own");
    service.stop().await;
}
