//! What the writer is not sure of: whether a commit that failed was carried out, and whether the index has its view still.
//!
//! A doubt is looked into when it arises and then now and again until it is dispelled, also when nobody calls: a leg that waits
//! in a desk of which memory is behind would wait for the next commit there, however long that takes.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::rebuild::BETWEEN_TRIES;
use super::writer::Writer;
use crate::availability::Availability;
use crate::domain::id::DeskKey;
use crate::store::Store;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    /// The log may be ahead of memory.
    Head,
    /// The view is lost, or only half built.
    View,
}

#[derive(Debug, Default)]
pub(super) struct Doubts {
    desks: BTreeMap<DeskKey, Doubt>,
    /// When they are looked into next, in real time since the start.
    next: Duration,
}

impl Doubts {
    pub fn raise(&mut self, desk: DeskKey, doubt: Doubt) {
        let known = self.desks.entry(desk).or_insert(doubt);
        *known = doubt.max(*known);
    }

    /// To be looked into as soon as that can be.
    pub fn raise_now(&mut self, desk: DeskKey, doubt: Doubt) {
        self.raise(desk, doubt);
        self.next = Duration::ZERO;
    }

    pub fn dispel(&mut self, desk: &DeskKey) {
        self.desks.remove(desk);
    }

    pub fn of(&self, desk: &DeskKey) -> bool {
        self.desks.get(desk) == Some(&Doubt::View)
    }

    pub fn any(&self) -> bool {
        !self.desks.is_empty()
    }

    /// How long until they are looked into.
    pub fn rest(&self, uptime: Duration) -> Duration {
        self.next.saturating_sub(uptime)
    }
}

/// Desks whose view somebody beside the writer found lost.
#[derive(Debug, Default)]
pub(super) struct LostViews {
    /// With the epoch that was not found.
    desks: Mutex<BTreeMap<DeskKey, u64>>,
    news: Notify,
}

impl LostViews {
    pub fn report(&self, desk: &DeskKey, epoch: u64) {
        self.lock().insert(desk.clone(), epoch);
        self.news.notify_one();
    }

    pub async fn notified(&self) {
        self.news.notified().await;
    }

    pub fn any(&self) -> bool {
        !self.lock().is_empty()
    }

    fn take(&self) -> BTreeMap<DeskKey, u64> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DeskKey, u64>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Store, A: Availability> Writer<S, A> {
    /// Looks into what is in doubt, if it is time.
    pub(super) async fn dispel_doubts(&mut self) {
        for (desk, epoch) in self.inner.lost_views.take() {
            // One of another epoch was built meanwhile.
            if self.inner.with_desk(&desk, |state| state.epoch) == Some(epoch) {
                self.doubts.raise(desk, Doubt::View);
            }
        }
        let uptime = self.inner.clock.uptime();
        if !self.doubts.any() || self.doubts.rest(uptime) > Duration::ZERO {
            return;
        }
        self.doubts.next = uptime + BETWEEN_TRIES;
        for (desk, doubt) in self.doubts.desks.clone() {
            if doubt == Doubt::View || self.is_behind(&desk).await {
                self.rebuild(&desk).await;
            }
        }
    }

    async fn is_behind(&mut self, desk: &DeskKey) -> bool {
        match self.inner.store.head(desk).await {
            Ok(found) => {
                let known = self.inner.with_desk(desk, |state| state.head);
                let behind = found.map(|(head, _)| head) != known;
                if !behind {
                    self.doubts.dispel(desk);
                }
                behind
            }
            Err(error) => {
                tracing::warn!(desk = %desk.desk, error = &error as &dyn std::error::Error, "the log's head could not be read");
                false
            }
        }
    }
}
