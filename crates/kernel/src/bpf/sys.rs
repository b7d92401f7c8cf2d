//! The `bpf()` system call, as little of it as m5 needs. All that it makes goes when its descriptor is closed.
#![allow(unsafe_code)]

use crate::{Error, Result};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const MAP_CREATE: i32 = 0;
const MAP_LOOKUP: i32 = 1;
const MAP_UPDATE: i32 = 2;
const MAP_DELETE: i32 = 3;
const MAP_NEXT_KEY: i32 = 4;
const PROG_LOAD: i32 = 5;
const RAW_TRACEPOINT_OPEN: i32 = 17;
const LINK_CREATE: i32 = 28;

/// `BPF_PERF_EVENT`, the kind of attachment.
const ATTACH_PERF_EVENT: u32 = 41;
/// `BPF_MAP_TYPE_HASH`, `BPF_MAP_TYPE_ARRAY`, `BPF_MAP_TYPE_PERCPU_ARRAY`, `BPF_MAP_TYPE_LRU_HASH`, `BPF_MAP_TYPE_RINGBUF`.
const HASH: u32 = 1;
const ARRAY: u32 = 2;
const ARRAY_FOR_EACH_PROCESSOR: u32 = 6;
const LRU_HASH: u32 = 9;
const RING: u32 = 27;
/// Numbers of a table that are told at most.
const MOST_KEYS: usize = 1 << 16;
/// Bytes of the verifier's words that are kept.
const LOG: usize = 1 << 16;
/// The helpers that read memory are open to programs under this licence only.
const LICENCE: &[u8] = b"Dual MIT/GPL\0";

/// The kinds of program.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    PerfEvent = 7,
    RawTracepoint = 17,
}

/// The kernel's `union bpf_attr`: zeroed words, filled as each command wants them.
#[repr(C, align(8))]
struct Attr([u32; 32]);

impl Attr {
    fn new() -> Self {
        Self([0; 32])
    }

    fn half(mut self, at: usize, value: u32) -> Self {
        self.0[at / 4] = value;
        self
    }

    fn word(self, at: usize, value: u64) -> Self {
        self.half(at, value as u32).half(at + 4, (value >> 32) as u32)
    }
}

fn bpf(command: i32, attr: &Attr) -> io::Result<i32> {
    // SAFETY: `attr` is a zero-padded bpf_attr whose pointers the callers keep alive over the call.
    let got = unsafe {
        libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attr), size_of::<Attr>() as libc::c_uint)
    };
    if got < 0 { Err(io::Error::last_os_error()) } else { Ok(got as i32) }
}

fn made(what: &'static str, result: io::Result<i32>) -> Result<OwnedFd> {
    let fd = result.map_err(|source| Error::Refused { what, source })?;
    // SAFETY: the kernel has just given us this descriptor and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A ring of `size` bytes (a power of two).
pub(crate) fn ring(size: u32) -> Result<OwnedFd> {
    made("a ring", bpf(MAP_CREATE, &Attr::new().half(0, RING).half(12, size)))
}

/// An array with a single number of 64 bits.
pub(crate) fn counter() -> Result<OwnedFd> {
    made("a counter", bpf(MAP_CREATE, &Attr::new().half(0, ARRAY).half(4, 4).half(8, 8).half(12, 1)))
}

/// So many bytes (a multiple of eight) for each processor, which programs keep.
pub(crate) fn on_each_processor(bytes: u32) -> Result<OwnedFd> {
    let attr = Attr::new().half(0, ARRAY_FOR_EACH_PROCESSOR).half(4, 4).half(8, bytes).half(12, 1);
    made("a map of each processor's", bpf(MAP_CREATE, &attr))
}

/// What a table does where it is full.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Full {
    /// What was longest unused goes.
    OldestGoes,
    /// Nothing new is taken.
    NothingNew,
}

/// A table of values by a number of 32 bits, which programs fill and m5 reads, or the other way round.
#[derive(Debug)]
pub(crate) struct Table {
    fd: OwnedFd,
    bytes: usize,
}

impl Table {
    /// A table of at most `most` values of `bytes` each.
    pub(crate) fn new(bytes: usize, most: u32, full: Full) -> Result<Self> {
        let kind = match full {
            Full::OldestGoes => LRU_HASH,
            Full::NothingNew => HASH,
        };
        let attr = Attr::new().half(0, kind).half(4, 4).half(8, bytes as u32).half(12, most);
        Ok(Self { fd: made("a table", bpf(MAP_CREATE, &attr))?, bytes })
    }

    /// A single value of so many bytes, all zero, at number 0.
    pub(crate) fn zeroes(bytes: usize) -> Result<Self> {
        let attr = Attr::new().half(0, ARRAY).half(4, 4).half(8, bytes as u32).half(12, 1);
        Ok(Self { fd: made("a table", bpf(MAP_CREATE, &attr))?, bytes })
    }

    pub(crate) fn fd(&self) -> i32 {
        self.fd.as_raw_fd()
    }

    /// The words of the value at a number.
    pub(crate) fn get(&self, key: u32) -> Option<Vec<u64>> {
        let mut value = vec![0u64; self.bytes.div_ceil(8)];
        bpf(MAP_LOOKUP, &self.at(&key, value.as_mut_ptr() as u64)).ok()?;
        Some(value)
    }

    /// Sets the value at a number.
    pub(crate) fn put(&self, key: u32, value: &[u64]) -> Result<()> {
        debug_assert_eq!(size_of_val(value), self.bytes);
        let done = bpf(MAP_UPDATE, &self.at(&key, value.as_ptr() as u64));
        done.map(drop).map_err(|source| Error::Refused { what: "a value in a table", source })
    }

    /// The same, unless it has one.
    pub(crate) fn put_new(&self, key: u32, value: &[u64]) -> Result<()> {
        const NO_EXIST: u64 = 1;
        debug_assert_eq!(size_of_val(value), self.bytes);
        let done = bpf(MAP_UPDATE, &self.at(&key, value.as_ptr() as u64).word(24, NO_EXIST));
        done.map(drop).map_err(|source| Error::Refused { what: "a value in a table", source })
    }

    /// Forgets a number.
    pub(crate) fn remove(&self, key: u32) {
        let _absent = bpf(MAP_DELETE, &self.at(&key, 0));
    }

    /// The numbers that have a value; while programs take others in, one may be missed or be told twice.
    pub(crate) fn keys(&self) -> Vec<u32> {
        let (mut keys, mut last): (Vec<u32>, Option<u32>) = (Vec::new(), None);
        // As many as it holds: a table that changes could else be walked without an end.
        while keys.len() < MOST_KEYS {
            let mut next = 0u32;
            let from = last.as_ref().map_or(0, |key| std::ptr::from_ref(key) as u64);
            let attr = Attr::new()
                .half(0, self.fd.as_raw_fd().cast_unsigned())
                .word(8, from)
                .word(16, std::ptr::from_mut(&mut next) as u64);
            if bpf(MAP_NEXT_KEY, &attr).is_err() {
                break;
            }
            keys.push(next);
            last = Some(next);
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn at(&self, key: &u32, value: u64) -> Attr {
        Attr::new()
            .half(0, self.fd.as_raw_fd().cast_unsigned())
            .word(8, std::ptr::from_ref(key) as u64)
            .word(16, value)
    }
}

/// The number in a [`counter`].
pub(crate) fn count(counter: &OwnedFd) -> Result<u64> {
    let (key, mut value) = (0u32, 0u64);
    let attr = Attr::new()
        .half(0, counter.as_raw_fd().cast_unsigned())
        .word(8, std::ptr::from_ref(&key) as u64)
        .word(16, std::ptr::from_mut(&mut value) as u64);
    bpf(MAP_LOOKUP, &attr).map_err(|source| Error::Refused { what: "a counter", source })?;
    Ok(value)
}

/// Loads a program. What the verifier says against it is told.
pub(crate) fn load(kind: Kind, program: &[u64]) -> Result<OwnedFd> {
    match load_with(kind, program, &mut []) {
        Ok(fd) => made("a program", Ok(fd)),
        Err(source) if matches!(source.raw_os_error(), Some(libc::EACCES | libc::EINVAL)) => {
            let mut log = vec![0; LOG];
            let again = load_with(kind, program, &mut log);
            let text = String::from_utf8_lossy(&log);
            let text = text.trim_end_matches(['\0', '\n']).trim_end();
            let last = text.lines().rev().find(|l| !l.starts_with("processed")).unwrap_or_default();
            match again {
                Ok(fd) => made("a program", Ok(fd)),
                Err(_) if last.is_empty() => Err(Error::Refused { what: "a program", source }),
                Err(_) => Err(Error::Verifier { said: last.to_owned() }),
            }
        }
        Err(source) => Err(Error::Refused { what: "a program", source }),
    }
}

fn load_with(kind: Kind, program: &[u64], log: &mut [u8]) -> io::Result<i32> {
    let mut attr = Attr::new()
        .half(0, kind as u32)
        .half(4, program.len() as u32)
        .word(8, program.as_ptr() as u64)
        .word(16, LICENCE.as_ptr() as u64);
    if !log.is_empty() {
        attr = attr.half(24, 1).half(28, log.len() as u32).word(32, log.as_mut_ptr() as u64);
    }
    bpf(PROG_LOAD, &attr)
}

/// Runs a program at each sample of a perf event, which then tells it this number.
pub(crate) fn attach(program: &OwnedFd, event: i32, cookie: u64) -> Result<OwnedFd> {
    let attr = Attr::new()
        .half(0, program.as_raw_fd().cast_unsigned())
        .half(4, event.cast_unsigned())
        .half(8, ATTACH_PERF_EVENT)
        .word(16, cookie);
    made("an attachment (Linux 5.15 and later)", bpf(LINK_CREATE, &attr))
}

/// Runs a program at each passage of a raw tracepoint, by its name (with a zero at its end).
pub(crate) fn tracepoint(program: &OwnedFd, name: &'static std::ffi::CStr) -> Result<OwnedFd> {
    let attr = Attr::new().word(0, name.as_ptr() as u64).half(8, program.as_raw_fd().cast_unsigned());
    made("a tracepoint", bpf(RAW_TRACEPOINT_OPEN, &attr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_verifier_says_is_told() {
        // A program that ends without a result.
        const EXIT: u64 = 0x95;
        match load(Kind::PerfEvent, &[EXIT]) {
            Err(Error::Verifier { said }) => assert!(said.contains("R0"), "{said}"),
            Err(Error::Refused { source, .. }) => assert_eq!(source.kind(), io::ErrorKind::PermissionDenied),
            other => panic!("{other:?}"),
        }
    }
}
