//! `m5.trim/1`: what was free, what went back, what came again.

use m5_heap::trim::{OtherAllocator, Pinned, Trim};
use serde::{Deserialize, Serialize};

/// Name and version of the document.
pub const TRIM_SCHEMA: &str = "m5.trim/1";

/// A process some time after memory was given back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Later {
    /// Seconds since.
    pub after_seconds: f64,
    /// Resident memory then.
    pub rss_bytes: u64,
    /// Faults since that needed no disk: what came back was touched page by page, and all else that is new.
    pub minor_faults: u64,
}

/// What `m5 trim` did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrimDoc {
    /// [`TRIM_SCHEMA`].
    pub schema: String,
    /// The process.
    pub pid: i32,
    /// Seconds since 1970 at the beginning.
    pub taken_at: f64,
    /// Whether it was only looked.
    pub dry_run: bool,
    /// Bytes that the C library held free and in memory, and that could go back.
    pub free_bytes: u64,
    /// Free bytes that must stay: locked, watched or shared by the program's own wish.
    pub kept_bytes: u64,
    /// Less than that was not worth a stop.
    pub least_bytes: u64,
    /// Longest single stop that was allowed.
    pub max_pause_seconds: f64,
    /// Resident memory before.
    pub rss_before_bytes: Option<u64>,
    /// Resident memory right after; absent where nothing was done.
    pub rss_after_bytes: Option<u64>,
    /// How it stood later; absent where nobody waited, or the process ended.
    pub later: Option<Later>,
    /// When it was found to execute another program, seconds since the look began: nothing is said of that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re_executed_seconds: Option<f64>,
    /// What keeps free memory; absent where nobody asked.
    #[serde(default)]
    pub pinned: Option<Pinned>,
    /// Why that is not known, where a look without it was worth something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned_unknown: Option<String>,
    /// Allocators beside the C library's, whose memory does not go back this way.
    pub others: Vec<OtherAllocator>,
    /// What was done.
    #[serde(flatten)]
    pub trim: Trim,
}

impl TrimDoc {
    /// What came back later, of what went.
    #[must_use]
    pub fn came_back_bytes(&self) -> Option<u64> {
        Some(self.later?.rss_bytes.saturating_sub(self.rss_after_bytes?))
    }
}
