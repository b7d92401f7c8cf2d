//! Finds `_PyRuntime`: its address and its size, which tells one build from another.

use crate::{Error, Result};
use m5_target::{Mapping, Process};
use object::elf;
use object::read::elf::{ElfFile64, ProgramHeader};
use object::{Object, ObjectSymbol};
use std::fs;

/// Where an interpreter lies in a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Address of `_PyRuntime` in the process.
    pub runtime: u64,
    /// Size of the symbol: `sizeof(_PyRuntimeState)` of this very build.
    pub runtime_size: u64,
    /// The file that holds it, as the process names it.
    pub file: String,
}

/// Looks through the mapped files of a process for `_PyRuntime`.
///
/// # Errors
/// [`Error::NotPython`] where no file has it; else what the kernel refused.
pub fn find(process: &Process) -> Result<Found> {
    let maps = process.maps()?;
    let mut seen: Vec<&str> = Vec::new();
    for map in maps.iter().filter(|m| m.path.starts_with('/') && likely(&m.path)) {
        if seen.contains(&map.path.as_str()) {
            continue;
        }
        seen.push(&map.path);
        if let Some(found) = in_file(process, &maps, &map.path) {
            return Ok(found);
        }
    }
    Err(Error::NotPython { pid: process.pid() })
}

/// An embedding program may have any name, so only what surely is no interpreter is left out.
fn likely(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let library = name.contains(".so");
    (!library || name.starts_with("libpython")) && !path.starts_with("/dev/") && !path.starts_with("/memfd")
}

fn in_file(process: &Process, maps: &[Mapping], path: &str) -> Option<Found> {
    let on_disk = path.strip_suffix(" (deleted)").unwrap_or(path);
    let data = fs::read(process.file_in_root(on_disk)).ok()?;
    let (value, runtime_size, bias) = symbol(&data, maps, path)?;
    Some(Found { runtime: value.checked_add(bias)?, runtime_size, file: path.to_owned() })
}

fn symbol(data: &[u8], maps: &[Mapping], path: &str) -> Option<(u64, u64, u64)> {
    let file: ElfFile64<'_> = ElfFile64::parse(data).ok()?;
    let named = |s: &object::read::elf::ElfSymbol64<'_, '_>| s.name() == Ok("_PyRuntime");
    let symbol = file.dynamic_symbols().find(named).or_else(|| file.symbols().find(named))?;
    let endian = file.endian();
    let text = file
        .elf_program_headers()
        .iter()
        .find(|h| h.p_type(endian) == elf::PT_LOAD && h.p_flags(endian).0 & elf::PF_X.0 != 0)?;
    let (offset, address) = (text.p_offset(endian), text.p_vaddr(endian));
    let map = maps.iter().find(|m| {
        m.path == path && m.executable && m.offset <= offset && offset - m.offset < m.end - m.start
    })?;
    let bias = map.start.checked_add(offset - map.offset)?.checked_sub(address)?;
    Some((symbol.address(), symbol.size(), bias))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(mut data in proptest::collection::vec(any::<u8>(), 0..600)) {
            for (slot, byte) in data.iter_mut().zip(b"\x7fELF\x02\x01\x01") {
                *slot = *byte;
            }
            prop_assert!(symbol(&data, &[], "/x").is_none());
        }
    }
}
