//! `m5 list`: the Python processes of this machine, and whether m5 can read them.

use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use clap::{Args, ValueEnum};
use m5_agent::Discovered;
use m5_agent::pool::name_matches;
use m5_agent::record::{redact, version};
use m5_agent::service_name;
use m5_report::doc::{LIST_SCHEMA, ListedProcess, ProcessList, Unread};
use std::cmp::Reverse;

/// Arguments of `m5 list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Workers stand below their parents. A name is that of the systemd unit, of the script or module, or of the program; a \
worker is called after its parent.

Examples:\n  m5 list\n  m5 list --sort rss\n  m5 list --name '引擎*' --json")]
pub(crate) struct ListArgs {
    /// Only those whose name matches (`*` and `?`); several times for several
    #[arg(long, value_name = "GLOB")]
    name: Vec<String>,
    /// Order; by anything but the pid, children no longer stand below their parents
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
}

/// Orders of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Sort {
    /// Parents, then their children
    #[default]
    Pid,
    /// The most memory first
    Rss,
    /// By name
    Name,
}

pub(crate) fn run(args: &ListArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let mut processes: Vec<ListedProcess> =
        m5_agent::discover()?.into_iter().map(|d| listed(d, ctx)).collect();
    let all = processes.len();
    if !args.name.is_empty() {
        processes.retain(|p| args.name.iter().any(|pattern| name_matches(pattern, &p.name)));
    }
    match args.sort {
        Sort::Pid => {}
        Sort::Rss => processes.sort_by_key(|p| Reverse(p.rss_bytes)),
        Sort::Name => processes.sort_by(|a, b| a.name.cmp(&b.name)),
    }
    let of_other_names = all - processes.len();
    let others_hidden = m5_process::hides_others();
    let document = ProcessList { schema: LIST_SCHEMA.to_owned(), processes, of_other_names, others_hidden };
    let tree = args.sort == Sort::Pid;
    ctx.emit_document(json, &document, |style| m5_report::text::list(&document, tree, style))?;
    Ok(Exit::Fine)
}

fn listed(found: Discovered, ctx: &Ctx) -> ListedProcess {
    let process = &found.process;
    let status = process.status().unwrap_or_default();
    let stat = process.stat().ok();
    let (python, unread) = match found.interpreter {
        Ok(interpreter) => (Some(version(process, &interpreter)), None),
        Err(error) => (None, Some(unread(error.into(), ctx))),
    };
    ListedProcess {
        pid: process.pid(),
        ppid: stat.as_ref().map_or(0, |s| s.ppid),
        name: service_name(process),
        uid: status.uid,
        python,
        rss_bytes: status.rss_bytes,
        stopped: stat.is_some_and(|s| matches!(s.state, 'T' | 't')),
        command: redact(&process.command().unwrap_or_default()),
        unread,
    }
}

fn unread(error: CliError, ctx: &Ctx) -> Unread {
    let explained = error.explain(ctx.lang);
    Unread { reason: explained.word.to_owned(), detail: explained.message, remedies: explained.remedies }
}
