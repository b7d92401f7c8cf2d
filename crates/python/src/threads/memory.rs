//! Memory of candles, and the object of Python that stands for it.
#![allow(unsafe_code)]

use pyo3::prelude::*;
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;

/// Raw memory.
pub(crate) struct Memory(UnsafeCell<Box<[MaybeUninit<u64>]>>);

// SAFETY: written only by who has the rows (their cell sees to that), and only rows that no view covers.
unsafe impl Sync for Memory {}

impl Memory {
    /// Room for `bytes`, nothing written yet: whoever lends it out writes first what can be seen.
    pub(super) fn with_bytes(bytes: usize) -> Self {
        Self(UnsafeCell::new(Box::new_uninit_slice(bytes.div_ceil(8))))
    }

    pub(super) fn ptr(&self) -> *mut u8 {
        // SAFETY: only the address is taken; the box is never replaced.
        unsafe { (*self.0.get()).as_mut_ptr().cast() }
    }
}

/// How a block has its memory: in itself, or together with rows that hold it beside the block.
#[cfg(not(Py_GIL_DISABLED))]
pub(super) type Words = Memory;
#[cfg(Py_GIL_DISABLED)]
pub(super) type Words = std::sync::Arc<Memory>;

/// Memory as an object of Python: an array's base or an exporter holds it.
#[pyclass(frozen, name = "_Block", module = "m5mem._native")]
pub(crate) struct Block(Words);

impl Block {
    pub(super) fn of(words: Words) -> Self {
        Self(words)
    }

    #[cfg_attr(Py_GIL_DISABLED, allow(dead_code))]
    pub(super) fn ptr(&self) -> *mut u8 {
        self.0.ptr()
    }
}
