//! The ring through which programs in the kernel tell m5 what they saw.
#![allow(unsafe_code)]

use super::sys;
use crate::{Error, Result};
use m5_process::page_size;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
/// A record's head: its length and flags, and where it lies.
const HEAD: usize = 8;

/// A mapped ring.
#[derive(Debug)]
pub(crate) struct Ring {
    fd: OwnedFd,
    /// A page that m5 writes: how far it has read.
    read: NonNull<u8>,
    /// A page that the kernel writes, then the data, twice, so that no record is split.
    written: NonNull<u8>,
    page: usize,
    size: usize,
}

// SAFETY: the mappings belong to this value alone; what the kernel writes is read through atomics.
unsafe impl Send for Ring {}

impl Ring {
    /// Makes and maps a ring of `size` bytes (a power of two, of pages).
    pub(crate) fn new(size: usize) -> Result<Self> {
        let fd = sys::ring(size as u32)?;
        let page = page_size() as usize;
        let read = map(&fd, page, libc::PROT_READ | libc::PROT_WRITE, 0)?;
        let written = match map(&fd, page + 2 * size, libc::PROT_READ, page) {
            Ok(written) => written,
            Err(error) => {
                // SAFETY: exactly what was mapped above, and nothing borrows from it.
                unsafe { libc::munmap(read.as_ptr().cast(), page) };
                return Err(error);
            }
        };
        Ok(Self { fd, read, written, page, size })
    }

    pub(crate) fn fd(&self) -> i32 {
        self.fd.as_raw_fd()
    }

    /// Shows each record that is complete, oldest first, and frees its room.
    pub(crate) fn drain(&self, mut see: impl FnMut(&[u8])) {
        // SAFETY: both are the first words of mapped pages that the kernel shares by atomics.
        let (read, written) = unsafe {
            (
                AtomicU64::from_ptr(self.read.as_ptr().cast()),
                AtomicU64::from_ptr(self.written.as_ptr().cast()),
            )
        };
        let mut at = read.load(Ordering::Relaxed);
        while at < written.load(Ordering::Acquire) {
            let start = self.page + at as usize % self.size;
            // SAFETY: `start` lies within the data and is a multiple of eight.
            let head = unsafe { AtomicU32::from_ptr(self.written.as_ptr().add(start).cast()) };
            let head = head.load(Ordering::Acquire);
            if head & BUSY != 0 {
                break;
            }
            let length = ((head & !DISCARDED) as usize).min(self.size - HEAD);
            if head & DISCARDED == 0 {
                // SAFETY: a record lies whole in the data or its second mapping, and is not written any more.
                see(unsafe { std::slice::from_raw_parts(self.written.as_ptr().add(start + HEAD), length) });
            }
            at += (length + HEAD).next_multiple_of(8) as u64;
            read.store(at, Ordering::Release);
        }
    }
}

fn map(fd: &OwnedFd, length: usize, prot: i32, offset: usize) -> Result<NonNull<u8>> {
    let start = std::ptr::null_mut();
    // SAFETY: a new mapping of an open descriptor at an address of the kernel's choice.
    let got = unsafe { libc::mmap(start, length, prot, libc::MAP_SHARED, fd.as_raw_fd(), offset as i64) };
    let failed = || Error::Refused { what: "a ring", source: io::Error::last_os_error() };
    if got == libc::MAP_FAILED { Err(failed()) } else { NonNull::new(got.cast()).ok_or_else(failed) }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: exactly what `new` mapped, and nothing borrows from it any more.
        unsafe {
            libc::munmap(self.read.as_ptr().cast(), self.page);
            libc::munmap(self.written.as_ptr().cast(), self.page + 2 * self.size);
        }
    }
}
