//! `m5 list`: the Python processes of this machine, and whether m5 can read them.

use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use clap::Args;
use m5_agent::Discovered;
use m5_agent::record::{redact, version};
use m5_report::doc::{LIST_SCHEMA, ListedProcess, ProcessList, Unread};

/// Arguments of `m5 list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {}

pub(crate) fn run(_args: &ListArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let processes = m5_agent::discover()?.into_iter().map(|d| listed(d, ctx)).collect();
    let document = ProcessList { schema: LIST_SCHEMA.to_owned(), processes };
    ctx.emit_document(json, &document, |style| m5_report::text::list(&document, style))?;
    Ok(Exit::Fine)
}

fn listed(found: Discovered, ctx: &Ctx) -> ListedProcess {
    let process = &found.process;
    let status = process.status().unwrap_or_default();
    let (python, unread) = match found.interpreter {
        Ok(interpreter) => (Some(version(process, &interpreter)), None),
        Err(error) => (None, Some(unread(error.into(), ctx))),
    };
    ListedProcess {
        pid: process.pid(),
        ppid: process.stat().map_or(0, |s| s.ppid),
        uid: status.uid,
        python,
        rss_bytes: status.rss_bytes,
        command: redact(&process.command().unwrap_or_default()),
        unread,
    }
}

fn unread(error: CliError, ctx: &Ctx) -> Unread {
    let explained = error.explain(ctx.lang);
    Unread { reason: explained.word.to_owned(), detail: explained.message, remedies: explained.remedies }
}
