//! Subscriptions, epochs, policies, and the removal of what is old.

use std::sync::Arc;

use handoff::domain::event::{Actor, Body, Event};
use handoff::domain::requirement::Channel;
use handoff::domain::ticket::{OnUnavailable, Release, Target};
use handoff::routing::command::{NewTransfer, Roots};
use handoff::store::{PolicyRow, Request, Store, Subscription, Work};

use super::Place;
use super::harness::{Driver, agent, at, connector, desk, main_desk};

/// A transfer to this agent, which keeps the ticket with the handler until they have it.
pub fn to_agent(name: &str) -> NewTransfer {
    NewTransfer {
        target: Target::Agent(agent(name)),
        release: Release::AfterConfirm,
        on_unavailable: OnUnavailable::Queue,
        reason: Arc::from("knows more"),
        override_reason: Arc::from(""),
        note: Arc::from(""),
    }
}

pub async fn a_subscription_rises_over_restarts_and_acks_never_fall<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let (key, pbx) = (main_desk(), connector("pbx"));
    let never = Subscription { generation: 0, acked: 0 };
    assert_eq!(store.subscription(&key, &pbx).await.expect("the store answers"), never);
    let first = store.subscribe(&key, &pbx).await.expect("the store answers");
    assert_eq!(first, Subscription { generation: 1, acked: 0 });
    let acks = [7, 5].map(|seq| (key.clone(), pbx.clone(), seq)).to_vec();
    store.save_acked(acks).await.expect("the store answers");
    store.save_acked(vec![(key.clone(), pbx.clone(), 6), (key.clone(), connector("web"), 3)]).await.expect("answers");
    P::close(store).await;

    let store = place.open().await;
    let second = store.subscribe(&key, &pbx).await.expect("the store answers");
    assert_eq!(second, Subscription { generation: 2, acked: 7 });
    let web = store.subscribe(&key, &connector("web")).await.expect("the store answers");
    assert_eq!(web, Subscription { generation: 1, acked: 3 });
    assert_eq!(store.subscription(&key, &pbx).await.expect("the store answers"), second);
    assert_eq!(store.subscription(&desk("other", "main"), &pbx).await.expect("the store answers"), never);
}

pub async fn an_epoch_rises_with_every_rebuild<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let driver = Driver::new(&store, &main_desk()).await;
    let head = driver.entries.last().expect("entries").seq;
    let (_, first) = store.head(&main_desk()).await.expect("the store answers").expect("the desk exists");
    assert_eq!(store.next_epoch(&main_desk()).await.expect("the store answers"), first + 1);
    assert_eq!(store.head(&main_desk()).await.expect("the store answers"), Some((head, first + 1)));
    store.next_epoch(&desk("default", "none")).await.expect_err("there is no such desk");
}

pub async fn retiring_is_bounded_and_leaves_no_hole<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    for (nth, second) in [10, 20, 30, 5, 40].into_iter().enumerate() {
        driver.create(&format!("t-{nth}"), Channel::Chat, at(second)).await;
    }
    let head = driver.entries.last().expect("entries").seq;
    let left = || async { store.events_after(&main_desk(), 0, 1_000).await.expect("the store answers") };
    assert_eq!(store.retire(at(0), at(25), 2).await.expect("the store answers"), 2);
    assert_eq!(left().await.first().map(|entry| entry.seq), Some(3));
    while store.retire(at(0), at(25), 2).await.expect("the store answers") > 0 {}
    let kept = left().await;
    assert_eq!(kept.first().map(|entry| entry.event.at), Some(at(30)));
    let seqs: Vec<u64> = kept.iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, (head - 2..=head).collect::<Vec<_>>(), "an entry behind a newer one stays with it");
    assert_eq!(store.first_seq(&main_desk(), at(0)).await.expect("the store answers"), head - 2);

    while store.retire(at(0), at(1_000), 2).await.expect("the store answers") > 0 {}
    assert!(left().await.is_empty());
    assert_eq!(store.first_seq(&main_desk(), at(0)).await.expect("the store answers"), head + 1);
    driver.create("next", Channel::Chat, at(50)).await;
    assert_eq!(driver.entries.last().map(|entry| entry.seq), Some(head + 1), "no number is given twice");
}

/// The event alone: the rules would parse the source.
pub async fn a_stored_policy_is_read_back<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    Driver::new(&store, &main_desk()).await;
    let body = Body::PolicyUpdated {
        revision: 1,
        source: Arc::from("queues: {}\n"),
        author: Arc::from("Ann"),
        change_note: Arc::from("a start"),
    };
    let event = Event { at: at(9), actor: Actor::Caller, ticket: None, ticket_seq: 0, body };
    let request = Request { desk: main_desk(), roots: Roots::default(), dedup: None };
    let events = vec![(main_desk(), event)];
    let write =
        store.transact(vec![request], move |_| Work { changed: Vec::new(), events, answers: Vec::new(), value: () });
    write.await.expect("the store answers");
    let expected = PolicyRow {
        revision: 1,
        source: Arc::from("queues: {}\n"),
        author: Arc::from("Ann"),
        change_note: Arc::from("a start"),
        create_time: at(9),
    };
    assert_eq!(store.policy(&main_desk(), 1).await.expect("the store answers"), Some(expected));
    assert_eq!(store.policy(&main_desk(), 2).await.expect("the store answers"), None);
    assert_eq!(store.policy(&desk("other", "main"), 1).await.expect("the store answers"), None);
}
