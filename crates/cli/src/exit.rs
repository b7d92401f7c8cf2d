//! The exit codes: what a script may rely on.

use std::process::ExitCode;

/// How m5 ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Done, and nothing amiss.
    Fine = 0,
    /// An objective missed, or a regression found.
    Missed = 1,
    /// Wrong usage.
    Usage = 2,
    /// The target does not exist or is gone.
    Gone = 3,
    /// No permission.
    Permission = 4,
    /// A target or a file that m5 cannot read.
    Unreadable = 5,
    /// Inconclusive or incomplete.
    Incomplete = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
