//! Each descriptor with what it refers to.

use crate::{Error, Process, Result};
use std::fs;

impl Process {
    /// Descriptors and the targets of their links under `/proc/PID/fd`, in order.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] once it has ended, [`Error::Permission`] without the right to trace it (another
    /// user's, or not dumpable). A descriptor that is closed meanwhile is left out.
    pub fn fd_links(&self) -> Result<Vec<(u32, String)>> {
        let entries = fs::read_dir(self.path("fd")).map_err(|e| Error::from_io(self.pid(), "fd", e))?;
        let mut links: Vec<(u32, String)> = entries
            .flatten()
            .filter_map(|entry| {
                let number = entry.file_name().to_str()?.parse().ok()?;
                // One that was closed meanwhile is left out.
                Some((number, fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
            })
            .collect();
        links.sort_unstable();
        Ok(links)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn its_own() {
        let file = fs::File::open("/dev/null").unwrap();
        let links = Process::open(std::process::id() as i32).unwrap().fd_links().unwrap();
        assert!(links.contains(&(file.as_raw_fd() as u32, "/dev/null".into())));
    }
}
