//! Where samples are kept for weeks, and how much of them.

use super::{Span, parse_size};
use crate::error::CliError;
use clap::Args;
use m5_agent::history::{History, Limits};
use std::path::PathBuf;
use std::time::Duration;

/// The history of those who watch for days.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "History")]
pub(crate) struct HistoryArgs {
    /// Keep the samples in this file, or in a file in this folder, for `m5 baseline --from-history`
    #[arg(long, value_name = "FILE|DIR", env = "M5_HISTORY")]
    history: Option<PathBuf>,
    /// Forget what is older; every sample stays a day, the extremes of five minutes a week, then those of an hour
    #[arg(long, value_name = "SPAN", default_value = "30d", requires = "history", env = "M5_HISTORY_AGE")]
    history_age: Span,
    /// Keep the file smaller than this, also if that means less of the past
    #[arg(long, value_name = "SIZE", default_value = "256MB", value_parser = parse_size, requires = "history",
        env = "M5_HISTORY_SIZE")]
    history_size: u64,
}

impl HistoryArgs {
    /// Opens the history, where one is asked for.
    pub(crate) fn open(&self, interval: Duration) -> Result<Option<History>, CliError> {
        let limits = Limits { age: self.history_age.0, bytes: self.history_size, ..Limits::default() };
        let open = |path: &PathBuf| History::open(path, limits, interval).map_err(CliError::History);
        self.history.as_ref().map(open).transpose()
    }
}
