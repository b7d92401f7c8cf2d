//! What was typed. Nothing here is interpreted: `ctx` and the commands say what it means.

mod config_values;
mod duration;
pub(crate) mod forms;
mod history;
mod size;
mod target;

pub(crate) use config_values::{parse_rate_per_minute, parse_ratio};
pub(crate) use duration::{Span, parse_duration};
pub(crate) use history::HistoryArgs;
pub(crate) use size::parse_size;
pub(crate) use target::{TargetArgs, parse_pid};

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Options that every command understands.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Language of reports and messages [default: from LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, global = true, value_enum, env = "M5_LANG")]
    pub(crate) lang: Option<LangArg>,
    /// Colours in text
    #[arg(long, global = true, value_enum, default_value_t, env = "M5_COLOR")]
    pub(crate) color: ColorArg,
    /// Say more about what is being done; twice for details
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Print JSON: the same values, bytes and seconds
    #[arg(short, long, global = true, conflicts_with = "format")]
    pub(crate) json: bool,
    /// Form of the report
    #[arg(short, long, global = true, value_enum, env = "M5_FORMAT")]
    pub(crate) format: Option<Format>,
    /// Write the report to this file instead of standard output (`-`)
    #[arg(short, long, global = true, value_name = "FILE", env = "M5_OUTPUT")]
    pub(crate) output: Option<PathBuf>,
    /// Objectives to begin with, which a settings file changes
    #[arg(long, global = true, value_enum, env = "M5_PROFILE")]
    pub(crate) profile: Option<ProfileArg>,
    /// Objectives [default: m5.toml in this directory, if there is one]
    #[arg(long, global = true, value_name = "FILE", env = "M5_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

/// Languages by their names on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LangArg {
    /// English
    En,
    /// 中文
    Zh,
}

/// Sets of objectives by their names on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileArg {
    /// What holds for any service: growth, pauses, limits
    General,
    /// The numbers of a small trading engine: RSS under 40 MB, 3 to 10 connections, …
    Trading,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ColorArg {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Forms of a report. A command refuses those that it does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// A table for a comment on a pull request
    Markdown,
    /// Annotations in the log of a GitHub workflow
    Github,
    /// Test results for a CI
    Junit,
    /// For Perfetto and chrome://tracing
    Chrome,
    /// One page for a browser, with nothing to fetch
    Html,
    /// For `go tool pprof`, speedscope, Pyroscope (gzipped)
    Pprof,
    /// Folded stacks for flame graphs
    Folded,
    /// For speedscope.app
    Speedscope,
    /// For the memory panel of Chrome's developer tools
    Heapsnapshot,
}

impl Format {
    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default()
    }
}
