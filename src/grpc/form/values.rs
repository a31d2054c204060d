//! Numbers, enums, times, money.

use std::ops::RangeInclusive;
use std::sync::Arc;

use prost_types::{Duration, Timestamp};

use super::Form;
use crate::domain::requirement::Amount;
use crate::domain::time::{Span, Time};
use crate::grpc::words::Word;
use crate::proto::google::r#type::Money;

const MICROS: i64 = 1_000_000;
const NANOS_PER_MICRO: i32 = 1_000;
const MAX_NANOS: i32 = 999_999_999;
/// The years 0001 to 9999, as protobuf has them.
const TIMESTAMPS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// Ten thousand years, as protobuf has them.
const DURATIONS: RangeInclusive<i64> = 0..=315_576_000_000;

impl Form {
    /// An enum that must be said.
    pub fn choice<T: Word>(&mut self, field: &str, number: i32) -> Option<T> {
        self.choice_of(field, number, T::ALL)
    }

    /// An enum that must be said, and of which a request may say only these.
    pub fn choice_of<T: Word>(&mut self, field: &str, number: i32, allowed: &[T]) -> Option<T> {
        let found = allowed.iter().copied().find(|value| value.number() == number);
        if found.is_none() {
            let words: Vec<_> = allowed.iter().map(|value| value.word()).collect();
            let words = words.join(", ");
            self.refuse(
                field,
                match (number, T::of_number(number)) {
                    (0, _) => format!("is required, one of {words}"),
                    (_, Some(known)) => format!("must be one of {words}, not {}", known.word()),
                    (_, None) => format!("must be one of {words}, not {number}"),
                },
            );
        }
        found
    }

    /// An enum that may be left out.
    pub fn choice_if_said<T: Word>(&mut self, field: &str, number: i32) -> Option<T> {
        if number == 0 { None } else { self.choice(field, number) }
    }

    /// A number within bounds; `None`: not said.
    pub fn number<T: TryFrom<u32>>(
        &mut self,
        field: &str,
        value: Option<u32>,
        bounds: RangeInclusive<u32>,
    ) -> Option<T> {
        let value = value?;
        let read = T::try_from(value).ok().filter(|_| bounds.contains(&value));
        if read.is_none() {
            self.refuse(field, format!("must be {} to {}, not {value}", bounds.start(), bounds.end()));
        }
        read
    }

    /// A point in time; parts of a microsecond are dropped.
    pub fn time(&mut self, field: &str, value: Option<&Timestamp>) -> Option<Time> {
        let Timestamp { seconds, nanos } = value?;
        if TIMESTAMPS.contains(seconds) && (0..=MAX_NANOS).contains(nanos) {
            return Some(Time(seconds * MICROS + i64::from(nanos / NANOS_PER_MICRO)));
        }
        self.refuse(field, "must be a time of the years 1 to 9999, with 0 to 999,999,999 nanos");
        None
    }

    /// A length of time, not negative; parts of a microsecond are dropped.
    pub fn span(&mut self, field: &str, value: Option<&Duration>) -> Option<Span> {
        let Duration { seconds, nanos } = value?;
        if DURATIONS.contains(seconds) && (0..=MAX_NANOS).contains(nanos) {
            return Some(Span(seconds * MICROS + i64::from(nanos / NANOS_PER_MICRO)));
        }
        self.refuse(field, "must be a duration that is not negative, with 0 to 999,999,999 nanos");
        None
    }

    /// An amount of money in whole millionths.
    pub fn amount(&mut self, field: &str, money: &Money) -> Option<Amount> {
        let Money { currency_code, units, nanos } = money;
        let currency = currency_code.len() == 3 && currency_code.bytes().all(|byte| byte.is_ascii_uppercase());
        if !currency {
            self.refuse(format!("{field}.currency_code"), "must be an ISO 4217 code like EUR");
        }
        let micros = units.checked_mul(MICROS).and_then(|it| it.checked_add(i64::from(nanos / NANOS_PER_MICRO)));
        if *units < 0 {
            self.refuse(format!("{field}.units"), "must not be negative");
        } else if !(0..=MAX_NANOS).contains(nanos) {
            self.refuse(format!("{field}.nanos"), "must be 0 to 999,999,999");
        } else if nanos % NANOS_PER_MICRO != 0 {
            self.refuse(format!("{field}.nanos"), "must be a multiple of 1,000: amounts are in whole millionths");
        } else if micros.is_none() {
            self.refuse(format!("{field}.units"), format!("must be at most {}", i64::MAX / MICROS - 1));
        } else if currency {
            return micros.map(|micros| Amount { currency: Arc::from(currency_code.as_str()), micros });
        }
        None
    }
}
