//! The allocator of the binary: the system's, and the file for large blocks where there is one.
#![allow(unsafe_code)]

use super::file::{LARGE, give_back, offset, spooling, take};
use super::place::PAGE;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::OnceLock;

/// Where the addresses that are set aside begin is for the kernel to say.
const ALIGN: usize = 4096;

/// What is said where there is no memory, and the exit code.
static LAST_WORD: OnceLock<(String, i32)> = OnceLock::new();

/// What the process says, and with which code it ends, where it has no memory left. An allocator cannot fail with an
/// error, and one that fails without ends the process with a stack of calls instead of a word.
pub fn last_word(text: String, code: i32) {
    let _ = LAST_WORD.set((text, code));
}

/// The block, which there is.
fn had(block: *mut u8) -> *mut u8 {
    if let (true, Some((text, code))) = (block.is_null(), LAST_WORD.get()) {
        // SAFETY: calls that take no memory, with a text that nobody changes; what the process holds ends with it, as it
        // would by any signal.
        unsafe {
            libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len());
            libc::_exit(*code);
        }
    }
    block
}

/// The allocator of the binary: the system's, and the file for large blocks where there is one.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpoolAllocator;

// SAFETY: blocks are the system allocator's, or pages of the file that are mapped for one block each, at addresses that
// are never used again. Which of the two a block is, its address says.
unsafe impl GlobalAlloc for SpoolAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match in_file(layout) {
            Some(block) => block,
            // SAFETY: as the caller's.
            None => had(unsafe { System.alloc(layout) }),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // What a file never held is zero.
        match in_file(layout) {
            Some(block) => block,
            // SAFETY: as the caller's.
            None => had(unsafe { System.alloc_zeroed(layout) }),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match offset(block) {
            Some(at) => give_back(at, layout.size().next_multiple_of(PAGE)),
            // SAFETY: as the caller's.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (old, new) = (layout.size().next_multiple_of(PAGE), size.next_multiple_of(PAGE));
        match offset(block) {
            Some(at) if new <= old => {
                give_back(at + new, old - new);
                return block;
            }
            None if size < LARGE || !spooling() => {
                // SAFETY: as the caller's.
                return had(unsafe { System.realloc(block, layout, size) });
            }
            _ => {}
        }
        // SAFETY: the caller's size is valid for this alignment; the two blocks do not overlap.
        unsafe {
            let other = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !other.is_null() {
                std::ptr::copy_nonoverlapping(block, other, layout.size().min(size));
                self.dealloc(block, layout);
            }
            other
        }
    }
}

/// A block in the file, if it is large.
fn in_file(layout: Layout) -> Option<*mut u8> {
    if layout.size() < LARGE || layout.align() > ALIGN { None } else { take(layout.size()) }
}

#[cfg(test)]
mod tests {
    use super::super::file::{InMemory, end_spool, spool, spool_in_any, spool_lacks};
    use super::super::place::{SpoolError, spool_possible};
    use super::*;
    use std::path::Path;

    /// One test: the file is one for the whole process.
    #[test]
    fn blocks_lie_in_a_file_that_nobody_sees() {
        let dir = tempfile::tempdir().unwrap();
        let missing = spool(&dir.path().join("missing"), 0);
        assert!(matches!(missing, Err(SpoolError::System { .. })), "{missing:?}");
        if Path::new("/dev/shm").is_dir() {
            let memory = spool(Path::new("/dev/shm"), 0);
            assert!(matches!(memory, Err(SpoolError::Memory)), "{memory:?}");
        }
        // Nothing that is no disk is taken unasked, nor one without room.
        let unfit = ["/dev/shm", "/proc", "/nowhere"].map(std::path::PathBuf::from);
        assert_eq!(spool_in_any(&unfit, 0).unwrap_err().len(), 3);
        assert_eq!(spool_in_any(&[dir.path().to_owned()], u64::MAX).unwrap_err().len(), 1);
        match spool(dir.path(), u64::MAX) {
            Err(SpoolError::Full { .. }) => {}
            // Where temporary files are in memory the rest cannot be tried.
            Err(SpoolError::Memory) => return,
            other => panic!("{other:?}"),
        }
        spool_possible(dir.path()).unwrap();
        assert!(!spooling());
        spool(dir.path(), 1 << 20).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);

        let heap = SpoolAllocator;
        let layout = |size| Layout::from_size_align(size, 16).unwrap();
        // SAFETY: each block is used within its size and given back with the layout that it has at the end.
        unsafe {
            let small = heap.alloc(layout(LARGE - 1));
            assert_eq!(offset(small), None);
            let grown = heap.realloc(small, layout(LARGE - 1), LARGE + 5);
            assert!(offset(grown).is_some());
            let block = heap.alloc_zeroed(layout(3 * LARGE));
            assert!(offset(block).is_some_and(|at| at >= LARGE));
            std::slice::from_raw_parts_mut(block, 3 * LARGE).fill(7);
            let block = heap.realloc(block, layout(3 * LARGE), 5000);
            assert!(std::slice::from_raw_parts(block, 5000).iter().all(|b| *b == 7));
            let block = heap.realloc(block, layout(5000), 2 * LARGE);
            assert!(std::slice::from_raw_parts(block, 5000).iter().all(|b| *b == 7));
            // Not while a target stands still; what lies there is still given back.
            let standing = InMemory::begin();
            let held = heap.alloc(layout(2 * LARGE));
            assert_eq!(offset(held), None);
            drop(standing);
            heap.dealloc(held, layout(2 * LARGE));
            // Nor after its end.
            end_spool();
            assert!(!spooling());
            assert!(spool_in_any(&[dir.path().to_owned()], 0).unwrap_err().is_empty(), "not a second time");
            let held = heap.alloc(layout(2 * LARGE));
            assert_eq!((offset(held), spool_lacks()), (None, 0));
            heap.dealloc(held, layout(2 * LARGE));
            heap.dealloc(block, layout(2 * LARGE));
            heap.dealloc(grown, layout(LARGE + 5));
        }
    }
}
