//! Epochs, policies, and the removal of what is old.

use std::collections::BTreeSet;
use std::sync::Arc;

use handoff::domain::agent::Agent;
use handoff::domain::event::{Actor, Body, Event};
use handoff::domain::requirement::Channel;
use handoff::domain::ticket::{OnUnavailable, Release, Target, Ticket};
use handoff::routing::command::{NewTransfer, Roots};
use handoff::store::{PolicyRow, Request, Store, Work};

use super::Place;
use super::harness::{Driver, agent, at, desk, main_desk};
use crate::pure::world::ticket_id;

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

pub async fn an_epoch_rises_with_every_rebuild<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let driver = Driver::new(&store, &main_desk()).await;
    let head = driver.entries.last().expect("entries").seq;
    let (_, first) = store.head(&main_desk()).await.expect("the store answers").expect("the desk exists");
    let next = async |known, now, until| {
        let (now, until) = (at(now), at(until));
        store.next_epoch(&main_desk(), known, now, until).await.expect("the store answers")
    };
    assert_eq!(next(first, 10, 40).await, Some(first + 1));
    assert_eq!(store.head(&main_desk()).await.expect("the store answers"), Some((head, first + 1)));
    assert!(store.heads().await.expect("the store answers").contains(&(main_desk(), head, first + 1)));
    assert_eq!(next(first, 50, 80).await, None, "somebody was quicker");
    assert_eq!(next(first + 1, 39, 70).await, None, "somebody is at it");
    assert_eq!(next(first + 1, 40, 70).await, Some(first + 2), "whoever was at it is late");
    let hold = async |epoch, until| {
        store.hold_rebuild(&main_desk(), epoch, until).await.expect("the store answers");
    };
    hold(first + 1, at(0)).await;
    assert_eq!(next(first + 2, 41, 70).await, None, "the late one ends nobody's but its own");
    hold(first + 2, at(90)).await;
    assert_eq!(next(first + 2, 80, 99).await, None, "whoever is at it may take longer");
    hold(first + 2, at(0)).await;
    assert_eq!(next(first + 2, 41, 70).await, Some(first + 3));
    let nowhere = store.next_epoch(&desk("default", "none"), 1, at(0), at(1)).await;
    assert_eq!(nowhere.expect("the store answers"), None);
}

pub async fn rows_are_read_by_name<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    for nth in 0..3 {
        driver.create(&format!("t-{nth}"), Channel::Chat, at(nth)).await;
    }
    let rows: Vec<Arc<Ticket>> = driver.model.tickets.own().values().cloned().collect();
    let wanted = rows.iter().skip(1).map(|row| row.id).chain([ticket_id("none")]).collect();
    let mut found = store.tickets(&main_desk(), &wanted).await.expect("the store answers");
    found.sort_by_key(|row| row.id);
    assert_eq!(found, rows[1..]);
    driver.agent("ann").await;
    driver.agent("bea").await;
    let agents: Vec<Arc<Agent>> = driver.model.agents.own().values().cloned().collect();
    let wanted = agents.iter().take(1).map(|row| row.id.clone()).collect();
    assert_eq!(store.agents(&main_desk(), &wanted).await.expect("the store answers"), agents[..1]);
    assert!(store.tickets(&main_desk(), &BTreeSet::new()).await.expect("the store answers").is_empty());
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
