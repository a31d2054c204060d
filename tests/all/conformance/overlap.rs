//! Batches that are under way side by side: each is decided on what the one before it leaves, and never on what was not committed.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use handoff::domain::requirement::Channel;
use handoff::domain::ticket::{CancelReason, TicketState};
use handoff::routing::command::{Answer, Command};
use handoff::routing::reject::Reject;
use handoff::store::{DedupKey, Error, Request, Store, Work};

use super::Place;
use super::day;
use super::harness::{Call, Driver, at, batch, main_desk, new_ticket, ticket};

fn create(name: &str, conversation: &str) -> Call {
    let mut new = new_ticket(name, Channel::Chat);
    new.content.conversation_keys = if conversation.is_empty() { vec![] } else { vec![Arc::from(conversation)] };
    Call::new(&main_desk(), Command::CreateTicket(Box::new(new)))
}

fn cancel(name: &str) -> Call {
    let (reason, missing) = (CancelReason::Spam, None);
    Call::new(&main_desk(), Command::CancelTicket { ticket: ticket(name), reason, missing })
}

pub async fn the_next_batch_sees_what_the_one_before_it_leaves<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    driver.create("warm-up", Channel::Chat, at(3)).await;
    for round in 0..20 {
        let (first, second, third) = (format!("first-{round}"), format!("second-{round}"), format!("third-{round}"));
        let talk = format!("talk-{round}");
        let (taken, held, freed, again) = tokio::join!(
            batch(&store, vec![create(&first, &talk)], at(5)),
            batch(&store, vec![create(&second, &talk)], at(5)),
            batch(&store, vec![cancel(&first)], at(6)),
            batch(&store, vec![create(&third, &talk)], at(7)),
        );
        let answers = [taken, held, freed, again].map(|committed| {
            let committed = committed.expect("the store answers");
            driver.follow(&committed);
            committed.value.into_iter().next().expect("one answer")
        });
        let [taken, held, freed, again] = answers;
        assert_eq!(taken, Ok(Answer::Ticket { ticket: ticket(&first) }));
        assert!(matches!(held, Err(Reject::ConversationInUse { .. })), "{held:?}");
        assert_eq!(freed, Ok(Answer::Ticket { ticket: ticket(&first) }));
        assert_eq!(again, Ok(Answer::Ticket { ticket: ticket(&third) }));
    }
    driver.check().await;
    let numbers: Vec<u64> = driver.entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

pub async fn an_answer_is_found_before_it_is_committed_and_given_after<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    driver.create("warm-up", Channel::Chat, at(3)).await;
    let key = DedupKey {
        tenant: driver.key.tenant.clone(),
        caller: Arc::from("anybody"),
        method: Arc::from("CreateTicket"),
        key: Arc::from("k-1"),
    };
    let mut call = create("once", "talk");
    call.dedup = Some(key);
    let repeat = vec![Request { desk: call.desk.clone(), roots: call.roots.clone(), dedup: call.dedup.clone() }];
    let (first, second) = tokio::join!(
        batch(&store, vec![call], at(5)),
        store.transact(repeat, |loaded| Work {
            changed: Vec::new(),
            events: Vec::new(),
            answers: Vec::new(),
            value: loaded.answers[0].clone(),
        }),
    );
    let first = first.expect("the store answers");
    let answer = first.value[0].clone().expect("it is created");
    let second = second.expect("the store answers");
    assert_eq!(second.value.map(|stored| stored.answer), Some(answer));
    assert_eq!(second.desks[0].2, first.desks[0].2, "the head is the one after the first");
}

pub async fn a_day_played_side_by_side_leaves_the_rows_that_its_log_makes<P: Place>() {
    for seed in 11..=13 {
        let place = P::empty();
        let store = place.open().await;
        let mut driver = Driver::new(&store, &main_desk()).await;
        day::play(&mut driver, seed, 60).await;
        let taken = day::play_side_by_side(&mut driver, seed, 100).await;
        assert!(taken > 60, "only {taken} commands were taken");
        driver.check().await;
    }
}

/// One batch is given up at some point while the next, which cancels the ticket that it creates, is under way.
pub async fn nothing_is_committed_on_what_was_given_up<P: Place>() {
    let place = P::empty();
    let store = place.open().await;
    let mut driver = Driver::new(&store, &main_desk()).await;
    driver.create("warm-up", Channel::Chat, at(3)).await;
    for polls in 0..24 {
        let (doomed, next) = (format!("doomed-{polls}"), format!("next-{polls}"));
        let before = store.head(&main_desk()).await.expect("the store answers").expect("the desk exists").0;
        let mut first = Box::pin(batch(&store, vec![create(&doomed, &doomed)], at(5)));
        let mut second = Box::pin(batch(&store, vec![cancel(&doomed), create(&next, &next)], at(6)));
        poll(first.as_mut(), polls).await;
        // It gets as far as it can without the first.
        let early = linger(second.as_mut()).await;
        drop(first);
        let outcome = match early {
            Some(outcome) => outcome,
            None => second.await,
        };
        let doomed = store.get_ticket(&main_desk(), ticket(&doomed)).await.expect("the store answers");
        let next = store.get_ticket(&main_desk(), ticket(&next)).await.expect("the store answers");
        match outcome {
            Ok(committed) => {
                assert_eq!(committed.value[0].is_ok(), doomed.is_some(), "after {polls} polls");
                assert!(doomed.is_none_or(|row| row.state == TicketState::Cancelled), "after {polls} polls");
                assert!(next.is_some());
            }
            Err(Error::Undone) => assert_eq!(next, None, "after {polls} polls"),
            Err(error) => panic!("after {polls} polls: {error}"),
        }
        batch(&store, vec![create(&format!("after-{polls}"), "")], at(7)).await.expect("the store answers");
        let head = store.head(&main_desk()).await.expect("the store answers").expect("the desk exists").0;
        let entries = store.events_after(&main_desk(), before, 10).await.expect("the store answers");
        let numbers: Vec<u64> = entries.iter().map(|entry| entry.seq).collect();
        assert_eq!(numbers, (before + 1..=head).collect::<Vec<_>>(), "after {polls} polls");
    }
}

/// Polls so often, each time when it was woken, or until it is ready.
async fn poll<F: Future>(mut future: Pin<&mut F>, times: usize) {
    let mut polls = 0;
    poll_fn(|context| {
        polls += 1;
        let ready = polls > times || future.as_mut().poll(context).is_ready();
        if ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Polls until it is ready, or does nothing for a while.
async fn linger<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    for _ in 0..200 {
        let polled = poll_fn(|context| {
            Poll::Ready(match future.as_mut().poll(context) {
                Poll::Ready(output) => Some(output),
                Poll::Pending => None,
            })
        });
        if let Some(output) = polled.await {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}
