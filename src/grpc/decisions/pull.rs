//! PullDecisions and AckDecisions: a subscription cut into calls. Nothing of it is kept between two pulls but the generation
//! in the store and, in the hub, since when nobody reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonic::Status;

use super::feed::{check, displaced};
use super::place::{self, Found, Wish};
use super::reading::{self, Reading};
use super::{opening, place::connector, rejection};
use crate::availability::Availability;
use crate::domain::connector::Connector;
use crate::domain::readers::Readers;
use crate::domain::time::Span;
use crate::engine::{Engine, Reader};
use crate::grpc::form::Form;
use crate::grpc::name::ConnectorRef;
use crate::grpc::render;
use crate::grpc::status::{About, Fault, of_failure, of_store};
use crate::proto::handoff::v1::pull_decisions_request::Resume;
use crate::proto::handoff::v1::subscribe_hello::Resume as Asked;
use crate::proto::handoff::v1::{self as pb, ErrorReason};
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::stream::subscription::{MAX_WINDOW, Rejection, Subscription};

/// The longest that a pull may wait.
const MAX_WAIT: Span = Span::from_secs(60);

/// A pull that was read.
struct Pull {
    wish: Wish,
    instance: Arc<str>,
    most: u32,
    wait: Span,
    /// 0: a new one.
    generation: u64,
}

pub(super) async fn pull<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    mut shutdown: Shutdown,
    request: &pb::PullDecisionsRequest,
) -> Result<pb::PullDecisionsResponse, Status> {
    let Pull { wish, instance, most, wait, generation } = read(request)?;
    let found = wish.find(engine).await?;
    let Reader { mut seat, readers } = sit_down(engine, &found, instance.clone(), generation).await?;
    let known = readers.instances.get(&instance);
    let (opening, newest) = known.map_or((0, 0), |row| (row.opening, row.generation));
    // A cursor tells of what the reader had when it was told the generation that it names.
    let told = generation.max(opening);
    let place = found.part(engine, &readers, &instance, if told > opening { told + 1 } else { told }).await?;
    let (acked, generation) = (place.extent.acked, newest);
    let clock = engine.clock();
    let mut subscription = Subscription::new(generation, most, place.after, place.prev, clock.now());
    readers.failures().for_each(|(seq, failures)| subscription.counted(seq, failures));
    let deadline = clock.now() + wait;
    let mut reading = Reading::new(engine.clone(), place, subscription);
    let decisions = loop {
        check(&seat, &reading.named)?;
        // Another part would begin elsewhere: that is the next pull's.
        if seat.part().is_some_and(|part| part.generation != generation) {
            break Vec::new();
        }
        if let Some(decisions) = reading.read(most as usize).await? {
            seat.sent(reading.subscription.last());
            break decisions;
        }
        if reading.now() >= deadline {
            break Vec::new();
        }
        if shutdown.is_stopping() {
            return Err(Fault::shutting_down().into());
        }
        tokio::select! {
            biased;
            () = seat.moved(generation) => {}
            () = shutdown.wait() => {}
            // The hub lives as long as the engine, so there is always a sender.
            _ = reading.head.changed() => {}
            () = clock.sleep_until(deadline) => {}
        }
    };
    let head = *reading.head.borrow();
    Ok(pb::PullDecisionsResponse {
        decisions,
        generation,
        resume: Some(reading.resume()),
        head_seq: Some(head),
        acked_seq: Some(acked),
    })
}

fn read(request: &pb::PullDecisionsRequest) -> Result<Pull, Status> {
    let asked = request.resume.map(|resume| match resume {
        Resume::Cursor(cursor) => Asked::Cursor(cursor),
        Resume::Point(point) => Asked::Point(point),
    });
    let mut form = Form::new();
    let wish = place::wish(&mut form, "", &request.connector, asked.as_ref(), &request.kinds);
    let instance = form.short("instance", &request.instance);
    let most = opening::window(&mut form, "max_decisions", request.max_decisions);
    let wait = form.span("wait_time", request.wait_time.as_ref()).unwrap_or_default();
    if wait > MAX_WAIT {
        form.refuse("wait_time", format!("must be at most {MAX_WAIT}"));
    }
    let wish = form.finish(wish)?;
    Ok(Pull { wish, instance, most, wait, generation: request.generation })
}

/// The seat for this pull: the instance's newest subscription goes on, or a new one begins.
async fn sit_down<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    found: &Found,
    instance: Arc<str>,
    generation: u64,
) -> Result<Reader, Status> {
    let (desk, connector) = (&found.named.desk, &found.named.connector);
    let seated = match generation {
        0 => engine.begin_reader(desk, connector, instance).await.map(Some),
        generation => engine.resume_reader(desk, connector, instance, generation).await,
    };
    let seated = seated.map_err(|failure| of_failure(failure, &About::connector(&found.named)))?;
    seated.ok_or_else(displaced)
}

/// Counts the oldest of the rejected decisions that are not acknowledged.
async fn reject<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    named: &ConnectorRef,
    connector: &Connector,
    readers: &Readers,
    generation: u64,
    rejections: &BTreeMap<String, Rejection>,
) -> Result<(), Status> {
    let reader = readers.instances.iter().find(|(_, row)| row.generation == generation);
    let Some((instance, _)) = reader else { return Ok(()) };
    let (desk, store) = (&named.desk, engine.store());
    let shares = readers.shares(instance);
    let after = shares.first().unwrap_or(readers.base);
    let mut selection = place::selection(connector, &[]);
    selection.shares = Some(Arc::new(shares));
    let found = store.log_after(desk, &selection, after, MAX_WINDOW).await.map_err(|error| of_store(&error))?.0;
    let rejected = found.iter().find_map(|row| {
        let id = render::decision_id(desk, store.incarnation(), row.seq());
        Some((row, rejections.get(&id)?.reason.clone()))
    });
    let failed = rejected.and_then(|(row, reason)| reading::failed(selection.connector.as_ref(), row, reason));
    if let Some(failed) = failed {
        let counted = engine.not_taken(desk, &named.connector, generation, failed).await;
        counted.map_err(|failure| of_failure(failure, &About::connector(named)))?;
    }
    Ok(())
}

pub(super) async fn ack<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    request: &pb::AckDecisionsRequest,
) -> Result<pb::AckDecisionsResponse, Status> {
    let mut form = Form::new();
    let named = form.connector("connector", &request.connector);
    if request.generation == 0 {
        form.refuse("generation", "is required");
    }
    if request.acked_seq == 0 && request.rejections.is_empty() {
        form.refuse("acked_seq", "is required without rejections");
    }
    let named = form.finish(named)?;
    let rejections = rejection::read(&request.rejections, "")?;
    let row = connector(engine, &named).await?;
    let about = About::connector(&named);
    let readers = engine.readers(&named.desk, &named.connector).await;
    let readers = readers.map_err(|failure| of_failure(failure, &about))?;
    if readers.acked_by(request.generation).is_none() {
        return Ok(pb::AckDecisionsResponse { acked_seq: Some(readers.acked()) });
    }
    let head = engine.store().head(&named.desk).await.map_err(|error| of_store(&error))?;
    let head = head.map_or(0, |(head, _)| head);
    if request.acked_seq > head {
        let message = format!("{} is ahead of the log, which ends at {head}", request.acked_seq);
        return Err(Fault::new(ErrorReason::AckAhead, message).into());
    }
    engine.ack(&named.desk, &named.connector, request.generation, request.acked_seq);
    // Saved with this read, so that what is answered is stored.
    let readers = engine.readers(&named.desk, &named.connector).await;
    let readers = readers.map_err(|failure| of_failure(failure, &about))?;
    let acked = readers.acked_by(request.generation).unwrap_or_else(|| readers.acked());
    if !rejections.is_empty() {
        reject(engine, &named, &row, &readers, request.generation, &rejections).await?;
    }
    Ok(pb::AckDecisionsResponse { acked_seq: Some(acked) })
}
