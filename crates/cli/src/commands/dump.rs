//! `m5 dump`: what every thread and every asyncio task of a process does now.

use crate::args::TargetArgs;
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use clap::Args;
use m5_cpython::Interpreter;

/// Arguments of `m5 dump`.
#[derive(Debug, Args)]
#[command(after_help = "\
The process is not stopped: each stack is looked at until two looks agree. A thread that changes faster than that is \
said to, and only its outer frames that stood still are shown.

6: a list of asyncio tasks could not be read.

Examples:\n  m5 dump 4711\n  m5 dump -p 4711 --json | jq '.tasks[] | select(.state == \"waiting\") | .name'\n  \
m5 dump 4711 --tasks --lang zh")]
pub(crate) struct DumpArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Frames of each thread to read at most
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    frames: u32,
    /// Only asyncio tasks
    #[arg(long, conflicts_with = "threads")]
    tasks: bool,
    /// Only threads
    #[arg(long)]
    threads: bool,
}

pub(crate) fn run(args: &DumpArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let (process, _launched) = crate::target::one(&args.target, ctx)?;
    let interpreter = Interpreter::attach(&process)?;
    let mut doc = m5_agent::dump(&process, &interpreter, args.frames as usize)?;
    if args.threads {
        (doc.tasks, doc.task_lists_unread) = (None, 0);
    }
    if args.tasks {
        doc.threads.clear();
    }
    ctx.emit_document(json, &doc, |style| m5_report::dump::text(&doc, style))?;
    Ok(if doc.task_lists_unread > 0 { Exit::Incomplete } else { Exit::Fine })
}
