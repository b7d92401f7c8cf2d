//! What bounds a cache: number, size, age, and the clock.
#![allow(unsafe_code)]

use crate::map::{Map, Terms};
use crate::threads::StateCell;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;

/// The bounds of a cache, from the arguments of its class.
pub(super) struct Policy {
    /// Bounds of the number of entries and of the sum of their sizes.
    pub(super) most: Option<u64>,
    pub(super) weight: Option<u64>,
    pub(super) ttl: Option<f64>,
    /// Which share of its age an entry may lose by chance, so that what was stored together does not expire together.
    pub(super) jitter: f64,
    chance: StateCell<u64>,
    pub(super) getsizeof: Option<Py<PyAny>>,
    pub(super) timer: Option<Py<PyAny>>,
    /// Entries have sizes: by `getsizeof`, or by a subclass's method of that name.
    sized: bool,
}

/// What a class takes: maxsize, getsizeof, max_bytes, ttl, timer, jitter.
pub(super) type Arguments =
    (Option<f64>, Option<Py<PyAny>>, Option<u64>, Option<f64>, Option<Py<PyAny>>, f64);

/// The bounds of a cache whose `__init__` was not called: nothing fits.
pub(super) static UNSET: Policy = Policy {
    most: Some(0),
    weight: None,
    ttl: None,
    jitter: 0.0,
    chance: StateCell::new(1),
    getsizeof: None,
    timer: None,
    sized: false,
};

/// The monotonic clock, in seconds.
fn monotonic() -> f64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is ours to fill; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

/// A size that a function of the user gave.
pub(super) fn as_size(given: &Bound<'_, PyAny>) -> PyResult<u64> {
    given.extract().map_err(|error: PyErr| match error.is_instance_of::<PyOverflowError>(given.py()) {
        true => PyValueError::new_err(format!("the size of a value is 0 or more, not {given}")),
        false => error,
    })
}

impl Policy {
    /// As in cachetools `maxsize` bounds the sum of `getsizeof`, or the number of entries without it. With
    /// `max_bytes` it bounds their number, and `max_bytes` the sum. `by_method`: a subclass says how large a value is.
    pub(super) fn new(py: Python<'_>, arguments: Arguments, by_method: bool) -> PyResult<Self> {
        let (maxsize, getsizeof, max_bytes, ttl, timer, jitter) = arguments;
        for (name, function) in [("getsizeof", &getsizeof), ("timer", &timer)] {
            if let Some(given) = function.as_ref().map(|f| f.bind(py)).filter(|f| !f.is_callable()) {
                return Err(PyTypeError::new_err(format!(
                    "{name} must be callable, not {}",
                    given.get_type().name()?
                )));
            }
        }
        if !(0.0..=1.0).contains(&jitter) {
            return Err(PyValueError::new_err("jitter is a share of the ttl: 0 to 1"));
        }
        if ttl.is_some_and(|t| t.is_nan() || t < 0.0) {
            return Err(PyValueError::new_err("ttl must be seconds, 0 or more"));
        }
        let maxsize = match maxsize {
            None => None,
            Some(n) if n == f64::INFINITY => None,
            Some(n) if n >= 0.0 && n.fract() == 0.0 && n < 1e18 => Some(n as u64),
            Some(_) => {
                return Err(PyValueError::new_err("maxsize must be a whole number, or None for no bound"));
            }
        };
        let sized = getsizeof.is_some() || max_bytes.is_some() || by_method;
        let (most, weight) =
            if sized && max_bytes.is_none() { (None, maxsize) } else { (maxsize, max_bytes) };
        let getsizeof = match getsizeof {
            None if sized && !by_method => Some(py.import("m5mem._sizeof")?.getattr("sizeof")?.unbind()),
            given => given,
        };
        let chance = StateCell::new(monotonic().to_bits() | 1);
        Ok(Self { most, weight, ttl, jitter, chance, getsizeof, timer, sized })
    }

    /// Arguments that make the same bounds.
    pub(super) fn arguments(&self, py: Python<'_>) -> Arguments {
        let copy = |o: &Option<Py<PyAny>>| o.as_ref().map(|o| o.clone_ref(py));
        let plain = self.sized && self.most.is_none();
        let maxsize = if plain { self.weight } else { self.most };
        let bytes = if plain { None } else { self.weight };
        (maxsize.map(|n| n as f64), copy(&self.getsizeof), bytes, self.ttl, copy(&self.timer), self.jitter)
    }

    /// Whether entries have a size or an age.
    pub(super) fn keeps_ages(&self) -> bool {
        self.ttl.is_some() || self.sized
    }

    /// The time where it matters.
    #[inline]
    pub(super) fn now(&self, py: Python<'_>) -> PyResult<f64> {
        match (self.ttl, &self.timer) {
            (None, _) => Ok(0.0),
            (Some(_), None) => Ok(monotonic()),
            (Some(_), Some(timer)) => timer.bind(py).call0()?.extract(),
        }
    }

    /// The same, where no Python code has to run for it.
    #[inline]
    pub(super) fn quick_now(&self) -> Option<f64> {
        match (self.ttl, &self.timer) {
            (None, _) => Some(0.0),
            (Some(_), None) => Some(monotonic()),
            (Some(_), Some(_)) => None,
        }
    }

    /// What a value costs.
    pub(super) fn size_of(&self, value: &Bound<'_, PyAny>) -> PyResult<u64> {
        match &self.getsizeof {
            None => Ok(1),
            Some(f) => as_size(&f.bind(value.py()).call1((value,))?),
        }
    }

    /// Whether a value of this size alone is too large.
    pub(super) fn refuses(&self, size: u64) -> bool {
        self.most == Some(0) || self.weight.is_some_and(|most| size > most)
    }

    pub(super) fn terms(&self, py: Python<'_>, size: u64, now: f64) -> Terms {
        let part = if self.jitter > 0.0 { 1.0 - self.jitter * self.by_chance(py) } else { 1.0 };
        Terms { size, expires: self.ttl.map_or(f64::INFINITY, |ttl| now + ttl * part) }
    }

    /// A number from 0 to 1 (xorshift64*: spread is all that is asked of it).
    fn by_chance(&self, py: Python<'_>) -> f64 {
        self.chance.with(py, |x| {
            *x ^= *x >> 12;
            *x ^= *x << 25;
            *x ^= *x >> 27;
            (x.wrapping_mul(2_685_821_657_736_338_717) >> 11) as f64 / (1_u64 << 53) as f64
        })
    }

    /// Whether something has to leave before `more` entries of `size` fit.
    pub(super) fn is_over(&self, map: &Map, more: u64, size: u64) -> bool {
        self.most.is_some_and(|most| map.len as u64 + more > most)
            || self.weight.is_some_and(|most| map.size() + size > most)
    }

    /// Number of entries, or the sum of their sizes where `getsizeof` was given.
    pub(super) fn weigh(&self, map: &Map) -> u64 {
        if self.sized { map.size() } else { map.len as u64 }
    }

    pub(super) fn maxsize(&self) -> Option<u64> {
        if self.most.is_some() || !self.sized { self.most } else { self.weight }
    }
}
