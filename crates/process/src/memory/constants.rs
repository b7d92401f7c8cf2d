//! Code and constants of a process, read from the files that they come from: to read its memory brings in pages
//! that it did not ask for itself, and its RSS grows.

use crate::{Error, Mapping, Memory, Process, Result};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::OnceLock;

/// What does not change in a process, found when it is asked for.
#[derive(Debug)]
pub struct Constants {
    /// In order of address.
    pieces: Vec<Piece>,
    /// The process itself, for a file that is gone or another by now.
    live: File,
}

#[derive(Debug)]
struct Piece {
    range: Range<u64>,
    offset: u64,
    inode: u64,
    /// Where it may be: in the process's root, or under the path itself.
    places: [PathBuf; 2],
    file: OnceLock<Option<File>>,
}

impl Constants {
    /// Those of a process with these mappings.
    ///
    /// # Errors
    /// As the kernel says of the process's memory.
    pub fn of(process: &Process, maps: &[Mapping]) -> Result<Self> {
        let pid = process.pid();
        let live = File::open(format!("/proc/{pid}/mem")).map_err(|e| Error::from_io(pid, "mem", e))?;
        let constant = |m: &&Mapping| m.inode != 0 && m.readable && !m.writable && !m.shared;
        let piece = |m: &Mapping| Piece {
            range: m.start..m.end,
            offset: m.offset,
            inode: m.inode,
            places: [process.file_in_root(&m.path), PathBuf::from(&m.path)],
            file: OnceLock::new(),
        };
        Ok(Self { pieces: maps.iter().filter(constant).map(piece).collect(), live })
    }

    fn in_file(&self, addr: u64, buf: &mut [u8]) -> Option<()> {
        let piece = self.pieces.get(self.pieces.partition_point(|p| p.range.end <= addr))?;
        let at = addr.checked_sub(piece.range.start)?;
        let file = piece.file.get_or_init(|| piece.open()).as_ref()?;
        (addr + buf.len() as u64 <= piece.range.end).then_some(())?;
        file.read_exact_at(buf, piece.offset.checked_add(at)?).ok()
    }
}

impl Piece {
    /// The file, if it is the one that was mapped.
    fn open(&self) -> Option<File> {
        let same = |file: &File| file.metadata().is_ok_and(|m| m.ino() == self.inode);
        self.places.iter().filter_map(|place| File::open(place).ok()).find(same)
    }
}

impl Memory for Constants {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<()> {
        if self.in_file(addr, buf).is_some() {
            return Ok(());
        }
        let len = buf.len();
        self.live.read_exact_at(buf, addr).map_err(|_| Error::Unmapped { addr, len })
    }
}
