//! Without a GIL: a lock in each cell, and a count of holders that any thread may read.
#![allow(unsafe_code)]

use super::memory::{Block, Memory};
use crate::own::Own;
use pyo3::prelude::*;
use std::cell::UnsafeCell;
use std::sync::{Arc, Mutex, PoisonError};

/// A value behind a lock; see the module above for the rule.
pub(crate) struct StateCell<T> {
    lock: Mutex<()>,
    value: UnsafeCell<T>,
}

// SAFETY: `with` has the lock; `peek` is for the collector, which runs when nobody is inside of `with`.
unsafe impl<T> Sync for StateCell<T> {}
// SAFETY: what it holds is moved between threads under the lock; references of Python may be used in any of them.
unsafe impl<T> Send for StateCell<T> {}

impl<T> StateCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { lock: Mutex::new(()), value: UnsafeCell::new(value) }
    }

    /// Runs `f` on the value, alone. `f` keeps the rule of the module.
    #[inline]
    pub(crate) fn with<R>(&self, _py: Python<'_>, f: impl FnOnce(&mut T) -> R) -> R {
        let _alone = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the lock is held, and `f` cannot come back here, by the rule.
        f(unsafe { &mut *self.value.get() })
    }

    /// The value, for the garbage collector's visit.
    ///
    /// # Safety
    /// Called by the collector (`tp_traverse`), which has stopped all threads; the rule keeps those out of `with`.
    pub(crate) unsafe fn peek(&self) -> &T {
        // SAFETY: the caller's contract.
        unsafe { &*self.value.get() }
    }
}

/// Memory that rows hold together with their views. An object of Python cannot serve here: its references are counted in
/// two places, of which one belongs to a thread, and dropping one may need the interpreter's help.
pub(crate) struct Shared(Arc<Memory>);

impl Shared {
    /// Room for `bytes`, nothing written yet.
    #[allow(clippy::unnecessary_wraps)] // with a GIL it is an object
    pub(crate) fn with_bytes(_py: Python<'_>, bytes: usize) -> PyResult<Self> {
        Ok(Self(Arc::new(Memory::with_bytes(bytes))))
    }

    #[inline]
    pub(crate) fn ptr(&self) -> *mut u8 {
        self.0.ptr()
    }

    /// Whether anybody holds it besides the caller, who may be given it anew by nobody else. Where nobody does, all that
    /// others have read of it was read before.
    #[inline]
    pub(crate) fn is_shared(&mut self) -> bool {
        Arc::get_mut(&mut self.0).is_none()
    }

    /// Another holder.
    #[inline]
    pub(crate) fn hold(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// The object that views keep in place of this holder; to be made outside of the cell.
    pub(crate) fn lend(self, py: Python<'_>) -> PyResult<Own> {
        Ok(Bound::new(py, Block::of(self.0))?.into_any().into())
    }
}
