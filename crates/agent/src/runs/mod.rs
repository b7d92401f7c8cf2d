//! Fresh processes of a command, measured from their last breath (`m5 bench-run`), and one process that does the
//! same work again and again (`m5 leaks`).
//!
//! Both run a few lines of Python inside the measured program, which only m5 itself starts: nothing is ever put
//! into a process that runs already.

pub(crate) mod huge_pages;
mod iterate;
mod measure;

pub use iterate::{Work, halting, iterate};
pub use measure::{Seed, measure};

/// Why a command could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It did not start.
    #[error("{command} did not start: {reason}")]
    Start {
        /// The command.
        command: String,
        /// What the kernel said.
        reason: String,
    },
    /// It ended otherwise than well.
    #[error("{command} ended with {status}")]
    Failed {
        /// The command.
        command: String,
        /// How it ended.
        status: String,
    },
    /// A temporary file could not be made or read.
    #[error("temporary files: {0}")]
    Files(#[from] std::io::Error),
    /// It is not a Python command that can be iterated.
    #[error("not a Python command with a script, -m or -c")]
    NotPython,
}

fn shown(command: &[std::ffi::OsString]) -> String {
    command.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
