//! `m5.process/1`: one process as the kernel sees it, at one moment.

use crate::doc::{Interpreter, Unread};
use m5_process::{Cgroup, ConnectionGroup, Identity, MappedMemory, Rollup, Status};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name and version of the document.
pub const PROCESS_SCHEMA: &str = "m5.process/1";

/// One process at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessSnapshot {
    /// [`PROCESS_SCHEMA`].
    pub schema: String,
    /// When, seconds since 1970.
    pub taken_unix_seconds: f64,
    /// Pid and start.
    pub identity: Identity,
    /// Command line; values that look like secrets are replaced.
    pub command: Vec<String>,
    /// The service that it belongs to, as `m5 list` calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The interpreter, where it could be read.
    pub interpreter: Option<Interpreter>,
    /// Why it was not, where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Unread>,
    /// Memory, threads, switches.
    pub status: Status,
    /// PSS and USS, where they may be read.
    pub rollup: Option<Rollup>,
    /// Memory by mapped file or kind, the most resident first; absent where it may not be read.
    pub mapped: Option<Vec<MappedMemory>>,
    /// Descriptors by kind; absent where they may not be listed.
    pub fds: Option<BTreeMap<String, u64>>,
    /// What the descriptors refer to and how many of each, the most first.
    pub fd_targets: Vec<FdTarget>,
    /// TCP connections by state and peer.
    pub connections: Vec<ConnectionGroup>,
    /// The memory cgroup.
    pub cgroup: Option<Cgroup>,
}

/// Something that descriptors refer to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FdTarget {
    /// Path, or kind for what has none.
    pub target: String,
    /// Descriptors.
    pub count: u64,
}
