//! The page that `m5` reads from outside: named values in shared memory, written natively.
//!
//! The layout is here and in `docs/shared-page.md`, and nowhere else. The page is a memfd named `m5mem`, so that a
//! reader finds it among the maps of any process (`/memfd:m5mem`), without a port or a file.
#![allow(unsafe_code)]

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// First bytes of the page.
const MAGIC: &[u8; 8] = b"m5mem\0\0\0";
/// Changes when the meaning of any byte does.
const LAYOUT: u32 = 1;
const BYTES: usize = 64 * 1024;
const HEADER: usize = 64;
/// A name of at most 119 bytes in UTF-8, padded with zeros; then the value.
const ENTRY: usize = 128;
const NAME: usize = 120;
const ENTRIES: usize = (BYTES - HEADER) / ENTRY;

struct Map {
    base: *mut u8,
    places: HashMap<String, usize>,
}

// SAFETY: the mapping belongs to the page alone and is used under its lock.
unsafe impl Send for Map {}

/// See the module.
#[pyclass(frozen, module = "m5mem._native")]
pub(crate) struct SharedPage {
    map: Mutex<Map>,
}

impl Map {
    fn create() -> std::io::Result<Self> {
        // SAFETY: plain system calls; each result is checked, and the descriptor is closed on every path.
        unsafe {
            let fd = libc::memfd_create(c"m5mem".as_ptr(), libc::MFD_CLOEXEC);
            if fd < 0 {
                return Err(std::io::Error::last_os_error());
            }
            let fine = libc::ftruncate(fd, BYTES as i64) == 0;
            let base = if fine {
                let rights = libc::PROT_READ | libc::PROT_WRITE;
                libc::mmap(std::ptr::null_mut(), BYTES, rights, libc::MAP_SHARED, fd, 0)
            } else {
                libc::MAP_FAILED
            };
            let error = std::io::Error::last_os_error();
            // The mapping keeps the memory; a descriptor would only count against the program's.
            libc::close(fd);
            if base == libc::MAP_FAILED {
                return Err(error);
            }
            let map = Self { base: base.cast(), places: HashMap::new() };
            map.base.add(8).cast::<u32>().write(LAYOUT);
            map.base.add(12).cast::<u32>().write(HEADER as u32);
            map.base.add(16).cast::<u32>().write(ENTRY as u32);
            map.base.add(24).cast::<u32>().write(std::process::id());
            fence(Ordering::Release);
            // Last: a reader that sees the magic sees a whole header.
            std::ptr::copy_nonoverlapping(MAGIC.as_ptr(), map.base, MAGIC.len());
            Ok(map)
        }
    }

    fn count(&self) -> &AtomicU32 {
        // SAFETY: inside the page, aligned.
        unsafe { &*self.base.add(20).cast() }
    }

    fn value(&self, place: usize) -> &AtomicU64 {
        // SAFETY: `place` is below ENTRIES: inside the page, aligned.
        unsafe { &*self.base.add(HEADER + place * ENTRY + NAME).cast() }
    }

    fn place(&mut self, name: &str) -> PyResult<usize> {
        if let Some(&place) = self.places.get(name) {
            return Ok(place);
        }
        let place = self.places.len();
        if name.is_empty() || name.len() >= NAME || name.contains('\0') {
            return Err(PyValueError::new_err(format!("a name has 1 to {} bytes and no NUL", NAME - 1)));
        }
        if place == ENTRIES {
            return Err(PyValueError::new_err(format!("the page is full: {ENTRIES} names")));
        }
        // SAFETY: inside the page; readers look at it only when `count` covers it.
        unsafe {
            let at = self.base.add(HEADER + place * ENTRY);
            std::ptr::copy_nonoverlapping(name.as_ptr(), at, name.len());
        }
        self.value(place).store(f64::NAN.to_bits(), Ordering::Relaxed);
        self.count().store(place as u32 + 1, Ordering::Release);
        self.places.insert(name.to_owned(), place);
        Ok(place)
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: our own mapping, unmapped once.
        unsafe { libc::munmap(self.base.cast(), BYTES) };
    }
}

#[pymethods]
impl SharedPage {
    #[new]
    fn new() -> PyResult<Self> {
        let map = Map::create().map_err(|e| PyOSError::new_err(format!("no shared page: {e}")))?;
        Ok(Self { map: Mutex::new(map) })
    }

    /// Writes values by name.
    fn update(&self, values: HashMap<String, f64>) -> PyResult<()> {
        let mut map = self.map.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (name, value) in values {
            let place = map.place(&name)?;
            map.value(place).store(value.to_bits(), Ordering::Relaxed);
        }
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `now` is ours to fill.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
        let ns = (now.tv_sec.cast_unsigned()) * 1_000_000_000 + now.tv_nsec.cast_unsigned();
        // SAFETY: inside the page, aligned.
        let written: &AtomicU64 = unsafe { &*map.base.add(32).cast() };
        written.store(ns, Ordering::Release);
        Ok(())
    }

    /// What stands in the page.
    fn read(&self) -> HashMap<String, f64> {
        let map = self.map.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let value = |&p: &usize| f64::from_bits(map.value(p).load(Ordering::Relaxed));
        map.places.iter().map(|(name, place)| (name.clone(), value(place))).collect()
    }
}

/// Adds the class to the module.
pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<SharedPage>()
}
