//! Reading a desk's log for one reader of decisions: it keeps a cursor, reads only when there is room, and draws what it read.

use std::sync::Arc;

use prost::Message;
use tokio::sync::watch;
use tonic::{Code, Status};

use super::place::Place;
use super::scene::Drawing;
use crate::availability::Availability;
use crate::domain::bucket::Bucket;
use crate::domain::id::ConnectorId;
use crate::domain::log::{LogRow, Selection};
use crate::domain::time::{Span, Time};
use crate::engine::{Engine, Failed};
use crate::grpc::name::ConnectorRef;
use crate::grpc::render;
use crate::grpc::status::of_store;
use crate::proto::handoff::v1 as pb;
use crate::store::{self, Store};
use crate::stream::hub::Recent;
use crate::stream::instances::Part;
use crate::stream::subscription::{HEARTBEAT, NotTaken, Subscription};

/// Decisions in one message of a stream.
const BATCH: usize = 64;
/// Bytes of a message after which no decision is added; one alone may be larger.
const BATCH_BYTES: usize = 1024 * 1024;
/// Between two reads of a store that does not answer.
const REST: Span = Span::from_millis(200);
/// How long a client that is sent away waits before it comes back.
const RECONNECT_DELAY: Span = Span::from_secs(1);

pub(super) struct Reading<S, A> {
    pub engine: Engine<S, A>,
    pub named: ConnectorRef,
    selection: Selection,
    pub subscription: Subscription,
    pub head: watch::Receiver<u64>,
    /// Nothing before this entry is for the connector.
    born: u64,
    /// The store did not answer, and is not asked before this.
    rests_until: Time,
}

/// What is counted of a decision that was not taken.
pub(super) fn failed(reader: Option<&ConnectorId>, row: &LogRow, reason: Arc<str>) -> Option<Failed> {
    let (ticket, bucket) = row.entry.event.ticket.zip(Bucket::of(reader, &row.entry))?;
    Some(Failed { seq: row.seq(), ticket, bucket, reason })
}

/// Whether a stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    No,
    /// `going_away` is out; the status is next.
    GoingAway,
    Yes,
}

impl<S: Store, A: Availability> Reading<S, A> {
    pub fn new(engine: Engine<S, A>, place: Place, subscription: Subscription) -> Reading<S, A> {
        let head = engine.hub().head(&place.named.desk);
        let born = place.extent.born;
        Reading {
            engine,
            named: place.named,
            selection: place.selection,
            subscription,
            head,
            born,
            rests_until: Time(0),
        }
    }

    pub fn now(&self) -> Time {
        self.engine.clock().now()
    }

    /// The cursor to go on with, after the last decision read.
    pub fn resume(&self) -> pb::Cursor {
        pb::Cursor { seq: Some(self.subscription.last()), incarnation: self.engine.store().incarnation() }
    }

    pub fn going_away(&self) -> pb::GoingAway {
        render::going_away(Some(self.resume()), RECONNECT_DELAY)
    }

    /// Reads another part from now on. Answers after which entry.
    pub fn turn_to(&mut self, part: &Part) -> u64 {
        let first = part.shares.first().unwrap_or(*self.head.borrow()).max(self.born.saturating_sub(1));
        self.selection.shares = (!part.shares.is_whole()).then(|| Arc::new(part.shares.clone()));
        self.subscription = self.subscription.anew(part.generation, first, self.now());
        part.failures.iter().for_each(|(seq, failures)| self.subscription.counted(*seq, *failures));
        first
    }

    /// Has it counted that a decision was not taken. Where the store does not answer it does not count.
    pub async fn not_taken(&mut self, not_taken: NotTaken) -> Result<(), Status> {
        let NotTaken { seq, reason } = not_taken;
        let rows = match self.rows(seq.saturating_sub(1), 1).await {
            Ok((rows, _)) => rows,
            Err(status) if status.code() == Code::Unavailable => return Ok(()),
            Err(status) => return Err(status),
        };
        let Some(row) = rows.first().filter(|row| row.seq() == seq) else { return Ok(()) };
        let Some(failed) = failed(self.selection.connector.as_ref(), row, reason) else { return Ok(()) };
        let (desk, connector) = (&self.named.desk, &self.named.connector);
        match self.engine.not_taken(desk, connector, self.subscription.generation(), failed).await {
            Ok(failures) => self.subscription.counted(seq, failures),
            Err(failure) => {
                tracing::warn!(desk = %desk.desk, %connector, seq, %failure, "a failed delivery was not counted")
            }
        }
        Ok(())
    }

    /// [`Reading::read`] for a stream, which stays open while the store does not answer: nothing for now, and again a little later.
    pub async fn read_on(&mut self) -> Result<Option<Vec<pb::Decision>>, Status> {
        if self.now() < self.rests_until {
            return Ok(None);
        }
        match self.read(BATCH).await {
            Err(status) if status.code() == Code::Unavailable => {
                self.rests_until = self.now() + REST;
                Ok(None)
            }
            read => read,
        }
    }

    /// When there is something to do, whoever calls.
    pub fn deadline(&self) -> Time {
        let due = self.subscription.deadline();
        if self.rests_until > self.now() { due.min(self.rests_until) } else { due }
    }

    /// The next decisions, if there is room and there are any.
    pub async fn read(&mut self, most: usize) -> Result<Option<Vec<pb::Decision>>, Status> {
        loop {
            let room = self.subscription.room().min(most);
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
                return Ok(Some(items));
            }
        }
    }

    /// Rows of the selection, from memory or from the store, and how far that reaches.
    async fn rows(&self, after: u64, limit: usize) -> Result<(Vec<Arc<LogRow>>, u64), Status> {
        if let Recent::Rows { rows, upto } = self.engine.hub().recent(&self.named.desk, &self.selection, after, limit) {
            return Ok((rows, upto));
        }
        let wanted = u32::try_from(limit).unwrap_or(u32::MAX);
        let read = self.engine.store().log_after(&self.named.desk, &self.selection, after, wanted).await;
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
        let mut drawing = Drawing { engine: &self.engine, desk: &self.named.desk, receiver, last: None };
        for row in rows {
            let mut decision = match drawing.decision(row).await {
                Ok(decision) => decision,
                // What was delivered is sent; this one is read again.
                Err(_) if !items.is_empty() => break,
                Err(status) => return Err(status),
            };
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
        Ok(items)
    }

    pub async fn heartbeat(&self, now: Time) -> Result<pb::SubscribeHeartbeat, Status> {
        let head = *self.head.borrow();
        let last = if self.subscription.is_at(head) {
            Some(self.subscription.last())
        } else {
            match self.engine.store().last_matching(&self.named.desk, &self.selection, head).await {
                Ok(last) => Some(last),
                Err(store::Error::Away(_)) => None,
                Err(error) => return Err(of_store(&error)),
            }
        };
        Ok(pb::SubscribeHeartbeat {
            head_seq: Some(head),
            last_matching_seq: last,
            server_time: Some(render::timestamp(now)),
            interval: Some(render::duration(HEARTBEAT)),
        })
    }
}
