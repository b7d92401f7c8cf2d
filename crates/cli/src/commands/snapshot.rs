//! `m5 snapshot`: memory, mappings and descriptors of a process, now.

use crate::args::TargetArgs;
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::target;
use clap::Args;

/// Arguments of `m5 snapshot`.
#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    #[command(flatten)]
    target: TargetArgs,
}

pub(crate) fn run(args: &SnapshotArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let (process, _launched) = target::one(&args.target, ctx)?;
    let snapshot = m5_agent::process_snapshot(&process)?;
    ctx.emit_document(json, &snapshot, |style| m5_report::text::process(&snapshot, style))?;
    Ok(Exit::Fine)
}
