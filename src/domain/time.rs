//! Points in time and spans, both in whole microseconds, so that rows, events and order keys compare exactly.

use std::fmt;
use std::ops::{Add, AddAssign, Mul, Sub};
use std::str::FromStr;

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

/// Units that people write, the largest first.
const UNITS: [(&str, Span); 5] = [
    ("d", Span::from_days(1)),
    ("h", Span::from_hours(1)),
    ("m", Span::from_mins(1)),
    ("s", Span::from_secs(1)),
    ("ms", Span::from_millis(1)),
];

/// Why a text is not a span.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a span of time such as `20s`, `2m`, `1h30m` or `7d`")]
pub struct BadSpan;

/// Whole numbers with units, the larger unit first, each once; `0` needs none.
impl FromStr for Span {
    type Err = BadSpan;

    fn from_str(text: &str) -> Result<Span, BadSpan> {
        if text == "0" {
            return Ok(Span::ZERO);
        }
        if text.is_empty() {
            return Err(BadSpan);
        }
        let mut total = 0_i64;
        let mut rest = text;
        let mut units = UNITS.as_slice();
        while !rest.is_empty() {
            let (number, tail) = split_where(rest, |letter| !letter.is_ascii_digit());
            let (unit, tail) = split_where(tail, |letter| !letter.is_ascii_lowercase());
            let at = units.iter().position(|(name, _)| *name == unit).ok_or(BadSpan)?;
            let number: i64 = number.parse().map_err(|_| BadSpan)?;
            let micros = number.checked_mul(units[at].1.0).ok_or(BadSpan)?;
            total = total.checked_add(micros).ok_or(BadSpan)?;
            units = &units[at + 1..];
            rest = tail;
        }
        Ok(Span(total))
    }
}

fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// The shortest spelling that reads as the same span, to the millisecond.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1_000 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, size) in UNITS {
            if rest >= size.0 {
                write!(f, "{}{unit}", rest / size.0)?;
                rest %= size.0;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_in_the_units_people_write() {
        let good = [("20s", 20_000), ("2m", 120_000), ("1h30m", 5_400_000), ("7d", 604_800_000), ("1s500ms", 1_500)];
        for (text, millis) in good {
            assert_eq!(text.parse(), Ok(Span::from_millis(millis)), "{text}");
        }
        assert_eq!("0".parse(), Ok(Span::ZERO));
        let bad = ["", "20", "s", "20 s", "1.5h", "-1s", "30m1h", "1s1s", "20S", "99999999999999999999s", "106751992d"];
        for text in bad {
            assert_eq!(text.parse::<Span>(), Err(BadSpan), "{text}");
        }
    }

    #[test]
    fn a_span_is_read_as_it_is_shown() {
        for millis in [0, 1, 20_000, 5_400_000, 604_800_000, 90_061_001] {
            let span = Span::from_millis(millis);
            assert_eq!(span.to_string().parse(), Ok(span));
        }
        assert_eq!(Span::from_secs(5_400).to_string(), "1h30m");
    }
}
