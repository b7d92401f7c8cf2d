//! Writing a few bytes into a running process: the one way in which m5 changes a target.
#![allow(unsafe_code)]

use crate::{Error, Result};
use std::io;

/// Writes `bytes` at `addr`, wholly or not at all as far as one page is concerned; nothing is stopped.
///
/// # Errors
/// [`Error::Unmapped`] where the range is not writable, [`Error::Permission`] and [`Error::NoSuchProcess`] as
/// the kernel says.
pub fn write_memory(pid: i32, addr: u64, bytes: &[u8]) -> Result<()> {
    let local = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let remote = libc::iovec { iov_base: addr as *mut libc::c_void, iov_len: bytes.len() };
    // SAFETY: `local` describes `bytes`, which the kernel only reads; `remote` is only interpreted in the
    // other process, where the kernel checks it.
    let n = unsafe { libc::process_vm_writev(pid, &raw const local, 1, &raw const remote, 1, 0) };
    if n == bytes.len() as isize {
        return Ok(());
    }
    let unmapped = Error::Unmapped { addr, len: bytes.len() };
    if n >= 0 {
        return Err(unmapped);
    }
    let err = io::Error::last_os_error();
    if err.raw_os_error() == Some(libc::EFAULT) {
        Err(unmapped)
    } else {
        Err(Error::from_io(pid, "memory", err))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_into_this_process() {
        let value = std::hint::black_box(Box::new(1u64));
        let me = std::process::id() as i32;
        let at = &raw const *value as u64;
        write_memory(me, at, &7u64.to_le_bytes()).unwrap();
        // SAFETY: `at` is the address of `value`, which is alive; the kernel changed it behind the compiler.
        assert_eq!(unsafe { std::ptr::read_volatile(at as *const u64) }, 7);
        assert!(matches!(write_memory(me, 8, &[0]), Err(Error::Unmapped { .. })));
    }
}
