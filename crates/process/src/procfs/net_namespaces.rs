//! Socket tables shared by the processes of a network namespace: one read serves them all.

use crate::{ConnectionGroup, Process, Result, SocketTable};
use std::collections::HashMap;
use std::path::PathBuf;

/// The tables of one moment. Make a new one for each round of readings.
#[derive(Debug, Default)]
pub struct SocketTables(HashMap<PathBuf, SocketTable>);

impl SocketTables {
    /// The TCP connections of a process with these socket inodes, by state and peer.
    ///
    /// # Errors
    /// As [`Process::socket_table`].
    pub fn connections(&mut self, process: &Process, inodes: &[u64]) -> Result<Vec<ConnectionGroup>> {
        if inodes.is_empty() {
            return Ok(Vec::new());
        }
        // Where the namespace may not be seen, the process gets a table of its own.
        let key = std::fs::read_link(process.path("ns/net")).unwrap_or_else(|_| process.path("net"));
        if let Some(table) = self.0.get(&key) {
            return Ok(table.groups(inodes));
        }
        let own = std::fs::read_link("/proc/self/ns/net").is_ok_and(|own| own == key);
        let quick = if own { crate::procfs::sock_diag::table().ok() } else { None };
        let table = quick.map_or_else(|| process.socket_table(), Ok)?;
        let groups = table.groups(inodes);
        self.0.insert(key, table);
        Ok(groups)
    }
}
