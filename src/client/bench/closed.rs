//! Closed loops: so many callers, each of whom sends the next when the last is answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::stage::{DEVICE, Stage};
use super::{Measured, Window, histogram, micros};
use crate::client::connection::{Connection, Error};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::proto::handoff::v1 as api;
use api::offer_service_client::OfferServiceClient;
use api::ticket_service_client::TicketServiceClient;

/// Streams over which tickets are submitted.
const STREAMS: usize = 4;

/// What callers do, and what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// CreateTicket by so many callers; counted are answers that name the agent who was offered the ticket.
    Create { callers: usize },
    /// SubmitTickets on four streams with so many items under way in all; counted likewise.
    Submit { under_way: usize },
    /// CreateTicket, AcceptOffer, ResolveTicket by so many callers; counted are tickets resolved.
    Resolve { callers: usize },
}

/// Shared by the callers of one load.
struct Count {
    clock: Clock,
    done: AtomicU64,
    missed: AtomicU64,
    /// Tickets asked for so far.
    next: AtomicU64,
    /// Latencies of the calls that were answered within the window; guards the histogram alone.
    latency: Mutex<Option<Histogram<u64>>>,
}

impl Count {
    fn new(clock: &Clock) -> Arc<Count> {
        Arc::new(Count {
            clock: clock.clone(),
            done: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            next: AtomicU64::new(0),
            latency: Mutex::new(None),
        })
    }

    fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn add(&self, good: bool, since: Duration) {
        if !good {
            self.missed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.done.fetch_add(1, Ordering::Relaxed);
        let took = micros(self.clock.uptime().saturating_sub(since));
        if let Some(latency) = self.latency.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            latency.saturating_record(took);
        }
    }

    /// Lets the callers warm up, then counts.
    async fn over(&self, window: Window, cpu: &dyn Fn() -> Option<Duration>) -> Measured {
        self.clock.real_sleep(window.warm_up).await;
        let record =
            |latency| std::mem::replace(&mut *self.latency.lock().unwrap_or_else(PoisonError::into_inner), latency);
        record(Some(histogram()));
        let counts = || (self.done.load(Ordering::Relaxed), self.missed.load(Ordering::Relaxed));
        let (started, used, (done, missed)) = (self.clock.uptime(), cpu(), counts());
        self.clock.real_sleep(window.measured).await;
        let (done_after, missed_after) = counts();
        Measured {
            done: done_after - done,
            missed: missed_after - missed,
            elapsed: self.clock.uptime() - started,
            cpu: cpu().zip(used).map(|(after, before)| after.saturating_sub(before)),
            latency: record(None).unwrap_or_else(histogram),
        }
    }
}

/// Keeps the load up for the window. `cpu` reads what the server has used of the processors.
pub async fn closed(stage: &Arc<Stage>, load: Load, window: Window, cpu: &dyn Fn() -> Option<Duration>) -> Measured {
    let count = Count::new(&stage.clock);
    let mut callers = JoinSet::new();
    match load {
        Load::Create { callers: many } => {
            for caller in 0..many {
                callers.spawn(create(stage.clone(), stage.channel(caller), count.clone()));
            }
        }
        Load::Resolve { callers: many } => {
            for caller in 0..many {
                callers.spawn(resolve(stage.clone(), stage.channel(caller), count.clone()));
            }
        }
        Load::Submit { under_way } => {
            for stream in 0..STREAMS {
                callers.spawn(submit(stage.clone(), stage.channel(stream), count.clone(), under_way / STREAMS));
            }
        }
    }
    // The callers end with the set, which is dropped here.
    count.over(window, cpu).await
}

/// The yardstick: unary calls that do nothing, by so many callers.
///
/// # Errors
/// When the server cannot be reached.
pub async fn health_checks(server: &str, callers: usize, window: Window, clock: &Clock) -> Result<Measured, Error> {
    let count = Count::new(clock);
    let mut tasks = JoinSet::new();
    let mut channels = Vec::new();
    for _ in 0..callers.min(8) {
        channels.push(Connection::open(server, clock.clone(), Entropy::from_system()).await?.channel);
    }
    for caller in 0..callers {
        let (count, mut health) = (count.clone(), HealthClient::new(channels[caller % channels.len()].clone()));
        tasks.spawn(async move {
            loop {
                let since = count.clock.uptime();
                count.add(health.check(HealthCheckRequest::default()).await.is_ok(), since);
            }
        });
    }
    Ok(count.over(window, &|| None).await)
}

async fn create(stage: Arc<Stage>, channel: Channel, count: Arc<Count>) {
    let mut tickets = TicketServiceClient::new(channel);
    loop {
        let request = stage.ticket(count.next());
        let since = count.clock.uptime();
        let good = tickets.create_ticket(request).await.is_ok_and(|ticket| offer(ticket.get_ref()).is_some());
        count.add(good, since);
    }
}

async fn resolve(stage: Arc<Stage>, channel: Channel, count: Arc<Count>) {
    let mut tickets = TicketServiceClient::new(channel.clone());
    let mut offers = OfferServiceClient::new(channel);
    loop {
        let request = stage.ticket(count.next());
        let since = count.clock.uptime();
        let played = async {
            let ticket = tickets.create_ticket(request).await.ok()?.into_inner();
            let offer = offer(&ticket)?;
            let request = api::AcceptOfferRequest {
                name: offer.name.clone(),
                session_epoch: offer.session_epoch,
                device_id: DEVICE.to_owned(),
                request_id: stage.request_id(),
                ..Default::default()
            };
            offers.accept_offer(request).await.ok()?;
            let request =
                api::ResolveTicketRequest { name: ticket.name, request_id: stage.request_id(), ..Default::default() };
            tickets.resolve_ticket(request).await.ok()
        };
        let good = played.await.is_some();
        count.add(good, since);
    }
}

async fn submit(stage: Arc<Stage>, channel: Channel, count: Arc<Count>, under_way: usize) {
    let room = Arc::new(Semaphore::new(under_way));
    let (items, sent) = mpsc::channel(under_way);
    let mut tickets = TicketServiceClient::new(channel);
    let answers = tickets.submit_tickets(ReceiverStream::new(sent));
    // When each item was sent, in micros since the start, by the low bits of its tag.
    let places = (under_way * 2).next_power_of_two() as u64;
    let times: Arc<Vec<AtomicU64>> = Arc::new((0..places).map(|_| AtomicU64::new(0)).collect());
    let (sender_room, sender_count, sender_times) = (room.clone(), count.clone(), times.clone());
    let sending = async move {
        for tag in 0_u64.. {
            let Ok(permit) = sender_room.acquire().await else { return };
            permit.forget();
            let request = stage.ticket(sender_count.next());
            sender_times[(tag % places) as usize].store(micros(sender_count.clock.uptime()), Ordering::Relaxed);
            let item = Some(api::submit_tickets_request::Item::CreateTicket(request));
            if items.send(api::SubmitTicketsRequest { tag, item }).await.is_err() {
                return;
            }
        }
    };
    let reading = async move {
        let mut answers = match answers.await {
            Ok(answers) => answers.into_inner(),
            Err(_) => return count.add(false, Duration::ZERO),
        };
        while let Ok(Some(answer)) = answers.message().await {
            room.add_permits(1);
            let since = times[(answer.tag % places) as usize].load(Ordering::Relaxed);
            let good = match answer.result {
                Some(api::submit_tickets_response::Result::Ticket(ticket)) => offer(&ticket).is_some(),
                Some(api::submit_tickets_response::Result::Error(_)) | None => false,
            };
            count.add(good, Duration::from_micros(since));
        }
    };
    tokio::join!(sending, reading);
}

/// The offer that is open for a ticket, if it was offered.
pub(super) fn offer(ticket: &api::Ticket) -> Option<&api::Offer> {
    let offers = ticket.legs.iter().flat_map(|leg| &leg.offers);
    offers.into_iter().find(|offer| offer.state() == api::OfferState::Pending)
}
