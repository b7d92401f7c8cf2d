//! Addresses of named symbols in a mapped file.

use m5_process::Mapping;
use object::elf;
use object::read::elf::{ElfFile64, ProgramHeader};
use object::{Endianness, Object, ObjectSymbol, ReadCache, ReadRef};
use std::fs::File;

/// Addresses in the process of these symbols of a mapped file, from its dynamic table or the full one;
/// `None` for each that the file does not have. Only its tables are read.
#[must_use]
pub fn symbols(file: File, maps: &[Mapping], path: &str, names: &[&str]) -> Vec<Option<u64>> {
    within(&ReadCache::new(file), maps, path, names)
}

fn within<'data>(
    data: impl ReadRef<'data>,
    maps: &[Mapping],
    path: &str,
    names: &[&str],
) -> Vec<Option<u64>> {
    let mut out = vec![None; names.len()];
    let Ok(file) = ElfFile64::<'data, Endianness, _>::parse(data) else { return out };
    let Some(bias) = bias(&file, maps, path) else { return out };
    for symbol in file.dynamic_symbols().chain(file.symbols()) {
        let Ok(name) = symbol.name() else { continue };
        if symbol.address() == 0 {
            continue;
        }
        if let Some(slot) = names.iter().position(|n| *n == name).and_then(|i| out.get_mut(i)) {
            *slot = slot.or_else(|| symbol.address().checked_add(bias));
        }
    }
    out
}

/// What to add to an address in the file to get one in the process.
fn bias<'data>(
    file: &ElfFile64<'data, Endianness, impl ReadRef<'data>>,
    maps: &[Mapping],
    path: &str,
) -> Option<u64> {
    let endian = file.endian();
    let text = file
        .elf_program_headers()
        .iter()
        .find(|h| h.p_type(endian) == elf::PT_LOAD && h.p_flags(endian).0 & elf::PF_X.0 != 0)?;
    let (offset, address) = (text.p_offset(endian), text.p_vaddr(endian));
    let map = maps.iter().find(|m| {
        m.path == path && m.executable && m.offset <= offset && offset - m.offset < m.end - m.start
    })?;
    map.start.checked_add(offset - map.offset)?.checked_sub(address)
}
