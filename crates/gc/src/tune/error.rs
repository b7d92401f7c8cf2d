//! Why a collector was not tuned. In each case nothing was changed, or what was changed was put back.

use crate::tune::Settings;
use std::path::PathBuf;

/// Why a collector was not tuned.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// The interpreter could not be read.
    #[error(transparent)]
    Cpython(#[from] m5_cpython::Error),
    /// The kernel refused.
    #[error(transparent)]
    Process(#[from] m5_process::Error),
    /// The layout did not confirm itself strictly enough for writing.
    #[error("nothing was written to PID {pid}: {doubt}")]
    Doubt {
        /// The pid.
        pid: i32,
        /// What spoke against it.
        doubt: String,
    },
    /// A threshold that CPython would not take.
    #[error("a threshold must be between 0 and 2147483647, not {0}")]
    Threshold(i64),
    /// What was read back is not what was written.
    #[error("PID {pid} kept {found} instead of {wanted}; the old settings were put back")]
    NotObeyed {
        /// The pid.
        pid: i32,
        /// What was written.
        wanted: Settings,
        /// What was read back.
        found: Settings,
    },
    /// No journal names this process.
    #[error("m5 changed nothing in PID {pid} that it could undo")]
    NothingToUndo {
        /// The pid.
        pid: i32,
    },
    /// It executed another program, or its own anew, since m5 looked at it: its settings are its own.
    #[error("PID {pid} executed another program meanwhile: what m5 had set is gone with the old one")]
    Replaced {
        /// The pid.
        pid: i32,
    },
    /// The journal could not be written or read.
    #[error("cannot keep the old settings in {}: {source}", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The interpreter has no remote execution.
    #[error("asked to stop before PID {pid} was changed")]
    Interrupted {
        /// The process.
        pid: i32,
    },
    /// The interpreter is older than remote execution.
    #[error("PID {pid} runs CPython {version}: running gc.freeze() from outside needs 3.14 or later")]
    NoRemote {
        /// The pid.
        pid: i32,
        /// Its version.
        version: String,
    },
    /// The process was started without it.
    #[error("PID {pid} was started with remote debugging disabled")]
    RemoteDisabled {
        /// The pid.
        pid: i32,
    },
    /// The script did not run in time.
    #[error("the main thread of PID {pid} did not run the script within {seconds} s; it was taken back")]
    RemoteTimeout {
        /// The pid.
        pid: i32,
        /// How long was waited.
        seconds: u64,
    },
    /// The script ran, but not to its end.
    #[error("the script in PID {pid} failed: {reason}")]
    RemoteFailed {
        /// The pid.
        pid: i32,
        /// What it said.
        reason: String,
    },
}

/// Result of tuning.
pub(crate) type Result<T> = std::result::Result<T, TuneError>;
