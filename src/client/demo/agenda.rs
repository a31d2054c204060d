//! What somebody is going to do, by time: one task does it all, in order, and forgets what has become pointless.

use std::collections::BTreeMap;

use crate::clock::{Clock, Time};

#[derive(Debug)]
pub(super) struct Agenda<T> {
    /// The number keeps deeds of one moment apart, in the order they were planned.
    deeds: BTreeMap<(Time, u64), T>,
    planned: u64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Agenda<T> {
        Agenda { deeds: BTreeMap::new(), planned: 0 }
    }
}

impl<T> Agenda<T> {
    pub(super) fn plan(&mut self, at: Time, deed: T) {
        self.planned += 1;
        self.deeds.insert((at, self.planned), deed);
    }

    pub(super) fn forget(&mut self, pointless: impl Fn(&T) -> bool) {
        self.deeds.retain(|_, deed| !pointless(deed));
    }

    /// Waits for the next deed's time, and takes it out. With nothing planned, waits for ever. May be cancelled.
    pub(super) async fn next(&mut self, clock: &Clock) -> T {
        loop {
            let Some((at, _)) = self.deeds.first_key_value().map(|(key, _)| *key) else {
                return std::future::pending().await;
            };
            clock.sleep_until(at).await;
            if let Some((_, deed)) = self.deeds.pop_first() {
                return deed;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Span;

    #[tokio::test(start_paused = true)]
    async fn deeds_come_in_the_order_of_their_times_and_the_forgotten_ones_never() {
        let clock = Clock::starting_at(Time(0), 60);
        let mut agenda = Agenda::default();
        for (secs, deed) in [(30, "third"), (10, "first"), (20, "forgotten"), (10, "second")] {
            agenda.plan(Time(0) + Span::from_secs(secs), deed);
        }
        agenda.forget(|deed| *deed == "forgotten");
        let mut done = Vec::new();
        for _ in 0..3 {
            done.push(agenda.next(&clock).await);
        }
        assert_eq!(done, ["first", "second", "third"]);
        assert!(clock.now() >= Time(0) + Span::from_secs(30));
    }
}
