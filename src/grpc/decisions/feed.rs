//! One Subscribe stream: polled by the connection, without a task of its own. It selects, in this order, over its end, the
//! client's messages, what is due, and what can be sent; it keeps a cursor and reads only when it may send.

use std::sync::Arc;

use prost::Message;
use tonic::{Status, Streaming};

use super::scene::Drawing;
use crate::availability::Availability;
use crate::domain::id::{ConnectorId, DeskKey};
use crate::domain::log::{LogRow, Selection};
use crate::domain::time::{Span, Time};
use crate::engine::Engine;
use crate::grpc::name::{self, Kind};
use crate::grpc::render;
use crate::grpc::serve::unreadable;
use crate::grpc::status::{Fault, of_store};
use crate::proto::handoff::v1::subscribe_request::Request as Up;
use crate::proto::handoff::v1::subscribe_response::Response as Down;
use crate::proto::handoff::v1::{self as pb, ErrorReason};
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::stream::hub::{ConnectorSeat, Recent};
use crate::stream::seats::Standing;
use crate::stream::subscription::{HEARTBEAT, Subscription};

/// Decisions read at once.
const BATCH: usize = 64;
/// Bytes of a message after which no decision is added; one alone may be larger.
const BATCH_BYTES: usize = 1024 * 1024;
/// How long a client that is sent away waits before it comes back.
const RECONNECT_DELAY: Span = Span::from_secs(1);

pub(super) struct Feed<S, A> {
    pub engine: Engine<S, A>,
    pub desk: DeskKey,
    pub connector: ConnectorId,
    pub selection: Selection,
    pub subscription: Subscription,
    pub seat: ConnectorSeat,
    pub inbound: Streaming<pb::SubscribeRequest>,
    pub head: tokio::sync::watch::Receiver<u64>,
    pub shutdown: Shutdown,
    pub welcome: Option<pb::SubscribeWelcome>,
    /// The client has said all it had to say; it still listens.
    pub deaf: bool,
    pub over: Over,
}

/// Whether the stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    No,
    /// `going_away` is out; the status is next.
    GoingAway,
    Yes,
}

/// What made the stream look up.
enum Woken {
    Said(Result<Option<pb::SubscribeRequest>, Status>),
    /// The end, an entry, or a deadline: all looked at when the loop begins again.
    Otherwise,
}

impl<S: Store, A: Availability> Feed<S, A> {
    /// The next message, for as long as there is one.
    pub async fn next(&mut self) -> Option<Result<pb::SubscribeResponse, Status>> {
        match self.over {
            Over::Yes => return None,
            Over::GoingAway => {
                self.over = Over::Yes;
                return Some(Err(Fault::shutting_down().into()));
            }
            Over::No => {}
        }
        if let Some(welcome) = self.welcome.take() {
            return Some(Ok(down(Down::Welcome(welcome))));
        }
        match self.advance().await {
            Ok(response) => response.map(|response| Ok(down(response))),
            Err(status) => {
                self.over = Over::Yes;
                Some(Err(status))
            }
        }
    }

    async fn advance(&mut self) -> Result<Option<Down>, Status> {
        loop {
            self.hear_out().await?;
            match self.seat.standing() {
                Standing::Seated => {}
                Standing::Displaced => return Err(displaced()),
                Standing::Removed => return Err(self.removed()),
            }
            if self.over == Over::Yes {
                return Ok(None);
            }
            if self.shutdown.is_stopping() {
                return Ok(Some(self.go_away()));
            }
            let now = self.now();
            if self.subscription.beats(now) {
                return self.heartbeat(now).await.map(Some);
            }
            self.subscription.rewind_if_due(now);
            if let Some(batch) = self.read().await? {
                return Ok(Some(Down::Decisions(batch)));
            }
            if let Woken::Said(said) = self.wait().await {
                self.hear(said)?;
            }
        }
    }

    /// Takes what the client has said by now, so that acks count even while there is always something to send.
    async fn hear_out(&mut self) -> Result<(), Status> {
        while !self.deaf && self.over == Over::No {
            let said = tokio::select! {
                biased;
                said = self.inbound.message() => said,
                () = std::future::ready(()) => return Ok(()),
            };
            self.hear(said)?;
        }
        Ok(())
    }

    fn hear(&mut self, said: Result<Option<pb::SubscribeRequest>, Status>) -> Result<(), Status> {
        match said {
            Ok(Some(pb::SubscribeRequest { request: Some(Up::Ack(ack)) })) => self.ack(ack),
            Ok(Some(_)) => Err(Fault::new(ErrorReason::Protocol, "after the hello only acks may be sent").into()),
            Ok(None) => {
                self.deaf = true;
                Ok(())
            }
            // Reset by the client, or its connection is gone: there is nobody to tell.
            Err(status) if status.code() == tonic::Code::Cancelled || status.code() == tonic::Code::Unknown => {
                self.over = Over::Yes;
                Ok(())
            }
            Err(status) => Err(unreadable(status)),
        }
    }

    fn ack(&mut self, ack: pb::SubscribeAck) -> Result<(), Status> {
        // A subscription that was replaced has no say any more, even before it has noticed.
        if self.seat.standing() != Standing::Seated {
            return Ok(());
        }
        let moved = self.subscription.ack(ack.generation, ack.acked_seq, self.now());
        let moved = moved.map_err(|ahead| Status::from(Fault::new(ErrorReason::AckAhead, ahead.to_string())))?;
        if let Some(seq) = moved {
            self.engine.ack(&self.desk, &self.connector, seq);
        }
        Ok(())
    }

    async fn wait(&mut self) -> Woken {
        let clock = self.engine.clock().clone();
        let hungry = self.subscription.room() > 0;
        tokio::select! {
            biased;
            _ = self.seat.lost() => Woken::Otherwise,
            () = self.shutdown.wait() => Woken::Otherwise,
            said = self.inbound.message(), if !self.deaf => Woken::Said(said),
            // The hub lives as long as the engine, so there is always a sender.
            _ = self.head.changed(), if hungry => Woken::Otherwise,
            () = clock.sleep_until(self.subscription.deadline()) => Woken::Otherwise,
        }
    }

    /// The next decisions, if there is room and there are any.
    async fn read(&mut self) -> Result<Option<pb::DecisionBatch>, Status> {
        loop {
            let room = self.subscription.room().min(BATCH);
            // Marked as seen before it is read: what is appended after this wakes the stream.
            let head = *self.head.borrow_and_update();
            let after = self.subscription.cursor();
            if room == 0 || after >= head {
                return Ok(None);
            }
            let (rows, upto) = self.rows(after, room).await?;
            if rows.is_empty() && upto <= after {
                return Ok(None);
            }
            let items = self.deliver(&rows).await?;
            if items.len() == rows.len() {
                self.subscription.looked_at(upto);
            }
            if !items.is_empty() {
                return Ok(Some(pb::DecisionBatch { items }));
            }
        }
    }

    /// Rows of the selection, from memory or from the store, and how far that reaches.
    async fn rows(&self, after: u64, limit: usize) -> Result<(Vec<Arc<LogRow>>, u64), Status> {
        if let Recent::Rows { rows, upto } = self.engine.hub().recent(&self.desk, &self.selection, after, limit) {
            return Ok((rows, upto));
        }
        let wanted = u32::try_from(limit).unwrap_or(u32::MAX);
        let read = self.engine.store().log_after(&self.desk, &self.selection, after, wanted).await;
        let (rows, head) = read.map_err(|error| of_store(&error))?;
        let upto = match rows.last() {
            Some(last) if rows.len() >= limit => last.seq(),
            Some(_) | None => head,
        };
        Ok((rows.into_iter().map(Arc::new).collect(), upto))
    }

    /// Renders rows until the message is large enough; what is left is read again.
    async fn deliver(&mut self, rows: &[Arc<LogRow>]) -> Result<Vec<pb::Decision>, Status> {
        let mut items = Vec::with_capacity(rows.len());
        let mut bytes = 0;
        let receiver = self.selection.connector.as_ref();
        let mut drawing = Drawing { engine: &self.engine, desk: &self.desk, receiver, last: None };
        for row in rows {
            let mut decision = drawing.decision(row).await?;
            let now = self.engine.clock().now();
            let Some(delivery) = self.subscription.deliver(row.seq(), now) else { continue };
            decision.prev_seq = Some(delivery.prev_seq);
            decision.attempt = delivery.attempt;
            bytes += decision.encoded_len();
            items.push(decision);
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        self.seat.sent(self.subscription.last());
        Ok(items)
    }

    async fn heartbeat(&mut self, now: Time) -> Result<Down, Status> {
        let head = *self.head.borrow();
        let last = if self.subscription.is_at(head) {
            self.subscription.last()
        } else {
            let found = self.engine.store().last_matching(&self.desk, &self.selection, head).await;
            found.map_err(|error| of_store(&error))?
        };
        Ok(Down::Heartbeat(pb::SubscribeHeartbeat {
            head_seq: Some(head),
            last_matching_seq: Some(last),
            server_time: Some(render::timestamp(now)),
            interval: Some(render::duration(HEARTBEAT)),
        }))
    }

    fn go_away(&mut self) -> Down {
        self.over = Over::GoingAway;
        let incarnation = self.engine.store().incarnation();
        let resume = pb::Cursor { seq: Some(self.subscription.last()), incarnation };
        Down::GoingAway(render::going_away(Some(resume), RECONNECT_DELAY))
    }

    fn removed(&self) -> Status {
        Fault::not_found(Kind::Connector, name::connector(&self.desk.desk, &self.connector)).into()
    }

    fn now(&self) -> Time {
        self.engine.clock().now()
    }
}

fn down(response: Down) -> pb::SubscribeResponse {
    pb::SubscribeResponse { response: Some(response) }
}

fn displaced() -> Status {
    Fault::new(ErrorReason::SubscriptionDisplaced, "a newer subscription of the connector replaced this one").into()
}
