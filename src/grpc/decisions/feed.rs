//! One Subscribe stream: polled by the connection, without a task of its own. It selects, in this order, over its end, the
//! client's messages, what is due, and what can be sent.

use tonic::{Status, Streaming};

use super::reading::{Over, Reading};
use super::rejection;
use crate::availability::Availability;
use crate::domain::time::Time;
use crate::grpc::name::{self, ConnectorRef, Kind};
use crate::grpc::render;
use crate::grpc::serve::unreadable;
use crate::grpc::status::Fault;
use crate::proto::handoff::v1::subscribe_request::Request as Up;
use crate::proto::handoff::v1::subscribe_response::Response as Down;
use crate::proto::handoff::v1::{self as pb, ErrorReason};
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::stream::instances::{Footing, InstanceSeat};
use crate::stream::subscription::Rejection;

pub(super) struct Feed<S, A> {
    pub reading: Reading<S, A>,
    pub seat: InstanceSeat,
    pub inbound: Streaming<pb::SubscribeRequest>,
    pub shutdown: Shutdown,
    pub welcome: Option<pb::SubscribeWelcome>,
    /// The client has said all it had to say; it still listens.
    pub deaf: bool,
    pub over: Over,
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
            check(&self.seat, &self.reading.named)?;
            if self.over == Over::Yes {
                return Ok(None);
            }
            if let Some(rebalance) = self.turn() {
                return Ok(Some(rebalance));
            }
            if self.shutdown.is_stopping() {
                return Ok(Some(self.go_away()));
            }
            let now = self.now();
            if self.reading.subscription.beats(now) {
                return self.reading.heartbeat(now).await.map(|beat| Some(Down::Heartbeat(beat)));
            }
            if let Some(not_taken) = self.reading.subscription.rewind_if_due(now) {
                self.reading.not_taken(not_taken).await?;
                continue;
            }
            if let Some(items) = self.reading.read_on().await? {
                self.seat.sent(self.reading.subscription.last());
                return Ok(Some(Down::Decisions(pb::DecisionBatch { items })));
            }
            if let Woken::Said(said) = self.wait().await {
                self.hear(said)?;
            }
        }
    }

    /// Turns to another part, if it was given one.
    fn turn(&mut self) -> Option<Down> {
        let part = self.seat.part().filter(|part| part.generation != self.reading.subscription.generation())?;
        let from_seq = Some(self.reading.turn_to(&part));
        Some(Down::Rebalance(pb::SubscribeRebalance { generation: part.generation, from_seq }))
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
        if self.seat.part().is_none() {
            return Ok(());
        }
        let rejected = self.rejected(&ack)?;
        let now = self.now();
        let moved = self.reading.subscription.ack(ack.generation, ack.acked_seq, now);
        let moved = moved.map_err(|ahead| Status::from(Fault::new(ErrorReason::AckAhead, ahead.to_string())))?;
        if let Some(seq) = moved {
            let named = &self.reading.named;
            self.reading.engine.ack(&named.desk, &named.connector, ack.generation, seq);
        }
        for (seq, rejection) in rejected {
            self.reading.subscription.reject(ack.generation, seq, rejection);
        }
        Ok(())
    }

    /// Those of the rejected decisions that wait for an ack.
    fn rejected(&self, ack: &pb::SubscribeAck) -> Result<Vec<(u64, Rejection)>, Status> {
        let rejections = rejection::read(&ack.rejections, "ack.")?;
        if rejections.is_empty() {
            return Ok(Vec::new());
        }
        let (desk, incarnation) = (&self.reading.named.desk, self.reading.engine.store().incarnation());
        let sent = self.reading.subscription.unacknowledged();
        let known = |seq: u64| Some((seq, rejections.get(&render::decision_id(desk, incarnation, seq))?.clone()));
        Ok(sent.filter_map(known).collect())
    }

    async fn wait(&mut self) -> Woken {
        let clock = self.reading.engine.clock().clone();
        let (hungry, generation) = (self.reading.subscription.room() > 0, self.reading.subscription.generation());
        let due = self.reading.deadline();
        tokio::select! {
            biased;
            () = self.seat.moved(generation) => Woken::Otherwise,
            () = self.shutdown.wait() => Woken::Otherwise,
            said = self.inbound.message(), if !self.deaf => Woken::Said(said),
            // The hub lives as long as the engine, so there is always a sender.
            _ = self.reading.head.changed(), if hungry => Woken::Otherwise,
            () = clock.sleep_until(due) => Woken::Otherwise,
        }
    }

    fn go_away(&mut self) -> Down {
        self.over = Over::GoingAway;
        Down::GoingAway(self.reading.going_away())
    }

    fn now(&self) -> Time {
        self.reading.now()
    }
}

/// Whether who holds the seat may go on.
pub(super) fn check(seat: &InstanceSeat, named: &ConnectorRef) -> Result<(), Status> {
    match seat.footing() {
        Footing::Opening | Footing::Reading(_) => Ok(()),
        Footing::Displaced => Err(displaced()),
        Footing::Removed => {
            Err(Fault::not_found(Kind::Connector, name::connector(&named.desk.desk, &named.connector)).into())
        }
    }
}

fn down(response: Down) -> pb::SubscribeResponse {
    pb::SubscribeResponse { response: Some(response) }
}

pub(super) fn displaced() -> Status {
    Fault::new(
        ErrorReason::SubscriptionDisplaced,
        "a newer subscription of this instance of the connector replaced this one",
    )
    .into()
}
