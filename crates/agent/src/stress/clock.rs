//! The clock of a soak test: the wall's, or the event time that the target writes into a file.

use m5_process::unix_ns;
use std::path::PathBuf;

/// Where the time of a test comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// Seconds since 1970.
    Wall,
    /// A file that holds the target's event time as decimal seconds, rewritten in place.
    Events(PathBuf),
}

impl Clock {
    /// Seconds since the process of a segment was first seen, `None` where the target does not tell yet.
    #[must_use]
    pub fn seconds(&self, started_unix_seconds: f64) -> Option<f64> {
        match self {
            Self::Wall => Some((unix_ns() as f64 / 1e9 - started_unix_seconds).max(0.0)),
            Self::Events(path) => parse(&std::fs::read(path).ok()?),
        }
    }
}

fn parse(bytes: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(bytes.get(..bytes.len().min(64))?).ok()?;
    text.trim().parse::<f64>().ok().filter(|s| s.is_finite() && *s >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_time_is_a_number_or_nothing() {
        assert_eq!(parse(b"0000001234.500000\n"), Some(1234.5));
        for bytes in [&b""[..], b"x", b"-1", b"nan", b"inf", &[0xff, 0xfe]] {
            assert_eq!(parse(bytes), None);
        }
    }
}
