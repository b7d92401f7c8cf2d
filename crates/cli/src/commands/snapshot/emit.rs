//! A snapshot in the form that was asked for.

use crate::args::Format;
use crate::ctx::Ctx;
use crate::error::CliError;
use m5_heap::{ProcessTree, Snapshot, SummaryOptions, summarize};
use m5_process::Process;
use m5_report::heap::{
    GuideSummary, MemoryVerdict, SNAPSHOT_SCHEMA, Sample, SnapshotDoc, folded, heapsnapshot, html, pprof,
    snapshot_text,
};
use std::io;

/// The document of one snapshot.
pub(super) fn document(snapshot: &Snapshot, options: SummaryOptions) -> SnapshotDoc {
    let open_fds = Some(snapshot.fds.len() as u64).filter(|n| *n > 0);
    let sample = snapshot.info.rss_bytes.map(|rss_bytes| Sample { at_seconds: 0.0, rss_bytes, open_fds });
    SnapshotDoc {
        schema: SNAPSHOT_SCHEMA.to_owned(),
        summary: GuideSummary::of(sample.as_slice()),
        samples: Vec::new(),
        info: Some(snapshot.info.clone()),
        heap: Some(summarize(snapshot, &options)),
        verdict: snapshot.memory.as_ref().and_then(MemoryVerdict::of),
        memory: snapshot.memory.clone(),
        fds: snapshot.fds.clone(),
        process: None,
        tree: None,
        growth: None,
        allocations: None,
    }
}

/// Writes it.
pub(super) fn snapshot(
    snapshot: &Snapshot,
    process: Option<(&Process, Option<ProcessTree>)>,
    format: Format,
    options: SummaryOptions,
    ctx: &Ctx,
) -> Result<(), CliError> {
    if format == Format::Heapsnapshot {
        return ctx.emit_with(|out| heapsnapshot(snapshot, out));
    }
    let mut doc = document(snapshot, options);
    if let Some((process, tree)) = process {
        doc.process = m5_agent::process_snapshot(process).ok();
        doc.tree = tree;
    }
    self::doc(&doc, format, ctx, |style| snapshot_text(&doc, style))
}

/// Writes a document in any form but V8's.
pub(super) fn doc(
    doc: &SnapshotDoc,
    format: Format,
    ctx: &Ctx,
    text: impl FnOnce(m5_report::text::Style) -> String,
) -> Result<(), CliError> {
    match (format, &doc.heap, &doc.info) {
        (Format::Html, ..) => {
            let page = html(doc, ctx.lang).map_err(|e| CliError::Kernel { message: e.to_string() })?;
            ctx.emit_with(|out| out.write_all(page.as_bytes()))
        }
        (Format::Pprof, Some(heap), Some(info)) => ctx.emit_with(|out| out.write_all(&pprof(heap, info)?)),
        (Format::Folded, Some(heap), _) => ctx.emit(&folded(heap)),
        (Format::Pprof | Format::Folded, ..) => {
            ctx.emit_with(|_| Err(io::Error::other("nothing was captured")))
        }
        _ => ctx.emit_document(format == Format::Json, doc, text),
    }
}
