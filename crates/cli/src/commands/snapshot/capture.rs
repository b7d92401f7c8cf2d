//! How the memory is taken: the options that `snapshot` and `diff` share.

use crate::args::Span;
use crate::commands::snapshot::spool::SpoolArgs;
use crate::ctx::Ctx;
use crate::error::{CliError, of_capture};
use clap::{Args, ValueEnum};
use m5_heap::{
    CaptureOptions, CorePlaces, HeapError, Method, ProcessTree, Redaction, Snapshot, read_snapshot,
    take_core, take_snapshot, take_tree,
};
use m5_process::{Process, TraceError};
use std::path::Path;

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
    pub(crate) fn take(&self, process: &Process, ctx: &Ctx) -> Result<Snapshot, CliError> {
        self.take_with(process, false, None, ctx).map(|(snapshot, _)| snapshot)
    }

    /// The same, with what its children share with it where that is asked for; `saved` is where it comes to lie.
    pub(crate) fn take_with(
        &self,
        process: &Process,
        children: bool,
        saved: Option<&Path>,
        ctx: &Ctx,
    ) -> Result<(Snapshot, Option<ProcessTree>), CliError> {
        self.spool.begin_for(process, saved, ctx)?;
        let method = match self.method {
            MethodArg::Auto => Method::Auto,
            MethodArg::Fork => Method::Fork,
            MethodArg::Freeze => Method::Freeze,
            MethodArg::Live => Method::Live,
        };
        let options = CaptureOptions { method, max_pause: self.max_pause.0 };
        let redaction = Redaction::new(self.contents);
        let called = m5_agent::service_name(process);
        let taken = self.spool.taken(ctx, || match children {
            true => take_tree(process, &options, &redaction).map(|(snapshot, tree)| (snapshot, Some(tree))),
            false => take_snapshot(process, &options, &redaction).map(|snapshot| (snapshot, None)),
        });
        let (mut snapshot, tree) =
            taken.map_err(|e| self.spool.lacking().unwrap_or_else(|| of_capture(process.pid(), e)))?;
        let command = &mut snapshot.info.command;
        *command = m5_report::text::beside_worker(Some(&called), std::mem::take(command));
        Ok((snapshot, tree))
    }

    /// Reads a snapshot file.
    pub(crate) fn read(&self, path: &Path, ctx: &Ctx) -> Result<Snapshot, CliError> {
        self.spool.begin_for_file(path, true, ctx)?;
        Ok(read_snapshot(path)?)
    }

    /// Reads a core file.
    pub(crate) fn take_core(
        &self,
        path: &Path,
        places: CorePlaces<'_>,
        ctx: &Ctx,
    ) -> Result<Snapshot, CliError> {
        self.spool.begin_for_file(path, false, ctx)?;
        let taken = self.spool.taken(ctx, || take_core(path, places, &Redaction::new(self.contents)));
        taken.map_err(|e| self.spool.lacking().unwrap_or_else(|| of_core(path, e)))
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
