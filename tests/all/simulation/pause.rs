//! Waiting in a simulation: its time is paused, and goes on when nobody has anything to do before then.

use handoff::clock::Clock;
use handoff::domain::time::{Span, Time};

pub async fn millis(clock: &Clock, millis: i64) {
    clock.sleep(Span::from_millis(millis)).await;
}

pub async fn until(clock: &Clock, time: Time) {
    clock.sleep_until(time).await;
}
