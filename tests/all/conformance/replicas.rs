//! What only many writers show: several stores on one database, deciding at once.

use std::sync::Arc;

use handoff::domain::event::{Body, Entry};
use handoff::domain::id::DeskKey;
use handoff::domain::requirement::Channel;
use handoff::domain::time::Time;
use handoff::routing::command::{Answer, Command};
use handoff::routing::evolve::evolve;
use handoff::routing::reject::Reject;
use handoff::store::postgres::PostgresStore;
use handoff::store::{Committed, DedupKey, Error, Request, Store, Work};

use super::day::{self, AGENTS, Dice};
use super::harness::{self, Call, Driver, Outcome, agent, at, batch, main_desk, new_ticket, ticket};
use super::{Database, Place};

/// How often a caller comes back whose batch was undone because another replica was faster.
const REPEATS: usize = 20;

/// As a caller would: again, as long as nothing was committed.
async fn persist(store: &PostgresStore, calls: Vec<Call>, now: Time) -> Committed<Outcome> {
    for _ in 0..REPEATS {
        match batch(store, calls.clone(), now).await {
            Ok(committed) => return committed,
            Err(Error::Undone) => {}
            Err(error) => panic!("{error}: {}", cause(&error)),
        }
    }
    panic!("undone {REPEATS} times");
}

/// A batch of each replica, at once.
async fn at_once<const N: usize>(
    stores: [&PostgresStore; N],
    batches: [Vec<Call>; N],
    now: Time,
) -> Vec<Committed<Outcome>> {
    let all = stores.into_iter().zip(batches).map(|(store, calls)| persist(store, calls, now));
    futures_util::future::join_all(all).await
}

fn cause(error: &Error) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

/// Takes over what several replicas committed, in the order of the log.
fn follow_all(driver: &mut Driver<'_, PostgresStore>, committed: &[Committed<Outcome>]) {
    let of_desk = |(key, entries): &(DeskKey, Vec<Arc<Entry>>)| (*key == driver.key).then(|| entries.clone());
    let mut entries: Vec<Arc<Entry>> =
        committed.iter().flat_map(|committed| &committed.entries).filter_map(of_desk).flatten().collect();
    entries.sort_by_key(|entry| entry.seq);
    for entry in entries {
        evolve(&mut driver.model, &entry.event);
        driver.entries.push(entry);
    }
}

fn is_dense(driver: &Driver<'_, PostgresStore>) -> bool {
    (1_u64..).zip(&driver.entries).all(|(seq, entry)| entry.seq == seq)
}

/// Chats that an agent of this profile may have at once.
const CAPACITY: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_never_book_an_agent_beyond_her_capacity() {
    let place = Database::empty();
    let (one, two) = (place.open().await, place.open().await);
    let mut driver = Driver::new(&one, &main_desk()).await;
    for round in 0..10 {
        let name = format!("agent-{round}");
        driver.agent(&name).await;
        let mut waiting = Vec::new();
        for nth in 0..=CAPACITY {
            let id = driver.create(&format!("t-{round}-{nth}"), Channel::Chat, at(10)).await;
            if nth + 1 < CAPACITY {
                driver.propose(id, &[&name], at(11)).await.expect("there is room");
            } else {
                waiting.push(id);
            }
        }
        // One more fits, two do not.
        let propose = |id| vec![Call::new(&driver.key, driver.proposal(id, &[&name], at(12)).expect("it waits"))];
        let committed = at_once([&one, &two], [propose(waiting[0]), propose(waiting[1])], at(12)).await;
        let taken = committed.iter().filter(|committed| committed.value[0].is_ok()).count();
        assert_eq!(taken, 1, "in round {round}");
        follow_all(&mut driver, &committed);
        let booked = one.work_of(&driver.key, &agent(&name)).await.expect("the store answers").len();
        assert_eq!(booked, CAPACITY, "in round {round}");
    }
    assert!(is_dense(&driver));
    driver.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_random_batches_on_three_replicas_leave_the_rows_that_their_log_makes() {
    let place = Database::empty();
    let stores = [place.open().await, place.open().await, place.open().await];
    let mut driver = Driver::new(&stores[0], &main_desk()).await;
    day::play(&mut driver, 7, 40).await;
    let mut dice = Dice::new(7);
    let (mut taken, mut refused) = (0, 0);
    for round in 0..100 {
        let now = at(20_000 + round * 7);
        let mut calls = |nth: i64| {
            let mut one = |step: i64| {
                let proposed = (dice.roll(3) == 0).then(|| day::some_ticket(&mut dice, &driver)).flatten();
                let to = AGENTS[dice.roll(AGENTS.len())];
                let proposed = proposed.and_then(|id| driver.proposal(id, &[to], now));
                let any = || day::any_command(&mut dice, &driver, 7, 1_000 + (round * 3 + nth) * 4 + step, now);
                Call::new(&driver.key, proposed.unwrap_or_else(any))
            };
            (0..4).map(&mut one).collect::<Vec<Call>>()
        };
        let batches = [calls(0), calls(1), calls(2)];
        let committed = at_once(stores.each_ref(), batches, now).await;
        for outcome in committed.iter().flat_map(|committed| &committed.value) {
            match outcome {
                Ok(_) => taken += 1,
                Err(_) => refused += 1,
            }
        }
        follow_all(&mut driver, &committed);
    }
    assert!(taken > 300 && refused > 50, "{taken} taken, {refused} refused");
    assert!(is_dense(&driver));
    driver.check().await;
    let deadlocks = place.say(
        "SELECT pg_stat_clear_snapshot(); SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
    );
    assert_eq!(deadlocks.trim(), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_reaches_two_replicas_at_once_has_one_effect_and_one_answer() {
    let place = Database::empty();
    let (one, two) = (place.open().await, place.open().await);
    let mut driver = Driver::new(&one, &main_desk()).await;
    driver.create("warm-up", Channel::Chat, at(3)).await;
    for round in 0..20 {
        // The ticket's id is minted where the request arrives.
        let call = |replica: &str| {
            let name = format!("{replica}-{round}");
            let mut call = Call::new(&driver.key, Command::CreateTicket(Box::new(new_ticket(&name, Channel::Chat))));
            call.dedup = Some(DedupKey {
                tenant: driver.key.tenant.clone(),
                caller: Arc::from("anybody"),
                method: Arc::from("CreateTicket"),
                key: Arc::from(format!("request-{round}")),
            });
            call
        };
        let (a, b) = tokio::join!(once(&one, call("one")), once(&two, call("two")));
        let (a, b) = (a.expect("the store answers"), b.expect("the store answers"));
        assert_eq!(a.value, b.value, "in round {round}");
        let both = [&a, &b];
        let created = both.iter().flat_map(|committed| &committed.entries).flat_map(|(_, entries)| entries);
        let created = created.filter(|entry| matches!(entry.event.body, Body::Created { .. })).count();
        assert_eq!(created, 1, "in round {round}");
    }
}

/// The stored answer, or what is decided now.
async fn once(store: &PostgresStore, call: Call) -> Result<Committed<Outcome>, Error> {
    let request = Request { desk: call.desk.clone(), roots: call.roots.clone(), dedup: call.dedup.clone() };
    store
        .transact(vec![request], move |loaded| match &loaded.answers[0] {
            Some(stored) => {
                let value = vec![Ok(stored.answer.clone())];
                Work { changed: Vec::new(), events: Vec::new(), answers: Vec::new(), value }
            }
            None => harness::work(loaded, &[call], at(5)),
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_tickets_of_one_conversation_on_two_replicas_one_is_refused() {
    let place = Database::empty();
    let (one, two) = (place.open().await, place.open().await);
    let mut driver = Driver::new(&one, &main_desk()).await;
    driver.create("warm-up", Channel::Chat, at(3)).await;
    for round in 0..20 {
        let call = |replica: &str| {
            let mut new = new_ticket(&format!("{replica}-{round}"), Channel::Chat);
            new.content.conversation_keys = vec![Arc::from(format!("talk-{round}"))];
            vec![Call::new(&driver.key, Command::CreateTicket(Box::new(new)))]
        };
        let committed = at_once([&one, &two], [call("one"), call("two")], at(5)).await;
        let taken = committed.iter().filter(|committed| committed.value[0].is_ok()).count();
        let refused =
            |committed: &&Committed<Outcome>| matches!(committed.value[0], Err(Reject::ConversationInUse { .. }));
        assert_eq!((taken, committed.iter().filter(refused).count()), (1, 1), "in round {round}");
        follow_all(&mut driver, &committed);
    }
    driver.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_that_is_created_on_two_replicas_at_once_is_not_overwritten() {
    let place = Database::empty();
    let (one, two) = (place.open().await, place.open().await);
    let mut driver = Driver::new(&one, &main_desk()).await;
    driver.create("warm-up", Channel::Chat, at(3)).await;
    for round in 0..20 {
        let name = format!("same-{round}");
        let call = || vec![Call::new(&driver.key, Command::CreateTicket(Box::new(new_ticket(&name, Channel::Chat))))];
        let committed = at_once([&one, &two], [call(), call()], at(5)).await;
        let taken = committed.iter().filter(|committed| committed.value[0].is_ok()).count();
        assert_eq!(taken, 1, "in round {round}");
        follow_all(&mut driver, &committed);
        assert_eq!(driver.row(ticket(&name)).ver, 1);
    }
    assert!(is_dense(&driver));
    driver.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_changes_of_a_desk_the_others_next_batch_sees() {
    let place = Database::empty();
    let (one, two) = (place.open().await, place.open().await);
    let mut driver = Driver::new(&one, &main_desk()).await;
    driver.create("warm-up", Channel::Chat, at(3)).await;
    for round in 0..5 {
        let name: Arc<str> = Arc::from(format!("Name {round}"));
        let rename = Command::UpdateDesk { display_name: Some(name.clone()), time_zone: None, etag: None };
        let (writer, reader) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
        assert_ne!(display_name(reader).await, name, "it is in the reader's memory from here on");
        let committed = persist(writer, vec![Call::new(&driver.key, rename)], at(4)).await;
        assert_eq!(committed.value, [Ok(Answer::Desk)]);
        assert_eq!(display_name(reader).await, name);
        let read = reader.scope(&driver.key).await.expect("the store answers").expect("the desk exists");
        assert_eq!(read.desk.display_name, name);
    }
}

/// As a batch sees it.
async fn display_name(store: &PostgresStore) -> Arc<str> {
    let request = Request { desk: main_desk(), roots: Default::default(), dedup: None };
    let seen = store.transact(vec![request], |loaded| Work {
        changed: Vec::new(),
        events: Vec::new(),
        answers: Vec::new(),
        value: loaded.desks[&main_desk()].scope.as_ref().expect("the desk exists").desk.display_name.clone(),
    });
    seen.await.expect("the store answers").value
}

/// Each replica names the two desks in another order; which is locked first is not up to them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_over_the_same_desks_in_another_order_do_not_wait_for_each_other_for_ever() {
    let place = Database::empty();
    let (one, two) = (place.open().await, place.open().await);
    let keys = [harness::desk("default", "first"), harness::desk("default", "second")];
    for key in &keys {
        let mut driver = Driver::new(&one, key).await;
        driver.create("warm-up", Channel::Chat, at(3)).await;
    }
    let heads = async || {
        let mut heads = Vec::new();
        for key in &keys {
            heads.push(one.head(key).await.expect("the store answers").expect("the desk exists").0);
        }
        heads
    };
    let before = heads().await;
    for round in 0..40 {
        let calls = |replica: &str, order: [usize; 2]| {
            let new = || Box::new(new_ticket(&format!("{replica}-{round}"), Channel::Chat));
            order.map(|at| Call::new(&keys[at], Command::CreateTicket(new()))).to_vec()
        };
        let batches = [calls("one", [0, 1]), calls("two", [1, 0])];
        let committed = at_once([&one, &two], batches, at(5)).await;
        assert!(committed.iter().flat_map(|committed| &committed.value).all(Result::is_ok), "in round {round}");
    }
    for (before, after) in before.into_iter().zip(heads().await) {
        assert_eq!((after - before) % 80, 0, "as many entries for each ticket");
        assert!(after > before);
    }
    for key in &keys {
        let entries = one.events_after(key, 0, 10_000).await.expect("the store answers");
        assert!((1_u64..).zip(&entries).all(|(seq, entry)| entry.seq == seq));
    }
}

/// New agents take their numbers from the desk's row, and new lanes theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_that_are_created_on_two_replicas_at_once_get_numbers_of_their_own() {
    let place = Database::empty();
    let (one, two) = (place.open().await, place.open().await);
    let mut driver = Driver::new(&one, &main_desk()).await;
    for round in 0..20 {
        driver.agent(&format!("seed-{round}")).await;
        let create = |replica: &str| {
            let (agent, profile) = (agent(&format!("{replica}-{round}")), Box::new(harness::profile()));
            vec![Call::new(&driver.key, Command::CreateAgent { agent, profile })]
        };
        let committed = at_once([&one, &two], [create("one"), create("two")], at(5)).await;
        assert!(committed.iter().all(|committed| committed.value[0].is_ok()));
        follow_all(&mut driver, &committed);
    }
    let mut numbers: Vec<u32> = driver.model.agents.own().values().map(|agent| agent.number.0).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=60).collect::<Vec<_>>());
    driver.check().await;
}
