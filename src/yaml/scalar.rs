//! What people write in a single scalar: amounts of money (`137.50 EUR`).

/// An amount in millionths of a unit of its currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    pub currency: String,
    pub micros: i64,
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
        for micros in [0, 1, 10, 137_500_000, 500_000_000, 1_230_000] {
            assert_eq!(money(&money_text(micros, "EUR")).map(|money| money.micros), Some(micros));
        }
        assert_eq!(money_text(137_500_000, "EUR"), "137.50 EUR");
    }
}
