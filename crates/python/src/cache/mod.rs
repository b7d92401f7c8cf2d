//! `LRUCache` and `TTLCache` in the shape that cachetools' users know: one store, one policy, two constructors.

mod class;
mod key;
mod lookup;
mod methods;
mod store;
mod terms;

pub(crate) use key::{is_plain, quick_equal};
pub(crate) use lookup::{Found, Miss};
pub(crate) use store::When;

use crate::map::Map;
use crate::threads::StateCell;
use pyo3::prelude::*;
use terms::Policy;

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
}

/// Base of the caches: entries in order of use, bounded by number, by size, by age.
#[pyclass(frozen, subclass, mapping, weakref, name = "Cache", module = "m5mem._native")]
pub(crate) struct Cache {
    state: StateCell<State>,
    policy: Policy,
}

impl Cache {
    fn make(policy: Policy) -> Self {
        let map = Map::new(policy.keeps_ages());
        let state =
            StateCell::new(State { map, counts: Counts::default(), epoch: 0, depends: false, gone_seen: 0 });
        Self { state, policy }
    }
}

/// Adds the classes to the module.
pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Cache>()?;
    class::register(m)
}
