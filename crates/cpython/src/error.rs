//! Why an interpreter could not be read.

/// Result of asking the interpreter.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an interpreter could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused.
    #[error(transparent)]
    Process(#[from] m5_process::Error),
    /// No mapping of the process holds `_PyRuntime`.
    #[error("PID {pid} is not a CPython 3.8+ process: no mapped file has the symbol _PyRuntime")]
    NotPython {
        /// The pid.
        pid: i32,
    },
    /// A CPython whose layout no table fits.
    #[error("PID {pid} runs a CPython that m5 does not know: {found}")]
    Unsupported {
        /// The pid.
        pid: i32,
        /// What was found there.
        found: String,
    },
    /// A free-threaded CPython of a version without a table: its collector has another state altogether.
    #[error("PID {pid} runs free-threaded CPython {version}, a version that this m5 does not know")]
    FreeThreaded {
        /// The pid.
        pid: i32,
        /// Its version.
        version: crate::Version,
    },
    /// It collects all the time, and what it moves cannot be checked.
    #[error("PID {pid} is busy collecting: no moment between two collections came")]
    Busy {
        /// The pid.
        pid: i32,
    },
    /// The interpreter has not been set up yet.
    #[error("the interpreter of PID {pid} is still starting (or already ending); try again in a moment")]
    Starting {
        /// The pid.
        pid: i32,
    },
}
