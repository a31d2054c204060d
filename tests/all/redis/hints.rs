//! Replicas that tell one another how far the logs are: over a store in memory and a real Redis, where nobody looks at the logs, or
//! where nobody may speak.

use std::cell::Cell;
use std::sync::Arc;

use handoff::domain::time::Span;
use handoff::engine::Engine;
use handoff::entropy::Entropy;
use handoff::routing::command::Command;
use handoff::routing::decide::decide_rows;
use handoff::stream::hub::Recent;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::access::documented_rule;
use super::*;
use crate::harness::eventually;
use crate::pure::world::new_ticket;
use crate::simulation::ports::WeatheredStore;
use crate::simulation::scene;
use crate::simulation::store::{Ground, MemoryStore, Slip};
use crate::simulation::trace::Trace;
use crate::simulation::weather::Weather;

pub type Replica = Engine<WeatheredStore, RedisIndex>;

/// Whether it looks at the logs of itself now and then.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lookout {
    Works,
    /// Its first look takes longer than any test.
    Hangs,
}

pub async fn replica(ground: &Arc<Ground>, url: &str, clock: Clock, lookout: Lookout) -> Replica {
    let weather = Weather::new(StdRng::seed_from_u64(1), None, clock.clone(), Trace::silent());
    if lookout == Lookout::Hangs {
        weather.hold("heads", Span::from_days(1));
    }
    let store = WeatheredStore::new(MemoryStore::open(ground.clone(), clock.clone(), Span::ZERO), weather);
    let index = RedisIndex::connect(patient(url), clock.clone()).await.expect("it connects");
    Engine::deciding(store, index, clock, Entropy::seeded(1), decide_rows).await.expect("it starts")
}

pub async fn ask(replica: &Replica, command: Command) {
    replica.submit(scene::call(command, None, "body")).await.expect("it is not refused");
}

/// A desk with connectors and nobody on duty, so that nothing happens of which it is not asked.
pub async fn quiet(replica: &Replica) {
    for command in scene::opening() {
        if matches!(command, Command::CreateDesk { .. } | Command::CreateConnector { .. }) {
            ask(replica, command).await;
        }
    }
}

fn chat(name: &str) -> Command {
    Command::CreateTicket(Box::new(new_ticket(name, Channel::Chat)))
}

fn head(replica: &Replica) -> u64 {
    *replica.hub().head(&scene::desk_key()).borrow()
}

async fn is_told(replica: &Replica, head_elsewhere: u64) {
    let known = || (head(replica) >= head_elsewhere).then_some(());
    eventually("the other replica knows", async || known()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_decides_wakes_the_streams_of_another_that_does_not_look() {
    let (server, ground) = (Server::start(&[]), Ground::shared(Slip::default(), 7));
    let speaks = replica(&ground, &server.url(), Clock::new(1), Lookout::Works).await;
    quiet(&speaks).await;
    let listens = replica(&ground, &server.url(), Clock::new(1), Lookout::Hangs).await;
    let before = head(&listens);
    ask(&speaks, chat("first")).await;
    is_told(&listens, head(&speaks)).await;
    match listens.hub().scan(&scene::desk_key(), before, 9, |_| true) {
        Recent::Rows { rows, .. } => assert!(!rows.is_empty(), "it has what there is to be read"),
        Recent::Older => panic!("its streams would have to ask the store"),
    }

    // A hint that is lost with its connection is not repeated; later ones come.
    server.say(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    let nth = Cell::new(0);
    eventually("it listens again", async || {
        let elsewhere = head(&speaks);
        nth.set(nth.get() + 1);
        ask(&speaks, chat(&format!("further-{}", nth.get()))).await;
        (head(&listens) > elsewhere).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_replicas_may_not_speak_to_one_another_they_find_by_themselves_what_was_decided() {
    let (server, ground) = (Server::start(&[]), Ground::shared(Slip::default(), 7));
    let rule: Vec<String> = documented_rule().into_iter().filter(|word| !word.starts_with('&')).collect();
    assert!(rule.contains(&"resetchannels".to_owned()));
    server.say(&rule.iter().map(String::as_str).collect::<Vec<_>>());
    let password = rule.iter().find_map(|word| word.strip_prefix('>')).expect("a password");
    let url = format!("redis://{}:{password}@{}", rule[2], server.address());
    let speaks = replica(&ground, &url, Clock::new(1), Lookout::Works).await;
    quiet(&speaks).await;
    let listens = replica(&ground, &url, Clock::new(1), Lookout::Works).await;
    ask(&speaks, chat("first")).await;
    let told = head(&speaks);
    is_told(&listens, told).await;
    let index = connected(patient(&server.url())).await;
    let view = index.dump(&scene::desk_key()).await.expect("it can be read").expect("there is a view");
    assert!(view.cursor >= told, "the view is moved on by whoever may not say so");
}
