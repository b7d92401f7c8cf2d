//! Files of the kernel that are read again and again: held open, so that a reading is one call.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Most of such a file that is read, bytes.
const MOST: usize = 1 << 20;
/// Room to begin with: most of these files are shorter.
const ROOM: usize = 4096;
/// Where fewer descriptors are allowed, none is held for longer than a reading.
const PLENTY: u64 = 256;

/// Everything that a file says now that says it in one piece, into `buffer`, which grows where it must.
pub(super) fn read_whole<'a>(file: &File, buffer: &'a mut Vec<u8>) -> io::Result<&'a mut [u8]> {
    buffer.resize(buffer.len().max(ROOM), 0);
    let mut filled = 0;
    loop {
        let n = file.read_at(&mut buffer[filled..], filled as u64)?;
        filled += n;
        if n == 0 || filled < buffer.len() || filled >= MOST {
            return Ok(&mut buffer[..filled]);
        }
        buffer.resize(filled * 2, 0);
    }
}

/// Everything that a file of the kernel says. It says that it is empty, so that who asks for its size first reads it in crumbs.
pub(crate) fn read_once(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = vec![0; ROOM];
    let mut filled = 0;
    loop {
        match file.read_at(&mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if bytes.len() - filled < ROOM / 2 {
            bytes.resize(bytes.len() * 2, 0);
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// The files of one directory of a cgroup.
#[derive(Debug)]
pub(super) struct GroupDir {
    path: PathBuf,
    /// `None`: it is not there.
    held: BTreeMap<&'static str, Option<File>>,
    hold: bool,
    buffer: Vec<u8>,
}

impl GroupDir {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, held: BTreeMap::new(), hold: crate::descriptor_limit() >= PLENTY, buffer: Vec::new() }
    }

    /// What a file of it says; `None` where it is not there or does not say it.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        let file = match self.held.remove(name) {
            Some(held) => held,
            None => open(&self.path.join(name)).ok()?,
        };
        let Some(file) = file else {
            self.held.insert(name, None);
            return None;
        };
        // A group that was removed says nothing any more.
        let text = String::from_utf8_lossy(read_whole(&file, &mut self.buffer).ok()?).into_owned();
        if self.hold {
            self.held.insert(name, Some(file));
        }
        Some(text)
    }

    /// The number that a file of it holds.
    pub(super) fn number(&mut self, name: &'static str) -> Option<u64> {
        self.text(name)?.trim().parse().ok()
    }
}

/// `None` where there is no such file.
fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_read_to_its_end_and_again_from_its_start() {
        let folder = tempfile::tempdir().unwrap();
        let long = "0123456789".repeat(2000);
        std::fs::write(folder.path().join("cpu.stat"), &long).unwrap();
        let mut dir = GroupDir::new(folder.path().to_owned());
        assert_eq!(dir.text("cpu.stat").as_deref(), Some(long.as_str()));
        std::fs::write(folder.path().join("cpu.stat"), "7\n").unwrap();
        assert_eq!(dir.number("cpu.stat"), Some(7));
        assert_eq!(dir.text("cpu.max"), None);
    }
}
