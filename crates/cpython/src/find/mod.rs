//! Finds `_PyRuntime`: its address and its size, which tells one build from another.
//!
//! The dynamic symbols of each mapped image are read from the process's own memory, so that deleted files and
//! files in another root need no path. Only where that finds nothing is the full symbol table of the
//! executable's file read: a program that embeds Python and exports nothing.

mod in_data;
mod instead;
mod on_disk;

use crate::elf::Image;
use crate::{Error, Result, Version};
pub use instead::Instead;
use m5_process::{Mapping, Memory, Process};
pub(crate) use on_disk::section_address;
use std::fs::File;

/// Where an interpreter lies in a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Address of `_PyRuntime` in the process.
    pub runtime: u64,
    /// Size of the symbol: `sizeof(_PyRuntimeState)` of this very build.
    pub runtime_size: u64,
    /// The file that holds it, as the process names it.
    pub file: String,
    /// The version by the symbol `Py_Version` (3.11 and later).
    pub version: Option<Version>,
}

const RUNTIME: &str = "_PyRuntime";

/// Looks through the mapped images of a process for `_PyRuntime`.
///
/// # Errors
/// [`Error::NotPython`] where none has it; else what the kernel refused.
pub fn find(process: &Process) -> Result<Found> {
    let (maps, memory) = (process.maps()?, process.memory());
    find_in(&memory, &maps, |m| process.open_program(m))?.ok_or(Error::NotPython { pid: process.pid() })
}

/// The same in any memory. `open` opens the file of a mapping.
///
/// # Errors
/// As the memory says.
pub fn find_in(
    memory: &impl Memory,
    maps: &[Mapping],
    open: impl Fn(&Mapping) -> Option<File>,
) -> Result<Option<Found>> {
    let images = images(maps);
    for map in &images {
        if let Some(found) = in_memory(memory, map)? {
            return Ok(Some(found));
        }
    }
    let executable = images.first().filter(|m| !is_library(&m.path));
    if let Some(found) = executable.and_then(|m| on_disk::look(open(m)?, memory, m)) {
        return Ok(Some(found));
    }
    // Every process of a machine may be asked: only what is likely is searched.
    let likely = images.iter().filter(|m| rank(&m.path) < 2);
    Ok(likely.into_iter().find_map(|m| in_data::look(memory, maps, &m.path)))
}

/// The first mapping of each image, the likeliest first: the executable, libpython, then every other library
/// (an embedding library may have any name).
fn images(maps: &[Mapping]) -> Vec<&Mapping> {
    let file = |m: &&Mapping| m.offset == 0 && m.path.starts_with('/') && !m.path.starts_with("/dev/");
    let mut images: Vec<&Mapping> = maps.iter().filter(file).collect();
    images.sort_by_key(|m| (rank(&m.path), m.start));
    images.dedup_by(|a, b| a.path == b.path);
    let executable = |path: &str| maps.iter().any(|m| m.executable && m.path == path);
    images.retain(|m| executable(&m.path));
    images
}

fn rank(path: &str) -> u8 {
    match (is_library(path), path.contains("libpython")) {
        (false, _) => 0,
        (true, true) => 1,
        (true, false) => 2,
    }
}

fn is_library(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.contains(".so")
}

fn in_memory(memory: &impl Memory, map: &Mapping) -> Result<Option<Found>> {
    let Some(image) = Image::open(memory, map.start)? else { return Ok(None) };
    let Some(symbol) = image.symbol(memory, RUNTIME)? else { return Ok(None) };
    let version = match image.symbol(memory, "Py_Version")? {
        Some(at) => Some(Version(memory.u64(at.address)? as u32)),
        None => None,
    };
    let file = map.path.clone();
    Ok(Some(Found { runtime: symbol.address, runtime_size: symbol.size, file, version }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(path: &str, start: u64, offset: u64, executable: bool) -> Mapping {
        Mapping {
            start,
            end: start + 0x1000,
            offset,
            executable,
            path: path.to_owned(),
            ..Mapping::default()
        }
    }

    #[test]
    fn the_executable_comes_first_and_data_files_do_not_come_at_all() {
        let maps = [
            map("/lib/libc.so.6", 0x5000, 0, false),
            map("/lib/libc.so.6", 0x6000, 0x1000, true),
            map("/usr/lib/libpython3.13.so.1.0", 0x7000, 0, true),
            map("/opt/my app/engine (deleted)", 0x8000, 0, false),
            map("/opt/my app/engine (deleted)", 0x9000, 0x1000, true),
            map("/usr/share/locale.archive", 0xa000, 0, false),
            map("/dev/zero", 0xb000, 0, true),
            map("[vdso]", 0xc000, 0, true),
        ];
        let paths: Vec<&str> = images(&maps).iter().map(|m| m.path.as_str()).collect();
        assert_eq!(
            paths,
            ["/opt/my app/engine (deleted)", "/usr/lib/libpython3.13.so.1.0", "/lib/libc.so.6"]
        );
    }
}
