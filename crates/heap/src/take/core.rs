//! The whole way from a core file to a snapshot.

use crate::image::core;
use crate::take::live::{examine, program};
use crate::take::queued;
use crate::{Analysis, Anchor, Coverage, HeapError, Redaction, Snapshot, SnapshotInfo};
use m5_cpython::{Interpreter, find_in};
use m5_process::{CoreFile, Identity, Mapping, open_program};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Where the files of a core file lie now.
#[derive(Debug, Clone, Copy, Default)]
pub struct CorePlaces<'a> {
    /// The program, where it is not at its own path.
    pub exe: Option<&'a Path>,
    /// Put before the paths of all other files.
    pub root: Option<&'a Path>,
}

/// Finds the objects of a core file.
///
/// # Errors
/// [`HeapError`] where the file cannot be read or is not whole, or where its objects are not known.
pub fn take_core(path: &Path, places: CorePlaces<'_>, redaction: &Redaction) -> Result<Snapshot, HeapError> {
    let began = Instant::now();
    let core = Arc::new(CoreFile::open(path, places.exe, places.root)?);
    let (pid, maps) = (core.pid(), core.maps());
    let open = |m: &Mapping| open_program(core.place(&m.path)?).ok();
    let found = find_in(&core, maps, open)?.ok_or_else(|| no_interpreter(&core))?;
    let interpreter = Interpreter::confirm(Arc::clone(&core), pid, found)?;
    let anchor = Anchor::assemble(&interpreter, maps, |path| open_program(core.place(path)?).ok())?;
    let (image, pages) = core::load(&core)?;
    let words: Vec<String> = core.command().split_whitespace().map(str::to_owned).collect();
    let info = SnapshotInfo {
        identity: Identity { pid, start_ticks: 0 },
        command: program(&words),
        python: interpreter.build(|| Some(maps.to_vec())),
        taken_at: core.written_at(),
        age_seconds: None,
        method: "core".to_owned(),
        pause_seconds: None,
        total_seconds: None,
        rss_bytes: None,
        coverage: Coverage::default(),
        fragmentation: None,
        free_elsewhere: None,
        beside_rss: None,
        full_collections: None,
        queued: Vec::new(),
        notes: notes(&core),
    };
    let analysis = Analysis::of(&image, anchor)?;
    let mut snapshot = examine(&image, &pages, analysis, redaction, info, |_, _| Vec::new());
    snapshot.info.queued = queued::queued(&snapshot.graph, |_| None);
    snapshot.info.total_seconds = Some(began.elapsed().as_secs_f64());
    Ok(snapshot)
}

fn no_interpreter(core: &CoreFile) -> HeapError {
    match core.missing() {
        [] => m5_cpython::Error::NotPython { pid: core.pid() }.into(),
        missing => HeapError::Unsupported(format!(
            "no interpreter was found, and files that the process had mapped are not here or not the same: {} \
             (give the program with --exe, the root of the other files with --root)",
            listed(missing)
        )),
    }
}

/// What a core file cannot say, so that nothing of it is taken for zero.
fn notes(core: &CoreFile) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(signal) = core.signal() {
        notes.push(format!("the process was ended by signal {signal}; it had {} threads", core.threads()));
    }
    notes.push(
        "a core file says neither which pages were in memory nor which files were open: memory is what the file \
         holds but for pages of zeroes, without code and other unchanged pages of files; its time is that of \
         the file"
            .to_owned(),
    );
    if !core.missing().is_empty() {
        notes
            .push(format!("files that were mapped are not here or not the same: {}", listed(core.missing())));
    }
    notes
}

fn listed(paths: &[String]) -> String {
    const MOST: usize = 5;
    let mut text = paths.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    if paths.len() > MOST {
        text.push_str(&format!(" and {} more", paths.len() - MOST));
    }
    text
}
