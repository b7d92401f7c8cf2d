//! `m5 gc`: every collection of a process, and its collector's settings.

mod live;
mod optimize;
mod settings;
mod watch;

use crate::args::{Span, TargetArgs, parse_ratio, parse_size};
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use clap::{ArgGroup, Args};
use std::path::PathBuf;

/// Arguments of `m5 gc`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("action").args(["set", "enable", "disable", "show", "undo", "optimize"]))]
pub(crate) struct GcArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// How long to watch; Ctrl-C ends earlier and keeps what was seen
    #[arg(short, long, default_value = "5m", env = "M5_DURATION")]
    duration: Span,
    /// The most that watching may add to the target's CPU; above it a fair sample of the pauses is seen. At
    /// least 10% while optimizing
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = parse_ratio, env = "M5_MAX_OVERHEAD")]
    max_overhead: f64,
    /// Write the page with its charts to this file: one file, for any browser, with nothing to fetch
    #[arg(long, value_name = "FILE", env = "M5_HTML", conflicts_with_all = ["set", "enable", "disable", "show", "undo"])]
    html: Option<PathBuf>,
    /// One line on standard error for each collection as it happens
    #[arg(long)]
    log: bool,
    /// The same, only for pauses longer than this
    #[arg(long, value_name = "TIME")]
    above: Option<Span>,
    /// Tell what pauses of at least LIMIT (10ms) were doing: the line that collected, and what was walked
    #[arg(long, value_name = "LIMIT", num_args = 0..=1, default_missing_value = "10ms", value_parser = parse_limit)]
    stacks: Option<Span>,
    /// Expose metrics: a file for the node exporter's textfile collector, or :PORT on loopback; alone a free port, which is said
    #[arg(long, value_name = "FILE|:PORT", env = "M5_GC_PROMETHEUS", num_args = 0..=1, default_missing_value = ":0")]
    prometheus: Option<String>,
    /// Set the thresholds of the running process, for instance 50000,20,100
    #[arg(long, value_name = "A,B,C", value_parser = parse_thresholds)]
    set: Option<[i32; 3]>,
    /// Turn automatic collection on
    #[arg(long)]
    enable: bool,
    /// Turn automatic collection off
    #[arg(long)]
    disable: bool,
    /// Show the settings of the running process, and what m5 changed in it
    #[arg(long)]
    show: bool,
    /// Put back what m5 changed in the running process
    #[arg(long)]
    undo: bool,
    /// Measure, set better thresholds, measure again for the same time, take them back unless --keep
    #[arg(long, env = "M5_OPTIMIZE")]
    optimize: bool,
    /// Leave the settings that helped when m5 ends
    #[arg(long, requires = "optimize")]
    keep: bool,
    /// The most memory that the process may reach while settings are tried
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "optimize")]
    max_rss: Option<u64>,
    /// Run gc.collect() and gc.freeze() in the process first (CPython 3.14 and later)
    #[arg(long, conflicts_with_all = ["set", "show", "undo"])]
    freeze: bool,
}

pub(crate) fn run(args: &GcArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let setting = args.set.is_some() || args.enable || args.disable;
    match args {
        _ if setting => settings::set(args, ctx),
        GcArgs { show: true, .. } => settings::show(args, ctx),
        GcArgs { undo: true, .. } => settings::undo(args, ctx),
        GcArgs { freeze: true, optimize: false, .. } => settings::freeze(args, ctx),
        _ => watch::run(args, ctx),
    }
}

/// Parses a limit of pauses. A bare number would be seconds, but most likely it is a PID that was meant.
fn parse_limit(text: &str) -> Result<Span, String> {
    if text.trim().chars().all(|c| c.is_ascii_digit()) {
        return Err(format!("give the limit a unit, for instance 10ms; a PID is given as -p {text}"));
    }
    text.parse()
}

/// Parses `50000,20,100`.
fn parse_thresholds(text: &str) -> Result<[i32; 3], String> {
    let wrong = || "three numbers from 0 to 2147483647, for instance 50000,20,100".to_owned();
    let parts: Vec<&str> = text.split(',').collect();
    let numbers: Result<Vec<i32>, _> = parts.iter().map(|p| p.trim().parse()).collect();
    let numbers: [i32; 3] = numbers.map_err(|_| wrong())?.try_into().map_err(|_| wrong())?;
    if numbers.iter().all(|n| *n >= 0) { Ok(numbers) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_no_pid() {
        assert_eq!(parse_limit("20ms").map(|s| s.0), Ok(std::time::Duration::from_millis(20)));
        assert!(parse_limit("1234").is_err_and(|e| e.contains("-p 1234")));
        assert!(parse_limit("5x").is_err());
    }

    #[test]
    fn thresholds_as_people_type_them() {
        assert_eq!(parse_thresholds("50000, 20,100"), Ok([50_000, 20, 100]));
        for text in ["", "1,2", "1,2,3,4", "-1,2,3", "a,b,c", "99999999999,1,1"] {
            assert!(parse_thresholds(text).is_err(), "{text}");
        }
    }
}
