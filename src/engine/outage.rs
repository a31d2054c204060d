//! What is said of a store that does not answer: once that it began, and once that it is over, however many calls notice.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Inner;
use crate::domain::time::{Span, Time};
use crate::store;

/// How long no deadline is fired after an outage. Whoever answered in time could not say so: they repeat it now, and are to win over
/// the time-out that they were racing.
const GRACE: Span = Span::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Since when, and how many calls have failed.
    under_way: Option<(Time, u64)>,
    /// When the last one was over.
    over: Option<Time>,
}

impl Outage {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one was over only just now.
    pub fn is_fresh(&self, now: Time) -> bool {
        self.lock().over.is_some_and(|over| now - over < GRACE)
    }
}

impl<S, A> Inner<S, A> {
    /// Notes that the store failed, and at what.
    pub(super) fn store_failed(&self, error: &store::Error, what: &str) {
        let shown = error as &dyn std::error::Error;
        if !matches!(error, store::Error::Away(_)) {
            return tracing::error!(error = shown, "{what}");
        }
        match &mut self.outage.lock().under_way {
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
        let mut known = self.outage.lock();
        if let Some((since, failed)) = known.under_way.take() {
            let now = self.clock.now();
            known.over = Some(now);
            let lasted = now - since;
            tracing::info!(failed, seconds = lasted.micros() / 1_000_000, "the store answers again");
        }
    }
}
