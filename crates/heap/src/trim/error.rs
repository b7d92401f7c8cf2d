//! Why nothing was given back.

use m5_process::TraceError;

/// Why a process was not trimmed. Nothing of it was touched, or no more than the report says.
#[derive(Debug, thiserror::Error)]
pub enum TrimError {
    /// It could not be stopped, or not be read.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// Its memory is not the GNU C library's, or not of a version that is known.
    #[error("{0}")]
    Unknown(String),
    /// The allocator's own lists contradict each other.
    #[error(
        "the allocator's lists contradict each other ({0}): nothing is given back from a heap that may be damaged"
    )]
    Inconsistent(String),
}

impl From<m5_process::Error> for TrimError {
    fn from(error: m5_process::Error) -> Self {
        Self::Trace(error.into())
    }
}
