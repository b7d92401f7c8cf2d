//! The program headers of a core file: which memory lies where in it.

use super::notes::Notes;
use crate::trace::arch;
use crate::{Error, Result};
use object::LittleEndian as LE;
use object::elf::{
    ELFCLASS32, ELFCLASS64, ELFMAG, ET_CORE, FileHeader64, PT_LOAD, PT_NOTE, ProgramHeader64, SectionHeader64,
};
use object::pod::{Pod, from_bytes, slice_from_all_bytes};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// A stretch of the address space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) range: Range<u64>,
    /// Where its bytes lie in the core file, and how many there are.
    pub(super) offset: u64,
    pub(super) held: u64,
    pub(super) flags: u32,
}

/// Everything but the memory itself.
#[derive(Debug, Default)]
pub(super) struct Headers {
    pub(super) loads: Vec<Load>,
    pub(super) notes: Notes,
}

const HEADER: usize = size_of::<ProgramHeader64<LE>>();
/// The number that stands for "too many to say here": the first section header has it then.
const MANY: u16 = 0xffff;
const MOST_HEADERS: u64 = 1 << 24;
const MOST_NOTES: u64 = 256 << 20;

fn malformed(detail: impl Into<String>) -> Error {
    Error::malformed("core file", detail)
}

/// Reads the headers; `length` is that of the file.
pub(super) fn read(file: &File, length: u64) -> Result<Headers> {
    let head = bytes(file, 0, size_of::<FileHeader64<LE>>() as u64, length)?;
    let header = known(&head)?;
    let mut count = u64::from(header.e_phnum.get(LE));
    if header.e_phnum.get(LE) == MANY {
        let section = bytes(file, header.e_shoff.get(LE), size_of::<SectionHeader64<LE>>() as u64, length)?;
        count = part::<SectionHeader64<LE>>(&section)?.sh_info.get(LE).into();
    }
    if usize::from(header.e_phentsize.get(LE)) != HEADER || count > MOST_HEADERS {
        return Err(malformed("program headers of another size"));
    }
    let table = bytes(file, header.e_phoff.get(LE), count * HEADER as u64, length)?;
    let mut headers = Headers::default();
    let mut end = 0;
    for entry in slice_from_all_bytes::<ProgramHeader64<LE>>(&table).unwrap_or_default() {
        let (offset, address) = (entry.p_offset.get(LE), entry.p_vaddr.get(LE));
        let (held, size) = (entry.p_filesz.get(LE), entry.p_memsz.get(LE));
        end = end.max(offset.checked_add(held).ok_or_else(|| malformed("an offset beyond any file"))?);
        match entry.p_type.get(LE) {
            PT_LOAD if size > 0 => {
                let last = address.checked_add(size).ok_or_else(|| malformed("an address beyond 2^64"))?;
                let held = held.min(size);
                let flags = entry.p_flags.get(LE).0;
                headers.loads.push(Load { range: address..last, offset, held, flags });
            }
            PT_NOTE if held > MOST_NOTES => return Err(malformed("notes of absurd size")),
            PT_NOTE => headers.notes.add(&bytes(file, offset, held, length)?)?,
            _ => {}
        }
    }
    if end > length {
        return Err(malformed(format!(
            "it is truncated: it has {length} of {end} bytes (raise `ulimit -c`, free the disk, write it anew)"
        )));
    }
    headers.loads.sort_by_key(|l| l.range.start);
    headers.loads.dedup_by(|b, a| b.range.start < a.range.end);
    if headers.loads.is_empty() {
        return Err(malformed("it holds no memory"));
    }
    Ok(headers)
}

/// Whether this is a core file of a 64-bit process of this architecture.
fn known(head: &[u8]) -> Result<&FileHeader64<LE>> {
    let packed: [(&[u8], &str); 4] = [
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"\xfd7zXZ", "xz"),
        (b"\x1f\x8b", "gzip"),
    ];
    if let Some((_, how)) = packed.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(malformed(format!(
            "it is packed with {how}; unpack it first (`coredumpctl dump PID -o FILE`, `unzstd`, …)"
        )));
    }
    let header = part::<FileHeader64<LE>>(head)?;
    if header.e_ident.magic != ELFMAG {
        return Err(malformed("it is no ELF file"));
    }
    match (header.e_ident.class, header.e_type.get(LE), header.e_machine.get(LE).0) {
        (ELFCLASS64, ET_CORE, arch::MACHINE) => Ok(header),
        (_, kind, _) if kind != ET_CORE => Err(malformed("it is a program or library, not a core file")),
        (ELFCLASS32, ..) => Err(malformed("it is of a 32-bit process; m5 reads 64-bit ones")),
        _ => Err(malformed(format!("it is of another processor than {}", arch::NAME))),
    }
}

/// A structure at the beginning of what was read.
fn part<T: Pod>(bytes: &[u8]) -> Result<&T> {
    from_bytes(bytes).map(|(part, _)| part).map_err(|()| malformed("it is truncated"))
}

fn bytes(file: &File, at: u64, count: u64, length: u64) -> Result<Vec<u8>> {
    if at.checked_add(count).is_none_or(|end| end > length) {
        return Err(malformed(format!("it is truncated: it has {length} bytes, its headers go on")));
    }
    let mut buf = vec![0; count as usize];
    let refused = |source| Error::Io { what: "core file".into(), source };
    file.read_exact_at(&mut buf, at).map_err(refused)?;
    Ok(buf)
}
