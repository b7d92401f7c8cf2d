//! A core file as an address space: what was dumped, and for the rest the files that were mapped.

mod files;
mod headers;
mod holes;
mod notes;

use crate::{Error, Mapping, Memory, Result};
use files::Files;
use headers::Load;
use notes::{MappedFile, Notes};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// The memory of a process that is no more, or of one that `gcore` copied.
#[derive(Debug)]
pub struct CoreFile {
    file: File,
    written_at: f64,
    loads: Vec<Load>,
    notes: Notes,
    maps: Vec<Mapping>,
    files: Files,
}

impl CoreFile {
    /// Opens a core file. `exe` is the program that it is of, where that lies elsewhere now; `root` is put before
    /// the path of every other file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be opened, [`Error::Malformed`] where it is no whole core file of a 64-bit
    /// process, with what to do about it.
    pub fn open(path: &Path, exe: Option<&Path>, root: Option<&Path>) -> Result<Self> {
        let refused = |source| Error::Io { what: path.display().to_string(), source };
        let file = File::open(path).map_err(refused)?;
        let meta = file.metadata().map_err(refused)?;
        let headers::Headers { loads, notes } = headers::read(&file, meta.len())?;
        let maps = mappings(&loads, &notes);
        let written_at = meta.mtime() as f64 + meta.mtime_nsec() as f64 / 1e9;
        let mut core = Self { file, written_at, loads, notes, maps, files: Files::default() };
        let paths = core.maps.iter().filter(|m| m.inode != 0).map(|m| m.path.clone()).collect();
        core.files = Files::open(|path, file| same(&core, path, file), paths, exe, root)?;
        core.maps = crate::joined_maps(core.maps);
        core.name_heap();
        Ok(core)
    }

    /// The pid that the process had.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.notes.pid
    }

    /// Its command line, as far as the kernel keeps it (80 bytes).
    #[must_use]
    pub fn command(&self) -> &str {
        &self.notes.command
    }

    /// The signal that ended it, if one did.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        (self.notes.signal != 0).then_some(self.notes.signal)
    }

    /// Number of threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.notes.threads
    }

    /// When the file was written, in seconds of Unix time.
    #[must_use]
    pub fn written_at(&self) -> f64 {
        self.written_at
    }

    /// The mappings; a core file does not say inodes: 1 stands for any file.
    #[must_use]
    pub fn maps(&self) -> &[Mapping] {
        &self.maps
    }

    /// Files that were mapped and are not to be had here, or are not the ones that were mapped.
    #[must_use]
    pub fn missing(&self) -> &[String] {
        self.files.missing()
    }

    /// Where the mapped file of this path lies on this machine, if it is the same one.
    #[must_use]
    pub fn place(&self, path: &str) -> Option<&Path> {
        self.files.place(path)
    }

    /// Ranges of a mapping that were dumped: holes of the file, pages that were never touched, are left out.
    #[must_use]
    pub fn dumped(&self, map: &Mapping) -> Vec<Range<u64>> {
        let mut out = Vec::new();
        let first = self.loads.partition_point(|l| l.range.end <= map.start);
        for load in self.loads.iter().skip(first).take_while(|l| l.range.start < map.end) {
            let from = load.range.start.max(map.start);
            let to = (load.range.start + load.held).min(map.end);
            if from < to {
                let shift = load.offset.wrapping_sub(load.range.start);
                let data = holes::data(&self.file, from.wrapping_add(shift)..to.wrapping_add(shift));
                out.extend(data.into_iter().map(|d| d.start.wrapping_sub(shift)..d.end.wrapping_sub(shift)));
            }
        }
        out
    }

    /// Fills what was dumped; `None` where it was not.
    fn dumped_bytes(&self, addr: u64, buf: &mut [u8]) -> Option<usize> {
        let index = self.loads.partition_point(|l| l.range.start <= addr).checked_sub(1)?;
        let load = self.loads.get(index)?;
        let at = addr - load.range.start;
        let count = usize::try_from(load.held.checked_sub(at)?).ok()?.min(buf.len());
        let part = buf.get_mut(..count).filter(|p| !p.is_empty())?;
        self.file.read_exact_at(part, load.offset + at).ok()?;
        Some(count)
    }

    /// The heap grown by `brk` follows the program, before anything else, and begins with a chunk of memory.
    fn name_heap(&mut self) {
        let first = self.maps.first().map(|m| m.path.clone()).unwrap_or_default();
        let Some(last) = self.maps.iter().rposition(|m| !first.is_empty() && m.path == first) else { return };
        let candidates = self.maps.iter().enumerate().skip(last + 1).take_while(|(_, m)| m.inode == 0);
        let chunk = |start: u64| {
            let size = self.u64(start + 8).unwrap_or(0);
            size & 7 == 1 && (0x20..1 << 30).contains(&size) && size & 8 == 0
        };
        let found = candidates.filter(|(_, m)| m.writable).find(|(_, m)| chunk(m.start)).map(|(i, _)| i);
        if let Some(heap) = found.and_then(|i| self.maps.get_mut(i)) {
            heap.path = "[heap]".to_owned();
        }
    }
}

impl Memory for CoreFile {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<()> {
        let unmapped = Error::Unmapped { addr, len: buf.len() };
        let (mut at, mut rest) = (addr, buf);
        while !rest.is_empty() {
            let count = match self.dumped_bytes(at, rest) {
                Some(count) => count,
                None => match self.files.read(&self.maps, at, rest) {
                    Some(count) => count,
                    None => return Err(unmapped),
                },
            };
            at = at.wrapping_add(count as u64);
            rest = rest.get_mut(count..).unwrap_or_default();
        }
        Ok(())
    }
}

/// The mappings of the process: every stretch of memory with the file that it was of. Mapped files that have no
/// header of their own were not dumped.
fn mappings(loads: &[Load], notes: &Notes) -> Vec<Mapping> {
    let file_at = |at: u64| notes.files.iter().find(|f| f.range.contains(&at));
    let mut maps: Vec<Mapping> = loads.iter().map(|l| mapping(l, file_at(l.range.start), notes)).collect();
    for file in &notes.files {
        let covered = loads.iter().any(|l| l.range.start < file.range.end && file.range.start < l.range.end);
        if !covered && file.range.start < file.range.end {
            let bare = Load { range: file.range.clone(), offset: 0, held: 0, flags: READ | EXECUTE };
            maps.push(mapping(&bare, Some(file), notes));
        }
    }
    maps.sort_by_key(|m| m.start);
    maps
}

const EXECUTE: u32 = 1;
const WRITE: u32 = 2;
const READ: u32 = 4;

fn mapping(load: &Load, file: Option<&MappedFile>, notes: &Notes) -> Mapping {
    let (start, end) = (load.range.start, load.range.end);
    let path = match file {
        Some(file) => file.path.clone(),
        None if notes.stack.is_some_and(|s| load.range.contains(&s)) => "[stack]".to_owned(),
        None if notes.vdso == Some(start) => "[vdso]".to_owned(),
        None if start >= 0xffff_ffff_ff60_0000 => "[vsyscall]".to_owned(),
        None => String::new(),
    };
    let memory = ["/SYSV", "/memfd:", "/dev/shm/", "/dev/zero"];
    Mapping {
        start,
        end,
        offset: file.map_or(0, |f| f.offset + (start - f.range.start)),
        executable: load.flags & EXECUTE != 0,
        readable: load.flags & READ != 0,
        writable: load.flags & WRITE != 0,
        shared: memory.iter().any(|m| path.starts_with(m)),
        device: 0,
        inode: u64::from(file.is_some()),
        path,
    }
}

/// Whether a file begins as the one that was mapped: its first page, with the number of its build, is dumped for
/// this. Where it was not, there is nothing to compare with.
fn same(core: &CoreFile, path: &str, file: &File) -> bool {
    const HEAD: usize = 2048;
    let first = core.maps.iter().find(|m| m.path == path && m.offset == 0 && !m.writable);
    let mut dumped = [0; HEAD];
    let Some(HEAD) = first.and_then(|m| core.dumped_bytes(m.start, &mut dumped)) else { return true };
    let mut head = [0; HEAD];
    match file.read_exact_at(&mut head, 0) {
        Ok(()) => head == dumped,
        Err(_) => false,
    }
}
