//! The files that were mapped, as they lie on this machine; one that is no longer the same is not used.

use crate::files::open_regular;
use crate::{Error, Mapping, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Open files by the path that the process had.
#[derive(Debug, Default)]
pub(super) struct Files {
    open: BTreeMap<String, (PathBuf, File)>,
    missing: Vec<String>,
}

impl Files {
    /// Opens what can be had. The first path is the program's; `same` says whether a file is the one that was
    /// mapped.
    pub(super) fn open(
        same: impl Fn(&str, &File) -> bool,
        paths: Vec<String>,
        exe: Option<&Path>,
        root: Option<&Path>,
    ) -> Result<Self> {
        let mut files = Self::default();
        let program = paths.first().cloned();
        for path in paths {
            let pseudo =
                path.starts_with("/dev/") || path.starts_with("/SYSV") || path.starts_with("/memfd:");
            if pseudo || files.open.contains_key(&path) || files.missing.contains(&path) {
                continue;
            }
            let given = exe.filter(|_| Some(&path) == program.as_ref());
            let place = given.map_or_else(|| place(&path, root), Path::to_owned);
            let found = open_regular(&place);
            match (given, found) {
                (Some(given), Err(source)) => {
                    return Err(Error::Io { what: given.display().to_string(), source });
                }
                (Some(given), Ok(file)) if !same(&path, &file) => {
                    let detail = format!("{} is not the program of the core file ({path})", given.display());
                    return Err(Error::malformed("--exe", detail));
                }
                (_, Ok(file)) if same(&path, &file) => _ = files.open.insert(path, (place, file)),
                _ => files.missing.push(path),
            }
        }
        Ok(files)
    }

    pub(super) fn missing(&self) -> &[String] {
        &self.missing
    }

    /// Where the file of this path lies here.
    pub(super) fn place(&self, path: &str) -> Option<&Path> {
        self.open.get(path).map(|(place, _)| place.as_path())
    }

    /// Fills from the file that was mapped there: as many bytes as its mapping has. What lies behind the end of
    /// the file is zero.
    pub(super) fn read(&self, maps: &[Mapping], addr: u64, buf: &mut [u8]) -> Option<usize> {
        let map = maps.get(maps.partition_point(|m| m.start <= addr).checked_sub(1)?)?;
        let left = usize::try_from(map.end.checked_sub(addr)?).ok()?;
        let count = left.min(buf.len());
        let part = buf.get_mut(..count).filter(|p| !p.is_empty())?;
        let (_, file) = self.open.get(&map.path)?;
        let mut done = 0;
        while done < part.len() {
            let at = map.offset + (addr - map.start) + done as u64;
            match file.read_at(part.get_mut(done..)?, at) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(_) => return None,
            }
        }
        part.get_mut(done..)?.fill(0);
        Some(count)
    }
}

fn place(path: &str, root: Option<&Path>) -> PathBuf {
    match root {
        Some(root) => root.join(path.trim_start_matches('/')),
        None => PathBuf::from(path),
    }
}
