//! Recordings in files: read with every doubt, written whole or not at all.

use crate::error::CliError;
use crate::output;
use m5_report::doc::{Baseline, ReadError, Stress, read_baseline, read_stress as parse_stress};
use m5_stats::Objectives;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// No recording is longer; what is longer (a device, a mistake) is not read into memory.
const MOST_BYTES: u64 = 1 << 30;

/// Reads a recording and derives its figures from the raw samples in it; `-` is standard input.
pub(crate) fn read(path: &Path, objectives: &Objectives) -> Result<Baseline, CliError> {
    let mut baseline = parsed(path, read_baseline)?;
    m5_agent::derive::complete(&mut baseline, objectives);
    Ok(baseline)
}

/// Reads a soak test.
pub(crate) fn read_stress(path: &Path) -> Result<Stress, CliError> {
    parsed(path, parse_stress)
}

fn parsed<T>(path: &Path, parse: impl FnOnce(&[u8]) -> Result<T, ReadError>) -> Result<T, CliError> {
    let name = path.display().to_string();
    let bytes =
        bytes(path).map_err(|e| CliError::Unreadable { path: name.clone(), reason: e.to_string() })?;
    parse(&bytes).map_err(|error| match error {
        ReadError::Malformed(reason) => CliError::Malformed { path: name, reason },
        ReadError::Schema { found, reads } => CliError::Schema { path: name, found, reads },
    })
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().take(MOST_BYTES + 1).read_to_end(&mut bytes)?
    } else {
        File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?
    };
    if read as u64 > MOST_BYTES { Err(io::Error::other("longer than any recording")) } else { Ok(bytes) }
}

/// Writes a recording as compact JSON: columns of numbers are for programs.
pub(crate) fn save(path: &Path, baseline: &Baseline) -> Result<(), CliError> {
    save_any(path, baseline)
}

/// The same for any document.
pub(crate) fn save_any(path: &Path, document: &impl serde::Serialize) -> Result<(), CliError> {
    let mut bytes = serde_json::to_vec(document).map_err(|e| CliError::Kernel { message: e.to_string() })?;
    bytes.push(b'\n');
    output::write_file(path, &bytes)
}
