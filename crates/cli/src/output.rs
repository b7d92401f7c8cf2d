//! Where reports go: to standard output, or to a file that appears whole or not at all.

use crate::error::CliError;
use std::io::{self, Write};
use std::path::Path;

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

/// The same to a file, whole or not at all.
pub(crate) fn write_file_with(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CliError> {
    m5_process::write_whole(path, write).map_err(|e| failed(path, &e))
}

/// Writes a file, whole or not at all.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    write_file_with(path, |out| out.write_all(bytes))
}

/// Whether a file could be written here, before hours are spent on what it is to hold.
pub(crate) fn check_writable(path: &Path) -> Result<(), CliError> {
    m5_process::check_writable(path).map_err(|e| failed(path, &e))
}

/// The error for a file that could not be written.
pub(crate) fn failed(path: &Path, error: &io::Error) -> CliError {
    // What writes whole files works beside them; the name of that is nobody's concern.
    let reason = error.to_string();
    let reason = reason.split(" at path \"").next().unwrap_or_default().to_owned();
    CliError::Write { path: path.display().to_string(), reason }
}
