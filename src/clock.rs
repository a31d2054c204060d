//! The time, and every wait. A clock has a rate, so that a demonstration plays a morning in a minute; engineering limits
//! (statement and drain deadlines) are waited for with [`Clock::real_timeout`] and never scale.

use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

// For the clients, who know nothing else of the domain.
pub use crate::domain::time::{Span, Time};

#[derive(Clone, Debug)]
pub struct Clock {
    started: Instant,
    start: Time,
    /// Seconds of this clock per real second; at least 1.
    rate: u32,
}

/// A limit passed before the work was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not done within {0:?}")]
pub struct TimedOut(pub Duration);

impl Clock {
    /// A clock that starts at the machine's time and runs `rate` times as fast.
    pub fn new(rate: u32) -> Clock {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock::starting_at(Time(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)), rate)
    }

    pub fn starting_at(start: Time, rate: u32) -> Clock {
        Clock { started: Instant::now(), start, rate: rate.max(1) }
    }

    pub fn rate(&self) -> u32 {
        self.rate
    }

    pub fn now(&self) -> Time {
        let elapsed = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.start + Span(elapsed).times(self.rate)
    }

    /// Waits for a span of this clock's time.
    pub async fn sleep(&self, span: Span) {
        tokio::time::sleep(span.to_std() / self.rate).await;
    }

    pub async fn sleep_until(&self, time: Time) {
        self.sleep(time - self.now()).await;
    }

    /// Bounds work by real time, whatever the rate.
    pub async fn real_timeout<F: Future>(&self, limit: Duration, work: F) -> Result<F::Output, TimedOut> {
        tokio::time::timeout(limit, work).await.map_err(|_| TimedOut(limit))
    }

    /// Runs from now on, polled or not, for real time, whatever the rate.
    pub fn real_timer(&self, span: Duration) -> impl Future<Output = ()> + Send + use<> {
        tokio::time::sleep(span)
    }

    /// Waits for real time, whatever the rate.
    pub async fn real_sleep(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }

    /// Real time since the clock was made: for measuring, never for deadlines.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Span {
    fn times(self, rate: u32) -> Span {
        self * i64::from(rate)
    }
}
