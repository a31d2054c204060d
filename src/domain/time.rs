//! Points in time and spans, both in whole microseconds, so that rows, events and order keys compare exactly.

use std::ops::{Add, AddAssign, Mul, Sub};

use serde::{Deserialize, Serialize};

/// Microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

/// A length of time in microseconds; may be negative as an intermediate result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(pub i64);

impl Time {
    pub const fn micros(self) -> i64 {
        self.0
    }
}

impl Span {
    pub const ZERO: Span = Span(0);

    pub const fn from_millis(millis: i64) -> Span {
        Span(millis * 1_000)
    }

    pub const fn from_secs(secs: i64) -> Span {
        Span(secs * 1_000_000)
    }

    pub const fn from_mins(mins: i64) -> Span {
        Span::from_secs(mins * 60)
    }

    pub const fn from_hours(hours: i64) -> Span {
        Span::from_mins(hours * 60)
    }

    pub const fn from_days(days: i64) -> Span {
        Span::from_hours(days * 24)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The same span as the standard library's type; negative spans become zero.
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_micros(u64::try_from(self.0).unwrap_or(0))
    }
}

impl Add<Span> for Time {
    type Output = Time;

    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Time {
    type Output = Time;

    fn sub(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }
}

impl Sub<Time> for Time {
    type Output = Span;

    fn sub(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add for Span {
    type Output = Span;

    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Span;

    fn sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Span) {
        *self = *self + other;
    }
}

impl Mul<i64> for Span {
    type Output = Span;

    fn mul(self, factor: i64) -> Span {
        Span(self.0.saturating_mul(factor))
    }
}
