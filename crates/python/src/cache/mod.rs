//! `LRUCache` and `TTLCache` in the shape that cachetools' users know: one store, one policy, two constructors.

mod class;
mod hooks;
mod key;
mod lookup;
mod methods;
mod overridden;
mod saved;
mod store;
mod terms;

pub(crate) use key::{is_plain, quick_equal};
pub(crate) use lookup::{Found, Miss};
pub(crate) use store::When;

use crate::map::Map;
use crate::threads::StateCell;
use hooks::Hooks;
use pyo3::prelude::*;
use std::sync::OnceLock;
use terms::{Policy, UNSET};

/// What happened so far.
#[derive(Default, Clone, Copy)]
struct Counts {
    hits: u64,
    misses: u64,
    evictions: u64,
    expirations: u64,
}

struct State {
    map: Map,
    counts: Counts,
    /// Grows with each `clear` and `invalidate`: what was computed before is not to be stored after.
    epoch: u64,
    /// Some value depends on buffers; and how many of those were gone at the last look.
    depends: bool,
    gone_seen: usize,
    /// Functions that share the cache.
    functions: u64,
}

/// Base of the caches: entries in order of use, bounded by number, by size, by age.
#[pyclass(frozen, subclass, mapping, weakref, name = "Cache", module = "m5mem._native")]
pub(crate) struct Cache {
    state: StateCell<State>,
    /// Set once: when it is made, or by the `__init__` that a subclass's own calls.
    policy: OnceLock<Policy>,
    hooks: Hooks,
}

impl Cache {
    fn make(hooks: Hooks) -> Self {
        let map = Map::new(false);
        let state =
            State { map, counts: Counts::default(), epoch: 0, depends: false, gone_seen: 0, functions: 0 };
        Self { state: StateCell::new(state), policy: OnceLock::new(), hooks }
    }

    /// Gives a cache that is made its bounds, where it has none yet.
    fn settle(&self, py: Python<'_>, policy: Policy) {
        let map = Map::new(policy.keeps_ages());
        if self.policy.set(policy).is_ok() {
            drop(self.state.with(py, |s| std::mem::replace(&mut s.map, map)));
        }
    }

    #[inline(always)]
    fn policy(&self) -> &Policy {
        self.policy.get().unwrap_or(&UNSET)
    }
}

/// Adds the classes to the module.
pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Cache>()?;
    class::register(m)
}
