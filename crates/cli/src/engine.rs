//! How the reference engine is started: from this repository, by its virtual environment where there is one.

use crate::error::CliError;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Names another place of the engine's folder.
const FOLDER: &str = "M5_ENGINE_DIR";
const DEFAULT: &str = "examples/trading_engine";
const PYTHONS: [&str; 2] = [".venv/bin/python", "python3"];

/// The command line of an engine that runs for at least `seconds` of event time and tells that time in `clock`.
pub(crate) fn command(
    clock: &Path,
    seconds: f64,
    accelerate: bool,
    more: &[OsString],
) -> Result<Vec<OsString>, CliError> {
    let folder = std::env::var_os(FOLDER).map_or_else(|| PathBuf::from(DEFAULT), PathBuf::from);
    if !folder.join("__main__.py").is_file() {
        return Err(CliError::NoEngine { path: folder.display().to_string() });
    }
    let python = PYTHONS.iter().find(|p| Path::new(p).exists()).unwrap_or(&"python3");
    let mut words: Vec<OsString> = vec![python.into(), folder.into()];
    // It must not end before the test does.
    let duration = (seconds * 1.01 + 60.0).ceil();
    words.extend(["--traceable", "--quiet", "--log-level", "WARNING", "--clock"].map(OsString::from));
    words.push(clock.into());
    words.extend(["--duration".into(), OsString::from(format!("{duration}"))]);
    words.extend(accelerate.then(|| OsString::from("--accelerate")));
    words.extend(more.iter().cloned());
    Ok(words)
}
