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
    /// Free memory of allocators beside the C library's, by their own books: blocks, and whole pages that they keep for later;
    /// absent where none of those books is read.
    pub free_of_others: Option<u64>,
    /// Whether they have memory besides of which nothing says what of it is free.
    #[serde(default)]
    pub unread_of_others: bool,
    /// Free bytes in the C library's heaps that are no whole pages of a free chunk, and stay.
    #[serde(default)]
    pub scattered_bytes: u64,
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
        unread_of_others: accounting.unread_of_others,
        scattered_bytes: accounting.scattered_bytes,
    })
}
