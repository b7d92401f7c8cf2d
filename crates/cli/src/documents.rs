//! Recordings in files: read with every doubt, written whole or not at all.

use crate::error::CliError;
use crate::output;
use m5_agent::objectives::ObjectivesByService;
use m5_report::doc::{
    Baseline, RUNS_SCHEMA, ReadError, Runs, Stress, read_baseline, read_runs, read_stress as parse_stress,
    schema,
};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// No recording is longer; what is longer (a device, a mistake) is not read into memory.
const MOST_BYTES: u64 = 1 << 30;

/// A stored document that can be compared.
#[derive(Debug)]
pub(crate) enum Stored {
    /// A recording, its figures derived.
    Baseline(Box<Baseline>),
    /// Runs of a command.
    Runs(Runs),
}

/// Reads a recording and derives its figures from the raw samples in it; `-` is standard input.
pub(crate) fn read(path: &Path, objectives: &ObjectivesByService) -> Result<Baseline, CliError> {
    recording(path, &whole(path)?, objectives)
}

/// Reads a recording or runs.
pub(crate) fn read_any(path: &Path, objectives: &ObjectivesByService) -> Result<Stored, CliError> {
    let bytes = whole(path)?;
    if schema(&bytes).is_ok_and(|s| s == RUNS_SCHEMA) {
        return Ok(Stored::Runs(read_runs(&bytes).map_err(|e| refused(path, e))?));
    }
    Ok(Stored::Baseline(Box::new(recording(path, &bytes, objectives)?)))
}

/// Reads runs.
pub(crate) fn read_runs_file(path: &Path) -> Result<Runs, CliError> {
    read_runs(&whole(path)?).map_err(|e| refused(path, e))
}

fn recording(path: &Path, bytes: &[u8], objectives: &ObjectivesByService) -> Result<Baseline, CliError> {
    let mut baseline = read_baseline(bytes).map_err(|e| refused(path, e))?;
    m5_agent::derive::complete(&mut baseline, objectives);
    Ok(baseline)
}

/// Reads a soak test.
pub(crate) fn read_stress(path: &Path) -> Result<Stress, CliError> {
    parse_stress(&whole(path)?).map_err(|e| refused(path, e))
}

fn whole(path: &Path) -> Result<Vec<u8>, CliError> {
    let unreadable =
        |e: io::Error| CliError::Unreadable { path: path.display().to_string(), reason: e.to_string() };
    bytes(path).map_err(unreadable)
}

fn refused(path: &Path, error: ReadError) -> CliError {
    let path = path.display().to_string();
    match error {
        ReadError::Foreign => CliError::Foreign { path },
        ReadError::Malformed(reason) => CliError::Malformed { path, reason },
        ReadError::Schema { found, reads } => CliError::Schema { path, found, reads },
    }
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
