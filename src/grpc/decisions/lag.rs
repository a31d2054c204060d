//! How far a connector is behind, and who reads for it.

use tonic::Status;

use super::place::selection;
use crate::availability::Availability;
use crate::domain::connector::Connector;
use crate::domain::id::{ConnectorId, DeskKey};
use crate::engine::Engine;
use crate::grpc::render;
use crate::grpc::status::{About, of_failure, of_store};
use crate::proto::handoff::v1 as pb;
use crate::store::Store;

/// Beyond this, decisions that wait are not counted.
const MOST_COUNTED: u32 = 10_000;

/// Acknowledged position and head only: what a list can afford.
pub(super) async fn position<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    desk: &DeskKey,
    connector: &ConnectorId,
    head: u64,
) -> Result<pb::ConnectorLag, Status> {
    let subscription = engine.subscription(desk, connector).await;
    let acked = subscription.map_err(|failure| of_failure(failure, &About::desk(desk)))?.acked;
    Ok(pb::ConnectorLag {
        acked_seq: Some(acked),
        // The head was read first, and what came after it may be acknowledged by now.
        head_seq: Some(head.max(acked)),
        pending_count: None,
        oldest_pending_time: None,
    })
}

/// With the decisions that wait, counted.
pub(super) async fn whole<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    desk: &DeskKey,
    connector: &Connector,
) -> Result<pb::ConnectorLag, Status> {
    let head = engine.store().head(desk).await.map_err(|error| of_store(&error))?;
    let mut lag = position(engine, desk, &connector.id, head.map_or(0, |(head, _)| head)).await?;
    let selection = selection(connector, &[]);
    let after = match lag.acked_seq {
        Some(acked) if acked > 0 => acked,
        Some(_) | None => born(engine, desk, connector).await?.saturating_sub(1),
    };
    let counted = engine.store().pending(desk, &selection, after, MOST_COUNTED).await;
    let (count, oldest) = counted.map_err(|error| of_store(&error))?;
    lag.oldest_pending_time = oldest.map(render::timestamp);
    lag.pending_count = Some(count);
    Ok(lag)
}

/// The first entry made since the connector was created: nothing before it is for it.
pub(super) async fn born<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    desk: &DeskKey,
    connector: &Connector,
) -> Result<u64, Status> {
    engine.store().first_seq(desk, connector.create_time).await.map_err(|error| of_store(&error))
}

pub(super) fn instances<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    desk: &DeskKey,
    connector: &ConnectorId,
) -> Vec<pb::ConnectorInstance> {
    let subscriber = engine.hub().subscriber(desk, connector);
    let drawn = subscriber.map(|occupant| pb::ConnectorInstance {
        instance: occupant.who.to_string(),
        connect_time: Some(render::timestamp(occupant.since)),
        sent_seq: Some(occupant.sent_seq),
    });
    drawn.into_iter().collect()
}
