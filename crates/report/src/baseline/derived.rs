//! What is derived from a recording: levels, rates, growth, pauses by generation, suspected leaks.

use m5_gc::SourceKind;
use m5_process::ConnectionGroup;
use m5_stats::stratified::Total;
use m5_stats::{Assessment, BetweenRestarts, Growing, Summary};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A quantity over the recording.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// At the first sample.
    pub first: f64,
    /// At the last.
    pub last: f64,
    /// Smallest.
    pub min: f64,
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// Largest.
    pub max: f64,
}

/// Figures of one process. Rates are per second, `cpu_ratio` is a share of one core.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Derived {
    /// First sample to last.
    pub observed_seconds: f64,
    /// Samples.
    pub samples: u64,
    /// Memory.
    pub memory: MemoryFigures,
    /// CPU.
    pub cpu_ratio: Option<f64>,
    /// Faults without disk.
    pub minor_faults_per_second: Option<f64>,
    /// Faults with disk.
    pub major_faults_per_second: Option<f64>,
    /// Context switches of its own accord.
    pub voluntary_switches_per_second: Option<f64>,
    /// Context switches forced on it.
    pub involuntary_switches_per_second: Option<f64>,
    /// Threads.
    pub threads: Option<Level>,
    /// Descriptors.
    pub fds: Option<Level>,
    /// Descriptors by kind at the last sample.
    pub fds_by_kind: BTreeMap<String, u64>,
    /// Descriptors gained in the last five minutes, or since the begin where that is less.
    pub fd_growth: Option<f64>,
    /// Established TCP connections.
    pub connections: Option<Level>,
    /// TCP connections by state and peer at the last sample.
    pub connections_by_peer: Vec<ConnectionGroup>,
    /// The collector, where its counters could be read.
    pub gc: Option<GcFigures>,
    /// Growth by series: `rss`, `anon`, `after_full` (anonymous memory right after full collections),
    /// `gc_objects`, `blocks` (as `sys.getallocatedblocks`), `large_blocks` (of them over 512 bytes), `arenas`, `fds`, `sockets`, `connections`, `threads`. Slopes are per second.
    pub growth: BTreeMap<String, Assessment>,
    /// Growth of RSS in MiB a minute, under the name that dashboards know.
    pub memory_growth_rate_mb_per_minute: Option<f64>,
    /// Growth of RSS forecast for 24 hours, as a part of its level.
    pub growth_24h_ratio: Option<f64>,
    /// Suspected leaks.
    pub leak_detection: Vec<Leak>,
    /// Which layers grow by the verdicts in `growth`, and what to do next.
    #[serde(default)]
    pub layers: Vec<Growing>,
    /// What this process and the lives of its service before it say together, where enough of them were recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between_restarts: Option<BetweenRestarts>,
}

/// Memory of one process, bytes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MemoryFigures {
    /// Resident memory.
    pub rss: Option<Level>,
    /// Highest resident memory since the process started (VmHWM).
    pub peak_rss_bytes: Option<f64>,
    /// Anonymous memory.
    pub anon: Option<Level>,
    /// File pages.
    pub file: Option<Level>,
    /// Shared memory.
    pub shmem: Option<Level>,
    /// Swap.
    pub swap: Option<Level>,
    /// Proportional set size, last reading.
    pub pss_bytes: Option<f64>,
    /// Unique set size, last reading.
    pub uss_bytes: Option<f64>,
}

/// The collector over the recording.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GcFigures {
    /// Time over which collections were counted: that of the trace, else between the first and the last reading
    /// of the counters.
    pub seconds: f64,
    /// Generations 0, 1, 2.
    pub generations: [Collections; 3],
    /// How pauses were seen; absent where they were not traced.
    pub source: Option<SourceKind>,
    /// Lengths are bounds, not measurements (polling).
    pub bounded: bool,
    /// Pauses seen.
    pub seen: u64,
    /// Collections that happened while pauses were traced.
    pub happened: u64,
    /// Records known to be lost.
    pub lost: u64,
    /// Every pause.
    pub pauses: Option<Summary>,
    /// Pauses of generations 1 and 2: those that hurt, undiluted by the many short ones.
    pub pauses_older: Option<Summary>,
    /// Sum of pauses a minute; an estimate where not every pause was seen.
    pub pause_seconds_per_minute: Option<f64>,
    /// Share of wall time spent in pauses.
    pub pause_ratio: Option<f64>,
    /// Longest pause seen.
    pub max_seconds: Option<f64>,
    /// The sum of all pauses, what was not seen estimated by generation and time; absent where nothing was seen.
    #[serde(default)]
    pub pause_total: Option<Total>,
    /// Some generation collected and none of its pauses was seen, or one had not ended: the sums are lower bounds.
    #[serde(default)]
    pub at_least: bool,
    /// Whether every pause was seen: else a longer one than the longest may have been missed.
    #[serde(default)]
    pub longest_known: bool,
    /// At the end a collection ran that had not ended, for so long at least; it is in none of the other figures. Absent
    /// where none did, or for no longer than the longest of the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished_seconds: Option<f64>,
}

/// One generation over the recording.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Collections {
    /// Collections, exact.
    pub collections: u64,
    /// The same per second.
    pub per_second: Option<f64>,
    /// Objects freed.
    pub collected: u64,
    /// Pauses seen, quantiles and mean weighted by what each stands for.
    pub pauses: Option<Summary>,
    /// How many of its pauses were seen; absent in documents of before, and where pauses were not traced.
    #[serde(default)]
    pub seen: Option<u64>,
    /// The sum of its pauses; absent where none was seen of those that happened.
    #[serde(default)]
    pub pause_total: Option<Total>,
}

impl Collections {
    /// Whether some of its pauses were not seen.
    #[must_use]
    pub fn partly_seen(&self) -> bool {
        self.seen.is_some_and(|seen| seen < self.collections)
    }
}

/// What kind of thing grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeakKind {
    /// Resident memory.
    RssGrowth,
    /// Descriptors.
    FdGrowth,
    /// Connections of one state to one peer.
    ConnectionGrowth,
    /// Threads.
    ThreadGrowth,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Grows, within its objective.
    Low,
    /// Past its objective.
    Medium,
    /// Past its alert level.
    High,
}

/// A suspected leak.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Leak {
    /// What grows.
    #[serde(rename = "type")]
    pub kind: LeakKind,
    /// How bad it is.
    pub severity: Severity,
    /// Growth per second: bytes or a count.
    pub growth_per_second: f64,
    /// The same for memory in MiB between two samples, as the guide's documents have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth_rate_mb_per_snapshot: Option<f64>,
    /// Gained over `seconds`: bytes or a count.
    pub gained: f64,
    /// The time over which it was gained.
    pub seconds: f64,
    /// Kind of descriptor, or state of connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// Peer of the connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
}
