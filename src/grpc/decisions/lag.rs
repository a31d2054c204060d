//! How far a connector is behind, and who reads for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonic::Status;

use super::place::selection;
use crate::availability::Availability;
use crate::domain::connector::Connector;
use crate::domain::id::{ConnectorId, DeskKey, TicketId};
use crate::domain::readers::{Aside, Readers};
use crate::engine::Engine;
use crate::grpc::status::of_store;
use crate::grpc::{name, render};
use crate::proto::handoff::v1 as pb;
use crate::store::Store;

/// Beyond this, decisions that wait are not counted.
const MOST_COUNTED: u32 = 10_000;
/// Tickets in quarantine that are named.
const MOST_QUARANTINED: usize = 100;

/// Acknowledged position and head only: what a list can afford.
pub(super) fn position(readers: &Readers, head: u64) -> pb::ConnectorLag {
    let acked = readers.acked();
    pb::ConnectorLag {
        acked_seq: Some(acked),
        // The head was read first, and what came after it may be acknowledged by now.
        head_seq: Some(head.max(acked)),
        pending_count: None,
        oldest_pending_time: None,
    }
}

/// With the decisions that wait, counted.
pub(super) async fn whole<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    desk: &DeskKey,
    connector: &Connector,
    readers: &Readers,
    head: u64,
) -> Result<pb::ConnectorLag, Status> {
    let mut lag = position(readers, head);
    let shares = readers.whole();
    let after = shares.first().unwrap_or(readers.base);
    let mut selection = selection(connector, &[]);
    selection.shares = (!shares.floors.is_empty() && !shares.is_whole()).then(|| Arc::new(shares));
    let born = born(engine, desk, connector).await?.saturating_sub(1);
    let counted = engine.store().pending(desk, &selection, after.max(born), MOST_COUNTED).await;
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

/// Tickets whose decisions it is not sent, and how many there are.
pub(super) async fn quarantined<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    desk: &DeskKey,
    connector: &ConnectorId,
    readers: &Readers,
) -> Result<(Vec<pb::QuarantinedTicket>, u32), Status> {
    let kept_back: Vec<_> = readers.aside.iter().filter(|(_, aside)| !aside.released).collect();
    let count = u32::try_from(kept_back.len()).unwrap_or(u32::MAX);
    let shown = kept_back.into_iter().take(MOST_QUARANTINED);
    let asides: BTreeMap<TicketId, &Aside> = shown.map(|(ticket, aside)| (*ticket, aside)).collect();
    let tickets = engine.store().tickets(desk, &asides.keys().copied().collect()).await;
    let tickets = tickets.map_err(|error| of_store(&error))?;
    let drawn = tickets.iter().filter_map(|row| {
        let aside = asides.get(&row.id)?;
        Some(pb::QuarantinedTicket {
            ticket: name::ticket(&desk.desk, &row.name),
            from_seq: row.quarantines.get(connector).copied().unwrap_or(aside.after + 1),
            reason: aside.reason.to_string(),
            quarantine_time: Some(render::timestamp(aside.since)),
        })
    });
    Ok((drawn.collect(), count))
}

/// Who reads for it, on whichever replica.
pub(super) fn instances<S: Store, A: Availability>(
    engine: &Engine<S, A>,
    desk: &DeskKey,
    connector: &ConnectorId,
    readers: &Readers,
) -> Vec<pb::ConnectorInstance> {
    let here = engine.hub().instances().occupants(&(desk.clone(), connector.clone()));
    let now = engine.clock().now();
    let elsewhere = readers.instances.iter().filter(|(name, row)| {
        engine.store().is_shared() && row.lease_until > now && here.iter().all(|occupant| occupant.who != **name)
    });
    let elsewhere = elsewhere.map(|(name, row)| (name.to_string(), row.since, None));
    let mut all: Vec<_> =
        here.iter().map(|it| (it.who.to_string(), it.since, Some(it.sent_seq))).chain(elsewhere).collect();
    all.sort();
    let drawn = all.into_iter().map(|(instance, since, sent_seq)| pb::ConnectorInstance {
        instance,
        connect_time: Some(render::timestamp(since)),
        sent_seq,
    });
    drawn.collect()
}
