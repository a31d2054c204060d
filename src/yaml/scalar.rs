//! What people write in a single scalar: spans of time (`1h30m`) and amounts of money (`137.50 EUR`).

/// An amount in millionths of a unit of its currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    pub currency: String,
    pub micros: i64,
}

const UNITS: [(&str, i64); 5] =
    [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000)];

/// Microseconds of `20s`, `2m`, `1h30m`, `7d`, `500ms`, `0`: whole numbers with units, the larger unit first, each once.
pub fn span_micros(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let mut total = 0_i64;
    let mut rest = text;
    let mut units = UNITS.as_slice();
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let length = tail.len() - tail.trim_start_matches(|letter: char| letter.is_ascii_lowercase()).len();
        let (unit, tail) = tail.split_at(length);
        let at = units.iter().position(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(units[at].1)?)?;
        units = &units[at + 1..];
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

/// The shortest spelling that [`span_micros`] reads as the same span.
pub fn span_text(micros: i64) -> String {
    let mut rest = micros.max(0);
    let mut text = String::new();
    for (unit, size) in UNITS {
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// `500 EUR`, `137.50 EUR`: not negative, at most six decimals, an ISO 4217 code.
pub fn money(text: &str) -> Option<Money> {
    let (number, currency) = text.split_once(' ')?;
    let currency = currency.trim_start();
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(decimals) || decimals.len() > 6 {
        return None;
    }
    let fraction: i64 = format!("{decimals:0<6}").parse().ok()?;
    let micros = whole.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(fraction)?;
    Some(Money { currency: currency.to_owned(), micros })
}

/// The spelling that [`money`] reads as the same amount.
pub fn money_text(micros: i64, currency: &str) -> String {
    let (whole, fraction) = (micros / 1_000_000, micros % 1_000_000);
    if fraction == 0 {
        return format!("{whole} {currency}");
    }
    let decimals = format!("{fraction:06}");
    let decimals = decimals.trim_end_matches('0');
    format!("{whole}.{decimals:0<2} {currency}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_in_the_units_people_write() {
        let read = |text| span_micros(text).map(|micros| micros / 1_000);
        for (text, millis) in [("20s", 20_000), ("2m", 120_000), ("1h30m", 5_400_000), ("7d", 604_800_000), ("0", 0)] {
            assert_eq!(read(text), Some(millis), "{text}");
        }
        assert_eq!(read("1s500ms"), Some(1_500));
        for text in [
            "",
            "20",
            "s",
            "20 s",
            "1.5h",
            "-1s",
            "30m1h",
            "1s1s",
            "20S",
            "99999999999999999999s",
            "9223372036854s1",
            "²s",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn amounts_are_read_to_the_millionth() {
        let micros = |text| money(text).map(|money| money.micros);
        assert_eq!(micros("500 EUR"), Some(500_000_000));
        assert_eq!(micros("137.5 EUR"), Some(137_500_000));
        assert_eq!(micros("0.000001 JPY"), Some(1));
        for text in
            ["500", "500EUR", "500 eur", "-1 EUR", "1. EUR", ".5 EUR", "1.0000001 EUR", "1e3 EUR", "99999999999999 EUR"]
        {
            assert_eq!(micros(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for micros in [0, 1_000, 20_000_000, 5_400_000_000, 604_800_000_000, 90_061_001_000] {
            assert_eq!(span_micros(&span_text(micros)), Some(micros));
        }
        for micros in [0, 1, 10, 137_500_000, 500_000_000, 1_230_000] {
            assert_eq!(money(&money_text(micros, "EUR")).map(|money| money.micros), Some(micros));
        }
        assert_eq!(money_text(137_500_000, "EUR"), "137.50 EUR");
    }
}
