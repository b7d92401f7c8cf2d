//! `m5 list`: the Python processes of this machine, and whether m5 can read them.

use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use clap::{Args, ValueEnum};
use m5_agent::Discovered;
use m5_agent::record::{redact, version};
use m5_agent::service_names;
use m5_report::doc::{LIST_SCHEMA, ListedProcess, ProcessList, Unread};
use std::cmp::Reverse;

/// Arguments of `m5 list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Workers stand below their parents. A name is that of the systemd unit, of the application that a server was told to run \
(`uvicorn shop.main:app` is shop.main), of the script or module, or of the program; a worker is called after its parent. \
--name finds what a server runs by the server's name too.

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
    let found = m5_agent::discover()?;
    let all = found.len();
    let named =
        found.into_iter().map(|d| (service_names(&d.process), d)).filter(|(names, _)| names.fits(&args.name));
    let mut processes: Vec<ListedProcess> = named.map(|(names, d)| listed(d, names.service, ctx)).collect();
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

fn listed(found: Discovered, name: String, ctx: &Ctx) -> ListedProcess {
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
        name,
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
