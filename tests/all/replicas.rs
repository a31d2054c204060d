//! Several processes over one PostgreSQL and one Redis, as `serve` runs them.

use std::process::Command;

use handoff::proto::handoff::v1 as pb;
use pb::Channel::Email;

use crate::commands::{HANDOFF, Process};
use crate::harness::agents::OnDuty;
use crate::harness::postgres::{Database, server};
use crate::harness::redis::Server;
use crate::harness::stage::Stage;
use crate::harness::streams::Subscription;
use crate::harness::{Clients, eventually};

struct Replicas {
    processes: Vec<Process>,
    redis: Server,
    _database: Database,
}

impl Replicas {
    fn start(count: usize) -> Replicas {
        let (database, redis) = (server().database(None), Server::start(&[]));
        let migrated = Command::new(HANDOFF).args(["migrate", "--database-url", &database.url()]).status();
        assert!(migrated.expect("the program starts").success());
        let flags = ["--database-url", &database.url(), "--redis-url", &redis.url()];
        let processes = (0..count).map(|_| Process::serve(&flags)).collect();
        Replicas { processes, redis, _database: database }
    }

    async fn clients(&self, nth: usize) -> Clients {
        Clients::at(&self.processes[nth].address).await
    }
}

/// Until her session is live, which nobody can tell while Redis is away.
async fn beats(agent: &OnDuty) {
    let heartbeat =
        pb::Heartbeat { agent: agent.name.clone(), session_epoch: agent.epoch, device_id: agent.device.clone() };
    eventually("the session is live", async || {
        let request =
            pb::SendHeartbeatsRequest { parent: agent.stage.desk.clone(), heartbeats: vec![heartbeat.clone()] };
        let answer = agent.stage.clients.clone().agents.send_heartbeats(request).await.ok()?.into_inner();
        (answer.results[0].state() == pb::SessionState::Live).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_replica_takes_any_call_and_neither_a_killed_one_nor_an_emptied_redis_is_missed_for_long() {
    let mut replicas = Replicas::start(3);
    let mut first = Stage::built(replicas.clients(0).await, "stage").await;
    let mut second = Stage { clients: replicas.clients(1).await, ..first.clone() };
    let mut third = Stage { clients: replicas.clients(2).await, ..first.clone() };
    let ann = second.agent("ann").ready().await;
    let mut stream = Subscription::open(&mut third).await;

    let ticket = first.submit(Stage::ticket(Email)).await;
    let offer = second.offered(&ticket.name).await;
    let told = stream.until(|decision| matches!(decision.payload, Some(pb::decision::Payload::Offered(_)))).await;
    assert_eq!(told.ticket, ticket.name);
    let mut elsewhere = OnDuty { stage: third.clone(), ..ann.clone() };
    elsewhere.accept(&offer.name).await.expect("it is hers, on whichever replica");
    first.until(&ticket.name, pb::TicketState::Assigned).await;

    replicas.processes[0].signal("-KILL");
    let ticket = second.submit(Stage::ticket(Email)).await;
    third.offered(&ticket.name).await;

    replicas.redis.say(&["FLUSHALL"]);
    let ticket = third.submit(Stage::ticket(Email)).await;
    second.offered(&ticket.name).await;
    beats(&ann).await;

    replicas.redis.restart();
    let ticket = second.submit(Stage::ticket(Email)).await;
    third.offered(&ticket.name).await;
    beats(&elsewhere).await;
    let sequences = stream.until(|decision| decision.ticket == ticket.name).await;
    assert!(sequences.seq > told.seq);
}
