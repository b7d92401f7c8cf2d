//! Layouts as data: where each version keeps its interpreters and its collector's fields.
//!
//! Offsets were taken with `offsetof` from each version's internal headers and are confirmed against the
//! live process before use (see [`crate::Interpreter::attach`]).

pub mod objects;
mod tables;

pub use tables::TABLES;

/// How a build keeps the statistics of its collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stats {
    /// Three counters per generation inside the collector's state.
    Inline {
        /// Offset of generation 0's counters from the collector's state.
        offset: u64,
    },
    /// A pointer to rings of records, one per generation.
    Ring {
        /// Offset of the pointer.
        pointer: u64,
    },
}

/// Where the collector's state lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GcAt {
    /// One for the process, in the runtime (3.8).
    Runtime(u64),
    /// One in each interpreter.
    Interpreter(u64),
}

/// How collections are organised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collector {
    /// Three generations.
    Generational,
    /// The incremental collector of 3.14.0 to 3.14.4.
    Incremental,
}

/// One verified layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Name for people and documents, `3.11` for instance.
    pub name: &'static str,
    /// Sizes of `_PyRuntime` that builds of this layout were seen with.
    pub runtime_sizes: &'static [u64],
    /// Offset of `interpreters.main` in the runtime.
    pub interpreters_main: u64,
    /// Offset of the collector's state.
    pub gc: GcAt,
    /// Offset of `enabled`.
    pub enabled: u64,
    /// Offset of generation 0's list head; the others follow every 24 bytes.
    pub generations: u64,
    /// Offset of the pointer to generation 0, where the build has one: the self-check.
    pub generation0: Option<u64>,
    /// Offset of `collecting`.
    pub collecting: u64,
    /// Where the statistics are.
    pub stats: Stats,
    /// How collections are organised.
    pub collector: Collector,
}

/// A generation holds its list head (16 bytes), threshold and count (4 each).
pub const GENERATION_SIZE: u64 = 24;
/// Offset of the threshold in a generation.
pub const THRESHOLD: u64 = 16;
/// Offset of the count in a generation.
pub const COUNT: u64 = 20;

/// Layouts that may fit a build, the ones whose runtime size is known first.
#[must_use]
pub fn candidates(runtime_size: u64) -> Vec<&'static Layout> {
    TABLES.iter().filter(|l| l.runtime_sizes.contains(&runtime_size)).collect()
}
