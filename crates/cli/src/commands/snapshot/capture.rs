//! How the memory is taken: the options that `snapshot` and `diff` share.

use crate::args::Span;
use crate::error::{CliError, of_capture};
use clap::{Args, ValueEnum};
use m5_heap::{
    CaptureOptions, CorePlaces, HeapError, Method, ProcessTree, Redaction, Snapshot, read_snapshot,
    take_core, take_snapshot, take_tree,
};
use m5_process::{Process, SpoolError, TraceError};
use std::path::{Path, PathBuf};

/// Where m5's own large buffers lie.
#[derive(Debug, Args)]
pub(crate) struct SpoolArgs {
    /// Keep m5's own large buffers in an unnamed file in this folder (on disk) instead of in memory
    #[arg(long, value_name = "DIR", env = "M5_SPOOL")]
    spool: Option<PathBuf>,
}

impl SpoolArgs {
    /// Large buffers go where `--spool` says, for a target of that many bytes.
    fn begin(&self, held: u64) -> Result<(), CliError> {
        /// The image, and what is made of it where all of it is objects.
        const SHARE: u64 = 3;
        let Some(folder) = &self.spool else { return Ok(()) };
        m5_process::spool(folder, held.saturating_mul(SHARE)).map_err(|error| refused(folder, &error))
    }

    /// Whether the folder would do, before work begins that takes long.
    pub(crate) fn check(&self) -> Result<(), CliError> {
        let Some(folder) = &self.spool else { return Ok(()) };
        m5_process::spool_possible(folder).map_err(|error| refused(folder, &error))
    }

    /// The same, for what a process holds now.
    pub(crate) fn begin_for(&self, process: &Process) -> Result<(), CliError> {
        let status = process.status().ok();
        self.begin(status.map_or(0, |s| s.rss_bytes.unwrap_or(0) + s.swap_bytes.unwrap_or(0)))
    }

    /// Where the file ran full, that is what there is to say.
    pub(crate) fn lacking(&self) -> Option<CliError> {
        let folder = self.spool.as_ref()?;
        let lacks = m5_process::spool_lacks() >> 20;
        let reason =
            format!("its disk has no more room, or files may not become that large: {lacks} MiB did not fit");
        (lacks > 0).then(|| CliError::Spool { path: folder.display().to_string(), reason })
    }
}

fn refused(folder: &Path, error: &SpoolError) -> CliError {
    CliError::Spool { path: folder.display().to_string(), reason: error.to_string() }
}

/// How to capture.
#[derive(Debug, Args)]
pub(crate) struct CaptureArgs {
    /// How to get at the memory
    #[arg(long, value_enum, default_value_t, env = "M5_METHOD")]
    method: MethodArg,
    /// Longest time that a freeze may stop the target; it is given up before that
    #[arg(long, value_name = "TIME", default_value = "250ms", env = "M5_MAX_PAUSE")]
    max_pause: Span,
    /// Show keys and names as they are; without it those that are no identifiers are hashed
    #[arg(long)]
    contents: bool,
    #[command(flatten)]
    spool: SpoolArgs,
}

/// Methods by their names on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum MethodArg {
    /// The gentlest that is safe here
    #[default]
    Auto,
    /// From a copy-on-write child: milliseconds of pause
    Fork,
    /// With all threads stopped for the copy, see --max-pause
    Freeze,
    /// While it runs: no pause, less exact
    Live,
}

impl CaptureArgs {
    /// Takes a snapshot.
    pub(crate) fn take(&self, process: &Process) -> Result<Snapshot, CliError> {
        self.take_with(process, false).map(|(snapshot, _)| snapshot)
    }

    /// The same, with what its children share with it where that is asked for.
    pub(crate) fn take_with(
        &self,
        process: &Process,
        children: bool,
    ) -> Result<(Snapshot, Option<ProcessTree>), CliError> {
        self.spool.begin_for(process)?;
        let method = match self.method {
            MethodArg::Auto => Method::Auto,
            MethodArg::Fork => Method::Fork,
            MethodArg::Freeze => Method::Freeze,
            MethodArg::Live => Method::Live,
        };
        let options = CaptureOptions { method, max_pause: self.max_pause.0 };
        let redaction = Redaction::new(self.contents);
        let called = m5_agent::service_name(process);
        let taken = match children {
            true => take_tree(process, &options, &redaction).map(|(snapshot, tree)| (snapshot, Some(tree))),
            false => take_snapshot(process, &options, &redaction).map(|snapshot| (snapshot, None)),
        };
        let (mut snapshot, tree) =
            taken.map_err(|e| self.spool.lacking().unwrap_or_else(|| of_capture(process.pid(), e)))?;
        let command = &mut snapshot.info.command;
        *command = m5_report::text::beside_worker(Some(&called), std::mem::take(command));
        Ok((snapshot, tree))
    }

    /// Reads a snapshot file.
    pub(crate) fn read(&self, path: &Path) -> Result<Snapshot, CliError> {
        /// A file of heaps is packed so well.
        const PACKED: u64 = 20;
        self.spool.begin(std::fs::metadata(path).map_or(0, |m| m.len().saturating_mul(PACKED)))?;
        Ok(read_snapshot(path)?)
    }

    /// Reads a core file.
    pub(crate) fn take_core(&self, path: &Path, places: CorePlaces<'_>) -> Result<Snapshot, CliError> {
        self.spool.begin(std::fs::metadata(path).map_or(0, |m| m.len()))?;
        take_core(path, places, &Redaction::new(self.contents))
            .map_err(|e| self.spool.lacking().unwrap_or_else(|| of_core(path, e)))
    }
}

/// Errors of a core file, which is no process.
fn of_core(path: &Path, error: HeapError) -> CliError {
    use m5_process::Error as E;
    let path = path.display().to_string();
    match error {
        HeapError::Trace(TraceError::Process(E::Malformed { detail, .. }))
        | HeapError::Unsupported(detail) => CliError::Core { path, reason: detail },
        HeapError::Trace(TraceError::Process(E::Io { what, source })) => {
            CliError::Unreadable { path: what, reason: source.to_string() }
        }
        HeapError::Interpreter(error) => CliError::Core { path, reason: error.to_string() },
        HeapError::Trace(error) => CliError::Core { path, reason: error.to_string() },
    }
}
