//! An open loop: tickets arrive at a rate, whatever the server does, and the time is taken from when a ticket was to arrive
//! until the connector's stream shows its offer. Whoever counts from when the request was really sent leaves out the wait
//! that a slow server imposes on its callers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::stage::Stage;
use super::{Measured, Window, histogram, micros};
use crate::client::connection::Error;
use crate::proto::handoff::v1 as api;
use api::decision_service_client::DecisionServiceClient;
use api::subscribe_request::Request;
use api::subscribe_response::Response;
use api::ticket_service_client::TicketServiceClient;

/// Calls under way at once; an arrival that finds no place is missed.
const UNDER_WAY: usize = 8_192;
/// The rest of the machine's timer between two looks at what is to arrive.
const TICK: Duration = Duration::from_millis(1);
/// Decisions that may be unacknowledged: the most that a subscription allows.
const WINDOW: u32 = 256;
/// For the last offers to come through.
const TAIL: Duration = Duration::from_secs(2);

struct Seen {
    /// Microseconds since the first arrival was due, from which on it counts.
    from: u64,
    latency: Mutex<Histogram<u64>>,
    offered: AtomicU64,
    failed: AtomicU64,
}

/// Lets `rate` tickets a second arrive over the window, evenly; counted are offers on the stream.
///
/// # Errors
/// When the stream cannot be opened.
pub async fn open(stage: &Arc<Stage>, rate: f64, window: Window) -> Result<Measured, Error> {
    let seen = Arc::new(Seen {
        from: micros(window.warm_up),
        latency: Mutex::new(histogram()),
        offered: AtomicU64::new(0),
        failed: AtomicU64::new(0),
    });
    let (acks, stream) = subscribe(stage)
        .await
        .map_err(|status| Error::Refused { what: "the stream to measure on".to_owned(), status: Box::new(status) })?;
    let started = stage.clock.uptime();
    let mut tasks = JoinSet::new();
    tasks.spawn(read(stage.clone(), acks, stream, seen.clone(), rate, started));
    let due = |span: Duration| (span.as_secs_f64() * rate) as u64;
    let mut calls = JoinSet::new();
    let (mut sent, mut missed) = (0_u64, 0_u64);
    let all = due(window.warm_up + window.measured);
    while sent < all {
        let now = due(stage.clock.uptime() - started).min(all);
        for n in sent..now {
            if calls.len() >= UNDER_WAY {
                missed += 1;
                continue;
            }
            let (request, seen) = (stage.ticket(n), seen.clone());
            let mut tickets = TicketServiceClient::new(stage.channel(n as usize));
            calls.spawn(async move {
                if tickets.create_ticket(request).await.is_err() {
                    seen.failed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        sent = now;
        while calls.try_join_next().is_some() {}
        stage.clock.real_sleep(TICK).await;
    }
    let counted = all - due(window.warm_up);
    let deadline = stage.clock.uptime() + TAIL;
    while seen.offered.load(Ordering::Relaxed) < counted && stage.clock.uptime() < deadline {
        stage.clock.real_sleep(TICK).await;
    }
    let latency = seen.latency.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Measured {
        done: seen.offered.load(Ordering::Relaxed),
        missed: missed + seen.failed.load(Ordering::Relaxed),
        elapsed: window.measured,
        latency,
        cpu: None,
    })
}

async fn subscribe(
    stage: &Stage,
) -> Result<(mpsc::Sender<api::SubscribeRequest>, Streaming<api::SubscribeResponse>), Status> {
    let (acks, requests) = mpsc::channel(16);
    let hello = api::SubscribeHello { connector: stage.connector.clone(), window: Some(WINDOW), ..Default::default() };
    let hello = api::SubscribeRequest { request: Some(Request::Hello(hello)) };
    acks.send(hello).await.map_err(|_| Status::internal("the stream's own end is gone"))?;
    let mut connector = DecisionServiceClient::new(stage.channel(0));
    let stream = connector.subscribe(ReceiverStream::new(requests)).await?.into_inner();
    Ok((acks, stream))
}

/// Acknowledges what comes and takes the time of each offer.
async fn read(
    stage: Arc<Stage>,
    acks: mpsc::Sender<api::SubscribeRequest>,
    mut stream: Streaming<api::SubscribeResponse>,
    seen: Arc<Seen>,
    rate: f64,
    started: Duration,
) {
    let mut generation = 0;
    while let Ok(Some(message)) = stream.message().await {
        let decisions = match message.response {
            Some(Response::Welcome(welcome)) => {
                generation = welcome.generation;
                continue;
            }
            Some(Response::Rebalance(rebalance)) => {
                generation = rebalance.generation;
                continue;
            }
            Some(Response::Decisions(batch)) => batch.items,
            Some(Response::Heartbeat(_)) => continue,
            Some(Response::GoingAway(_)) | None => return,
        };
        let now = micros(stage.clock.uptime() - started);
        for decision in &decisions {
            let Some(api::decision::Payload::Offered(_)) = &decision.payload else { continue };
            let Ok(n) = decision.external_id.parse::<u64>() else { continue };
            let arrived = (n as f64 / rate * 1e6) as u64;
            if arrived >= seen.from {
                seen.offered.fetch_add(1, Ordering::Relaxed);
                let took = now.saturating_sub(arrived);
                seen.latency.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(took);
            }
        }
        let Some(last) = decisions.last() else { continue };
        let ack = api::SubscribeAck { generation, acked_seq: last.seq, rejections: Vec::new() };
        if acks.send(api::SubscribeRequest { request: Some(Request::Ack(ack)) }).await.is_err() {
            return;
        }
    }
}
