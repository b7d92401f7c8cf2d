//! `m5.alloc/1`: allocations by line.

use m5_kernel::AllocProfile;
use serde::{Deserialize, Serialize};

/// Name and version of the document.
pub const ALLOC_SCHEMA: &str = "m5.alloc/1";

/// Where a process allocates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AllocDoc {
    /// [`ALLOC_SCHEMA`].
    pub schema: String,
    /// The process.
    pub pid: i32,
    /// Seconds since 1970 at the beginning.
    pub taken_at: f64,
    /// When it was found to execute another program, seconds since the watching began: nothing is said of that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re_executed_seconds: Option<f64>,
    /// What was seen.
    #[serde(flatten)]
    pub profile: AllocProfile,
}
