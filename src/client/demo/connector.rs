//! A channel adapter: subscribes, writes down what it is sent, acknowledges in strides, and carries the decisions out.
//!
//! It drops its stream on purpose now and then, with decisions unacknowledged, and resumes: once after the last it
//! acknowledged (what came after comes again), once with a cursor at the last it saw (nothing does).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tonic::{Code, Streaming};

use super::ledger::{Ledger, Taken};
use super::stage::Stage;
use super::{exchange, words};
use crate::clock::{Span, Time};
use crate::proto::handoff::v1::decision::Payload;
use crate::proto::handoff::v1::subscribe_hello::Resume;
use crate::proto::handoff::v1::subscribe_response::Response;
use crate::proto::handoff::v1::{
    Cursor, Decision, DecisionSide, SubscribeAck, SubscribeHello, SubscribeRequest, SubscribeResponse,
    SubscribeWelcome, subscribe_request,
};

/// Decisions on their way at most; well over the stride, or the stream would stand still between two acknowledgements.
const WINDOW: u32 = 64;
/// Acknowledged together.
const STRIDE: u64 = 8;
/// A shorter stride is acknowledged when nothing has come for this long.
const IDLE: Span = Span::from_secs(3);
/// Unacknowledged decisions to drop a stream with, and how long they are waited for.
const DROP_WITH: u64 = 3;
const DROP_LATEST: Span = Span::from_mins(3);
/// How long a dropped stream is away: less than it takes to be called away.
const GONE_FOR: Span = Span::from_secs(2);
/// Real time before a stream that broke by itself is opened again.
const RECONNECT: Duration = Duration::from_millis(100);

/// How a stream that was dropped on purpose is taken up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TakeUp {
    AfterTheLastAcknowledged,
    AtTheLastSeen,
}

/// A connector's record, read by the verdict while the connector still writes it.
#[derive(Clone, Default)]
pub(super) struct SharedLedger(Arc<Mutex<Ledger>>);

impl SharedLedger {
    pub(super) fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn copy(&self) -> Ledger {
        self.lock().clone()
    }
}

pub(super) struct Connector {
    pub(super) stage: Arc<Stage>,
    pub(super) name: String,
    ledger: SharedLedger,
    /// Drops to come, the next one last.
    drops: Vec<(Time, TakeUp)>,
    /// Says once that the first stream is open.
    ready: watch::Sender<bool>,
    /// Tasks that carry decisions out; they end with the connector.
    pub(super) tasks: JoinSet<()>,
    /// Rings and calls that a later decision stops, by offer or leg.
    pub(super) stoppable: BTreeMap<String, AbortHandle>,
    incarnation: u64,
}

/// One stream while it is open.
struct Stream {
    up: mpsc::Sender<SubscribeRequest>,
    down: Streaming<SubscribeResponse>,
    generation: u64,
    /// The highest decision seen on it, and the last one acknowledged.
    last: u64,
    acked: u64,
    unacknowledged: u64,
}

/// What ends a stream.
enum Ended {
    Dropped(TakeUp),
    Broken,
}

impl Connector {
    pub(super) fn new(stage: Arc<Stage>, name: String, mut drops: Vec<(Time, TakeUp)>) -> Connector {
        drops.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        Connector {
            stage,
            name,
            ledger: SharedLedger::default(),
            drops,
            ready: watch::Sender::new(false),
            tasks: JoinSet::new(),
            stoppable: BTreeMap::new(),
            incarnation: 0,
        }
    }

    pub(super) fn ledger(&self) -> SharedLedger {
        self.ledger.clone()
    }

    pub(super) fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Is there until the run stops.
    pub(super) async fn serve(mut self) {
        let mut stopping = self.stage.stopping.clone();
        tokio::select! {
            biased;
            () = stopping.wait() => {}
            () = self.hold_streams() => {}
        }
        self.tasks.shutdown().await;
    }

    async fn hold_streams(&mut self) {
        let mut take_up = None;
        loop {
            let ended = match self.open(take_up).await {
                Some(stream) => self.follow(stream).await,
                None => Ended::Broken,
            };
            take_up = match ended {
                Ended::Broken => {
                    self.stage.clock.real_sleep(RECONNECT).await;
                    None
                }
                Ended::Dropped(how) => {
                    self.stage.clock.sleep(GONE_FOR).await;
                    Some(how)
                }
            };
        }
    }

    async fn open(&mut self, take_up: Option<TakeUp>) -> Option<Stream> {
        let cursor = match take_up {
            Some(TakeUp::AtTheLastSeen) => self.ledger.lock().last_seq(),
            Some(TakeUp::AfterTheLastAcknowledged) | None => None,
        };
        let resume = cursor.map(|seq| Resume::Cursor(Cursor { seq: Some(seq), incarnation: self.incarnation }));
        let hello = SubscribeHello {
            connector: self.name.clone(),
            instance: "demo".to_owned(),
            resume,
            kinds: Vec::new(),
            window: Some(WINDOW),
        };
        match self.stage.calls.subscribe(hello).await {
            Ok((up, down)) => Some(Stream { up, down, generation: 0, last: 0, acked: 0, unacknowledged: 0 }),
            Err(status) => {
                if !matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) {
                    self.stage.calls.settle::<()>("Subscribe", Err(status));
                }
                None
            }
        }
    }

    async fn follow(&mut self, mut stream: Stream) -> Ended {
        let clock = self.stage.clock.clone();
        loop {
            let next_drop = self.drops.last().copied().filter(|(at, _)| *at <= clock.now());
            if let Some((at, how)) = next_drop
                && (stream.unacknowledged >= DROP_WITH || clock.now() > at + DROP_LATEST)
            {
                self.drops.pop();
                self.tell_drop(how, &stream);
                return Ended::Dropped(how);
            }
            let idle = tokio::select! {
                biased;
                message = stream.down.message() => match message {
                    Ok(Some(message)) => {
                        if !self.take(&mut stream, message).await {
                            return Ended::Broken;
                        }
                        false
                    }
                    Ok(None) => return Ended::Broken,
                    Err(status) => {
                        if status.code() != Code::Unavailable {
                            self.stage.calls.settle::<()>("Subscribe", Err(status));
                        }
                        return Ended::Broken;
                    }
                },
                () = clock.sleep(IDLE) => true,
            };
            // Before a drop it holds back, so that something is left to come again.
            let due = stream.unacknowledged >= if idle { 1 } else { STRIDE };
            if next_drop.is_none() && due && !stream.acknowledge().await {
                return Ended::Broken;
            }
            while self.tasks.try_join_next().is_some() {}
        }
    }

    fn tell_drop(&self, how: TakeUp, stream: &Stream) {
        let connector = words::short(&self.name);
        let (open, last) = (stream.unacknowledged, stream.last);
        self.stage.aside(&match how {
            TakeUp::AfterTheLastAcknowledged if open == 0 => {
                format!("{connector} drops its stream, with every decision acknowledged")
            }
            TakeUp::AfterTheLastAcknowledged => {
                format!("{connector} drops its stream with {open} decisions not acknowledged: they will come again")
            }
            TakeUp::AtTheLastSeen => format!("{connector} drops its stream, and goes on after decision {last}"),
        });
    }

    /// False: the stream is over.
    async fn take(&mut self, stream: &mut Stream, message: SubscribeResponse) -> bool {
        match message.response {
            Some(Response::Welcome(welcome)) => self.welcome(stream, &welcome),
            Some(Response::Decisions(batch)) => {
                for decision in batch.items {
                    self.receive(stream, &decision);
                    if stream.unacknowledged >= u64::from(WINDOW) / 2 && !stream.acknowledge().await {
                        return false;
                    }
                }
            }
            Some(Response::GoingAway(_)) => return false,
            Some(Response::Rebalance(rebalance)) => {
                stream.generation = rebalance.generation;
                stream.unacknowledged = 0;
            }
            Some(Response::Heartbeat(_)) | None => {}
        }
        true
    }

    fn welcome(&mut self, stream: &mut Stream, welcome: &SubscribeWelcome) {
        stream.generation = welcome.generation;
        self.incarnation = welcome.incarnation;
        self.ready.send_replace(true);
    }

    fn receive(&mut self, stream: &mut Stream, decision: &Decision) {
        // What comes again may lie below: an acknowledgement never goes back.
        stream.last = stream.last.max(decision.seq);
        stream.unacknowledged += u64::from(decision.seq > stream.acked);
        let taken = self.ledger.lock().take(decision);
        if taken == Taken::Again {
            return;
        }
        if decision.side() != DecisionSide::AgentSide {
            self.stage.cases.tell(decision);
            self.stage.board.decision(&self.name, decision, &self.stage.clock);
        }
        self.carry_out(decision);
    }

    /// What the comments of the protos ask of a connector; the customers' side is told by `Cases::tell`.
    fn carry_out(&mut self, decision: &Decision) {
        match &decision.payload {
            Some(Payload::Offered(offered)) => {
                for offer in &offered.offers {
                    exchange::ring(self, offer);
                }
            }
            Some(Payload::OfferRevoked(revoked)) => {
                if let Some(offer) = &revoked.offer {
                    self.stop(&offer.name);
                }
            }
            Some(Payload::Connect(connect)) if decision.side() != DecisionSide::AgentSide => {
                if let Some(offer) = &connect.offer {
                    exchange::connect(self, offer);
                }
            }
            Some(Payload::Assigned(assigned)) => {
                if let Some(offer) = &assigned.offer {
                    exchange::talk(self, decision, offer);
                }
            }
            Some(Payload::ConnectFailed(failed)) => {
                if let Some(offer) = &failed.offer {
                    self.stop(&offer.name);
                }
            }
            Some(Payload::HandlerLost(lost)) => exchange::judge_line(self, decision, lost),
            Some(Payload::LegEnded(ended)) => self.stop(&ended.leg),
            Some(Payload::Cancelled(_) | Payload::Closed(_) | Payload::Resolved(_)) => self.stop(&decision.ticket),
            Some(
                Payload::Queued(_)
                | Payload::Connect(_)
                | Payload::Held(_)
                | Payload::Resumed(_)
                | Payload::Transfer(_)
                | Payload::Escalated(_)
                | Payload::Infeasible(_)
                | Payload::Updated(_)
                | Payload::Notification(_)
                | Payload::Quarantined(_)
                | Payload::Reopened(_),
            )
            | None => {}
        }
    }

    /// Stops what is under way for an offer or a leg, or for all of a ticket's legs.
    fn stop(&mut self, name: &str) {
        let legs = format!("{name}/");
        self.stoppable.retain(|key, task| {
            let stopped = key == name || key.starts_with(&legs);
            if stopped {
                task.abort();
            }
            !stopped
        });
    }
}

impl Stream {
    /// False: the stream is over.
    async fn acknowledge(&mut self) -> bool {
        let ack = SubscribeAck { generation: self.generation, acked_seq: self.last, rejections: Vec::new() };
        let request = SubscribeRequest { request: Some(subscribe_request::Request::Ack(ack)) };
        self.unacknowledged = 0;
        self.acked = self.last;
        self.up.send(request).await.is_ok()
    }
}
