//! One writer per history. The kernel drops the lock when its holder ends, also by kill -9.
use rustix::fs::{FlockOperation, flock};
use std::fs::File;

/// A lock on a file, held until the value is dropped.
///
/// SQLite's own locks belong to the process and go when *any* descriptor of the file is closed: a value of this
/// type must outlive the connection to the same file.
#[derive(Debug)]
pub(super) struct Lock(#[allow(dead_code)] File);

impl Lock {
    /// Takes the lock; `None` where another holds it.
    pub(super) fn take(file: File) -> Option<Self> {
        flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok().then_some(Self(file))
    }
}
