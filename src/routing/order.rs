//! Order keys: which waiting leg comes first, and the virtual arrival time behind it.

use crate::domain::id::LegId;
use crate::domain::requirement::{Band, Ordering};
use crate::domain::time::{Span, Time};

/// One point of priority is worth one minute of waiting, so nothing starves.
pub const PRIORITY_POINT: Span = Span::from_mins(1);
/// Strict priority: a higher priority goes first whatever the age (of up to 30 days).
const STRICT_POINT: Span = Span::from_days(30);

/// What a leg's place is made of.
#[derive(Clone, Copy, Debug)]
pub struct Age {
    pub arrival: Time,
    pub enqueue: Time,
    pub priority: u8,
    pub customer_turn: Span,
    /// First-response target of the queue, used by [`Ordering::Deadline`].
    pub target: Span,
}

/// The time by which legs of one band are ordered. Smaller goes first.
pub fn order_time(ordering: Ordering, age: Age) -> Time {
    let points = i64::from(age.priority);
    match ordering {
        Ordering::Arrival => age.arrival + age.customer_turn - PRIORITY_POINT * points,
        Ordering::Strict => age.enqueue - STRICT_POINT * points,
        Ordering::Deadline => age.arrival + age.target + age.customer_turn,
    }
}

/// Where a waiting leg stands: band, then time, then enqueue time, then id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey {
    pub band: u8,
    pub time: Time,
    pub enqueue: Time,
    pub leg: LegId,
}

impl OrderKey {
    pub fn new(band: Band, time: Time, enqueue: Time, leg: LegId) -> OrderKey {
        OrderKey { band: band.digit(), time, enqueue, leg }
    }

    /// The key as bytes compare it: band(1) time(16) enqueue(16) leg(34), lower-case hexadecimal. Times are shifted by 2^62
    /// so that the text of an earlier one is smaller.
    pub fn to_hex(self) -> String {
        let shifted = |time: Time| time.0.saturating_add(1 << 62).max(0);
        let LegId { ticket, leg } = self.leg;
        format!("{:x}{:016x}{:016x}{ticket}{leg:02x}", self.band, shifted(self.time), shifted(self.enqueue))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::domain::id::TicketId;

    fn key() -> impl Strategy<Value = OrderKey> {
        let time = -4_000_000_000_000_000_i64..4_000_000_000_000_000;
        (0_u8..3, time.clone(), time, any::<u128>(), any::<u8>()).prop_map(|(band, time, enqueue, ticket, leg)| {
            OrderKey {
                band,
                time: Time(time),
                enqueue: Time(enqueue),
                leg: LegId { ticket: TicketId(Uuid::from_u128(ticket)), leg },
            }
        })
    }

    proptest! {
        #[test]
        fn keys_and_their_texts_sort_alike(one in key(), other in key()) {
            prop_assert_eq!(one.to_hex().len(), 67);
            prop_assert_eq!(one.cmp(&other), one.to_hex().cmp(&other.to_hex()));
        }

        #[test]
        fn a_point_of_priority_is_worth_exactly_a_minute(arrival in 0_i64..1 << 50, priority in 0_u8..100) {
            let age = Age { arrival: Time(arrival), enqueue: Time(arrival), priority, customer_turn: Span::ZERO, target: Span::ZERO };
            let later_but_higher = Age { arrival: Time(arrival) + PRIORITY_POINT, priority: priority + 1, ..age };
            prop_assert_eq!(order_time(Ordering::Arrival, age), order_time(Ordering::Arrival, later_but_higher));
        }
    }
}
