//! What is said of a store that does not answer: once that it began, and once that it is over, however many calls notice.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Inner;
use crate::domain::time::Time;
use crate::store;

/// Since when, and how many calls have failed.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<Option<(Time, u64)>>);

impl Outage {
    fn lock(&self) -> MutexGuard<'_, Option<(Time, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S, A> Inner<S, A> {
    /// Notes that the store failed, and at what.
    pub(super) fn store_failed(&self, error: &store::Error, what: &str) {
        let shown = error as &dyn std::error::Error;
        if !matches!(error, store::Error::Away(_)) {
            return tracing::error!(error = shown, "{what}");
        }
        match &mut *self.outage.lock() {
            Some((_, failed)) => *failed += 1,
            began @ None => {
                *began = Some((self.clock.now(), 1));
                tracing::error!(
                    error = shown,
                    "{what}: the store does not answer; what fails until it does is counted"
                );
            }
        }
    }

    /// Notes that it answers.
    pub(super) fn store_answers(&self) {
        if let Some((since, failed)) = self.outage.lock().take() {
            let lasted = self.clock.now() - since;
            tracing::info!(failed, seconds = lasted.micros() / 1_000_000, "the store answers again");
        }
    }
}
