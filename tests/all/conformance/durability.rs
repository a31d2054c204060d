//! What was committed is there, whole; what was not is not, whatever happened half-way.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use handoff::domain::event::Event;
use handoff::domain::requirement::Channel;
use handoff::domain::ticket::{Content, Ticket};
use handoff::routing::command::Command;
use handoff::routing::evolve::evolve;
use handoff::routing::workset::WorkingSet;
use handoff::store::{MAX_BATCH, Request, Store};

use super::Place;
use super::day::{self, AGENTS};
use super::harness::{Call, Driver, at, batch, main_desk, new_ticket, ticket, work};

pub async fn what_was_committed_is_there_after_a_restart<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    driver.agent("ann").await;
    let id = driver.create("call-1", Channel::Phone, at(5)).await;
    driver.give(id, "ann", at(6)).await;
    let (model, entries) = (driver.model, driver.entries);
    P::close(store).await;

    let store = place.open().await;
    let driver = Driver { store: &store, key: main_desk(), model, entries };
    driver.check().await;
    let logged = store.events_after(&main_desk(), 0, 1_000).await.expect("the store answers");
    assert_eq!(logged.len(), driver.entries.len());
}

pub async fn a_fresh_place_gets_one_incarnation_and_keeps_it<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let minted = store.incarnation();
    assert!(minted >= u64::try_from(at(0).micros()).expect("positive"));
    P::close(store).await;
    assert_eq!(place.open().await.incarnation(), minted);
}

pub async fn rows_read_back_are_the_rows_that_were_written<P: Place>() {
    for seed in 1..=3 {
        let place = P::empty();
        let store = place.open().await;
        let mut driver = Driver::new(&store, &main_desk()).await;
        let taken = day::play(&mut driver, seed, 250).await;
        assert!(taken > 80, "only {taken} commands were taken");
        driver.check().await;
        let (model, entries) = (driver.model, driver.entries);
        P::close(store).await;
        let store = place.open().await;
        Driver { store: &store, key: main_desk(), model, entries }.check().await;
    }
}

pub async fn folding_the_log_gives_the_stored_rows<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    day::play(&mut driver, 7, 250).await;
    let mut folded = WorkingSet::empty(main_desk());
    let mut after = 0;
    loop {
        let entries = store.events_after(&main_desk(), after, 100).await.expect("the store answers");
        let Some(last) = entries.last() else { break };
        after = last.seq;
        for entry in &entries {
            evolve(&mut folded, &entry.event);
        }
    }
    assert!(folded.tickets.own().len() > 20);
    for (id, row) in folded.tickets.own() {
        let stored = store.get_ticket(&main_desk(), *id).await.expect("the store answers").expect("it is there");
        assert_eq!(without_text(&stored), without_text(row));
    }
    let own = store.ticket_events(&main_desk(), day::first_ticket(7), 0, 1_000).await.expect("the store answers");
    let of_ticket = |event: &&Arc<_>| -> bool { ticket_of(event) == Some(day::first_ticket(7)) };
    assert_eq!(own.len(), driver.entries.iter().filter(of_ticket).count());
}

fn ticket_of(entry: &handoff::domain::event::Entry) -> Option<handoff::domain::id::TicketId> {
    let Event { ticket, .. } = &entry.event;
    *ticket
}

fn without_text(row: &Ticket) -> Ticket {
    Ticket { content: Arc::new(Content::default()), ..row.clone() }
}

pub async fn work_that_panics_leaves_nothing_behind<P: Place>() {
    let place = P::empty();
    let store = Arc::new(place.open().await);
    let mut driver = Driver::new(store.as_ref(), &main_desk()).await;
    driver.create("warm-up", Channel::Chat, at(4)).await;
    let before = store.head(&main_desk()).await.expect("the store answers");

    let call = create("lost", Channel::Chat);
    let requests = vec![request(&call)];
    let doomed = store.clone();
    let task = tokio::spawn(async move {
        let outcome = doomed.transact(requests, move |loaded| {
            let done = work(loaded, &[call], at(5));
            assert!(done.events.is_empty(), "a bug in the rules");
            done
        });
        outcome.await.map(|committed| committed.value)
    });
    assert!(task.await.expect_err("it panics").is_panic());

    assert_eq!(store.head(&main_desk()).await.expect("the store answers"), before);
    assert_eq!(store.get_ticket(&main_desk(), ticket("lost")).await.expect("the store answers"), None);
    driver.create("next", Channel::Chat, at(6)).await;
    driver.check().await;
}

/// Drops the future after each possible number of polls, until three of them have cut it short: fast answers leave few. The effect is all
/// or nothing, and the next batch goes through.
pub async fn a_dropped_transaction_leaves_nothing_half_done<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    driver.agent(AGENTS[0]).await;
    driver.create("warm-up", Channel::Chat, at(4)).await;
    let (mut cut_short, mut whole) = (BTreeSet::new(), 0);
    for nth in 0..300 {
        let polls = nth % 60;
        if nth >= 60 && cut_short.len() >= 3 {
            break;
        }
        let name = format!("dropped-{nth}");
        let before = store.head(&main_desk()).await.expect("the store answers").expect("the desk exists").0;
        let finished = {
            // An agent too, so that the scope is among what is half done.
            let agent = Command::CreateAgent {
                agent: super::harness::agent(&format!("agent-{nth}")),
                profile: Box::new(super::harness::profile()),
            };
            let calls = vec![create(&name, Channel::Chat), Call::new(&main_desk(), agent)];
            poll_times(batch(&store, calls, at(5)), polls).await
        };
        if finished {
            whole += 1;
        } else {
            cut_short.insert(polls);
        }
        // The next one waits for whatever the dropped one left to the connection.
        batch(&store, vec![create(&format!("after-{nth}"), Channel::Chat)], at(6)).await.expect("the store answers");
        let written = store.get_ticket(&main_desk(), ticket(&name)).await.expect("the store answers");
        let head = store.head(&main_desk()).await.expect("the store answers").expect("the desk exists").0;
        let expected = before + if written.is_some() { 3 } else { 1 };
        assert_eq!(head, expected, "after {polls} polls");
        let entries = store.events_after(&main_desk(), before, 10).await.expect("the store answers");
        for entry in &entries {
            evolve(&mut driver.model, &entry.event);
        }
        let stored = store.scope(&main_desk()).await.expect("the store answers").expect("the desk exists");
        assert_eq!(stored.desk, driver.model.scope.as_ref().expect("the desk exists").desk, "after {polls} polls");
    }
    assert!(cut_short.len() >= 3 && whole > 0, "cut short after {cut_short:?} polls, {whole} times not");
}

/// Polls a future so often, each time when it was woken, then drops it; answers whether it was ready.
async fn poll_times<F: Future>(future: F, times: usize) -> bool {
    let mut future = pin!(future);
    let mut polls = 0;
    std::future::poll_fn(|context| {
        polls += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if polls > times => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

pub async fn a_rejected_batch_writes_nothing<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    driver.create("chat-1", Channel::Chat, at(4)).await;
    let head = driver.entries.last().expect("entries").seq;
    let again = (0..MAX_BATCH).map(|_| create("chat-1", Channel::Chat)).collect();
    let committed = batch(&store, again, at(5)).await.expect("the store answers");
    assert!(committed.value.iter().all(Result::is_err));
    assert!(committed.entries.is_empty());
    let (_, scope, read) = committed.desks.first().expect("the desk was touched");
    assert_eq!(*read, head);
    assert!(scope.is_some());
    driver.check().await;
}

fn create(name: &str, channel: Channel) -> Call {
    Call::new(&main_desk(), Command::CreateTicket(Box::new(new_ticket(name, channel))))
}

fn request(call: &Call) -> Request {
    Request { desk: call.desk.clone(), roots: call.roots.clone(), dedup: call.dedup.clone() }
}
