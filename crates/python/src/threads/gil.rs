//! With a GIL: no lock, no borrow counter, no second count of holders.
#![allow(unsafe_code)]

use super::memory::{Block, Memory};
use crate::own::Own;
use crate::raw;
use pyo3::prelude::*;
use std::cell::UnsafeCell;

/// A value that the GIL guards; see the module above for the rule.
pub(crate) struct StateCell<T>(UnsafeCell<T>);

// SAFETY: access needs the GIL, which `with` asks for by its token.
unsafe impl<T> Sync for StateCell<T> {}
// SAFETY: dropped with the GIL held or, for plain data, anywhere; Python references handle that themselves.
unsafe impl<T> Send for StateCell<T> {}

impl<T> StateCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Runs `f` on the value, alone. `f` keeps the rule of the module.
    #[inline]
    pub(crate) fn with<R>(&self, _py: Python<'_>, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the GIL is held (`_py`) and `f` cannot give it up or come back here, by the rule.
        f(unsafe { &mut *self.0.get() })
    }

    /// The value, for the garbage collector's visit.
    ///
    /// # Safety
    /// Called by the collector (`tp_traverse`), which the rule keeps out of every `with`.
    pub(crate) unsafe fn peek(&self) -> &T {
        // SAFETY: the caller's contract.
        unsafe { &*self.0.get() }
    }
}

/// Memory that rows hold together with their views: the block is the only holder's object, and its references count.
pub(crate) struct Shared(Own);

impl Shared {
    /// Room for `bytes`, nothing written yet.
    pub(crate) fn with_bytes(py: Python<'_>, bytes: usize) -> PyResult<Self> {
        let block = Bound::new(py, Block::of(Memory::with_bytes(bytes)))?;
        Ok(Self(block.into_any().into()))
    }

    #[inline]
    pub(crate) fn ptr(&self) -> *mut u8 {
        // SAFETY: a live block, and attached wherever an `Own` is.
        unsafe { raw::contents::<Block>(self.0.as_ptr()) }.ptr()
    }

    /// Whether anybody holds it besides the caller, who may be given it anew by nobody else.
    ///
    /// The low half of the reference count is at the head of the object in every version that the stable ABI of a
    /// build with GIL covers (3.12 and 3.14 gave the upper half other uses).
    #[inline]
    pub(crate) fn is_shared(&mut self) -> bool {
        // SAFETY: a live object; little-endian x86-64 and aarch64 only.
        unsafe { *self.0.as_ptr().cast::<u32>() > 1 }
    }

    /// Another holder.
    #[inline]
    pub(crate) fn hold(&self) -> Self {
        // SAFETY: alive, and attached wherever an `Own` is.
        Self(unsafe { Own::to(self.0.as_ptr()) })
    }

    /// The object that views keep in place of this holder.
    #[inline]
    #[allow(clippy::unnecessary_wraps)] // without a GIL it is made here
    pub(crate) fn lend(self, _py: Python<'_>) -> PyResult<Own> {
        Ok(self.0)
    }
}
