//! Why a history cannot be used, sorted by what a person can do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Why a history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file could not be made or opened.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file of somebody else; it was not touched.
    #[error("{path} is no history of m5")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Written by a newer m5.
    #[error("{path} has schema m5.history/{version}, this m5 reads m5.history/{reads}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: i64,
        /// What this m5 reads.
        reads: i64,
    },
    /// Bytes of it are not what was written.
    #[error("{path} is damaged: {detail}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Another m5 writes it.
    #[error("another m5 writes {path}")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// It holds nothing of what was asked for.
    #[error("{path} holds no sample of that")]
    Nothing {
        /// The file.
        path: PathBuf,
    },
    /// The disk is full, or the file has reached its bound.
    #[error("{path}: no room left")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Anything else that the store says.
    #[error("{path}: {detail}")]
    Store {
        /// The file.
        path: PathBuf,
        /// The store's words.
        detail: String,
    },
}

/// Sorts the store's errors.
pub(super) fn of(path: &Path, error: &rusqlite::Error) -> HistoryError {
    use rusqlite::ErrorCode as Code;
    let (path, detail) = (path.to_owned(), error.to_string());
    match error.sqlite_error_code() {
        Some(Code::NotADatabase) => HistoryError::Foreign { path },
        Some(Code::DatabaseCorrupt) => HistoryError::Damaged { path, detail },
        Some(Code::DiskFull) => HistoryError::Full { path },
        Some(_) => HistoryError::Store { path, detail },
        // Values of another type than the schema's: SQLite itself checks them when they are written.
        None => HistoryError::Damaged { path, detail },
    }
}
