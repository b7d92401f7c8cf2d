//! What a subclass has of its own.

use pyo3::prelude::*;
use pyo3::types::PyType;

/// Which methods a class has of its own.
#[derive(Clone, Copy, Default)]
pub(crate) struct Hooks {
    /// Item access.
    pub(super) item: bool,
    /// What makes room.
    pub(super) room: bool,
    /// How large a value is.
    pub(super) size: bool,
}

impl Hooks {
    pub(super) fn any(self) -> bool {
        self.item || self.room || self.size
    }

    /// What `class` has that its base, one of the public classes, has not.
    pub(super) fn of(class: &Bound<'_, PyType>, base: &Bound<'_, PyType>) -> PyResult<Self> {
        if class.is(base) {
            return Ok(Self::default());
        }
        let own = |names: &[&str]| {
            names.iter().try_fold(false, |found, name| {
                PyResult::Ok(found || !class.getattr(name)?.is(&base.getattr(name)?))
            })
        };
        Ok(Self {
            item: own(&["__getitem__", "__setitem__", "__delitem__", "__contains__"])?,
            room: own(&["popitem", "__delitem__"])?,
            size: own(&["getsizeof"])?,
        })
    }
}
