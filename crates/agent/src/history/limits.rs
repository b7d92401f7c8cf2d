//! How much of the past a history keeps.

use std::time::Duration;

/// What is kept, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Every sample, for so long.
    pub raw: Duration,
    /// The extremes of every five minutes, for so long; then those of every hour.
    pub fine: Duration,
    /// Anything at all.
    pub age: Duration,
    /// Bytes of the file.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let day = Duration::from_secs(86_400);
        Self { raw: day, fine: day * 7, age: day * 30, bytes: 256 << 20 }
    }
}
