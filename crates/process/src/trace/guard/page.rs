//! The page that a guard and its maker share.
#![allow(unsafe_code)]

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64};

/// The page that both have.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) heartbeat_ns: AtomicU64,
    /// When the target must run again; 0 while it runs.
    pub(super) hold_until_ns: AtomicU64,
    /// When half of that time is over.
    pub(super) hold_half_ns: AtomicU64,
    /// The copy; 0 where there is none.
    pub(super) copy: AtomicI32,
    /// Why it was ended: 0 it was not, 1 for memory, 2 because we stood still.
    pub(super) ended: AtomicU32,
}

pub(super) fn map_page() -> io::Result<NonNull<Shared>> {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: a fresh mapping at a place of the kernel's choice.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), size_of::<Shared>(), protection, flags, -1, 0) };
    NonNull::new(page.cast()).filter(|_| page != libc::MAP_FAILED).ok_or_else(io::Error::last_os_error)
}

pub(super) fn unmap(page: NonNull<Shared>) {
    // SAFETY: mapped by `map_page`, unmapped once.
    unsafe { libc::munmap(page.as_ptr().cast(), size_of::<Shared>()) };
}
