//! Where each version's interpreter state keeps what is registered with it for good: codecs, handlers for forks, hooks,
//! exit handlers.

/// Where exit handlers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitHandlers {
    /// Offset of the pointer to the module `atexit`, whose state they are (up to 3.9).
    Module(u64),
    /// Offset of the array of pointers to handlers; their number follows it (3.10 to 3.13).
    Array(u64),
    /// Offset of the pointer to the list of them (3.14 on).
    List(u64),
}

/// Offset of the pointer to a module's state in a module.
pub const MODULE_STATE: u64 = 32;

/// Offsets in an interpreter's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepers {
    /// Minor version.
    pub minor: u32,
    /// Whether it is that of builds without the GIL.
    pub free_threaded: bool,
    /// Search functions of codecs (a list); the dictionaries of those found and of error handlers follow.
    pub codecs: u64,
    /// The dictionary of what extensions keep by interpreter.
    pub dict: u64,
    /// Handlers before a fork (a list); those after it, in the parent and in the child, follow.
    pub forks: u64,
    /// Audit hooks (a list).
    pub audit: u64,
    /// Exit handlers.
    pub exits: ExitHandlers,
}

const fn row(minor: u32, codecs: u64, dict: u64, forks: u64, audit: u64, exits: ExitHandlers) -> Keepers {
    Keepers { minor, free_threaded: false, codecs, dict, forks, audit, exits }
}

const fn free_threaded(row: Keepers) -> Keepers {
    Keepers { free_threaded: true, ..row }
}

/// Taken with `offsetof` from each version's internal headers, oldest first. A build that differs is told by what the
/// words lead to: no list and two dictionaries where codecs should be.
pub const KEEPERS: &[Keepers] = &[
    row(8, 120, 544, 2624, 2704, ExitHandlers::Module(2656)),
    row(9, 912, 1376, 3456, 3536, ExitHandlers::Module(3488)),
    row(10, 912, 1344, 3424, 3504, ExitHandlers::Array(3488)),
    row(11, 936, 1400, 3480, 3552, ExitHandlers::Array(3536)),
    row(12, 1248, 1720, 3872, 267_208, ExitHandlers::Array(3944)),
    row(13, 7960, 8448, 10_632, 10_808, ExitHandlers::Array(10_712)),
    row(14, 8000, 8496, 10_696, 10_912, ExitHandlers::List(10_792)),
    row(15, 7952, 8448, 10_672, 10_888, ExitHandlers::List(10_768)),
    free_threaded(row(13, 7976, 8464, 10_648, 17_440, ExitHandlers::Array(10_728))),
    free_threaded(row(14, 8032, 8536, 10_736, 17_336, ExitHandlers::List(10_840))),
    free_threaded(row(15, 7960, 8464, 10_688, 17_288, ExitHandlers::List(10_792))),
];

/// The offsets of a version.
#[must_use]
pub fn keepers(minor: u32, free_threaded: bool) -> Option<&'static Keepers> {
    KEEPERS.iter().find(|k| k.minor == minor && k.free_threaded == free_threaded)
}
