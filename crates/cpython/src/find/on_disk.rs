//! The full symbol table of an executable's file, for a program that embeds Python and exports nothing.
//!
//! Only the symbol table is read, once per file: what was found (or not) is remembered by device, inode and
//! time of change, since an exporter asks again for each process of the same program.

use super::{Found, RUNTIME};
use m5_process::{Mapping, Memory};
use object::elf::{SHT_SYMTAB, Sym64};
use object::read::elf::{ElfFile64, ProgramHeader, SectionHeader, Sym};
use object::{Object, ObjectSection, ReadCache, ReadRef, SectionIndex};
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The largest table or set of names that is read: a program of millions of symbols is none of ours.
const MOST: u64 = 64 << 20;
/// The section that holds the runtime alone.
const SECTION: &str = ".PyRuntime";

/// Address of the symbol from the image's first byte, and its size.
type Hidden = Option<(u64, u64)>;
type Key = (u64, u64, i64, i64);

fn remembered() -> &'static Mutex<HashMap<Key, Hidden>> {
    static FILES: OnceLock<Mutex<HashMap<Key, Hidden>>> = OnceLock::new();
    FILES.get_or_init(Mutex::default)
}

/// Looks for the symbol in the file of a mapping.
pub(super) fn look(file: File, memory: &impl Memory, map: &Mapping) -> Option<Found> {
    begins_as_mapped(&file, memory, map).then_some(())?;
    let meta = file.metadata().ok()?;
    let key = (meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec());
    let known = remembered().lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
    let hidden = known.unwrap_or_else(|| {
        let hidden = symbol(&ReadCache::new(file));
        remembered().lock().unwrap_or_else(PoisonError::into_inner).insert(key, hidden);
        hidden
    });
    let (from_start, runtime_size) = hidden?;
    let runtime = map.start.checked_add(from_start)?;
    Some(Found { runtime, runtime_size, file: map.path.clone(), version: None })
}

/// Whether the file begins as the mapping does.
fn begins_as_mapped(file: &File, memory: &impl Memory, map: &Mapping) -> bool {
    let mut begin = [0; 64];
    let read = std::os::unix::fs::FileExt::read_exact_at(file, &mut begin, 0);
    read.is_ok() && memory.bytes::<64>(map.start).is_ok_and(|mapped| mapped == begin)
}

/// Address in the process of a section of the file of a mapping that begins the file.
pub(crate) fn section_address(file: File, memory: &impl Memory, map: &Mapping, name: &str) -> Option<u64> {
    begins_as_mapped(&file, memory, map).then_some(())?;
    let data = ReadCache::new(file);
    let file: ElfFile64<'_, object::Endianness, _> = ElfFile64::parse(&data).ok()?;
    let address = file.section_by_name(name)?.address();
    map.start.checked_add(address.checked_sub(linked_at(&file)?)?)
}

/// Address of the first byte of the file as it was linked.
fn linked_at<'data>(file: &ElfFile64<'data, object::Endianness, impl ReadRef<'data>>) -> Option<u64> {
    let endian = file.endian();
    let load = |h: &&_| ProgramHeader::p_type(*h, endian) == object::elf::PT_LOAD;
    let first = file.elf_program_headers().iter().find(load)?;
    first.p_vaddr(endian).checked_sub(first.p_offset(endian))
}

fn symbol<'data>(data: impl ReadRef<'data>) -> Hidden {
    let file: ElfFile64<'data, object::Endianness, _> = ElfFile64::parse(data).ok()?;
    let symbol = in_symbol_table(&file, data);
    // A section of its own outlives the symbols (3.11 and later).
    let section = || file.section_by_name(SECTION).map(|s| (s.address(), s.size()));
    let (address, size) = symbol.or_else(section)?;
    Some((address.checked_sub(linked_at(&file)?)?, size))
}

/// Address and size of the symbol, from the full table. The table and its names are read at once: name by name, a program
/// of forty thousand symbols would take as many reads.
fn in_symbol_table<'data, R: ReadRef<'data>>(
    file: &ElfFile64<'data, object::Endianness, R>,
    data: R,
) -> Option<(u64, u64)> {
    let (endian, sections) = (file.endian(), file.elf_section_table());
    let table = sections.iter().find(|s| s.sh_type(endian) == SHT_SYMTAB)?;
    let names = sections.section(SectionIndex(table.sh_link(endian) as usize)).ok()?;
    if table.sh_size(endian).max(names.sh_size(endian)) > MOST {
        return None;
    }
    let symbols: &[Sym64<object::Endianness>] = table.data_as_array(endian, data).ok()?;
    let names = names.data(endian, data).ok()?;
    let named = |s: &&Sym64<_>| {
        let name = names.get(s.st_name(endian) as usize..).and_then(|n| n.strip_prefix(RUNTIME.as_bytes()));
        name.is_some_and(|rest| rest.first() == Some(&0)) && s.st_size(endian) > 0
    };
    symbols.iter().find(named).map(|s| (s.st_value(endian), s.st_size(endian)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_process::Process;
    use proptest::prelude::*;

    #[test]
    fn the_full_symbol_table_agrees_with_the_dynamic_one() {
        let mut compared = 0;
        for python in m5_testkit::pythons() {
            let mut target =
                m5_testkit::Target::start(&python, "import sys; print(1, flush=True); sys.stdin.read()");
            target.line();
            let process = Process::open(target.pid()).unwrap();
            let (dynamic, maps) = (super::super::find(&process).unwrap(), process.maps().unwrap());
            let map = maps.iter().find(|m| m.path == dynamic.file && m.offset == 0).unwrap();
            // A stripped build has no full table; then nothing is found, and asking again is no different.
            for _ in 0..2 {
                if let Some(full) = look(process.open_mapped(map).unwrap(), &process.memory(), map) {
                    let dynamic = (dynamic.runtime, dynamic.runtime_size);
                    assert_eq!((full.runtime, full.runtime_size), dynamic, "{}", python.name);
                    compared += 1;
                }
            }
        }
        println!("compared {compared} times");
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(mut data in proptest::collection::vec(any::<u8>(), 64..900)) {
            data[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
            prop_assert!(symbol(data.as_slice()).is_none());
        }
    }
}
