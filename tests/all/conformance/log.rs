//! The log: dense, visible in order, and read by whom it is for.

use std::sync::Arc;

use handoff::domain::event::Body;
use handoff::domain::leg::EndedBy;
use handoff::domain::log::Selection;
use handoff::domain::requirement::Channel;
use handoff::domain::time::Span;
use handoff::routing::command::{Command, TicketPatch};
use handoff::store::Store;

use super::Place;
use super::day;
use super::harness::{Call, Driver, at, batch, connector, desk, leg_id, main_desk, new_ticket};

pub async fn numbers_are_dense_over_desks_and_batches<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let keys = [desk("a", "one"), desk("a", "two"), desk("b", "one")];
    for key in &keys {
        let mut driver = Driver::new(&store, key).await;
        driver.create("first", Channel::Chat, at(1)).await;
    }
    for round in 0..5 {
        let call = |(nth, key): (usize, &handoff::domain::id::DeskKey)| {
            let new = new_ticket(&format!("t-{round}-{nth}"), Channel::Chat);
            Call::new(key, Command::CreateTicket(Box::new(new)))
        };
        let calls = keys.iter().chain(&keys).enumerate().map(call).collect();
        let committed = batch(&store, calls, at(2)).await.expect("the store answers");
        for (key, _, head) in &committed.desks {
            let entries = committed.entries.iter().find(|(desk, _)| desk == key).map(|(_, entries)| entries);
            let seqs: Vec<u64> = entries.expect("every desk got events").iter().map(|entry| entry.seq).collect();
            assert_eq!(seqs, [head - 1, *head]);
            assert_eq!(store.head(key).await.expect("the store answers").map(|(head, _)| head), Some(*head));
        }
    }
    for key in &keys {
        let entries = store.events_after(key, 0, 1_000).await.expect("the store answers");
        let seqs: Vec<u64> = entries.iter().map(|entry| entry.seq).collect();
        assert_eq!(seqs, (1..=entries.len() as u64).collect::<Vec<_>>());
    }
}

/// A reader beside a writer never sees a number without every number before it.
pub async fn what_is_visible_is_a_prefix_of_the_log<P: Place>() {
    let place = P::empty();
    let store = Arc::new(place.open().await);
    let mut driver = Driver::new(store.as_ref(), &main_desk()).await;
    driver.create("first", Channel::Chat, at(1)).await;
    let writer = store.clone();
    let writing = tokio::spawn(async move {
        for round in 0..40 {
            let call = |nth| {
                let new = new_ticket(&format!("t-{round}-{nth}"), Channel::Chat);
                Call::new(&main_desk(), Command::CreateTicket(Box::new(new)))
            };
            batch(writer.as_ref(), (0..5).map(call).collect(), at(2)).await.expect("the store answers");
        }
    });
    let mut after = 0;
    while after < 205 {
        let done = writing.is_finished();
        let (rows, head) = store.log_after(&main_desk(), &Selection::default(), 0, 10_000).await.expect("answers");
        assert!(rows.last().is_none_or(|row| row.seq() <= head));
        let entries = store.events_after(&main_desk(), after, 1_000).await.expect("the store answers");
        for entry in &entries {
            after += 1;
            assert_eq!(entry.seq, after);
        }
        assert!(after >= head, "the head {head} was visible, the entry was not");
        assert!(!done || !entries.is_empty() || after >= 205, "the writer is done and the log ends at {after}");
    }
    writing.await.expect("the writer ends well");
}

fn of(name: &str) -> Selection {
    Selection { connector: Some(connector(name)), ..Selection::default() }
}

pub async fn a_connector_reads_its_tickets_and_its_agents_decisions<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    driver.agent("ann").await;
    let call = driver.create("call", Channel::Phone, at(5)).await;
    driver.give(call, "ann", at(6)).await;
    let end = Command::EndLeg { leg: leg_id(&driver.row(call)), ended_by: EndedBy::Customer };
    driver.done(end, at(9)).await;
    driver.create("chat", Channel::Chat, at(7)).await;

    let kinds = |name: &str| {
        let (store, selection) = (&store, of(name));
        async move {
            let (rows, _) = store.log_after(&main_desk(), &selection, 0, 100).await.expect("the store answers");
            let kind = |row: &handoff::domain::log::LogRow| row.entry.event.body.decision_kind().expect("a decision");
            rows.iter().map(kind).collect::<Vec<_>>()
        }
    };
    let whole = ["queued", "offered", "connect", "assigned", "leg_ended"];
    assert_eq!(kinds("pbx").await, whole);
    assert_eq!(kinds("softphone").await, whole[1..], "from the offer on, for it rings there");
    assert_eq!(kinds("web").await, ["queued"]);
}

pub async fn a_selection_by_channel_and_kind_reads_nothing_else<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    day::play(&mut driver, 11, 200).await;
    let mut selections = vec![Selection::default()];
    for name in ["pbx", "web", "softphone"] {
        selections.push(of(name));
        selections.push(Selection { channels: vec![Channel::Phone, Channel::Email], ..of(name) });
        selections.push(Selection { kinds: vec![Arc::from("offered"), Arc::from("updated")], ..of(name) });
    }
    selections.push(Selection { channels: vec![Channel::Chat], ..Selection::default() });
    selections.push(Selection {
        channels: vec![Channel::Chat],
        kinds: vec![Arc::from("queued")],
        ..Selection::default()
    });
    for selection in &selections {
        let held: Vec<u64> =
            driver.entries.iter().filter(|entry| selection.holds(entry)).map(|entry| entry.seq).collect();
        assert!(!held.is_empty(), "{selection:?} holds nothing: the day is too short");
        assert_eq!(driver.log(selection).await, held, "{selection:?}");
        let middle = held[held.len() / 2];
        let (rows, _) = store.log_after(&main_desk(), selection, middle, 3).await.expect("the store answers");
        let seqs: Vec<u64> = rows.iter().map(|row| row.seq()).collect();
        let expected: Vec<u64> = held.iter().copied().filter(|seq| *seq > middle).take(3).collect();
        assert_eq!(seqs, expected, "{selection:?}");
        let waiting = held.iter().filter(|seq| **seq > middle).count();
        let oldest = driver.entries.iter().find(|entry| entry.seq > middle && selection.holds(entry));
        let oldest = oldest.map(|entry| entry.event.at);
        for most in [1, 10_000] {
            let pending = store.pending(&main_desk(), selection, middle, most).await.expect("the store answers");
            assert_eq!(pending, (most.min(waiting as u32), oldest), "{selection:?}");
        }
        for upto in [0, held[0].saturating_sub(1), middle, u64::MAX] {
            let last = store.last_matching(&main_desk(), selection, upto).await.expect("the store answers");
            let expected = held.iter().copied().filter(|seq| *seq <= upto).max().unwrap_or(0);
            assert_eq!(last, expected, "{selection:?} up to {upto}");
        }
    }
    let logged = store.events_after(&main_desk(), 0, 10_000).await.expect("the store answers");
    for (stored, committed) in logged.iter().zip(&driver.entries) {
        assert_eq!((stored.seq, &stored.route), (committed.seq, &committed.route));
        assert_eq!((stored.event.at, &stored.event.actor), (committed.event.at, &committed.event.actor));
    }
}

pub async fn a_log_row_has_the_content_as_of_now_and_the_event_none<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    let id = driver.create("chat", Channel::Chat, at(5)).await;
    let patch = TicketPatch {
        subject: Some(Arc::from("Corrected")),
        fields: vec![Arc::from("subject")],
        ..TicketPatch::default()
    };
    let update = Command::UpdateTicket { ticket: id, patch: Box::new(patch), reclassify: false, etag: None };
    driver.done(update, at(6)).await;
    let (rows, _) = store.log_after(&main_desk(), &of("web"), 0, 100).await.expect("the store answers");
    let first = rows.first().expect("the ticket was queued");
    assert_eq!(first.content.as_ref().expect("of the ticket").subject.as_ref(), "Corrected");
    assert_eq!(first.ticket_name.as_ref().map(|name| name.as_str()), Some("chat"));
    let Body::Created { content, .. } = &first.entry.event.body else { panic!("not the creation") };
    assert_eq!(*content, None);
}

pub async fn the_first_number_since_a_time_is_found<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    for second in [10, 20, 20, 30] {
        let name = format!("t-{}", driver.entries.len());
        driver.create(&name, Channel::Chat, at(second)).await;
    }
    let head = driver.entries.last().expect("entries").seq;
    let times = [0, 9, 10, 15, 20, 21, 30].map(at).into_iter().chain([at(30) + Span(1)]);
    for since in times {
        let first = driver.entries.iter().find(|entry| entry.event.at >= since).map_or(head + 1, |entry| entry.seq);
        assert_eq!(store.first_seq(&main_desk(), since).await.expect("the store answers"), first, "{since:?}");
    }
}

pub async fn a_tickets_events_are_all_its_own<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    day::play(&mut driver, 5, 120).await;
    for id in driver.model.tickets.own().keys() {
        let own = driver.entries.iter().filter(|entry| entry.event.ticket == Some(*id));
        let seqs: Vec<u64> = own.map(|entry| entry.seq).collect();
        let mut read = Vec::new();
        loop {
            let after = read.last().copied().unwrap_or(0);
            let entries = store.ticket_events(&main_desk(), *id, after, 2).await.expect("the store answers");
            if entries.is_empty() {
                break;
            }
            read.extend(entries.iter().map(|entry| entry.seq));
        }
        assert_eq!(read, seqs);
    }
}
