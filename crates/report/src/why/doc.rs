//! `m5.why/1`: what half a minute of looking found wrong, the worst first.

use crate::doc::{Criterion, ObjectivesFrom};
use crate::heap::MemoryVerdict;
use m5_heap::trim::FreeElsewhere;
use m5_heap::{Account, BlockGrowth, Culprit, Loose};
use serde::{Deserialize, Serialize};

/// Name and version of the document.
pub const WHY_SCHEMA: &str = "m5.why/1";

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// [`WHY_SCHEMA`].
    pub schema: String,
    /// The process.
    pub pid: i32,
    /// Version of its interpreter, where it could be read.
    pub python: Option<String>,
    /// Command line.
    pub command: Vec<String>,
    /// The service that it belongs to, as `m5 list` calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// How long it was looked at.
    pub observed_seconds: f64,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
    /// Where the change of RSS went, where two snapshots could be taken.
    pub account: Option<Account>,
    /// What could not be seen.
    pub unseen: Vec<Unseen>,
    /// Where the objectives come from that it was held against.
    #[serde(default)]
    pub objectives_from: ObjectivesFrom,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Weight,
    /// What it is.
    #[serde(flatten)]
    pub what: What,
    /// The command to type next.
    pub next: String,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// It ends in trouble if nobody acts.
    Problem,
    /// To be kept in view; it may be as it should.
    Notice,
}

/// Kinds of findings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// Objects or a container grow below a holder.
    Grows {
        /// What and who.
        culprit: Box<Culprit>,
    },
    /// A cache with a limit fills.
    Fills {
        /// What and who.
        culprit: Box<Culprit>,
    },
    /// Native blocks that no object owns become more.
    NativeGrows {
        /// Which.
        block: BlockGrowth,
        /// How fast.
        bytes_per_second: f64,
    },
    /// Memory that is neither objects nor blocks grows.
    PartGrows {
        /// The part of the account of RSS.
        part: String,
        /// By how much.
        bytes: i64,
        /// How fast.
        bytes_per_second: f64,
    },
    /// Resident memory grows, and what it is could not be seen.
    RssGrows {
        /// By how much.
        bytes: i64,
        /// How fast.
        bytes_per_second: f64,
    },
    /// Somebody stopped the process (SIGSTOP, a debugger): it does nothing.
    Stopped,
    /// Garbage that no collection can free.
    NeverFreed {
        /// How much of it there is.
        garbage: Loose,
        /// The types that keep it so.
        through: Vec<String>,
    },
    /// Much garbage waits, it becomes more, and no full collection ran.
    GarbageWaits {
        /// How much of it there is.
        garbage: Loose,
        /// How fast it grows.
        bytes_per_second: f64,
    },
    /// Garbage waits and the collector is off.
    CollectorOff {
        /// How much of it there is.
        garbage: Loose,
    },
    /// The memory limit is near.
    NearLimit {
        /// Bytes that are left.
        headroom_bytes: u64,
        /// Seconds until it is reached, where it grows.
        seconds: Option<f64>,
    },
    /// Much of RSS is free and not returned.
    Fragmented {
        /// What and how much.
        verdict: MemoryVerdict,
        /// How much of it `m5 trim` would give back; absent where that was not looked at.
        #[serde(default)]
        returnable_bytes: Option<u64>,
        /// What others than the C library hold of it, where that is most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        elsewhere: Option<FreeElsewhere>,
    },
    /// An objective is missed.
    Missed {
        /// Which.
        criterion: Criterion,
    },
}

/// What could not be seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Unseen {
    /// Growth slower than this.
    SlowGrowth {
        /// Bytes a second.
        bytes_per_second: f64,
    },
    /// The objects.
    Objects {
        /// Why.
        reason: String,
    },
    /// References that some counts speak of.
    References {
        /// The share of counts that were explained.
        explained: f64,
    },
    /// Bytes of RSS without a name.
    Rss {
        /// The share of RSS that was named.
        explained: f64,
    },
    /// The lines that make what grows.
    Lines {
        /// Why.
        reason: String,
    },
    /// The pauses of the collector.
    Pauses,
    /// Processes below it.
    Children {
        /// How many.
        count: u64,
    },
}
