//! One WatchDecisions stream: Subscribe without a seat and without acknowledgements. To the log it is a subscription that
//! takes on each message as it goes out.

use tonic::{Code, Status};

use super::place::{self, Wish};
use super::reading::{Over, Reading};
use crate::availability::Availability;
use crate::engine::Engine;
use crate::grpc::form::Form;
use crate::grpc::status::{About, Fault, of_failure};
use crate::proto::handoff::v1 as pb;
use crate::proto::handoff::v1::subscribe_hello::Resume as Asked;
use crate::proto::handoff::v1::watch_decisions_request::Resume;
use crate::proto::handoff::v1::watch_decisions_response::Response as Down;
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::stream::subscription::{MAX_WINDOW, Subscription};

/// No subscription of the connector: those count from 1.
const GENERATION: u64 = 0;

pub(super) struct Watch<S, A> {
    reading: Reading<S, A>,
    shutdown: Shutdown,
    welcome: Option<pb::WatchWelcome>,
    over: Over,
}

pub(super) async fn open<S: Store, A: Availability>(
    engine: Engine<S, A>,
    shutdown: Shutdown,
    request: &pb::WatchDecisionsRequest,
) -> Result<Watch<S, A>, Status> {
    let found = read(request)?.find(&engine).await?;
    let readers = engine.readers(&found.named.desk, &found.named.connector).await;
    let acked = readers.map_err(|failure| of_failure(failure, &About::connector(&found.named)))?.acked();
    let place = found.whole(&engine, acked).await?;
    let (head, first) = (place.extent.head, place.extent.oldest());
    let subscription = Subscription::new(GENERATION, MAX_WINDOW, place.after, place.prev, engine.clock().now());
    let reading = Reading::new(engine, place, subscription);
    let welcome = pb::WatchWelcome { start: Some(reading.resume()), head_seq: Some(head), first_seq: Some(first) };
    Ok(Watch { reading, shutdown, welcome: Some(welcome), over: Over::No })
}

fn read(request: &pb::WatchDecisionsRequest) -> Result<Wish, Status> {
    let asked = request.resume.map(|resume| match resume {
        Resume::Cursor(cursor) => Asked::Cursor(cursor),
        Resume::Point(point) => Asked::Point(point),
    });
    let mut form = Form::new();
    let wish = place::wish(&mut form, "", &request.connector, asked.as_ref(), &request.kinds);
    form.finish(wish)
}

impl<S: Store, A: Availability> Watch<S, A> {
    /// The next message, for as long as there is one.
    pub async fn next(&mut self) -> Option<Result<pb::WatchDecisionsResponse, Status>> {
        match self.over {
            Over::Yes => return None,
            Over::GoingAway => {
                self.over = Over::Yes;
                return Some(Err(Fault::shutting_down().into()));
            }
            Over::No => {}
        }
        let response = match self.welcome.take() {
            Some(welcome) => Ok(Down::Welcome(welcome)),
            None => self.advance().await,
        };
        if response.is_err() {
            self.over = Over::Yes;
        }
        Some(response.map(|response| pb::WatchDecisionsResponse { response: Some(response) }))
    }

    async fn advance(&mut self) -> Result<Down, Status> {
        let clock = self.reading.engine.clock().clone();
        loop {
            if self.shutdown.is_stopping() {
                self.over = Over::GoingAway;
                return Ok(Down::GoingAway(self.reading.going_away()));
            }
            let now = self.reading.now();
            if self.reading.subscription.beats(now) {
                // There is no seat to be told of a deletion, so it is looked for.
                match place::connector(&self.reading.engine, &self.reading.named).await {
                    Err(status) if status.code() != Code::Unavailable => return Err(status),
                    Ok(_) | Err(_) => {}
                }
                return self.reading.heartbeat(now).await.map(Down::Heartbeat);
            }
            if let Some(items) = self.reading.read_on().await? {
                self.take_on(items.last().map_or(0, |last| last.seq));
                return Ok(Down::Decisions(pb::DecisionBatch { items }));
            }
            let due = self.reading.deadline();
            tokio::select! {
                biased;
                () = self.shutdown.wait() => {}
                // The hub lives as long as the engine, so there is always a sender.
                _ = self.reading.head.changed() => {}
                () = clock.sleep_until(due) => {}
            }
        }
    }

    fn take_on(&mut self, seq: u64) {
        let now = self.reading.now();
        if let Err(ahead) = self.reading.subscription.ack(GENERATION, seq, now) {
            tracing::error!(seq = ahead.seq, "a decision was sent that the subscription does not know of");
        }
    }
}
