//! The file `.m5snap`: a snapshot that outlives its process.
//!
//! A fixed head (magic, version), then sections: a tag, two lengths, and zstd data with its own checksum.
//! Columns are LEB128 numbers, differences where neighbours are alike. A reader skips tags that it does not
//! know and refuses versions that it does not know. Nothing in the file is trusted: no allocation is larger
//! than what the bytes at hand can fill, and every index is checked before it is used.

mod column;
mod read;
mod write;

pub use read::{read_snapshot, read_snapshot_from};
pub use write::{save_snapshot, write_snapshot};

const MAGIC: &[u8; 8] = b"\x89M5SNAP\n";
const VERSION: u32 = 1;

/// Tags of the sections.
mod tag {
    pub(super) const HEAD: [u8; 4] = *b"HEAD";
    pub(super) const ADDRESS: [u8; 4] = *b"ADDR";
    pub(super) const TYPE: [u8; 4] = *b"TYPE";
    pub(super) const SIZE: [u8; 4] = *b"SIZE";
    pub(super) const DEGREE: [u8; 4] = *b"DEGR";
    pub(super) const EDGE: [u8; 4] = *b"EDGE";
    pub(super) const NAMES: [u8; 4] = *b"NAMS";
    pub(super) const ITEMS: [u8; 4] = *b"ITMS";
    /// Of files from before it is missing.
    pub(super) const NATIVE: [u8; 4] = *b"NATV";
}

/// What is small enough to be JSON.
#[derive(serde::Serialize, serde::Deserialize)]
struct Head {
    info: crate::SnapshotInfo,
    types: Vec<crate::TypeInfo>,
    roots: Vec<crate::Root>,
    names: Vec<crate::EdgeName>,
    memory: Option<crate::MemoryTree>,
    fds: Vec<crate::FdHolder>,
}

/// Why a file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapfileError {
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Another kind of file.
    #[error("{path} is no m5 snapshot (write one with `m5 snapshot -p PID --save {path}`)")]
    Foreign {
        /// The file.
        path: String,
    },
    /// A later m5 wrote it.
    #[error("{path} has format version {version}, this m5 reads up to {VERSION}: use a newer m5")]
    Newer {
        /// The file.
        path: String,
        /// Its version.
        version: u32,
    },
    /// Cut short or damaged.
    #[error("{path} is damaged or incomplete ({detail}): take the snapshot again")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        detail: String,
    },
}

#[cfg(test)]
mod tests;
