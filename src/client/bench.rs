//! The bench: load on a server over gRPC, and what came back, as rates and latencies.
//!
//! Each measurement has a desk of its own (`stage`) and one shape of load: a closed loop of callers (`closed`), which shows what
//! the server can do, or an open loop of arrivals (`open`), which shows how long it takes: a closed loop hides the queue that
//! it would have met. What is compared with what is up to the caller.

mod closed;
mod open;
mod stage;

use std::time::Duration;

use hdrhistogram::Histogram;

pub use closed::{Load, closed, health_checks};
pub use open::open;
pub use stage::{Profiles, Staff, Stage};

/// How long a load is kept up.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Not counted: connections, caches and batches find their size.
    pub warm_up: Duration,
    pub measured: Duration,
}

/// What a load came to within its window.
#[derive(Debug)]
pub struct Measured {
    /// What was counted: see the load.
    pub done: u64,
    /// Answers that were none: errors, tickets that nobody was offered.
    pub missed: u64,
    pub elapsed: Duration,
    /// Microseconds.
    pub latency: Histogram<u64>,
    /// What the server's process has used of the processors meanwhile; `None` where that cannot be read.
    pub cpu: Option<Duration>,
}

impl Measured {
    /// Done per second.
    pub fn rate(&self) -> f64 {
        self.done as f64 / self.elapsed.as_secs_f64()
    }

    /// Processor time of the server per piece of work, in microseconds.
    pub fn cpu_each(&self) -> Option<f64> {
        self.cpu.filter(|_| self.done > 0).map(|cpu| cpu.as_secs_f64() * 1e6 / self.done as f64)
    }
}

/// Latencies up to a minute in microseconds, three digits.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(60_000_000, 3).expect("the bounds of the histogram are valid")
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
