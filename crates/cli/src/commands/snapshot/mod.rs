//! `m5 snapshot`: what is in memory, who holds it, and where every byte of RSS went.

mod capture;
mod continuous;
mod emit;
mod spool;

pub(crate) use capture::CaptureArgs;
pub(crate) use spool::SpoolArgs;

use crate::args::{Format, TargetArgs, forms};
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use clap::Args;
use m5_heap::{CorePlaces, Snapshot, SummaryOptions, save_snapshot};
use m5_process::Process;
use m5_report::texts::Heap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Arguments of `m5 snapshot`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  m5 snapshot -p 4711 --top 50 --save
  m5 snapshot -p 4711 --format html -o heap.html
  m5 snapshot --load before.m5snap --format heapsnapshot -o before.heapsnapshot
  m5 snapshot -s -p 4711
  m5 snapshot --core /var/crash/core.4711 --exe /usr/bin/python3.12
  m5 snapshot -p 4711 --continuous 60 --interval 60 --json")]
pub(crate) struct SnapshotArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    capture: CaptureArgs,
    /// Read a core file (of the kernel or `gcore`) instead of a process
    #[arg(long, value_name = "FILE",
          conflicts_with_all = ["pid", "positional", "command", "load", "process", "continuous"])]
    core: Option<PathBuf>,
    /// The program that the core file is of, where it is not at its own path
    #[arg(long, value_name = "FILE", requires = "core")]
    exe: Option<PathBuf>,
    /// Root of the other files that the core file names (a container's file system, say)
    #[arg(long, value_name = "DIR", requires = "core")]
    sysroot: Option<PathBuf>,
    /// Read a snapshot file instead of a process
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pid", "positional", "command", "continuous"])]
    load: Option<PathBuf>,
    /// Only what the kernel says: memory by mapping, descriptors, connections; nothing is captured
    #[arg(long, conflicts_with_all = ["load", "save", "continuous"])]
    process: bool,
    /// Look at the processes below it too: what they share with it, what was copied, and why
    #[arg(short, long, conflicts_with_all = ["core", "load", "process", "continuous"])]
    subprocesses: bool,
    /// Types to show
    #[arg(long, value_name = "N", default_value_t = 50, env = "M5_TOP")]
    top: usize,
    /// Save the snapshot, for `m5 diff` [default name: m5-PID-TIME.m5snap]
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "", value_parser = file_or_none)]
    save: Option<PathBuf>,
    /// Watch for this long, with a full capture at the start and at the end; a bare number is minutes
    #[arg(long, value_name = "TIME", value_parser = minutes)]
    continuous: Option<Duration>,
    /// Time between the cheap samples of --continuous
    #[arg(long, value_name = "TIME", default_value = "60", value_parser = crate::args::parse_duration)]
    interval: Duration,
    /// With --continuous, the most that sampling allocations, for the lines that made what grew, may take of the process's
    /// time; 0 samples none
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = crate::args::parse_ratio)]
    max_overhead: f64,
}

/// The guide's `--continuous 60` is an hour.
fn minutes(text: &str) -> Result<Duration, String> {
    let bare = text.trim().parse::<f64>().is_ok();
    crate::args::parse_duration(&if bare { format!("{}m", text.trim()) } else { text.to_owned() })
}

pub(crate) fn run(args: &SnapshotArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    if args.process {
        return process_alone(args, ctx);
    }
    let format = ctx.format_among(forms::SNAPSHOT)?;
    if let Some(path) = &args.load {
        let snapshot = args.capture.read(path, ctx)?;
        emit::snapshot(&snapshot, None, format, args.options(), ctx)?;
        return Ok(Exit::Fine);
    }
    if let Some(path) = &args.core {
        let places = CorePlaces { exe: args.exe.as_deref(), root: args.sysroot.as_deref() };
        let snapshot = args.capture.take_core(path, places, ctx)?;
        args.save(&snapshot, "", ctx)?;
        emit::snapshot(&snapshot, None, format, args.options(), ctx)?;
        return Ok(Exit::Fine);
    }
    let (process, _launched) = crate::target::one(&args.target, ctx)?;
    if let Some(time) = args.continuous {
        return continuous::run(args, &process, time, format, ctx);
    }
    let (snapshot, tree) =
        match args.capture.take_with(&process, args.subprocesses, args.save.as_deref(), ctx) {
            Ok(taken) => taken,
            Err(error) => return without_objects(&process, format, error, ctx),
        };
    args.save(&snapshot, "", ctx)?;
    emit::snapshot(&snapshot, Some((&process, tree)), format, args.options(), ctx)?;
    Ok(Exit::Fine)
}

/// What the kernel says of a process whose objects cannot be had, then why.
fn without_objects(process: &Process, format: Format, error: CliError, ctx: &Ctx) -> Result<Exit, CliError> {
    let told =
        matches!(error, CliError::NotPython { .. } | CliError::Unsupported { .. } | CliError::Refused { .. });
    if !told || !matches!(format, Format::Text | Format::Json) {
        return Err(error);
    }
    let document = m5_agent::process_snapshot(process)?;
    ctx.emit_document(format == Format::Json, &document, |style| m5_report::text::process(&document, style))?;
    Err(error)
}

fn process_alone(args: &SnapshotArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let (process, _launched) = crate::target::one(&args.target, ctx)?;
    let snapshot = m5_agent::process_snapshot(&process)?;
    ctx.emit_document(json, &snapshot, |style| m5_report::text::process(&snapshot, style))?;
    Ok(Exit::Fine)
}

/// A file, or none: the name is made later. (The usual parser of paths takes no empty one.)
fn file_or_none(text: &str) -> Result<PathBuf, std::convert::Infallible> {
    Ok(PathBuf::from(text))
}

impl SnapshotArgs {
    fn options(&self) -> SummaryOptions {
        SummaryOptions { top: self.top, ..SummaryOptions::default() }
    }

    /// Saves where `--save` says, with `part` before the ending where a run saves more than one.
    fn save(&self, snapshot: &Snapshot, part: &str, ctx: &Ctx) -> Result<(), CliError> {
        let Some(asked) = &self.save else { return Ok(()) };
        let path = if asked.as_os_str().is_empty() { default_name(snapshot) } else { asked.clone() };
        let path = with_part(&path, part);
        save_snapshot(snapshot, &path)
            .map_err(|e| CliError::Write { path: path.display().to_string(), reason: e.to_string() })?;
        let bytes = std::fs::metadata(&path).map_or(0, |m| m.len());
        ctx.note(Heap::Saved, &[&path.display(), &m5_report::units::bytes(bytes as f64)]);
        Ok(())
    }
}

fn with_part(path: &Path, part: &str) -> PathBuf {
    if part.is_empty() {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().map_or_else(String::new, |e| format!(".{}", e.to_string_lossy()));
    path.with_file_name(format!("{stem}-{part}{ending}"))
}

fn default_name(snapshot: &Snapshot) -> PathBuf {
    let second = jiff::Timestamp::from_second(snapshot.info.taken_at as i64).unwrap_or_default();
    let time = second.strftime("%Y%m%dT%H%M%SZ");
    PathBuf::from(format!("m5-{}-{time}.m5snap", snapshot.info.identity.pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_is_minutes() {
        assert_eq!(minutes("60").unwrap(), Duration::from_secs(3600));
        assert_eq!(minutes("90s").unwrap(), Duration::from_secs(90));
        assert!(minutes("x").is_err());
    }

    #[test]
    fn a_snapshot_may_be_saved_without_a_name() {
        use clap::Parser;
        let cli = crate::commands::Cli::try_parse_from(["m5", "snapshot", "-p", "1", "--save"]).unwrap();
        let crate::commands::Command::Snapshot(args) = cli.command else { panic!("another command") };
        assert_eq!(args.save, Some(PathBuf::new()));
    }

    #[test]
    fn parts_of_a_run_have_names_of_their_own() {
        assert_eq!(with_part(Path::new("/tmp/a.m5snap"), "end"), Path::new("/tmp/a-end.m5snap"));
        assert_eq!(with_part(Path::new("/tmp/a.m5snap"), ""), Path::new("/tmp/a.m5snap"));
    }
}
