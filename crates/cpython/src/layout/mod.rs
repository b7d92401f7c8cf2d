//! Layouts as data: where each version keeps its interpreters and its collector's fields.
//!
//! Offsets are taken with `offsetof` from each version's internal headers (`layouts/generate.py`) and are
//! confirmed against the live process before use (see [`crate::Interpreter::attach`]).

mod arch;
pub mod asyncio;
mod generated;
pub mod keepers;
pub mod lines;
pub mod mimalloc;
pub mod objects;
mod published;
pub mod running;

pub use generated::TABLES;
pub use published::{Debugger, Published, PublishedAt};

use crate::rings::RingSizes;

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
        /// How many records they keep.
        sizes: RingSizes,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Collector {
    /// Three generations.
    Generational,
    /// The incremental collector of 3.14.0 to 3.14.4.
    Incremental,
    /// That of free-threaded builds: all threads stand still while it looks through everything.
    FreeThreaded,
}

/// One verified layout: what all of its builds have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Name for people and documents, `3.11` for instance.
    pub name: &'static str,
    /// Minor version, 11 for instance.
    pub minor: u32,
    /// Versions whose headers (or live processes) gave this layout.
    pub builds: &'static [&'static str],
    /// Sizes of `_PyRuntime` of these builds.
    pub runtime_sizes: &'static [u64],
    /// Whether it is that of builds without the GIL.
    pub free_threaded: bool,
    /// Offset of `interpreters.head` in the runtime.
    pub interpreters_head: u64,
    /// Offset of `interpreters.main` in the runtime.
    pub interpreters_main: u64,
    /// Offset of the pointer to the next (older) interpreter.
    pub interp_next: u64,
    /// Offset of an interpreter's number.
    pub interp_id: u64,
    /// Offset of the pointer to the newest thread state, in the interpreter.
    pub threads_head: u64,
    /// Offset of the pointer to the main thread's state, in the interpreter.
    pub threads_main: Option<u64>,
    /// Offset of the pointer to the next thread state, in a thread state.
    pub thread_next: u64,
    /// Offset of the thread's pthread identifier.
    pub thread_id: u64,
    /// Offset of the thread's kernel number.
    pub native_thread_id: Option<u64>,
    /// Offset of the collector's state.
    pub gc: GcAt,
    /// Its size.
    pub gc_size: u64,
    /// Offset of `enabled`; what follows are offsets in the collector's state too.
    pub enabled: u64,
    /// Offset of `debug`.
    pub debug: u64,
    /// Offset of generation 0's list head; the others follow every 24 bytes.
    pub generations: u64,
    /// Offset of the pointer to generation 0, where the build has one: the self-check.
    pub generation0: Option<u64>,
    /// Offset of the permanent generation (`gc.freeze`).
    pub permanent: u64,
    /// Offset of `collecting`.
    pub collecting: u64,
    /// Offset of the pointer to the list `gc.garbage`.
    pub garbage: u64,
    /// Offset of the pointer to the list `gc.callbacks`.
    pub callbacks: u64,
    /// Offset of the number of objects that survived the last full collection.
    pub long_lived_total: Option<u64>,
    /// Offset of the number of objects that wait for their first full collection.
    pub long_lived_pending: Option<u64>,
    /// Offset of the number of live objects.
    pub heap_size: Option<u64>,
    /// Offset of the flag that `gc.freeze` was used (free-threaded, 3.14 and later).
    pub freeze_active: Option<u64>,
    /// Offset of what stops all threads, in the interpreter (free-threaded).
    pub stop_the_world: Option<u64>,
    /// Offset of the pointer to the Python frame that started the collection.
    pub frame: Option<u64>,
    /// Where the statistics are.
    pub stats: Stats,
    /// How collections are organised.
    pub collector: Collector,
    /// Where the build publishes offsets of its own.
    pub published: Option<PublishedAt>,
}

impl Layout {
    /// Whether this is the size of `_PyRuntime` in a build with this layout.
    #[must_use]
    pub fn has_runtime_of(&self, size: u64) -> bool {
        let longer = |more: &u64| size.checked_sub(*more).is_some_and(|s| self.runtime_sizes.contains(&s));
        arch::LONGER_RUNTIME.iter().any(longer)
    }

    /// Whether the collector's flag is claimed by a compare-and-swap; else it is a plain store.
    #[must_use]
    pub fn swaps_flag(&self) -> bool {
        self.minor >= 13
    }

    /// Where its objects keep their fields; `None` where no table knows them.
    #[must_use]
    pub fn objects(&self) -> Option<&'static objects::ObjectLayout> {
        objects::OBJECTS.iter().find(|o| o.minor == self.minor && o.free_threaded == self.free_threaded)
    }

    /// Offset of the type in an object.
    #[must_use]
    pub fn object_type(&self) -> u64 {
        if self.free_threaded { 24 } else { 8 }
    }
}

/// A generation holds its list head (16 bytes), threshold and count (4 each).
pub const GENERATION_SIZE: u64 = 24;
/// Offset of the threshold in a generation.
pub const THRESHOLD: u64 = 16;
/// Offset of the count in a generation.
pub const COUNT: u64 = 20;
