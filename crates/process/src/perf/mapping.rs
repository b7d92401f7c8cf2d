//! The ring that the kernel writes an event's records to, mapped into m5.
#![allow(unsafe_code)]

use super::{Event, OpenError};
use crate::page_size;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// Offsets of the two positions in the control page.
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;
/// Smallest ring worth having, bytes.
const SMALLEST: usize = 16 << 10;

/// No record of what this folder opens is larger, bytes, with what tells of lost ones before it.
const LARGEST: usize = 128;

/// A mapped ring.
#[derive(Debug)]
pub struct Mapping {
    base: NonNull<u8>,
    page: usize,
    size: usize,
}

// SAFETY: the mapping belongs to this value alone; what the kernel writes is read through atomics.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps a ring of `size` bytes (a power of two), or a smaller one where locked memory is short.
    ///
    /// # Errors
    /// The number of the kernel's refusal.
    pub fn new(event: &Event, mut size: usize) -> Result<Self, OpenError> {
        let page = page_size() as usize;
        loop {
            let prot = libc::PROT_READ | libc::PROT_WRITE;
            // SAFETY: a new mapping of an open descriptor at an address of the kernel's choice.
            let base = unsafe {
                libc::mmap(std::ptr::null_mut(), page + size, prot, libc::MAP_SHARED, event.fd(), 0)
            };
            if base != libc::MAP_FAILED {
                let base = NonNull::new(base.cast()).ok_or(OpenError(libc::ENOMEM))?;
                return Ok(Self { base, page, size });
            }
            let error = io::Error::last_os_error().raw_os_error().unwrap_or(0);
            if size <= SMALLEST.max(page) {
                return Err(OpenError(error));
            }
            size /= 2;
        }
    }

    /// Bytes that it holds at most.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether nothing was written since the last call of [`Mapping::drain`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let [head, tail] = [DATA_HEAD, DATA_TAIL].map(|at| self.position(at).load(Ordering::Acquire));
        head == tail
    }

    /// Moves all that was written since the last call to the end of `out`; true where so little room was left that what
    /// came next may have found none. How much did not is told by a record, but only before the next one that found room.
    pub fn drain(&self, out: &mut Vec<u8>) -> bool {
        let (head, tail) = (self.position(DATA_HEAD), self.position(DATA_TAIL));
        let end = head.load(Ordering::Acquire);
        let start = tail.load(Ordering::Relaxed);
        let length = (end.wrapping_sub(start) as usize).min(self.size);
        let at = start as usize % self.size;
        let first = length.min(self.size - at);
        for (at, length) in [(at, first), (0, length - first)] {
            // SAFETY: `at + length` lies within the ring; the kernel does not write between tail and head.
            out.extend_from_slice(unsafe {
                std::slice::from_raw_parts(self.base.as_ptr().add(self.page + at), length)
            });
        }
        tail.store(end, Ordering::Release);
        self.size - length < LARGEST
    }

    fn position(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: the control page is mapped, and the kernel shares this aligned word with us by atomics.
        unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(offset).cast()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what `new` mapped, and nothing borrows from it any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.page + self.size) };
    }
}
