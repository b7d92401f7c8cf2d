//! What keeps free memory from going back, by a look at all objects while the process runs.

use crate::take::idle_threads::on_idle_threads;
use crate::{Accounting, Analysis, Anchor, CaptureOptions, HeapError, Method, Pinning, capture};
use m5_process::Process;
use serde::{Deserialize, Serialize};

/// What does not go back, and why.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Pinned {
    /// Free bytes in arenas of Python's small objects that a few live ones keep.
    pub bytes: u64,
    /// Such arenas.
    pub arenas: u64,
    /// The types of those objects, most arenas first.
    pub types: Vec<Pinning>,
    /// Free blocks of allocators beside the C library's, by their own books, without whole pages that they keep for later;
    /// absent where there is one whose books are not read.
    pub free_of_others: Option<u64>,
}

/// Looks; nothing is stopped.
///
/// # Errors
/// [`HeapError`] where it cannot be read or its objects are not known.
pub fn pinned(process: &Process) -> Result<Pinned, HeapError> {
    let anchor = Anchor::of(process)?;
    let options = CaptureOptions { method: Method::Live, ..CaptureOptions::default() };
    let taken = capture(process, &options)?;
    let accounting = on_idle_threads(|| {
        let analysis = Analysis::of(&taken.image, anchor)?;
        Ok::<_, HeapError>(Accounting::of(&taken.image, &analysis, &taken.pages))
    })?;
    Ok(Pinned {
        bytes: accounting.pinned_bytes,
        arenas: accounting.sparse_arenas,
        types: accounting.pinning,
        free_of_others: accounting.free_of_others,
    })
}
