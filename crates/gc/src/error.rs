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
    Target(#[from] m5_target::Error),
}
