//! Views that are being filled, each in a task of its own beside the writer: with many open tickets that takes seconds, in which
//! tickets are accepted, offers answered and deadlines fired as ever.
//!
//! A desk has one at the most, and keeps its doubt until it is over, so that nobody moves a view which is not there. They end with
//! the writer. One that panics brings the writer down with it, as if it had panicked itself.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::task::{Id, JoinError, JoinSet};

use super::Inner;
use super::call::Failure;
use super::rebuild::Begun;
use crate::availability::Availability;
use crate::domain::id::DeskKey;
use crate::domain::time::Time;
use crate::store::Store;

/// After a loss of all views desks are filled so many at a time: the store has other work too.
const AT_ONCE: usize = 4;

/// A view that is filled, or could not be.
pub(super) struct Loaded {
    pub desk: DeskKey,
    pub epoch: u64,
    pub outcome: Result<(), Failure>,
}

type Ended = Result<(Id, Result<(), Failure>), JoinError>;

#[derive(Default)]
pub(super) struct Loads {
    tasks: JoinSet<Result<(), Failure>>,
    under_way: BTreeMap<Id, (DeskKey, u64)>,
    /// What was waited for, and is not taken yet.
    ended: Option<Ended>,
}

impl Loads {
    pub fn start<S: Store, A: Availability>(&mut self, inner: Arc<Inner<S, A>>, desk: DeskKey, begun: Begun) {
        let row = (desk.clone(), begun.epoch);
        let task = self.tasks.spawn(async move { inner.fill(&desk, begun).await });
        self.under_way.insert(task.id(), row);
    }

    pub fn any(&self) -> bool {
        !self.under_way.is_empty()
    }

    pub fn are_enough(&self) -> bool {
        self.under_way.len() >= AT_ONCE
    }

    pub fn is_under_way(&self, desk: &DeskKey) -> bool {
        self.under_way.values().any(|(row, _)| row == desk)
    }

    /// Until one is over. May be dropped and called again.
    pub async fn ended(&mut self) {
        if self.ended.is_none() {
            self.ended = self.tasks.join_next_with_id().await;
        }
    }

    /// One that is over.
    pub fn take(&mut self) -> Option<Loaded> {
        let ended = self.ended.take().or_else(|| self.tasks.try_join_next_with_id())?;
        let (id, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            // The runtime is being shut down.
            Err(error) => (error.id(), Err(Failure::Draining)),
        };
        let (desk, epoch) = self.under_way.remove(&id)?;
        Some(Loaded { desk, epoch, outcome })
    }

    /// Ends all of them. Other replicas need not wait for their leases.
    pub async fn give_up<S: Store, A: Availability>(&mut self, inner: &Inner<S, A>) {
        self.tasks.shutdown().await;
        for (desk, epoch) in std::mem::take(&mut self.under_way).into_values() {
            inner.hold_rebuild(&desk, epoch, Time(0)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{DeskId, TenantId};

    #[tokio::test]
    #[should_panic(expected = "a bug of the loader")]
    async fn a_panic_is_the_writers_too() {
        let desk = DeskKey { tenant: TenantId::embedded(), desk: DeskId::parse("main").expect("a name") };
        let mut loads = Loads::default();
        let task = loads.tasks.spawn(async { panic!("a bug of the loader") });
        loads.under_way.insert(task.id(), (desk, 1));
        loads.ended().await;
        loads.take();
    }
}
