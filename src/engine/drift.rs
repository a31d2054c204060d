//! Anti-entropy: a desk's view is compared with the store now and then, and one that is not what the log says is built anew.
//!
//! It is a net that is never used in normal operation: what falls into it is damage of what Redis holds, or a mistake of this
//! program. So it must not cry wolf, though everything moves while it looks:
//!
//! - What the store says is read first, then the head of the log, and the view is only asked once its cursor is there. Each
//!   state that was read was committed at or below that head, so the view has it, or what came of it since.
//! - A row of a *lower version* there is therefore wrong.
//! - A leg that was open and is *missing* there may have been closed between the two looks. It is not open when it is looked at
//!   again, for no leg is opened twice.
//! - A row that is there and *surplus*, the store not having it, may have come after the store was read. It is in the store when
//!   it is looked at again; and one that went in the meantime has gone from a view at that later head.
//!
//! So whatever is wrong in the same way twice is wrong. Agents come and go once, as legs do. A view that does not get there, an
//! epoch that ends, a port that does not answer: the round is given up, and says nothing.
//!
//! Versions are compared one by one. Hashes over parts of the view would save a few bytes on the way from Redis; the store has to
//! be read either way, and that is what it costs. Hence the rests between pages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Inner;
use super::call::Failure;
use super::doubts::Doubt;
use super::writer::RETRY_AFTER;
use crate::availability::{self, Availability, PAGE, RowKey};
use crate::domain::id::{DeskKey, LegId, TicketId};
use crate::domain::ticket::Ticket;
use crate::domain::time::Span;
use crate::shutdown::Shutdown;
use crate::store::Store;

/// How often a replica asks whether it is its turn, and how long after a turn the next one is.
const EVERY: Span = Span::from_secs(30);
const CLAIMED: Span = Span::from_secs(25);
const BEFORE_SECOND_LOOK: Span = Span::from_secs(2);
/// After each page, so that a large desk's round does not keep the store busy.
const REST: Duration = Duration::from_millis(10);
/// How often, and after what rest each time, a view is asked that is not where the log is.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Missing,
    Stale,
    Surplus,
}

type Suspects = BTreeMap<RowKey, Fault>;
/// The version of each row; `None`: the store does not have it, or not any more.
type Rows = BTreeMap<RowKey, Option<u64>>;

/// Compares each desk's view, in turn with the other replicas, until the process stops.
pub(super) async fn watch<S: Store, A: Availability>(inner: Arc<Inner<S, A>>, mut shutdown: Shutdown) {
    loop {
        tokio::select! {
            biased;
            () = shutdown.wait() => return,
            () = inner.compare_all() => {}
        }
    }
}

impl<S: Store, A: Availability> Inner<S, A> {
    async fn compare_all(&self) {
        self.rest(EVERY).await;
        let desks: Vec<_> = self.read_desks().iter().map(|(desk, state)| (desk.clone(), state.epoch)).collect();
        for (desk, epoch) in desks {
            let claimed = self.index.claim(&desk, epoch, CLAIMED, self.clock.now()).await;
            if !claimed.is_ok_and(|claimed| claimed) {
                continue;
            }
            match self.drift(&desk, epoch).await {
                Ok(drift) if drift.is_empty() => {}
                Ok(drift) => self.cry_out(&desk, epoch, &drift),
                Err(failure) => tracing::debug!(desk = %desk.desk, %failure, "a view could not be compared now"),
            }
        }
    }

    fn cry_out(&self, desk: &DeskKey, epoch: u64, drift: &Suspects) {
        let count = |fault| drift.values().filter(|found| **found == fault).count();
        let (missing, stale, surplus) = (count(Fault::Missing), count(Fault::Stale), count(Fault::Surplus));
        tracing::error!(
            desk = %desk.desk,
            missing,
            stale,
            surplus,
            "the availability view is not what the log says: it is built anew"
        );
        self.drifts.fetch_add(1, Ordering::Relaxed);
        self.reports.report(desk, Doubt::Drift, epoch);
    }

    /// What is wrong twice.
    async fn drift(&self, desk: &DeskKey, epoch: u64) -> Result<Suspects, Failure> {
        let mut suspects = self.look_at_all(desk, epoch).await?;
        if suspects.is_empty() {
            return Ok(suspects);
        }
        self.rest(BEFORE_SECOND_LOOK).await;
        let rows = self.in_store(desk, suspects.keys().copied().collect()).await?;
        let again = self.look_at(desk, epoch, rows).await?;
        suspects.retain(|key, fault| again.get(key) == Some(fault));
        Ok(suspects)
    }

    async fn look_at_all(&self, desk: &DeskKey, epoch: u64) -> Result<Suspects, Failure> {
        let mut known: BTreeSet<RowKey> = BTreeSet::new();
        let mut suspects = Suspects::new();
        let mut after = None;
        loop {
            let tickets = self.open_tickets(desk, after).await?;
            let Some(last) = tickets.last() else { break };
            after = Some(last.id);
            let rows = open_legs(&tickets);
            known.extend(rows.keys());
            suspects.extend(self.look_at(desk, epoch, rows).await?);
        }
        let rows = self.agents_there(desk).await?;
        known.extend(rows.keys());
        suspects.extend(self.look_at(desk, epoch, rows).await?);
        let mut from = Some(String::new());
        while let Some(place) = from {
            let (rows, next) = self.index.rows(desk, epoch, &place).await.map_err(away)?;
            let unknown: BTreeSet<RowKey> = rows.into_iter().filter(|key| !known.contains(key)).collect();
            if !unknown.is_empty() {
                let rows = self.in_store(desk, unknown).await?;
                suspects.extend(self.look_at(desk, epoch, rows).await?);
            }
            self.clock.real_sleep(REST).await;
            from = next;
        }
        Ok(suspects)
    }

    /// Holds the view against rows that were read from the store.
    async fn look_at(&self, desk: &DeskKey, epoch: u64, rows: Rows) -> Result<Suspects, Failure> {
        let head = self.store.head(desk).await.map_err(|error| Failure::of_store(&error))?;
        let head = head.map_or(0, |(head, _)| head);
        let (keys, expected): (Vec<RowKey>, Vec<Option<u64>>) = rows.into_iter().unzip();
        let mut suspects = Suspects::new();
        for (keys, expected) in keys.chunks(PAGE).zip(expected.chunks(PAGE)) {
            let found = self.versions(desk, epoch, head, keys).await?;
            for ((key, expected), found) in keys.iter().zip(expected).zip(found) {
                let fault = match (expected, found) {
                    (Some(_), None) => Fault::Missing,
                    (Some(expected), Some(found)) if found < *expected => Fault::Stale,
                    (None, Some(_)) => Fault::Surplus,
                    (Some(_), Some(_)) | (None, None) => continue,
                };
                suspects.insert(*key, fault);
            }
            self.clock.real_sleep(REST).await;
        }
        Ok(suspects)
    }

    async fn versions(
        &self,
        desk: &DeskKey,
        epoch: u64,
        seen: u64,
        keys: &[RowKey],
    ) -> Result<Vec<Option<u64>>, Failure> {
        for _ in 0..TRIES {
            if let Some(found) = self.index.versions(desk, epoch, seen, keys).await.map_err(away)? {
                return Ok(found);
            }
            self.clock.real_sleep(BETWEEN_TRIES).await;
        }
        Err(away(availability::Error::Away))
    }

    /// What the store says of these rows now.
    async fn in_store(&self, desk: &DeskKey, keys: BTreeSet<RowKey>) -> Result<Rows, Failure> {
        let mut rows: Rows = keys.into_iter().map(|key| (key, None)).collect();
        let tickets: BTreeSet<TicketId> = rows.keys().filter_map(ticket_of).collect();
        let tickets: Vec<TicketId> = tickets.into_iter().collect();
        for page in tickets.chunks(PAGE) {
            let page = page.iter().copied().collect();
            let found = self.store.tickets(desk, &page).await.map_err(|error| Failure::of_store(&error))?;
            fill(&mut rows, open_legs(&found));
        }
        if rows.keys().any(|key| ticket_of(key).is_none()) {
            fill(&mut rows, self.agents_there(desk).await?);
        }
        Ok(rows)
    }

    async fn agents_there(&self, desk: &DeskKey) -> Result<Rows, Failure> {
        let agents = self.every_agent(desk).await?;
        let there = agents.iter().filter(|agent| !agent.deleted);
        Ok(there.map(|agent| (RowKey::Agent(agent.number), Some(agent.ver))).collect())
    }
}

fn ticket_of(key: &RowKey) -> Option<TicketId> {
    match key {
        RowKey::Leg(leg) => Some(leg.ticket),
        RowKey::Agent(_) => None,
    }
}

fn fill(rows: &mut Rows, found: Rows) {
    for (key, ver) in found {
        if let Some(row) = rows.get_mut(&key) {
            *row = ver;
        }
    }
}

/// As a view has them.
fn open_legs(tickets: &[Arc<Ticket>]) -> Rows {
    let legs = tickets.iter().flat_map(|ticket| ticket.open_legs().map(move |leg| (ticket.id, leg)));
    legs.map(|(ticket, leg)| (RowKey::Leg(LegId { ticket, leg: leg.n }), Some(u64::from(leg.ver)))).collect()
}

fn away(error: availability::Error) -> Failure {
    tracing::debug!(%error, "a view is not there to be compared");
    Failure::StoreAway { retry_after: RETRY_AFTER }
}
