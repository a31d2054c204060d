//! The state of one subscription: what was sent, what is acknowledged, what goes next. Pure: it is told what was read and
//! what time it is, and keeps numbers only, at most a window of them.
//!
//! ```text
//!   acknowledged | sent, waiting for an ack          | not sent yet
//!   -------------+-----------------------------------+-------------> seq
//!                 oldest    next (goes back to the     read
//!                           oldest after 30 s)
//! ```
//! Redelivery is go-back-N: order is never traded. The chain of `prev_seq` is the same at every delivery.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::domain::time::{Span, Time};

/// Decisions sent and not acknowledged, unless the client asks for another number.
pub const WINDOW: u32 = 64;
/// The most it may ask for.
pub const MAX_WINDOW: u32 = 256;
/// How often a subscription hears that it lives.
pub const HEARTBEAT: Span = Span::from_secs(10);
/// How long the oldest decision waits for its ack before it, and all after it, are sent again.
pub const ACK_DEADLINE: Span = Span::from_secs(30);
/// Why a decision counts as not taken that nobody rejected.
pub const NO_ACK: &str = "NO_ACK";

#[derive(Debug)]
pub struct Subscription {
    generation: u64,
    window: usize,
    /// Sent and not acknowledged, oldest first.
    sent: VecDeque<Sent>,
    /// Which of `sent` goes next; `sent.len()`: something new.
    next: usize,
    /// Where the subscription starts: nothing before it is ever read.
    floor: u64,
    /// Every entry up to here was looked at.
    read: u64,
    /// The last decision sent or, at first, what the client saw last.
    last: u64,
    /// The highest number that an ack may name.
    ackable: u64,
    acked: u64,
    /// How often decisions that are not acknowledged were not taken so far, as far as that was counted.
    failures: BTreeMap<u64, u32>,
    /// Those that the client cannot take on: each counts when it is the oldest.
    rejected: BTreeMap<u64, Rejection>,
    /// Nothing is sent before the oldest is sent again.
    rests_until: Option<Time>,
    /// Since when the oldest is both sent and the oldest.
    oldest_since: Time,
    heartbeat_time: Time,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    seq: u64,
    prev: u64,
}

/// A decision's place in the subscription, for its rendering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub seq: u64,
    pub prev_seq: u64,
    pub attempt: u32,
}

/// The client cannot take a decision on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub reason: Arc<str>,
    pub delay: Span,
}

/// The oldest decision was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTaken {
    pub seq: u64,
    pub reason: Arc<str>,
}

/// An ack names a decision that was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{seq} was not sent; the last is {last}")]
pub struct AckAhead {
    pub seq: u64,
    pub last: u64,
}

impl Subscription {
    /// A subscription that reads what comes after `after`; `prev` is what its first decision names as the one before.
    pub fn new(generation: u64, window: u32, after: u64, prev: u64, now: Time) -> Subscription {
        let window = usize::try_from(window.clamp(1, MAX_WINDOW)).unwrap_or(1);
        Subscription {
            generation,
            window,
            sent: VecDeque::with_capacity(window),
            next: 0,
            floor: after,
            read: after,
            last: prev,
            ackable: after,
            acked: 0,
            failures: BTreeMap::new(),
            rejected: BTreeMap::new(),
            rests_until: None,
            oldest_since: now,
            heartbeat_time: now + HEARTBEAT,
        }
    }

    /// The one that follows in another generation, which reads what comes after `after`.
    pub fn anew(&self, generation: u64, after: u64, now: Time) -> Subscription {
        let window = u32::try_from(self.window).unwrap_or(MAX_WINDOW);
        let heartbeat_time = self.heartbeat_time;
        Subscription { heartbeat_time, ..Subscription::new(generation, window, after, after, now) }
    }

    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// After which entry to read on.
    pub fn cursor(&self) -> u64 {
        self.sent.get(self.next).map_or(self.read, |again| again.prev.max(self.floor))
    }

    /// How many decisions may be sent now.
    pub fn room(&self) -> usize {
        if self.rests_until.is_some() {
            return 0;
        }
        if self.resends() { self.sent.len() - self.next } else { self.window - self.sent.len() }
    }

    /// The last decision sent, the client's own cursor before the first: where a successor of this stream resumes.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Whether every entry up to `head` was looked at, so that `last` is the last of the selection.
    pub fn is_at(&self, head: u64) -> bool {
        self.read >= head
    }

    fn resends(&self) -> bool {
        self.next < self.sent.len()
    }

    /// A decision of the selection goes out, the next one after [`Self::cursor`]. `None`: it was acknowledged meanwhile.
    pub fn deliver(&mut self, seq: u64, now: Time) -> Option<Delivery> {
        while self.sent.get(self.next).is_some_and(|again| again.seq < seq) {
            self.next += 1;
        }
        let prev_seq = match self.sent.get(self.next) {
            Some(again) if again.seq == seq => again.prev,
            Some(_) => return None,
            None if seq <= self.read => return None,
            None => {
                let prev = self.last;
                self.sent.push_back(Sent { seq, prev });
                self.last = seq;
                self.read = seq;
                self.ackable = self.ackable.max(seq);
                prev
            }
        };
        let is_oldest = self.next == 0;
        if is_oldest {
            self.oldest_since = now;
        }
        self.next += 1;
        let failures = if is_oldest { self.failures.get(&seq).copied().unwrap_or(0) } else { 0 };
        Some(Delivery { seq, prev_seq, attempt: failures.saturating_add(1) })
    }

    /// Entries up to `upto` were read and hold nothing more of the selection.
    pub fn looked_at(&mut self, upto: u64) {
        // One that is to be sent again and is not in the log any more is passed over: nothing could ever bring it back.
        while self.sent.get(self.next).is_some_and(|again| again.seq <= upto) {
            self.next += 1;
        }
        if !self.resends() {
            self.read = self.read.max(upto);
        }
    }

    /// The client takes on everything up to `seq`. Answers the position to be saved, if it moved.
    ///
    /// # Errors
    /// When nothing with that number was sent yet.
    pub fn ack(&mut self, generation: u64, seq: u64, now: Time) -> Result<Option<u64>, AckAhead> {
        if generation != self.generation {
            return Ok(None);
        }
        if seq > self.ackable {
            return Err(AckAhead { seq, last: self.ackable });
        }
        if seq <= self.acked {
            return Ok(None);
        }
        self.acked = seq;
        let settled = self.sent.iter().take_while(|sent| sent.seq <= seq).count();
        if settled > 0 {
            self.sent.drain(..settled);
            self.next = self.next.saturating_sub(settled);
            self.failures = self.failures.split_off(&(seq + 1));
            self.rejected = self.rejected.split_off(&(seq + 1));
            self.rests_until = None;
            self.oldest_since = now;
        }
        Ok(Some(seq))
    }

    /// The client cannot take on a decision that was sent. No effect if it was not, in this generation, or is acknowledged.
    pub fn reject(&mut self, generation: u64, seq: u64, rejection: Rejection) {
        if generation == self.generation && self.sent.iter().take(self.next).any(|sent| sent.seq == seq) {
            self.rejected.insert(seq, rejection);
        }
    }

    /// Decisions that wait for an ack.
    pub fn unacknowledged(&self) -> impl Iterator<Item = u64> {
        self.sent.iter().map(|sent| sent.seq)
    }

    /// Goes back to the oldest decision if its ack is overdue, or the time came for one that was rejected. Answers one that was not
    /// taken, for it to be counted.
    pub fn rewind_if_due(&mut self, now: Time) -> Option<NotTaken> {
        if let Some(until) = self.rests_until {
            if until <= now {
                self.rests_until = None;
                self.next = 0;
            }
            return None;
        }
        let seq = self.sent.front().filter(|_| self.next > 0)?.seq;
        let reason = if let Some(Rejection { reason, delay }) = self.rejected.remove(&seq) {
            self.rests_until = Some(now + delay);
            reason
        } else if self.ack_deadline().is_some_and(|deadline| deadline <= now) {
            self.next = 0;
            Arc::from(NO_ACK)
        } else {
            return None;
        };
        let failures = self.failures.entry(seq).or_insert(0);
        *failures = failures.saturating_add(1);
        Some(NotTaken { seq, reason })
    }

    /// So often a decision was not taken, other streams and other replicas included.
    pub fn counted(&mut self, seq: u64, failures: u32) {
        if failures > 0 && seq > self.acked {
            self.failures.insert(seq, failures);
        }
    }

    /// Whether a heartbeat is due; if so, the next one is set.
    pub fn beats(&mut self, now: Time) -> bool {
        let due = self.heartbeat_time <= now;
        if due {
            self.heartbeat_time = now + HEARTBEAT;
        }
        due
    }

    /// When to look again even if nothing happens.
    pub fn deadline(&self) -> Time {
        let again = self.rests_until.or_else(|| self.ack_deadline());
        again.map_or(self.heartbeat_time, |again| again.min(self.heartbeat_time))
    }

    fn ack_deadline(&self) -> Option<Time> {
        // While it goes back the oldest is about to be sent, or was just now.
        (!self.sent.is_empty() && !self.resends()).then(|| self.oldest_since + ACK_DEADLINE)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Time = Time(1_000_000);

    fn open(window: u32) -> Subscription {
        Subscription::new(3, window, 10, 10, START)
    }

    fn sent(subscription: &mut Subscription, seqs: &[u64], now: Time) -> Vec<(u64, u64, u32)> {
        seqs.iter()
            .filter_map(|seq| subscription.deliver(*seq, now))
            .map(|delivery| (delivery.seq, delivery.prev_seq, delivery.attempt))
            .collect()
    }

    #[test]
    fn each_decision_names_the_one_before_it_and_the_first_names_the_cursor() {
        let mut subscription = open(8);
        subscription.looked_at(11);
        assert_eq!(sent(&mut subscription, &[12, 15], START), [(12, 10, 1), (15, 12, 1)]);
        subscription.looked_at(20);
        assert_eq!(subscription.cursor(), 20);
        assert_eq!(sent(&mut subscription, &[21], START), [(21, 15, 1)]);
    }

    #[test]
    fn a_full_window_sends_nothing_until_an_ack_makes_room() {
        let mut subscription = open(2);
        sent(&mut subscription, &[12, 15], START);
        assert_eq!(subscription.room(), 0);
        assert_eq!(subscription.ack(3, 12, START), Ok(Some(12)));
        assert_eq!(subscription.room(), 1);
    }

    #[test]
    fn an_ack_that_is_lower_or_of_another_generation_has_no_effect() {
        let mut subscription = open(4);
        sent(&mut subscription, &[12, 15], START);
        assert_eq!(subscription.ack(2, 15, START), Ok(None));
        assert_eq!(subscription.ack(3, 15, START), Ok(Some(15)));
        assert_eq!(subscription.ack(3, 12, START), Ok(None));
        assert_eq!(subscription.room(), 4);
    }

    #[test]
    fn an_ack_of_what_was_not_sent_is_refused_and_an_ack_of_the_cursor_is_not() {
        let mut subscription = open(4);
        assert_eq!(subscription.ack(3, 10, START), Ok(Some(10)));
        sent(&mut subscription, &[12], START);
        subscription.looked_at(20);
        assert_eq!(subscription.ack(3, 13, START), Err(AckAhead { seq: 13, last: 12 }));
    }

    #[test]
    fn the_oldest_decision_is_sent_again_with_all_after_it_when_its_ack_is_overdue_and_not_before() {
        let mut subscription = open(4);
        sent(&mut subscription, &[12, 15], START);
        let deadline = START + ACK_DEADLINE;
        subscription.rewind_if_due(deadline - Span(1));
        assert_eq!((subscription.cursor(), subscription.room()), (15, 2));
        subscription.rewind_if_due(deadline);
        assert_eq!((subscription.cursor(), subscription.room()), (10, 2));
        assert_eq!(sent(&mut subscription, &[12, 15, 17], deadline), [(12, 10, 2), (15, 12, 1), (17, 15, 1)]);
    }

    #[test]
    fn attempts_count_for_the_oldest_only_and_its_time_starts_when_it_becomes_the_oldest() {
        let mut subscription = open(4);
        sent(&mut subscription, &[12, 15], START);
        let later = START + ACK_DEADLINE - Span::from_secs(1);
        subscription.ack(3, 12, later).expect("12 was sent");
        subscription.rewind_if_due(START + ACK_DEADLINE);
        assert_eq!(subscription.cursor(), 15, "15 became the oldest a second ago");
        subscription.rewind_if_due(later + ACK_DEADLINE);
        assert_eq!(sent(&mut subscription, &[15], later + ACK_DEADLINE), [(15, 12, 2)]);
    }

    fn rejection(seconds: i64) -> Rejection {
        Rejection { reason: Arc::from("NO_LINE"), delay: Span::from_secs(seconds) }
    }

    #[test]
    fn a_rejected_decision_is_sent_again_with_all_after_it_after_its_delay_and_counts() {
        let mut subscription = open(4);
        sent(&mut subscription, &[12, 15], START);
        subscription.reject(2, 12, rejection(3));
        assert_eq!(subscription.rewind_if_due(START), None, "of another generation");
        subscription.reject(3, 12, rejection(3));
        let not_taken = subscription.rewind_if_due(START).expect("it is the oldest");
        assert_eq!((not_taken.seq, not_taken.reason.as_ref()), (12, "NO_LINE"));
        let later = START + Span::from_secs(3);
        assert_eq!(
            (subscription.room(), subscription.deadline()),
            (0, later),
            "order is kept: nothing goes out before it"
        );
        assert_eq!(subscription.rewind_if_due(later - Span(1)), None);
        assert_eq!(subscription.rewind_if_due(later), None);
        assert_eq!(sent(&mut subscription, &[12, 15], later), [(12, 10, 2), (15, 12, 1)]);
    }

    #[test]
    fn a_rejection_counts_when_its_decision_is_the_oldest_and_not_before() {
        let mut subscription = open(4);
        sent(&mut subscription, &[12, 15], START);
        subscription.reject(3, 15, rejection(0));
        subscription.reject(3, 17, rejection(0));
        assert_eq!(subscription.rewind_if_due(START), None);
        subscription.ack(3, 12, START).expect("12 was sent");
        assert_eq!(subscription.rewind_if_due(START).map(|not_taken| not_taken.seq), Some(15));
        subscription.ack(3, 15, START).expect("taken on after all");
        assert_eq!((subscription.room(), subscription.rewind_if_due(START)), (4, None));
    }

    #[test]
    fn what_was_counted_elsewhere_goes_on_here() {
        let mut subscription = open(4);
        subscription.counted(12, 3);
        assert_eq!(sent(&mut subscription, &[12, 15], START), [(12, 10, 4), (15, 12, 1)]);
        let not_taken = subscription.rewind_if_due(START + ACK_DEADLINE).expect("no ack came");
        assert_eq!((not_taken.seq, not_taken.reason.as_ref()), (12, NO_ACK));
        assert_eq!(sent(&mut subscription, &[12], START + ACK_DEADLINE), [(12, 10, 5)]);
    }

    #[test]
    fn what_is_acknowledged_while_it_is_sent_again_is_left_out() {
        let mut subscription = open(4);
        sent(&mut subscription, &[12, 15, 17], START);
        let late = START + ACK_DEADLINE;
        subscription.rewind_if_due(late);
        sent(&mut subscription, &[12], late);
        subscription.ack(3, 15, late).expect("15 was sent");
        assert_eq!(sent(&mut subscription, &[15, 17], late), [(17, 15, 1)]);
    }

    #[test]
    fn going_back_never_reads_what_lies_before_the_start() {
        let mut subscription = Subscription::new(3, 4, 10, 0, START);
        assert_eq!(sent(&mut subscription, &[12], START), [(12, 0, 1)]);
        subscription.rewind_if_due(START + ACK_DEADLINE);
        assert_eq!(subscription.cursor(), 10);
    }

    #[test]
    fn what_is_to_be_sent_again_and_is_gone_from_the_log_is_passed_over() {
        let mut subscription = open(4);
        sent(&mut subscription, &[12, 15], START);
        subscription.rewind_if_due(START + ACK_DEADLINE);
        subscription.looked_at(20);
        assert_eq!((subscription.cursor(), subscription.room()), (20, 2));
    }

    #[test]
    fn a_heartbeat_comes_every_ten_seconds_and_the_deadline_is_the_next_thing_to_do() {
        let mut subscription = open(4);
        assert!(!subscription.beats(START + HEARTBEAT - Span(1)));
        assert_eq!(subscription.deadline(), START + HEARTBEAT);
        assert!(subscription.beats(START + HEARTBEAT));
        assert!(!subscription.beats(START + HEARTBEAT));
        sent(&mut subscription, &[12], START);
        subscription.beats(START + HEARTBEAT * 3);
        assert_eq!(subscription.deadline(), START + ACK_DEADLINE);
    }

    /// What happens to a subscription.
    #[derive(Clone, Debug)]
    enum Step {
        /// The server reads up to this many decisions.
        Read(usize),
        /// The client acknowledges that many of those it has, as it counts.
        Ack(usize),
        /// Seconds pass.
        Pass(i64),
        /// A further decision is made after that many entries of others.
        Append(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1_usize..40).prop_map(Step::Read),
            3 => (1_usize..40).prop_map(Step::Ack),
            1 => (0_i64..40).prop_map(Step::Pass),
            3 => (1_u64..4).prop_map(Step::Append),
        ]
    }

    /// A client that believes nothing but the rules.
    #[derive(Default)]
    struct Client {
        /// Every decision, in order of its first delivery.
        seen: Vec<u64>,
        unacked: usize,
        acked: usize,
    }

    impl Client {
        fn get(&mut self, delivery: Delivery, window: usize) {
            let before = |at: usize| at.checked_sub(1).map_or(0, |before| self.seen[before]);
            match self.seen.iter().position(|seq| *seq == delivery.seq) {
                Some(at) => {
                    assert_eq!(delivery.prev_seq, before(at), "the chain is the same at every delivery");
                    assert!(at >= self.acked, "{} was acknowledged", delivery.seq);
                }
                None => {
                    assert_eq!(delivery.prev_seq, before(self.seen.len()), "gap");
                    self.seen.push(delivery.seq);
                    self.unacked += 1;
                    assert!(self.unacked <= window, "{} unacknowledged in a window of {window}", self.unacked);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_the_client_does_nothing_is_missing_and_the_window_holds(
            window in 1_u32..20,
            steps in proptest::collection::vec(step(), 1..200),
        ) {
            let mut subscription = Subscription::new(1, window, 0, 0, START);
            let mut client = Client::default();
            let mut log = Vec::new();
            let mut head = 0;
            let mut now = START;
            for step in steps {
                match step {
                    Step::Append(skip) => {
                        head += skip;
                        log.push(head);
                    }
                    Step::Pass(seconds) => {
                        now = now + Span::from_secs(seconds);
                        subscription.rewind_if_due(now);
                    }
                    Step::Read(limit) => {
                        let (cursor, limit) = (subscription.cursor(), limit.min(subscription.room()));
                        let rows: Vec<u64> = log.iter().copied().filter(|seq| *seq > cursor).take(limit).collect();
                        for seq in &rows {
                            if let Some(delivery) = subscription.deliver(*seq, now) {
                                client.get(delivery, window as usize);
                            }
                        }
                        if rows.len() < limit {
                            subscription.looked_at(head);
                        }
                    }
                    Step::Ack(count) => {
                        let count = count.min(client.unacked);
                        if count > 0 {
                            client.acked += count;
                            client.unacked -= count;
                            let seq = client.seen[client.acked - 1];
                            prop_assert_eq!(subscription.ack(1, seq, now), Ok(Some(seq)));
                        }
                    }
                }
                prop_assert!(subscription.sent.len() <= window as usize);
                prop_assert_eq!(&client.seen[..], &log[..client.seen.len()]);
            }
        }
    }
}
