//! One writer per history. The kernel drops the lock when its holder ends, also by kill -9.
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;

/// A lock on a file, held until the value is dropped.
///
/// SQLite's own locks belong to the process and go when *any* descriptor of the file is closed: a value of this
/// type must outlive the connection to the same file.
#[derive(Debug)]
pub(super) struct Lock(#[allow(dead_code)] File);

impl Lock {
    /// Takes the lock; `None` where another holds it.
    pub(super) fn take(file: File) -> Option<Self> {
        // SAFETY: a call on a descriptor that `file` keeps open; it touches no memory.
        let taken = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0;
        taken.then_some(Self(file))
    }
}
