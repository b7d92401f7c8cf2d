//! Allocators beside the C library's: what they hold free does not go back from outside; a setting of their own does it.

use m5_process::Mapping;
use serde::{Deserialize, Serialize};

/// Another allocator in a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherAllocator {
    /// Its name.
    pub name: String,
    /// The file that it comes from.
    pub library: String,
    /// The setting with which it returns what is free.
    pub setting: String,
}

/// What allocators beside the C library's hold free, and what makes them return it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreeElsewhere {
    /// Bytes in memory, by their own books.
    pub bytes: u64,
    /// Whether there may be more: not all of their books are read.
    pub at_least: bool,
    /// Those that are known; none where they lie inside of an extension.
    pub allocators: Vec<OtherAllocator>,
}

impl FreeElsewhere {
    /// Their names and the settings, where any is known.
    #[must_use]
    pub fn named(&self) -> Option<(String, String)> {
        let join =
            |of: fn(&OtherAllocator) -> &str| self.allocators.iter().map(of).collect::<Vec<_>>().join(", ");
        (!self.allocators.is_empty()).then(|| (join(|a| &a.name), join(|a| &a.setting)))
    }
}

/// Variables of the environment with which an allocator returns what is free, by a part of its library's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Returning {
    /// Its name, which is part of the name of its library.
    pub name: &'static str,
    /// Variables and values, all at once.
    pub environment: &'static [(&'static str, &'static str)],
}

/// tcmalloc has no thread of its own: with a rate of release it returns memory only as more of it is freed. mimalloc calls
/// it a purge from 2.1 on, a decommit before, and does not mind the other name.
pub const RETURNING: [Returning; 3] = [
    Returning {
        name: "jemalloc",
        environment: &[("MALLOC_CONF", "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0")],
    },
    Returning {
        name: "mimalloc",
        environment: &[("MIMALLOC_PURGE_DELAY", "0"), ("MIMALLOC_DECOMMIT_DELAY", "0")],
    },
    Returning { name: "tcmalloc", environment: &[("TCMALLOC_AGGRESSIVE_DECOMMIT", "1")] },
];

impl Returning {
    /// As it stands before a command in a shell.
    #[must_use]
    pub fn words(&self) -> String {
        let words: Vec<String> =
            self.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        words.join(" ")
    }
}

/// Those whose libraries are mapped, and the one that the interpreter carries where it is in use.
pub(crate) fn others(maps: &[Mapping], inside_of_python: bool) -> Vec<OtherAllocator> {
    let file = |m: &Mapping| m.path.rsplit('/').next().unwrap_or_default().to_owned();
    let mapped = |name: &str| maps.iter().filter(|m| m.executable).map(file).find(|f| f.contains(name));
    let own = |name: &str| (inside_of_python && name == "mimalloc").then(|| "CPython".to_owned());
    let known = RETURNING.iter().filter_map(|known| {
        Some(OtherAllocator {
            name: known.name.to_owned(),
            library: mapped(known.name).or_else(|| own(known.name))?,
            setting: known.words(),
        })
    });
    known.collect()
}
