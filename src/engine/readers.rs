//! The readers of decisions: they begin, go on, acknowledge and leave here, and the store decides who has what, so that it is the
//! same on every replica.
//!
//! One beat keeps it so: each replica says which of its streams are there, learns which of them a newer one has displaced or
//! another part was given to, and has the buckets of whoever is gone for five seconds given out anew. In a store of its own a
//! process knows all that by itself, and has something to say only when a stream has ended beside others.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use super::call::Call;
use super::{Engine, Failure, Inner};
use crate::availability::Availability;
use crate::domain::bucket::Bucket;
use crate::domain::event::Actor;
use crate::domain::id::{ConnectorId, DeskKey, TicketId};
use crate::domain::readers::{HAND_OVER, MAX_ATTEMPTS, ReaderChange, Readers};
use crate::domain::time::{Span, Time};
use crate::routing::command::Command;
use crate::store::{Error, Lease, Store};
use crate::stream::instances::{Here, InstanceSeat, Key};

/// How long a replica's word that a stream is there counts.
const LEASE: Span = Span::from_secs(3);

/// A stream that reads, and all that read beside it.
#[derive(Debug)]
pub struct Reader {
    pub seat: InstanceSeat,
    pub readers: Readers,
}

/// A decision that its reader did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub seq: u64,
    pub ticket: TicketId,
    pub bucket: Bucket,
    pub reason: Arc<str>,
}

impl<S: Store, A: Availability> Engine<S, A> {
    /// A stream begins to read for an instance of the connector; an older one of the same name ends.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn begin_reader(
        &self,
        desk: &DeskKey,
        connector: &ConnectorId,
        instance: Arc<str>,
    ) -> Result<Reader, Failure> {
        let inner = &self.inner;
        let key = (desk.clone(), connector.clone());
        let seat = inner.hub.instances().take(key.clone(), instance.clone(), &inner.clock);
        inner.save_acks().await;
        let begun = async {
            let now = inner.clock.now();
            inner.say_who_is_here(inner.hub.instances().here_of(&key), now).await?;
            let change = ReaderChange::Open { instance: instance.clone(), now, until: now + LEASE };
            inner.store.change_readers(desk, connector, change).await
        };
        let readers = begun.await.map_err(|error| Failure::of_store(&error))?;
        let opening = readers.instances.get(&instance).map_or(0, |row| row.opening);
        seat.opened(opening, &readers);
        Ok(Reader { seat, readers })
    }

    /// A reader goes on that was told this generation, or an earlier one of the same stream. One that was given up begins
    /// anew. `None`: a newer stream has its name.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn resume_reader(
        &self,
        desk: &DeskKey,
        connector: &ConnectorId,
        instance: Arc<str>,
        generation: u64,
    ) -> Result<Option<Reader>, Failure> {
        let inner = &self.inner;
        let readers = self.readers(desk, connector).await?;
        let Some(row) = readers.instances.get(&instance) else {
            return self.begin_reader(desk, connector, instance).await.map(Some);
        };
        if !(row.opening..=row.generation).contains(&generation) {
            return Ok(None);
        }
        let key = (desk.clone(), connector.clone());
        let seat = inner.hub.instances().retake(key, instance, row.opening, &inner.clock);
        let reader = seat.map(|seat| {
            seat.opened(row.opening, &readers);
            Reader { seat, readers: readers.clone() }
        });
        Ok(reader)
    }

    /// Counts that the reader of this generation did not take a decision; the last time, its ticket is put into quarantine. Answers
    /// how often by now.
    ///
    /// # Errors
    /// When the store does not answer: then it may not have been counted, or the ticket is put aside the next time.
    pub async fn not_taken(
        &self,
        desk: &DeskKey,
        connector: &ConnectorId,
        generation: u64,
        failed: Failed,
    ) -> Result<u32, Failure> {
        let inner = &self.inner;
        let Failed { seq, ticket, bucket, reason } = failed;
        let store = |error| Failure::of_store(&error);
        inner.save_acks().await;
        let change = ReaderChange::NotTaken { generation, bucket: bucket.clone(), seq };
        let readers = inner.store.change_readers(desk, connector, change).await.map_err(store)?;
        let attempts = readers.failures().find(|(head, _)| *head == seq).map_or(0, |(_, attempts)| attempts);
        if attempts < MAX_ATTEMPTS {
            return Ok(attempts);
        }
        // Written down first: what is kept back and nobody knows of would be kept back for good.
        let (id, why) = (connector.clone(), reason.clone());
        let command = Command::QuarantineTicket { ticket, connector: id, from: seq, attempts, reason: why };
        let call = Call { desk: desk.clone(), actor: Actor::System, command, dedup: None, validate_only: false };
        Box::pin(self.submit(call)).await?;
        let now = inner.clock.now();
        let change = ReaderChange::SetAside { ticket, bucket, from: seq, reason, now };
        self.change_readers(desk, connector, change).await?;
        tracing::warn!(desk = %desk.desk, %connector, ticket.id = %ticket, seq, attempts, "a ticket was put into quarantine");
        Ok(attempts)
    }

    /// Has a ticket's decisions sent again to whichever connector they are kept back from.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn release(&self, desk: &DeskKey, ticket: TicketId) -> Result<(), Failure> {
        let scope = self.inner.store.scope(desk).await.map_err(|error| Failure::of_store(&error))?;
        for connector in scope.iter().flat_map(|scope| scope.connectors.keys()) {
            let readers = self.readers(desk, connector).await?;
            if readers.aside.get(&ticket).is_some_and(|aside| !aside.released) {
                self.change_readers(desk, connector, ReaderChange::Release { ticket }).await?;
                tracing::info!(desk = %desk.desk, %connector, ticket.id = %ticket, "a ticket was let out of quarantine");
            }
        }
        Ok(())
    }

    /// The streams here are told at once, those elsewhere hear of it within a second.
    async fn change_readers(
        &self,
        desk: &DeskKey,
        connector: &ConnectorId,
        change: ReaderChange,
    ) -> Result<(), Failure> {
        let readers = self.inner.store.change_readers(desk, connector, change).await;
        let readers = readers.map_err(|error| Failure::of_store(&error))?;
        let key = (desk.clone(), connector.clone());
        self.inner.hub.instances().spread(&key, &readers, self.inner.clock.now());
        Ok(())
    }

    /// Queues a reader's acknowledgement to be saved within a second. Never lowers it; of an older generation it has no effect.
    pub fn ack(&self, desk: &DeskKey, connector: &ConnectorId, generation: u64, seq: u64) {
        let mut acks = self.inner.acks.lock().unwrap_or_else(PoisonError::into_inner);
        let known = acks.entry((desk.clone(), connector.clone(), generation)).or_insert(seq);
        *known = seq.max(*known);
    }

    /// Who reads for the connector and where they stand. Acknowledgements are saved before they are told: what was told must not
    /// fall, and what is in memory alone would with a crash.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn readers(&self, desk: &DeskKey, connector: &ConnectorId) -> Result<Readers, Failure> {
        self.inner.save_acks().await;
        self.inner.store.readers(desk, connector).await.map_err(|error| Failure::of_store(&error))
    }
}

impl<S: Store, A: Availability> Inner<S, A> {
    /// Tells the store, and so the other replicas, who reads here, and follows what became of them there.
    pub(super) async fn tend_readers(&self, now: Time) -> Result<(), Error> {
        let (instances, shared) = (self.hub.instances(), self.store.is_shared());
        let mut here = instances.here();
        if !shared {
            here.retain(|here| instances.was_left(&here.key));
        }
        let among: BTreeSet<Key> =
            here.iter().filter(|here| here.left.is_none()).map(|here| here.key.clone()).collect();
        let moved = self.say_who_is_here(here, now).await?;
        let lapsed = self.store.lapsed(&among, now - HAND_OVER).await?;
        if !(moved.is_empty() && lapsed.is_empty()) {
            self.save_acks().await;
        }
        for key in moved {
            let readers = self.store.readers(&key.0, &key.1).await?;
            instances.spread(&key, &readers, now);
        }
        for key in lapsed {
            let readers = self.store.change_readers(&key.0, &key.1, ReaderChange::Settle { now }).await?;
            instances.spread(&key, &readers, now);
        }
        instances.give_up(now);
        if shared {
            for key in self.store.attended(now).await?.into_keys() {
                instances.attended_elsewhere(key, now);
            }
        }
        Ok(())
    }

    /// Renews leases, and ends those of streams that ended. Answers the connectors whose readers have changed meanwhile.
    async fn say_who_is_here(&self, here: Vec<Here>, now: Time) -> Result<BTreeSet<Key>, Error> {
        let lease = |here: &Here| Lease {
            desk: here.key.0.clone(),
            connector: here.key.1.clone(),
            instance: here.instance.clone(),
            opening: here.opening,
            until: here.left.unwrap_or(now + LEASE),
        };
        let renewed = self.store.renew_leases(here.iter().map(lease).collect()).await?;
        self.hub.instances().told(&here);
        let mut moved = BTreeSet::new();
        for Here { key, instance, opening, generation, .. } in here.into_iter().filter(|here| here.left.is_none()) {
            match renewed.get(&(key.0.clone(), key.1.clone(), instance.clone())) {
                Some(known) if *known == generation => {}
                Some(_) => {
                    moved.insert(key);
                }
                // Given up, or displaced by a newer one.
                None => {
                    let change = ReaderChange::Rejoin { instance, opening, now, until: now + LEASE };
                    let readers = self.store.change_readers(&key.0, &key.1, change).await?;
                    self.hub.instances().spread(&key, &readers, now);
                }
            }
        }
        Ok(moved)
    }
}
