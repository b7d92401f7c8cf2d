//! The open files of a watched process, and what is read through them at each sample.

use super::Interpreters;
use crate::m5mem_page::SharedPage;
use m5_cpython::{GcState, Interpreter};
use m5_process::{ConnectionGroup, FdCounts, Process, Reading, Result, Sampler, SocketTables};
use m5_report::doc::Application;

/// A process under watch.
pub(crate) struct WatchedProcess {
    sampler: Sampler,
    page: SharedPage,
    interpreters: Interpreters,
}

impl WatchedProcess {
    /// Opens its files.
    ///
    /// # Errors
    /// Where it has ended or may not be read.
    pub(crate) fn open(process: &Process) -> Result<Self> {
        let (page, interpreters) = (SharedPage::default(), Interpreters::default());
        Ok(Self { sampler: Sampler::open(process)?, page, interpreters })
    }

    /// The process.
    pub(crate) fn process(&self) -> &Process {
        self.sampler.process()
    }

    /// Memory, CPU time, threads and descriptors now.
    ///
    /// # Errors
    /// Where it has ended or may not be read any more.
    pub(crate) fn read(&mut self) -> Result<Reading> {
        self.sampler.read()
    }

    /// The collectors of all interpreters together, where that of the main one says `state`.
    pub(crate) fn collectors(&mut self, main: &Interpreter, state: &GcState) -> GcState {
        self.interpreters.together(main, state)
    }

    /// It executed something else: what its interpreters counted is void.
    pub(crate) fn forget_interpreters(&mut self) {
        self.interpreters = Interpreters::default();
    }

    /// What it says of itself.
    pub(crate) fn application(&mut self) -> Option<Application> {
        self.page.read(self.sampler.process())
    }

    /// The connections behind its descriptors.
    ///
    /// # Errors
    /// Where the tables of its network namespace cannot be read.
    pub(crate) fn connections(
        &self,
        tables: &mut SocketTables,
        fds: &FdCounts,
    ) -> Result<Vec<ConnectionGroup>> {
        if fds.socket_inodes.is_empty() {
            return Ok(Vec::new());
        }
        tables.connections(self.sampler.process(), &fds.socket_inodes)
    }
}

/// Connections that are established.
pub(crate) fn established(groups: &[ConnectionGroup]) -> u64 {
    groups.iter().filter(|g| g.state == "ESTABLISHED").map(|g| g.count).sum()
}
