//! One error type for everything the kernel may refuse, so that each refusal can name its remedy.

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::io;
use std::path::Path;

/// Result of asking the kernel.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the kernel did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No process has this pid, or it ended.
    #[error("no process with PID {pid} (or it has ended)")]
    NoSuchProcess {
        /// The pid asked for.
        pid: i32,
    },
    /// The process exists but may not be read.
    #[error("no permission to read {what} of PID {pid}")]
    Permission {
        /// The pid asked for.
        pid: i32,
        /// What was read.
        what: String,
    },
    /// Any other failure of a system call.
    #[error("cannot read {what}: {source}")]
    Io {
        /// What was read.
        what: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The kernel's text was not what it should be.
    #[error("{what} is malformed: {detail}")]
    Malformed {
        /// What was parsed.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The address is not mapped in the process.
    #[error("address {addr:#x} (+{len}) is not readable in the process")]
    Unmapped {
        /// First address of the read.
        addr: u64,
        /// Its length in bytes.
        len: usize,
    },
}

impl Error {
    /// Sorts a system error into the kinds that have different remedies.
    #[must_use]
    pub fn from_io(pid: i32, what: &str, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::ENOENT) if hidden(pid) => Self::Permission { pid, what: what.to_owned() },
            Some(libc::ENOENT | libc::ESRCH) => Self::NoSuchProcess { pid },
            Some(libc::EACCES | libc::EPERM) => Self::Permission { pid, what: what.to_owned() },
            _ => Self::Io { what: what.to_owned(), source },
        }
    }

    pub(crate) fn malformed(what: &str, detail: impl Into<String>) -> Self {
        Self::Malformed { what: what.to_owned(), detail: detail.into() }
    }
}

/// Whether a process exists that `/proc` does not show: mounted with `hidepid`, it hides those of other users.
#[must_use]
pub fn hidden(pid: i32) -> bool {
    let exists = Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid) == Err(Errno::PERM));
    exists && !Path::new(&format!("/proc/{pid}")).exists()
}

/// Whether `/proc` is mounted so that it hides the processes of other users from this one (`hidepid`), or all about them:
/// told by the first process, which is always there and of which everybody may read the state otherwise.
#[must_use]
pub fn hides_others() -> bool {
    let refused = std::fs::File::open("/proc/1/stat").err().and_then(|e| e.raw_os_error());
    hidden(1) || matches!(refused, Some(libc::EPERM | libc::EACCES))
}
