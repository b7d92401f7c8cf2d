//! The program headers of a core file: which memory lies where in it.

use super::notes::{Notes, int, word};
use crate::trace::arch;
use crate::{Error, Result};
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

const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const HEADER: usize = 56;
/// The number that stands for "too many to say here": the first section header has it then.
const MANY: u64 = 0xffff;
const MOST_HEADERS: u64 = 1 << 24;
const MOST_NOTES: u64 = 256 << 20;

fn malformed(detail: impl Into<String>) -> Error {
    Error::malformed("core file", detail)
}

/// Reads the headers; `length` is that of the file.
pub(super) fn read(file: &File, length: u64) -> Result<Headers> {
    let head = bytes(file, 0, 64, length)?;
    known(&head)?;
    let mut count = u64::from(int(&head, 56) & 0xffff);
    if count == MANY {
        count = u64::from(int(&bytes(file, word(&head, 40), 64, length)?, 44));
    }
    if (int(&head, 52) >> 16) as usize != HEADER || count > MOST_HEADERS {
        return Err(malformed("program headers of another size"));
    }
    let table = bytes(file, word(&head, 32), count * HEADER as u64, length)?;
    let mut headers = Headers::default();
    let mut end = 0;
    for entry in table.as_chunks::<HEADER>().0 {
        let (offset, address) = (word(entry, 8), word(entry, 16));
        let (held, size) = (word(entry, 32), word(entry, 40));
        end = end.max(offset.checked_add(held).ok_or_else(|| malformed("an offset beyond any file"))?);
        match int(entry, 0) {
            PT_LOAD if size > 0 => {
                let last = address.checked_add(size).ok_or_else(|| malformed("an address beyond 2^64"))?;
                let held = held.min(size);
                headers.loads.push(Load { range: address..last, offset, held, flags: int(entry, 4) });
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
fn known(head: &[u8]) -> Result<()> {
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
    if !head.starts_with(b"\x7fELF") {
        return Err(malformed("it is no ELF file"));
    }
    let (class, kind, machine) = (head.get(4).copied(), int(head, 16) & 0xffff, int(head, 16) >> 16);
    match (class, kind, machine) {
        (Some(2), 4, machine) if machine == u32::from(arch::MACHINE) => Ok(()),
        (_, kind, _) if kind != 4 => Err(malformed("it is a program or library, not a core file")),
        (Some(1), ..) => Err(malformed("it is of a 32-bit process; m5 reads 64-bit ones")),
        _ => Err(malformed(format!("it is of another processor than {}", arch::NAME))),
    }
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
