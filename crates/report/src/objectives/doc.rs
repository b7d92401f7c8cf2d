//! An objective held against a measured value.

use m5_stats::{Objective, Profile, Status};
use serde::{Deserialize, Serialize};

/// One objective and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Criterion {
    /// Its name in the settings file.
    pub name: String,
    /// The value; absent where it was not measured.
    pub value: Option<f64>,
    /// What became of it.
    pub status: Status,
    /// The objective.
    pub objective: Objective,
    /// Why there is no value, or why a value is not enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lack: Option<Lack>,
    /// 90 % interval of the value, where it is an estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// Of a share: what it is a part of, in the unit of the part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<f64>,
    /// Of several interpreters in a process: the one that it is held against; absent where it is all together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<i64>,
}

impl Criterion {
    /// Whether it is missed.
    #[must_use]
    pub fn missed(&self) -> bool {
        matches!(self.status, m5_stats::Status::Warn | m5_stats::Status::Fail)
    }

    /// Whether a person is told of it: of many interpreters those that miss something.
    #[must_use]
    pub fn told(&self) -> bool {
        self.interpreter.is_none() || self.missed()
    }
}

/// Where the objectives of a report come from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ObjectivesFrom {
    /// The set that they began with.
    pub profile: Profile,
    /// The settings file that changed them.
    pub file: Option<String>,
    /// The name of `[[services]]` in that file that fits the process, where its own objectives hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// Why an objective could not be judged, or was judged without a value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// Too short a time; so many more seconds are needed, where that is known.
    TooShort {
        /// Seconds still to observe.
        wait_seconds: Option<f64>,
    },
    /// The interval holds both good and bad values.
    Inconclusive,
    /// The interpreter could not be read.
    InterpreterUnread,
    /// Pauses were not traced.
    NotTraced,
    /// Nothing was collected in this time, so no pause was too long.
    NoCollections,
    /// The value is a lower bound: polling misses short pauses.
    LowerBound,
    /// The kernel did not say.
    NotReadable,
}
