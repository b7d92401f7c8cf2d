//! Pid and start time together name a process; a pid alone may be another one tomorrow.

use serde::{Deserialize, Serialize};

/// Who a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Process id in m5's own pid namespace.
    pub pid: i32,
    /// Start time in clock ticks since boot, as `/proc/PID/stat` has it.
    pub start_ticks: u64,
}
