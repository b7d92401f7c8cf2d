//! The seam under every decoder: read bytes at an address, from a live process or from a buffer.
#![allow(unsafe_code)]

pub(crate) mod constants;
pub(crate) mod core;
pub(crate) mod write;

use crate::{Error, Result};
use std::io;

/// Nothing is mapped below it on any system (`vm.mmap_min_addr`): a smaller word is a number and no pointer.
pub const LOWEST_ADDRESS: u64 = 4096;

/// Something that has an address space.
pub trait Memory {
    /// Fills `buf` from `addr`, wholly or not at all.
    ///
    /// # Errors
    /// [`Error::Unmapped`] where the range is not readable, [`Error::Permission`] and
    /// [`Error::NoSuchProcess`] once it has ended; [`Error::Unmapped`] where not every byte is readable.
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<()>;

    /// Reads a fixed number of bytes.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn bytes<const N: usize>(&self, addr: u64) -> Result<[u8; N]>
    where
        Self: Sized,
    {
        let mut buf = [0; N];
        self.read(addr, &mut buf)?;
        Ok(buf)
    }

    /// Reads a little-endian 64-bit word, a pointer for instance.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn u64(&self, addr: u64) -> Result<u64> {
        let mut buf = [0; 8];
        self.read(addr, &mut buf)?;
        Ok(u64::from_le_bytes(buf))
    }

    /// Reads a little-endian 32-bit signed integer.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn i32(&self, addr: u64) -> Result<i32> {
        let mut buf = [0; 4];
        self.read(addr, &mut buf)?;
        Ok(i32::from_le_bytes(buf))
    }
}

impl<M: Memory> Memory for std::sync::Arc<M> {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<()> {
        M::read(self, addr, buf)
    }
}

/// The memory of a running process; nothing is stopped.
#[derive(Debug, Clone, Copy)]
pub struct LiveMemory {
    pid: i32,
}

impl LiveMemory {
    /// Reads from the process with this pid.
    #[must_use]
    pub fn new(pid: i32) -> Self {
        Self { pid }
    }

    /// Reads `N` bytes at each address, many to a system call. `None` for what is not readable.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] once it has ended, [`Error::Permission`] without the right to trace it.
    pub fn each<const N: usize>(&self, addresses: &[u64]) -> Result<Vec<Option<[u8; N]>>> {
        let mut out = Vec::with_capacity(addresses.len());
        let mut buffer = vec![[0; N]; addresses.len().min(IOV_MAX)];
        while let Some(rest) = addresses.get(out.len()..).filter(|rest| !rest.is_empty()) {
            let some = rest.get(..IOV_MAX).unwrap_or(rest);
            let read = self.gather(some, &mut buffer)?;
            out.extend(buffer.iter().take(read).map(|bytes| Some(*bytes)));
            if read < some.len() {
                out.push(None);
            }
        }
        Ok(out)
    }

    /// How many of the addresses were read, up to the first that is not readable.
    fn gather<const N: usize>(&self, addresses: &[u64], buffer: &mut [[u8; N]]) -> Result<usize> {
        let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: N * addresses.len() };
        let remote: Vec<libc::iovec> = addresses
            .iter()
            .map(|at| libc::iovec { iov_base: *at as *mut libc::c_void, iov_len: N })
            .collect();
        if buffer.len() < addresses.len() {
            return Ok(0);
        }
        let count = remote.len() as libc::c_ulong;
        // SAFETY: `local` describes the first `addresses.len()` parts of `buffer`, which is exclusively borrowed
        // and that long; the addresses in `remote` are only interpreted in the other process, where the kernel
        // checks them.
        let n = unsafe { libc::process_vm_readv(self.pid, &raw const local, 1, remote.as_ptr(), count, 0) };
        if n >= 0 {
            return Ok(n as usize / N.max(1));
        }
        let err = io::Error::last_os_error();
        if err.raw_os_error() == Some(libc::EFAULT) {
            Ok(0)
        } else {
            Err(Error::from_io(self.pid, "memory", err))
        }
    }
}

/// Pieces that one system call takes.
const IOV_MAX: usize = 1024;

impl Memory for LiveMemory {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<()> {
        if buf.is_empty() {
            return Ok(());
        }
        let local = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
        let remote = libc::iovec { iov_base: addr as *mut libc::c_void, iov_len: buf.len() };
        // SAFETY: `local` describes `buf`, which outlives the call and is exclusively borrowed; `remote` is
        // only interpreted in the other process, where the kernel checks it.
        let n = unsafe { libc::process_vm_readv(self.pid, &raw const local, 1, &raw const remote, 1, 0) };
        if n == buf.len() as isize {
            return Ok(());
        }
        if n >= 0 {
            return Err(Error::Unmapped { addr, len: buf.len() });
        }
        let err = io::Error::last_os_error();
        if err.raw_os_error() == Some(libc::EFAULT) {
            return Err(Error::Unmapped { addr, len: buf.len() });
        }
        Err(Error::from_io(self.pid, "memory", err))
    }
}

/// A stretch of bytes that stands for an address space in tests.
#[derive(Debug, Clone)]
pub struct BufferMemory {
    base: u64,
    bytes: Vec<u8>,
}

impl BufferMemory {
    /// Places `bytes` at `base`.
    #[must_use]
    pub fn new(base: u64, bytes: Vec<u8>) -> Self {
        Self { base, bytes }
    }
}

impl Memory for BufferMemory {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<()> {
        let unmapped = Error::Unmapped { addr, len: buf.len() };
        let range = addr
            .checked_sub(self.base)
            .and_then(|start| usize::try_from(start).ok())
            .and_then(|start| Some(start..start.checked_add(buf.len())?));
        match range.and_then(|r| self.bytes.get(r)) {
            Some(src) => {
                buf.copy_from_slice(src);
                Ok(())
            }
            None => Err(unmapped),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_itself_live() {
        let value: u64 = 0x0123_4567_89ab_cdef;
        let memory = LiveMemory::new(std::process::id() as i32);
        assert_eq!(memory.u64((&raw const value) as u64).unwrap(), value);
        assert!(matches!(memory.u64(8), Err(Error::Unmapped { .. })));
    }

    #[test]
    fn reads_many_places_at_once_and_says_which_are_none() {
        let values: Vec<u64> = (0..3000).collect();
        let me = LiveMemory::new(std::process::id() as i32);
        let mut addresses: Vec<u64> = values.iter().map(|v| std::ptr::from_ref(v) as u64).collect();
        addresses[1500] = 8;
        let read = me.each::<8>(&addresses).unwrap();
        assert_eq!(read.len(), values.len());
        for (i, bytes) in read.into_iter().enumerate() {
            assert_eq!(bytes.map(u64::from_le_bytes), (i != 1500).then_some(i as u64));
        }
    }

    #[test]
    fn a_buffer_refuses_what_it_does_not_hold() {
        let memory = BufferMemory::new(100, vec![1, 0, 0, 0, 2]);
        assert_eq!(memory.i32(100).unwrap(), 1);
        assert!(memory.i32(102).is_err());
        assert!(memory.i32(99).is_err());
        assert!(memory.i32(u64::MAX).is_err());
    }
}
