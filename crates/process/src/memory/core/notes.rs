//! The notes of a core file: which files were mapped where, who the process was, where its stacks stood.

use crate::{Error, Result};
use std::ops::Range;

/// A file that was mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MappedFile {
    pub(super) range: Range<u64>,
    /// Offset in the file, in bytes.
    pub(super) offset: u64,
    pub(super) path: String,
}

/// What the notes say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Notes {
    pub(super) pid: i32,
    pub(super) command: String,
    /// The signal that ended it; 0 where none did.
    pub(super) signal: i32,
    pub(super) threads: usize,
    pub(super) files: Vec<MappedFile>,
    /// An address in the main thread's stack.
    pub(super) stack: Option<u64>,
    /// First address of the kernel's own library.
    pub(super) vdso: Option<u64>,
}

const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;
const AT_RANDOM: u64 = 25;
const AT_SYSINFO_EHDR: u64 = 33;

impl Notes {
    /// Adds the notes of one segment.
    pub(super) fn add(&mut self, mut bytes: &[u8]) -> Result<()> {
        while bytes.len() >= 12 {
            let (names, content, kind) = (int(bytes, 0), int(bytes, 4), int(bytes, 8));
            let start = 12 + (names as usize).next_multiple_of(4);
            let end = start.saturating_add(content as usize);
            let Some(note) = bytes.get(start..end) else {
                return Err(Error::malformed("core file", "a note goes beyond its segment"));
            };
            self.note(kind, note)?;
            bytes = bytes.get(end.next_multiple_of(4)..).unwrap_or(&[]);
        }
        Ok(())
    }

    fn note(&mut self, kind: u32, note: &[u8]) -> Result<()> {
        match kind {
            NT_PRSTATUS => {
                // The thread that the kernel names first is the one that the signal struck.
                if self.threads == 0 {
                    self.signal = int(note, 12) as i32 & 0xffff;
                    self.pid = if self.pid == 0 { int(note, 32) as i32 } else { self.pid };
                }
                self.threads += 1;
            }
            NT_PRPSINFO => {
                self.pid = int(note, 24) as i32;
                let arguments = note.get(56..note.len().min(136)).unwrap_or(&[]);
                let text = arguments.split(|b| *b == 0).next().unwrap_or(&[]);
                self.command = String::from_utf8_lossy(text).trim().to_owned();
            }
            NT_AUXV => {
                for pair in note.as_chunks::<16>().0 {
                    match word(pair, 0) {
                        AT_RANDOM => self.stack = Some(word(pair, 8)),
                        AT_SYSINFO_EHDR => self.vdso = Some(word(pair, 8)),
                        _ => {}
                    }
                }
            }
            NT_FILE => {
                self.files = files(note).ok_or_else(|| Error::malformed("core file", "the note NT_FILE"))?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// A count, the size of a page, three words for each file, then the names.
fn files(note: &[u8]) -> Option<Vec<MappedFile>> {
    let count = usize::try_from(word(note, 0)).ok()?;
    let page = word(note, 8);
    let table = note.get(16..16usize.checked_add(count.checked_mul(24)?)?)?;
    let mut names = note.get(16 + table.len()..)?.split(|b| *b == 0);
    let mut out = Vec::with_capacity(count);
    for entry in table.as_chunks::<24>().0 {
        let path = String::from_utf8_lossy(names.next()?).into_owned();
        let offset = word(entry, 16).checked_mul(page)?;
        out.push(MappedFile { range: word(entry, 0)..word(entry, 8), offset, path });
    }
    Some(out)
}

pub(super) fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b))
}

pub(super) fn int(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn note(kind: u32, content: &[u8]) -> Vec<u8> {
        let mut out = [5u32, content.len() as u32, kind].map(u32::to_le_bytes).concat();
        out.extend(b"CORE\0\0\0\0");
        out.extend(content);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    #[test]
    fn files_have_their_names() {
        let mut content: Vec<u8> =
            [2u64, 4096, 0x1000, 0x2000, 0, 0x3000, 0x5000, 7].map(u64::to_le_bytes).concat();
        content.extend(b"/opt/my app/python\0/lib/x.so\0");
        let mut notes = Notes::default();
        notes.add(&[note(NT_FILE, &content), note(NT_FILE + 1, b"abc")].concat()).unwrap();
        assert_eq!(notes.files[1].path, "/lib/x.so");
        assert_eq!((notes.files[1].range.clone(), notes.files[1].offset), (0x3000..0x5000, 7 * 4096));
        assert!(Notes::default().add(&note(NT_FILE, &content[..40])).is_err());
    }

    proptest! {
        #[test]
        fn any_notes_end(kind in 0u32..8, bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0usize..300) {
            let kinds = [kind, NT_FILE];
            for kind in kinds {
                let whole = note(kind, &bytes);
                let _ = Notes::default().add(&whole[..cut.min(whole.len())]);
            }
            let _ = Notes::default().add(&bytes);
        }
    }
}
