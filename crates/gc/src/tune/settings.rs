//! The settings of a collector.

use m5_cpython::GcState;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What `gc.get_threshold()` and `gc.isenabled()` say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Settings {
    /// Thresholds of the three generations.
    pub thresholds: [i32; 3],
    /// Whether automatic collection is on.
    pub enabled: bool,
}

impl Settings {
    /// The settings at one moment.
    #[must_use]
    pub fn of(state: &GcState) -> Self {
        Self { thresholds: state.generations.map(|g| g.threshold), enabled: state.enabled }
    }

    /// The same with other thresholds.
    #[must_use]
    pub fn with(self, thresholds: [i32; 3]) -> Self {
        Self { thresholds, ..self }
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [young, middle, old] = self.thresholds;
        write!(f, "({young}, {middle}, {old})")?;
        if self.enabled { Ok(()) } else { f.write_str(" disabled") }
    }
}
