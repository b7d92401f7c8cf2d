//! A cell that the GIL guards: no lock, no borrow counter, one rule.
//!
//! The rule: nothing that can run Python code (a call, a comparison, a dropped reference, making an object that the
//! collector tracks) happens inside
//! [`GilCell::with`]. Then no other thread and no re-entrant call can see the value half changed. The module is
//! declared as needing the GIL, so a free-threaded interpreter turns it on at import.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;

/// See the module.
pub(crate) struct GilCell<T>(UnsafeCell<T>);

// SAFETY: access needs the GIL, which `with` asks for by its token.
unsafe impl<T> Sync for GilCell<T> {}
// SAFETY: dropped with the GIL held or, for plain data, anywhere; Python references handle that themselves.
unsafe impl<T> Send for GilCell<T> {}

impl<T> GilCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Runs `f` on the value. `f` must not run Python code.
    #[inline]
    pub(crate) fn with<R>(&self, _py: pyo3::Python<'_>, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the GIL is held (`_py`) and `f` cannot give it up or come back here, by the rule above.
        f(unsafe { &mut *self.0.get() })
    }

    /// The value, for the garbage collector's visit.
    ///
    /// # Safety
    /// The GIL is held and no `with` is under way.
    pub(crate) unsafe fn peek(&self) -> &T {
        // SAFETY: the caller's contract.
        unsafe { &*self.0.get() }
    }
}
