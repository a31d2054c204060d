//! Several processes over one PostgreSQL and one Redis, as `serve` runs them.

use std::process::Command;

use handoff::proto::handoff::v1 as pb;
use pb::Channel::{Chat, Email};
use tonic_types::StatusExt;

use crate::commands::{HANDOFF, Process};
use crate::harness::agents::OnDuty;
use crate::harness::postgres::{self, Database, server};
use crate::harness::redis::Server;
use crate::harness::stage::Stage;
use crate::harness::streams::Subscription;
use crate::harness::{Clients, eventually};
use crate::streams::instances::{create, hear, join};

struct Replicas {
    processes: Vec<Process>,
    redis: Server,
    database: Database,
}

impl Replicas {
    fn start(count: usize) -> Replicas {
        Replicas::over(server().database(None), count)
    }

    fn over(database: Database, count: usize) -> Replicas {
        let redis = Server::start(&[]);
        let migrated = Command::new(HANDOFF).args(["migrate", "--database-url", &database.url()]).status();
        assert!(migrated.expect("the program starts").success());
        let flags = ["--database-url", &database.url(), "--redis-url", &redis.url()];
        let processes = (0..count).map(|_| Process::serve(&flags)).collect();
        Replicas { processes, redis, database }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_on_different_replicas_share_a_connector_and_take_over_from_a_replica_that_is_killed() {
    let replicas = Replicas::start(2);
    let first = Stage::built(replicas.clients(0).await, "stage").await;
    let second = Stage { clients: replicas.clients(1).await, ..first.clone() };
    let (mut a, mut b) = (join(&first, "a").await, join(&second, "b").await);
    let (of_a, of_b) = (create(&second, Chat, "a", 3).await, create(&first, Chat, "b", 3).await);
    let shared = create(&first, Email, "", 24).await;
    let all = of_a.iter().chain(&of_b).chain(&shared).cloned().collect();
    let told = hear(&mut [&mut a, &mut b], &all).await;
    assert!(of_a.iter().all(|ticket| told[0].contains_key(ticket)), "its own tickets are a's: {told:?}");
    assert!(of_b.iter().all(|ticket| told[1].contains_key(ticket)), "its own tickets are b's: {told:?}");

    // The same name on another replica displaces the stream here.
    let mut newer = join(&first, "b").await;
    let displaced = b.until_error().await;
    assert_eq!(displaced.code(), tonic::Code::Aborted);
    let of_b = create(&first, Chat, "b", 2).await;
    hear(&mut [&mut newer], &of_b).await;
    drop(newer);

    let mut b = join(&second, "b").await;
    let of_b = create(&second, Chat, "b", 2).await;
    hear(&mut [&mut b], &of_b).await;
    replicas.processes[1].signal("-KILL");
    let of_b = create(&first, Chat, "b", 2).await;
    let shared = create(&first, Email, "", 24).await;
    hear(&mut [&mut a], &of_b.union(&shared).cloned().collect()).await;
}

const OF_TOMORROW: &str = "
WITH head AS (UPDATE desk_head SET head = head + 1 WHERE desk = 'stage' RETURNING head),
last AS (SELECT * FROM event WHERE desk = 'stage' AND ticket_seq > 0 ORDER BY seq DESC LIMIT 1)
INSERT INTO event (tenant, desk, seq, at, actor, ticket, ticket_seq, kind, connector, channel, side_connector, instance, body)
SELECT tenant, desk, head, at, actor, ticket, ticket_seq + 1, 'of_tomorrow', connector, channel, side_connector, instance,
    '{\"kind\": \"of_tomorrow\", \"beyond\": {\"this\": 1}}'
FROM last, head";

const OF_THE_DESK: &str = "
WITH head AS (UPDATE desk_head SET head = head + 1 WHERE desk = 'stage' RETURNING head),
last AS (SELECT * FROM event WHERE desk = 'stage' ORDER BY seq DESC LIMIT 1)
INSERT INTO event (tenant, desk, seq, at, actor, ticket_seq, body)
SELECT tenant, desk, head, at, actor, 0, '{\"kind\": \"desk_of_tomorrow\"}' FROM last, head";

/// As during a rollout, when the next version writes into the same log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_of_a_newer_version_is_told_without_its_payload_and_holds_nothing_up() {
    let replicas = Replicas::start(1);
    let mut stage = Stage::built(replicas.clients(0).await, "stage").await;
    let mut stream = Subscription::open(&mut stage).await;
    let ticket = stage.submit(Stage::ticket(Email)).await;
    stream.until(|decision| decision.ticket == ticket.name).await;
    replicas.database.say(OF_TOMORROW);
    let told = stream.until(|decision| decision.payload.is_none()).await;
    assert_eq!(told.ticket, ticket.name);
    replicas.database.say(OF_THE_DESK);
    stage.agent("ann").ready().await;
    stage.offered(&ticket.name).await;
    stream.until(|decision| matches!(decision.payload, Some(pb::decision::Payload::Offered(_)))).await;
}

/// Nothing is accepted in memory, nobody waits for longer than the connection does, and whoever listens goes on listening.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgresql_is_away_callers_are_told_to_come_again_and_streams_stay_open() {
    let postgres = postgres::Server::own();
    let replicas = Replicas::over(postgres.database(None), 2);
    let mut stage = Stage::built(replicas.clients(0).await, "stage").await;
    let mut other = Stage { clients: replicas.clients(1).await, ..stage.clone() };
    stage.agent("ann").ready().await;
    let mut stream = Subscription::open(&mut other).await;
    let before = stage.submit(Stage::ticket(Email)).await;
    stream.until(|decision| decision.ticket == before.name).await;

    postgres.control("stop");
    let request = stage.create(Stage::ticket(Email));
    let refused = stage.clients.tickets.create_ticket(request.clone()).await.expect_err("there is no database");
    assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused:?}");
    assert!(refused.get_details_retry_info().is_some(), "{refused:?}");

    postgres.control("start");
    let created = eventually("the same request is accepted", async || {
        Some(stage.clients.clone().tickets.create_ticket(request.clone()).await.ok()?.into_inner())
    });
    let created = created.await;
    let told = stream.until(|decision| decision.ticket == created.name).await;
    assert!(told.seq > 0, "the stream was never cut");
}
