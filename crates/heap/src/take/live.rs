//! The whole way from a process to a snapshot.

use crate::census::glibc::RegionKind;
use crate::descriptors::owners::{fd_holders, fd_owners};
use crate::image::capture::{capture_of, may_begin};
use crate::image::wanted::Extent;
use crate::take::idle_threads::on_idle_threads;
use crate::take::queued;
use crate::trim::FreeElsewhere;
use crate::trim::others::others;
use crate::{
    Accounting, Analysis, Anchor, BesideRss, CaptureOptions, Coverage, Describer, FdHolder, Fragmentation,
    HeapError, Image, Pages, PathTree, ProcessTree, Redaction, Snapshot, SnapshotInfo, StoredNames,
};
use m5_cpython::Interpreter;
use m5_process::{Execution, FirstVictim, Process, TraceError};
use rustc_hash::FxHashMap;
use std::time::Instant;

/// Captures a process and finds its objects, the names that their paths need, and the owners of descriptors.
///
/// # Errors
/// [`HeapError`] where it cannot be captured safely or its objects are not known.
pub fn take_snapshot(
    process: &Process,
    options: &CaptureOptions,
    redaction: &Redaction,
) -> Result<Snapshot, HeapError> {
    take(process, options, redaction, Extent::Lean, |_, _, _| ()).map(|(snapshot, ())| snapshot)
}

/// The same, and what its children share with it.
///
/// # Errors
/// As [`take_snapshot`].
pub fn take_tree(
    process: &Process,
    options: &CaptureOptions,
    redaction: &Redaction,
) -> Result<(Snapshot, ProcessTree), HeapError> {
    // Their pages are compared with its own.
    take(process, options, redaction, Extent::Whole, |image, analysis, pages| {
        ProcessTree::of(process, image, analysis, pages)
    })
}

fn take<T: Send>(
    process: &Process,
    options: &CaptureOptions,
    redaction: &Redaction,
    extent: Extent,
    more: impl FnOnce(&Image, &Analysis, &Pages) -> T + Send,
) -> Result<(Snapshot, T), HeapError> {
    let began = Instant::now();
    // Also while the image is analysed, which takes the most memory.
    let _first = FirstVictim::begin();
    may_begin(process)?;
    let execution = Execution::held(process);
    let anchor = Anchor::of(process);
    if execution.replaced() {
        return Err(TraceError::Replaced.into());
    }
    let anchor = anchor?;
    let taken_at = m5_process::unix_ns() as f64 / 1e9;
    let taken = capture_of(process, options, extent)?;
    let interpreter = Interpreter::attach(process);
    if execution.replaced() {
        return Err(TraceError::Replaced.into());
    }
    let interpreter = interpreter?;
    let info = SnapshotInfo {
        identity: process.identity(),
        command: program(&process.command().unwrap_or_default()),
        python: interpreter.build(|| process.maps().ok()),
        taken_at,
        age_seconds: age(process, taken_at),
        method: taken.report.method.word().to_owned(),
        pause_seconds: taken.report.pause_seconds,
        total_seconds: None,
        rss_bytes: taken.pages.rss_bytes,
        coverage: Coverage::default(),
        fragmentation: None,
        free_elsewhere: None,
        beside_rss: None,
        full_collections: interpreter.read().ok().map(|gc| gc.generations[2].collections),
        queued: Vec::new(),
        notes: taken.report.notes,
    };
    let fds = |owners: &_, describer: &Describer<'_>| fd_holders(process, owners, describer);
    let (mut snapshot, more) = on_idle_threads(|| {
        let analysis = Analysis::of(&taken.image, anchor)?;
        let more = more(&taken.image, &analysis, &taken.pages);
        Ok::<_, HeapError>((examine(&taken.image, &taken.pages, analysis, redaction, info, fds), more))
    })?;
    let state = |tid: i32| m5_process::thread_now(process.pid(), tid).map(|now| now.state);
    snapshot.info.queued = queued::queued(&snapshot.graph, state);
    snapshot.info.total_seconds = Some(began.elapsed().as_secs_f64());
    Ok((snapshot, more))
}

/// From an image to everything that is known about it.
pub(crate) fn examine(
    image: &Image,
    pages: &Pages,
    analysis: Analysis,
    redaction: &Redaction,
    mut info: SnapshotInfo,
    fds: impl FnOnce(&FxHashMap<u32, u32>, &Describer<'_>) -> Vec<FdHolder>,
) -> Snapshot {
    let namer = analysis.namer(image);
    let (accounting, (tree, names)) = rayon::join(
        || Accounting::of(image, &analysis, pages),
        || {
            let tree = PathTree::of(&analysis.graph);
            let names = StoredNames::collect(&analysis.graph, &tree, &namer, redaction);
            (tree, names)
        },
    );
    let describer = Describer::new(&analysis.graph, &tree, &namer, redaction);
    let fds = fds(&fd_owners(image, &analysis), &describer);
    let mimalloc = analysis.census.mimalloc;
    if analysis.census.arenas.is_empty() && !mimalloc {
        info.notes.push(
            "Python's allocator of small objects is not in use (PYTHONMALLOC=malloc): objects lie in the C \
             library's heap, and there is no part `pymalloc`"
                .to_owned(),
        );
    }
    info.notes.extend(strange_allocator(image, &analysis));
    let check = &analysis.check;
    info.coverage = Coverage {
        refcounts_explained: check.refcounts_explained(),
        reachable: check.reachable_share(),
        rss_explained: accounting.explained,
        inconsistencies: Some(check.nowhere + check.bad_pools + check.broken_heaps),
    };
    info.beside_rss = Some(pages.beside).filter(|b| *b != BesideRss::default());
    info.fragmentation = Some(Fragmentation {
        sparse_arenas: accounting.sparse_arenas,
        pinned_bytes: accounting.pinned_bytes,
        pinning: accounting.pinning,
    });
    info.free_elsewhere = accounting.free_of_others.filter(|bytes| *bytes > 0).map(|bytes| FreeElsewhere {
        bytes,
        at_least: accounting.unread_of_others,
        allocators: others(image.maps(), mimalloc && analysis.census.arenas.is_empty()),
    });
    Snapshot {
        info,
        graph: analysis.graph,
        names,
        memory: Some(accounting.tree),
        fds,
        native: accounting.native,
    }
}

/// A word on memory whose allocator keeps books that m5 does not read.
fn strange_allocator(image: &Image, analysis: &Analysis) -> Option<String> {
    const KNOWN: [&str; 3] = ["jemalloc", "tcmalloc", "mimalloc"];
    if !analysis.census.heaps.regions.iter().any(|r| r.kind == RegionKind::Foreign) {
        return None;
    }
    let name = KNOWN.iter().find(|name| image.maps().iter().any(|m| m.path.contains(**name)));
    let from = name.map_or_else(|| "an allocator that m5 does not know".to_owned(), |n| (*n).to_owned());
    Some(format!(
        "some memory is from {from}: objects in it are found by their types; what else lies there may be in use or free"
    ))
}

fn age(process: &Process, now: f64) -> Option<f64> {
    let started = m5_process::boot_unix_seconds()
        + process.identity().start_ticks as f64 / m5_process::ticks_per_second();
    Some(now - started).filter(|age| *age >= 0.0)
}

/// Program and script or module, without what follows: arguments may carry secrets.
pub(crate) fn program(command: &[String]) -> String {
    let mut words = command.iter();
    let base = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let mut out = words.next().map_or_else(|| "?".to_owned(), |w| base(w));
    while let Some(argument) = words.next() {
        match argument.as_str() {
            "-m" => {
                out.push_str(&format!(" -m {}", words.next().map_or("", |w| w)));
                break;
            }
            "-c" => {
                out.push_str(" -c …");
                break;
            }
            "-X" | "-W" => _ = words.next(),
            option if option.starts_with('-') => {}
            script => {
                out.push_str(&format!(" {}", base(script)));
                break;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_left_out() {
        let told = |line: &str| program(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(told("/usr/bin/python3 -X dev -u /srv/engine.py --token s3cret"), "python3 engine.py");
        assert_eq!(told("python -I -m app.main --key k"), "python -m app.main");
        assert_eq!(told("python -c import_this"), "python -c …");
        assert_eq!(program(&[]), "?");
    }
}
