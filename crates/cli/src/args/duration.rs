//! Durations as people type them: `90`, `30s`, `5m`, `24h`.

use std::str::FromStr;
use std::time::Duration;

/// The longest time that m5 accepts, about ten years: beyond it a clock would overflow.
const MAX_SECONDS: f64 = 3.2e8;

/// A duration from the command line, above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_duration(text).map(Self)
    }
}

/// Parses a duration; a bare number is seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit.trim() {
        "" | "s" | "sec" => 1.0,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        other => return Err(format!("unknown unit `{other}`: use 90, 500ms, 30s, 5m, 24h or 7d")),
    };
    let number: f64 = number.parse().map_err(|_| "not a duration: use 90, 30s, 5m or 24h".to_owned())?;
    let seconds = number * factor;
    if seconds > 0.0 && seconds <= MAX_SECONDS {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("a duration must be above zero and under ten years".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_people_type_them() {
        for (text, millis) in [
            ("90", 90_000),
            ("30s", 30_000),
            ("1.5s", 1_500),
            ("5m", 300_000),
            ("24h", 86_400_000),
            ("250ms", 250),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration() {
        for text in ["", "0", "-5s", "5x", "s", "1e9h", "nan", "99999999999h", "1..2s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,12}") {
            let _ = parse_duration(&text);
        }
    }
}
