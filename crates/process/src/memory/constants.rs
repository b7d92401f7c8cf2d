//! Code and constants of a process, read from the files that they come from: to read its memory brings in pages
//! that it did not ask for itself, and its RSS grows.

use crate::{Error, Mapping, Memory, Process, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

/// What does not change in a process, found when it is asked for.
#[derive(Debug)]
pub struct Constants {
    process: Process,
    /// In order of address.
    pieces: Vec<Piece>,
    /// The process itself, for a file that is gone or another by now.
    live: File,
}

#[derive(Debug)]
struct Piece {
    map: Mapping,
    file: OnceLock<Option<File>>,
}

impl Constants {
    /// Those of a process with these mappings.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] once it has ended, [`Error::Permission`] without the right to trace it (another
    /// user's, or not dumpable).
    pub fn of(process: &Process, maps: &[Mapping]) -> Result<Self> {
        let pid = process.pid();
        let live = File::open(format!("/proc/{pid}/mem")).map_err(|e| Error::from_io(pid, "mem", e))?;
        let constant = |m: &&Mapping| m.inode != 0 && m.readable && !m.writable && !m.shared;
        let piece = |m: &Mapping| Piece { map: m.clone(), file: OnceLock::new() };
        let pieces = maps.iter().filter(constant).map(piece).collect();
        Ok(Self { process: process.clone(), pieces, live })
    }

    fn in_file(&self, addr: u64, buf: &mut [u8]) -> Option<()> {
        let piece = self.pieces.get(self.pieces.partition_point(|p| p.map.end <= addr))?;
        let at = addr.checked_sub(piece.map.start)?;
        let file = piece.file.get_or_init(|| self.process.open_mapped(&piece.map)).as_ref()?;
        (addr + buf.len() as u64 <= piece.map.end).then_some(())?;
        file.read_exact_at(buf, piece.map.offset.checked_add(at)?).ok()
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
