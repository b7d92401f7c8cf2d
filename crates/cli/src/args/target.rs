//! Which process a command works on: a PID, a PID by option, or a command to start.

use crate::error::CliError;
use clap::Args;
use std::ffi::OsString;

/// The target of a command.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TargetArgs {
    /// Process to look at; may be given more than once where the command allows it [env: M5_PID]
    #[arg(short = 'p', long = "pid", value_name = "PID", value_parser = parse_pid)]
    pub(crate) pid: Vec<i32>,
    /// The same without `-p`
    #[arg(value_name = "PID", value_parser = parse_pid)]
    pub(crate) positional: Vec<i32>,
    /// Start this command and look at it; it is stopped when m5 is done
    #[arg(last = true, value_name = "CMD", help_heading = "A command to start", conflicts_with_all = ["pid", "positional"])]
    pub(crate) command: Vec<OsString>,
}

/// A PID. Who typed a name is told how to find its PID.
pub(crate) fn parse_pid(text: &str) -> Result<i32, String> {
    match text.trim().parse::<i64>() {
        Ok(pid) => match i32::try_from(pid) {
            Ok(pid) if pid > 0 => Ok(pid),
            _ => Err(format!("a PID is from 1 to {}; `m5 list` shows those of Python", i32::MAX)),
        },
        Err(_) => Err(format!("a PID is a number; `m5 list --name '*{text}*'` shows those of a name")),
    }
}

/// The PID in `M5_PID`; one that is empty is none.
fn from_environment() -> Result<Option<i32>, CliError> {
    let Some(value) = std::env::var_os("M5_PID").filter(|value| !value.is_empty()) else { return Ok(None) };
    let value = value.to_string_lossy();
    parse_pid(&value).map(Some).map_err(|reason| CliError::PidVariable { value: value.into_owned(), reason })
}

impl TargetArgs {
    /// Every PID that was typed, else the one in `M5_PID`, which is no less wrong there than on the command line.
    pub(crate) fn pids(&self) -> Result<Vec<i32>, CliError> {
        let mut pids: Vec<i32> = self.pid.iter().chain(&self.positional).copied().collect();
        if pids.is_empty() {
            pids.extend(from_environment()?);
        }
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }
}
