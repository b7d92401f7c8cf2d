//! Where reports go: to standard output, or to a file that appears whole or not at all.

use crate::error::CliError;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Writes to standard output; a closed pipe (`m5 list | head -1`) ends quietly.
pub(crate) fn write_stdout(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(failed(Path::new("-"), &e)),
        _ => Ok(()),
    }
}

/// Lets `write` write to standard output, for what is long or no text; a closed pipe ends quietly.
pub(crate) fn write_stdout_with(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CliError> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(failed(Path::new("-"), &e)),
        _ => Ok(()),
    }
}

/// The same to a file that appears whole or not at all, for its owner's eyes only.
pub(crate) fn write_file_with(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CliError> {
    put(path, 0o600, write).map_err(|e| failed(path, &e))
}

/// Writes a file that appears whole or not at all.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    put(path, 0o666, |out| out.write_all(bytes)).map_err(|e| failed(path, &e))
}

/// Under a temporary name beside it, then renamed; what is no regular file (a pipe, a device) is written directly.
fn put(path: &Path, mode: u32, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        let mut out = io::BufWriter::new(File::options().write(true).open(path)?);
        return write(&mut out).and_then(|()| out.flush());
    }
    let temporary = beside(path);
    let all = || {
        let file = File::options().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        let mut out = io::BufWriter::new(file);
        write(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&temporary, path)
    };
    all().inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

/// Whether a file could be written here, before hours are spent on what it is to hold.
pub(crate) fn check_writable(path: &Path) -> Result<(), CliError> {
    let probe = || {
        if fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
            return File::options().write(true).open(path).map(drop);
        }
        let temporary = beside(path);
        File::create(&temporary)?;
        fs::remove_file(&temporary)
    };
    probe().map_err(|e| failed(path, &e))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

/// The error for a file that could not be written.
pub(crate) fn failed(path: &Path, error: &io::Error) -> CliError {
    CliError::Write { path: path.display().to_string(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_stays_a_device_and_a_file_appears_whole() {
        write_file(Path::new("/dev/null"), b"lost").unwrap();
        write_file_with(Path::new("/dev/null"), |out| out.write_all(b"lost")).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report");
        write_file(&path, b"first").unwrap();
        let broken =
            write_file_with(&path, |out| out.write_all(b"half").and(Err(io::Error::other("no more"))));
        assert!(broken.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
