//! What speaks against giving memory back, beside what the allocator itself says.

use crate::trim::error::TrimError;
use m5_process::{Process, TraceError};

/// Settings with which freed memory has a meaning: it is filled with a pattern, or carries tags.
const SETTINGS: [&str; 3] = ["MALLOC_PERTURB_=", "glibc.malloc.perturb=", "glibc.mem.tagging="];

/// Asks how the process was started.
///
/// # Errors
/// [`TraceError::Refused`] with the setting.
pub(super) fn check(process: &Process) -> Result<(), TrimError> {
    let environment = process.environment()?;
    let set = SETTINGS.iter().find(|setting| environment.iter().any(|line| speaks(line, setting)));
    match set {
        Some(setting) => Err(TraceError::Refused(format!(
            "it was started with {}: freed memory is filled with a pattern there, and somebody may look for it",
            setting.trim_end_matches('=')
        ))
        .into()),
        None => Ok(()),
    }
}

/// Whether a line of the environment sets it to something.
fn speaks(line: &str, setting: &str) -> bool {
    let tunables = setting.starts_with("glibc.");
    let line = match (tunables, line.strip_prefix("GLIBC_TUNABLES=")) {
        (true, Some(tunables)) => tunables,
        (false, None) => line,
        _ => return false,
    };
    line.split(':').filter_map(|part| part.strip_prefix(setting)).any(|value| !matches!(value, "" | "0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_speak_against_it() {
        let any = |line: &str| SETTINGS.iter().any(|s| speaks(line, s));
        assert!(any("MALLOC_PERTURB_=165"));
        assert!(any("GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.malloc.perturb=7"));
        for line in [
            "MALLOC_PERTURB_=0",
            "MALLOC_PERTURB_=",
            "GLIBC_TUNABLES=glibc.malloc.check=3",
            "X=glibc.malloc.perturb=7",
        ] {
            assert!(!any(line), "{line}");
        }
    }
}
