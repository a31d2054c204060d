//! What the writer is not sure of: whether the log is ahead of memory or of the index (a commit that failed may have been carried
//! out, another replica may have committed), and whether the index has its view still.
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
    /// The log may be ahead of memory, or of the index.
    Head,
    /// There is no view of the epoch that is known.
    View,
    /// There is one, and it is not what the log says.
    Drift,
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

    /// Another doubt stays.
    pub fn dispel(&mut self, desk: &DeskKey, doubt: Doubt) {
        if self.of(desk) == Some(doubt) {
            self.desks.remove(desk);
        }
    }

    pub fn of(&self, desk: &DeskKey) -> Option<Doubt> {
        self.desks.get(desk).copied()
    }

    pub fn any(&self) -> bool {
        !self.desks.is_empty()
    }

    /// How long until they are looked into.
    pub fn rest(&self, uptime: Duration) -> Duration {
        self.next.saturating_sub(uptime)
    }
}

/// What somebody beside the writer found doubtful.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// With the epoch that was known.
    desks: Mutex<BTreeMap<DeskKey, (Doubt, u64)>>,
    /// How far the logs of desks are, as other replicas say.
    hints: Mutex<BTreeMap<DeskKey, u64>>,
    news: Notify,
}

impl Reports {
    pub fn report(&self, desk: &DeskKey, doubt: Doubt, epoch: u64) {
        let mut desks = lock(&self.desks);
        let known = desks.entry(desk.clone()).or_insert((doubt, epoch));
        // A smaller doubt finds itself again. That a view is wrong is found once in half a minute.
        if *known != (Doubt::Drift, epoch) {
            *known = (doubt, epoch);
        }
        drop(desks);
        self.news.notify_one();
    }

    /// A hint holds nothing up: while there are batches under way it waits for them, and one of its desk finds out by itself.
    pub fn hint(&self, desk: DeskKey, head: u64) {
        lock(&self.hints).insert(desk, head);
        self.news.notify_one();
    }

    pub async fn notified(&self) {
        self.news.notified().await;
    }

    pub fn any(&self) -> bool {
        !lock(&self.desks).is_empty()
    }
}

fn take<T>(reports: &Mutex<BTreeMap<DeskKey, T>>) -> BTreeMap<DeskKey, T> {
    std::mem::take(&mut *lock(reports))
}

fn lock<T>(reports: &Mutex<BTreeMap<DeskKey, T>>) -> MutexGuard<'_, BTreeMap<DeskKey, T>> {
    reports.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Store, A: Availability> Writer<S, A> {
    /// Looks into what is in doubt, if it is time.
    pub(super) async fn dispel_doubts(&mut self) {
        for (desk, head) in take(&self.inner.reports.hints) {
            if self.inner.with_desk(&desk, |state| state.head < head) == Some(true) {
                self.doubts.raise_now(desk, Doubt::Head);
            }
        }
        for (desk, (doubt, epoch)) in take(&self.inner.reports.desks) {
            // A view of another epoch was found meanwhile.
            let old = doubt != Doubt::Head && self.inner.with_desk(&desk, |state| state.epoch) != Some(epoch);
            if !old {
                self.doubts.raise_now(desk, doubt);
            }
        }
        let uptime = self.inner.clock.uptime();
        if !self.doubts.any() || self.doubts.rest(uptime) > Duration::ZERO {
            return;
        }
        self.doubts.next = uptime + BETWEEN_TRIES;
        for (desk, doubt) in self.doubts.desks.clone() {
            match doubt {
                Doubt::Head => self.catch_up(&desk).await,
                Doubt::View => self.rebuild(&desk).await,
                Doubt::Drift => self.replace(&desk).await,
            }
        }
    }
}
