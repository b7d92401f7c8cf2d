//! Why pauses could not be traced.

/// Result of tracing.
pub type Result<T> = std::result::Result<T, Error>;

/// Why pauses could not be traced.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The interpreter could not be read.
    #[error(transparent)]
    Cpython(#[from] m5_cpython::Error),
    /// The kernel refused.
    #[error(transparent)]
    Process(#[from] m5_process::Error),
    /// The source that was asked for cannot be had.
    #[error("pauses cannot be watched: {0}")]
    Obstacle(crate::Obstacle),
    /// The source that was asked for does not exist in this build of CPython.
    #[error("this CPython keeps no records of its collections: they came with 3.15")]
    NoRecords,
}
