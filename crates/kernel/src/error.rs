//! Why the kernel's help could not be had.

use std::io;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the kernel's help could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The interpreter could not be read.
    #[error(transparent)]
    Cpython(#[from] m5_cpython::Error),
    /// The kernel refused to tell of the process.
    #[error(transparent)]
    Process(#[from] m5_process::Error),
    /// The kernel refused something that eBPF needs.
    #[error("the kernel refuses {what}: {source}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// The kernel's verifier does not like a program.
    #[error("the kernel's verifier refuses the program: {said}")]
    Verifier {
        /// Its last words.
        said: String,
    },
    /// Something that this machine or build lacks.
    #[error("{0}")]
    Unsupported(&'static str),
}

impl Error {
    /// Whether more rights would help.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::Refused { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }
}
