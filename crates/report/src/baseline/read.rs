//! Reading stored documents: whatever the bytes, an answer; never a panic, never more memory than the file.

use crate::doc::{BASELINE_SCHEMA, Baseline, RUNS_SCHEMA, Runs};
use serde::Deserialize;

/// Why a stored document cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing that m5 wrote: it is no JSON object, or names no schema.
    #[error("no document of m5")]
    Foreign,
    /// Cut off, or not of the shape that its schema names.
    #[error("{0}")]
    Malformed(String),
    /// Another schema or another version of it.
    #[error("schema {found}, not {reads}")]
    Schema {
        /// What the document names.
        found: String,
        /// What this m5 reads.
        reads: &'static str,
    },
}

#[derive(Deserialize)]
struct Head {
    schema: Option<String>,
}

/// The schema that a stored document names.
///
/// # Errors
/// Where it is no JSON object, is cut off, or names none.
pub fn schema(bytes: &[u8]) -> Result<String, ReadError> {
    if bytes.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        return Err(ReadError::Foreign);
    }
    let head: Head = serde_json::from_slice(bytes).map_err(|e| ReadError::Malformed(e.to_string()))?;
    head.schema.ok_or(ReadError::Foreign)
}

/// Whether a document names this schema.
pub(crate) fn expect_schema(bytes: &[u8], reads: &'static str) -> Result<(), ReadError> {
    let found = schema(bytes)?;
    if found == reads {
        return Ok(());
    }
    Err(ReadError::Schema { found: found.chars().take(60).collect(), reads })
}

/// Reads an `m5.runs/1`.
///
/// # Errors
/// [`ReadError`].
pub fn read_runs(bytes: &[u8]) -> Result<Runs, ReadError> {
    expect_schema(bytes, RUNS_SCHEMA)?;
    let runs: Runs = serde_json::from_slice(bytes).map_err(|e| ReadError::Malformed(e.to_string()))?;
    if runs.runs.is_empty() {
        return Err(ReadError::Malformed("it records no run".to_owned()));
    }
    Ok(runs)
}

/// Reads an `m5.baseline/1`. Derived figures in it are not trusted: derive them anew.
///
/// # Errors
/// [`ReadError`].
pub fn read_baseline(bytes: &[u8]) -> Result<Baseline, ReadError> {
    expect_schema(bytes, BASELINE_SCHEMA)?;
    let mut baseline: Baseline =
        serde_json::from_slice(bytes).map_err(|e| ReadError::Malformed(e.to_string()))?;
    baseline.comparison = None;
    if baseline.processes.is_empty() {
        return Err(ReadError::Malformed("it records no process".to_owned()));
    }
    for process in &mut baseline.processes {
        process.samples.complete().map_err(ReadError::Malformed)?;
        process.pauses.as_ref().map_or(Ok(()), crate::doc::PauseLog::check).map_err(ReadError::Malformed)?;
        (process.derived, process.criteria) = (None, Vec::new());
    }
    Ok(baseline)
}
