//! Allocators beside the C library's: what they hold free does not go back from outside; a setting of their own does it.

use m5_cpython::Interpreter;
use m5_process::{Mapping, Process};
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

/// Name in the library's file name, and the setting.
const KNOWN: [(&str, &str); 3] = [
    ("jemalloc", "MALLOC_CONF=background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0"),
    ("mimalloc", "MIMALLOC_PURGE_DELAY=0"),
    ("tcmalloc", "TCMALLOC_RELEASE_RATE=10"),
];

/// Those whose libraries are mapped, and the interpreter's own: a build without the GIL keeps everything in mimalloc.
pub(super) fn others(process: &Process, maps: &[Mapping]) -> Vec<OtherAllocator> {
    let mut others = of_libraries(maps);
    let Ok(interpreter) = Interpreter::attach(process) else { return others };
    if interpreter.layout().free_threaded {
        let library = base(interpreter.file());
        let own = KNOWN.iter().filter(|(name, _)| *name == "mimalloc");
        others.extend(own.map(|(name, setting)| OtherAllocator {
            name: (*name).to_owned(),
            library: library.clone(),
            setting: (*setting).to_owned(),
        }));
    }
    others
}

fn base(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

fn of_libraries(maps: &[Mapping]) -> Vec<OtherAllocator> {
    let file = |m: &Mapping| base(&m.path);
    let mapped = |name: &str| maps.iter().filter(|m| m.executable).map(file).find(|f| f.contains(name));
    let known = KNOWN.iter().filter_map(|(name, setting)| {
        Some(OtherAllocator {
            name: (*name).to_owned(),
            library: mapped(name)?,
            setting: (*setting).to_owned(),
        })
    });
    known.collect()
}
