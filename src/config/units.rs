//! Booleans, numbers and sizes as they are written in configuration files.

use std::ops::RangeInclusive;

/// The text of an error about a value.
pub(super) fn expected(what: impl std::fmt::Display, found: &str) -> String {
    format!("expected {what}, found {found:?}")
}

/// `true` or `false`.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(expected("true or false", text)),
    }
}

/// A whole number within `range`.
pub(super) fn number(text: &str, range: RangeInclusive<i64>) -> Result<i64, String> {
    let value = text.parse().ok().filter(|number| range.contains(number));
    value.ok_or_else(|| expected(describe(&range), text))
}

fn describe(range: &RangeInclusive<i64>) -> String {
    let (low, high) = (range.start(), range.end());
    match (*low == i64::MIN, *high == i64::MAX) {
        (true, true) => "a whole number".into(),
        (false, true) => format!("a whole number of {low} or more"),
        _ => format!("a whole number from {low} to {high}"),
    }
}

/// A number of bytes with or without a unit: `10M`, `100MB`, `1GiB`; `M` and `MiB` are 1024 x 1024, `MB` 1000 x 1000.
pub(super) fn size(text: &str) -> Result<i64, String> {
    let wrong = || expected("a size such as 1048576, 10M, 100MB or 1GiB", text);
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: i64 = number.parse().map_err(|_| wrong())?;
    let factor = factor(unit.trim()).ok_or_else(wrong)?;
    number.checked_mul(factor).filter(|size| *size >= -1).ok_or_else(wrong)
}

fn factor(unit: &str) -> Option<i64> {
    let unit = unit.to_ascii_lowercase();
    let (power, base) = match unit.as_bytes() {
        [] | [b'b'] => return Some(1),
        [prefix] | [prefix, b'i', b'b'] => (power(*prefix)?, 1024_i64),
        [prefix, b'b'] => (power(*prefix)?, 1000),
        _ => return None,
    };
    base.checked_pow(power)
}

fn power(prefix: u8) -> Option<u32> {
    b"kmgtpe".iter().position(|known| *known == prefix).map(|at| at as u32 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_know_units() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("1048576", Some(1_048_576)),
            ("10M", Some(10 << 20)),
            ("10m", Some(10 << 20)),
            ("20 K", Some(20 << 10)),
            ("1KiB", Some(1 << 10)),
            ("1GiB", Some(1 << 30)),
            ("100MB", Some(100_000_000)),
            ("2kB", Some(2000)),
            ("7B", Some(7)),
            ("-2", None),
            ("", None),
            ("M", None),
            ("1X", None),
            ("1MiBi", None),
            ("1.5G", None),
            ("9999999999G", None),
        ] {
            assert_eq!(size(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn errors_say_what_was_expected() {
        for (error, message) in [
            (boolean("yes").err(), r#"expected true or false, found "yes""#),
            (number("0", 1..=9).err(), r#"expected a whole number from 1 to 9, found "0""#),
            (number("x", 0..=i64::MAX).err(), r#"expected a whole number of 0 or more, found "x""#),
            (number("1.5", i64::MIN..=i64::MAX).err(), r#"expected a whole number, found "1.5""#),
        ] {
            assert_eq!(error.as_deref(), Some(message));
        }
    }
}
