//! Which processes to watch.

use m5_process::{Identity, Process};

/// A choice of processes. An empty one takes every Python process.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// These and no others.
    pub processes: Vec<Identity>,
    /// Services whose name matches one of these patterns (`*` and `?`).
    pub names: Vec<String>,
}

impl Selection {
    /// The processes that come into question: where some are listed, nobody else on the machine is looked at.
    pub(super) fn candidates(&self) -> m5_process::Result<Vec<i32>> {
        match self.processes.is_empty() {
            true => Process::all_pids(),
            false => Ok(self.processes.iter().map(|identity| identity.pid).collect()),
        }
    }

    pub(super) fn lists(&self, identity: Identity) -> bool {
        self.processes.is_empty() || self.processes.contains(&identity)
    }
}
