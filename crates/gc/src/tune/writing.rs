//! Every write into a target: into the execution that was looked at, never into what its process executes after it.

use super::error::{Result, TuneError};
use m5_process::{Execution, write_memory};

/// # Errors
/// [`TuneError::Replaced`] where the process executes something else by now, or that it has ended.
pub(super) fn goes_on(execution: &Execution) -> Result<()> {
    let pid = execution.process().pid();
    match execution.goes_on() {
        true => Ok(()),
        false if execution.replaced_in_the_end() => Err(TuneError::Replaced { pid }),
        false => Err(m5_process::Error::NoSuchProcess { pid }.into()),
    }
}

/// Writes where it goes on.
///
/// # Errors
/// As [`goes_on`], or what the kernel says.
pub(super) fn write(execution: &Execution, at: u64, bytes: &[u8]) -> Result<()> {
    goes_on(execution)?;
    Ok(write_memory(execution.process().pid(), at, bytes)?)
}
