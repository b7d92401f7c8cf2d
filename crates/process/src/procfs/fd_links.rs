//! Each descriptor with what it refers to.

use crate::{Error, Process, Result};
use rustix::fs::{RawDir, readlinkat};
use std::fs::File;
use std::mem::MaybeUninit;

impl Process {
    /// Descriptors and the targets of their links under `/proc/PID/fd`, in order.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] once it has ended, [`Error::Permission`] without the right to trace it (another
    /// user's, or not dumpable). A descriptor that is closed meanwhile is left out.
    pub fn fd_links(&self) -> Result<Vec<(u32, String)>> {
        let mut links = Vec::new();
        self.each_fd_link(|number, link| links.push((number, link.to_owned())))?;
        links.sort_unstable();
        Ok(links)
    }

    /// How many there are, where the kernel counts them without a look at each (6.2).
    pub(crate) fn fd_total(&self) -> Option<u64> {
        std::fs::metadata(self.path("fd")).ok().map(|folder| folder.len()).filter(|count| *count > 0)
    }

    /// Tells each of them, in no order.
    pub(crate) fn each_fd_link(&self, mut tell: impl FnMut(u32, &str)) -> Result<()> {
        let fail = |e| Error::from_io(self.pid(), "fd", e);
        let folder = File::open(self.path("fd")).map_err(fail)?;
        // Names are looked up from the open directory: the way to it is gone once, not once for each.
        let (mut entries, mut link) = ([MaybeUninit::uninit(); 4096], Vec::with_capacity(256));
        let mut entries = RawDir::new(&folder, &mut entries);
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|e| fail(e.into()))?;
            let Some(number) = entry.file_name().to_str().ok().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // One that was closed meanwhile is left out.
            let Ok(target) = readlinkat(&folder, entry.file_name(), std::mem::take(&mut link)) else {
                continue;
            };
            tell(number, &target.to_string_lossy());
            link = target.into_bytes();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn its_own() {
        let file = File::open("/dev/null").unwrap();
        let links = Process::open(std::process::id() as i32).unwrap().fd_links().unwrap();
        assert!(links.contains(&(file.as_raw_fd() as u32, "/dev/null".into())));
    }
}
