//! `m5.tune/1`: settings, their runs, what is proved.

use serde::{Deserialize, Serialize};

/// Name and version of the document.
pub const TUNE_SCHEMA: &str = "m5.tune/1";

/// What should become less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Resident memory in the last third of a run.
    Rss,
    /// The most that was resident.
    Peak,
    /// Seconds in collections of garbage.
    Pause,
    /// CPU seconds.
    Cpu,
}

impl Goal {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 4] = [Self::Rss, Self::Peak, Self::Pause, Self::Cpu];

    /// Its value in a run; absent where it could not be seen.
    #[must_use]
    pub fn of(self, run: &TuneRun) -> Option<f64> {
        match self {
            Self::Rss => Some(run.rss_bytes),
            Self::Peak => Some(run.peak_rss_bytes),
            Self::Pause => run.pause_seconds,
            Self::Cpu => Some(run.cpu_seconds),
        }
    }
}

/// One run of the command; of several processes their sum.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TuneRun {
    /// Median of resident memory in the last third of the run.
    pub rss_bytes: f64,
    /// The most that was seen.
    pub peak_rss_bytes: f64,
    /// Collections of garbage together, of the first Python in it; absent where they could not be seen.
    #[serde(default)]
    pub pause_seconds: Option<f64>,
    /// User and system time.
    pub cpu_seconds: f64,
    /// From start to end.
    pub elapsed_seconds: f64,
}

/// How far a setting came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nothing set: what all others are held against.
    Base,
    /// One run showed no promise.
    Screened,
    /// Runs in turns with the base, too few or too close to prove anything.
    Raced,
    /// It is proved to help.
    Proved,
    /// It is proved to help, and proved to cost elsewhere.
    Costly,
    /// A run failed with it.
    Failed,
}

/// One goal, setting against base.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GoalOutcome {
    /// The goal.
    pub goal: Goal,
    /// Setting over base.
    pub ratio: f64,
    /// Bounds of it; absent where there are too few runs for any.
    pub lower: Option<f64>,
    /// The other one.
    pub upper: Option<f64>,
}

/// A setting and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// Short name, unique.
    pub name: String,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// Lines of Python that do what no variable does.
    #[serde(default)]
    pub python: Vec<String>,
    /// How far it came.
    pub stage: Stage,
    /// Why it failed, where it did.
    pub failure: Option<String>,
    /// The run by which it was chosen or not.
    pub screening: Vec<TuneRun>,
    /// Runs in turns with the base; only these prove anything.
    pub runs: Vec<TuneRun>,
    /// By goal.
    pub outcomes: Vec<GoalOutcome>,
}

/// Why a setting was not tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// Huge pages are off on this machine.
    Off,
    /// The library is not there.
    NotInstalled,
    /// This variable is set already.
    Set(String),
}

/// A setting that was not tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// Why.
    pub lack: Lack,
}

/// What `m5 tune` found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TuneDoc {
    /// [`TUNE_SCHEMA`].
    pub schema: String,
    /// What was run.
    pub command: Vec<String>,
    /// What loaded it.
    pub load: Option<String>,
    /// Goals, the first decides.
    pub goals: Vec<Goal>,
    /// Runs a side that were asked for.
    pub runs: u64,
    /// The base first.
    pub tried: Vec<Tried>,
    /// Not installed, or of no effect here.
    pub left_out: Vec<LeftOut>,
    /// Environment that is recommended; empty where nothing is proved.
    pub recommended: Vec<(String, String)>,
    /// Lines of Python that are recommended.
    #[serde(default)]
    pub recommended_python: Vec<String>,
    /// Whether all runs were made.
    pub complete: bool,
}
