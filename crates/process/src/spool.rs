//! Large buffers of m5 in a file instead of in memory: what a machine, or a container, has no room for. The file has no
//! name, is m5's alone and goes with it, however m5 ends; the kernel writes its pages out where memory is short.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};
use thiserror::Error;

/// The largest page of any machine: blocks begin and end at multiples of it.
const PAGE: usize = 64 << 10;
/// Blocks from this size on lie in the file: what thousands of tasks hold at a time are many blocks of some 100 KiB.
const LARGE: usize = PAGE;
/// Where the addresses that are set aside begin is for the kernel to say.
const ALIGN: usize = 4096;
/// Addresses that are set aside for them. No address is used twice, so that a file of this size is never full.
const SPAN: usize = 8 << 40;

static FILE: AtomicI32 = AtomicI32::new(-1);
/// First address; 0 where no file is in use.
static BASE: AtomicUsize = AtomicUsize::new(0);
static NEXT: AtomicUsize = AtomicUsize::new(0);
/// Bytes of blocks that the file had no room for.
static LACKING: AtomicU64 = AtomicU64::new(0);

/// Why buffers cannot lie in a folder.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// No file can be made there, or not of the kind that is needed.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// It is no disk.
    #[error("it lies in memory itself (tmpfs)")]
    Memory,
    /// It has too little room; bytes.
    #[error("{} MiB are free there and {} MiB may be needed", free >> 20, need >> 20)]
    Full {
        /// Bytes that are free.
        free: u64,
        /// Bytes that may be needed.
        need: u64,
    },
}

/// Puts large buffers that are made from now on into a file without a name in `folder`, which must have `need` bytes
/// free. Once a process: later calls change nothing.
///
/// # Errors
/// [`SpoolError`]; then buffers lie in memory as before.
pub fn spool(folder: &Path, need: u64) -> Result<(), SpoolError> {
    if spooling() {
        return Ok(());
    }
    let (file, free) = unnamed_file(folder)?;
    if free < need {
        return Err(SpoolError::Full { free, need });
    }
    // SAFETY: a new mapping at an address of the kernel's choice, of memory that nobody may touch.
    let base = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        libc::mmap(std::ptr::null_mut(), SPAN, libc::PROT_NONE, flags, -1, 0)
    };
    if base == libc::MAP_FAILED {
        return Err(system("addresses cannot be had")(std::io::Error::last_os_error()));
    }
    FILE.store(file.into_raw_fd(), Ordering::Release);
    BASE.store(base as usize, Ordering::Release);
    tracing::debug!(folder = %folder.display(), free, need, "large buffers lie in a file");
    Ok(())
}

/// Whether a folder would do, before anything is done that takes long; nothing is left there.
///
/// # Errors
/// [`SpoolError`].
pub fn spool_possible(folder: &Path) -> Result<(), SpoolError> {
    unnamed_file(folder).map(drop)
}

/// A file without a name that has room for one block, and how much the disk has beside it.
fn unnamed_file(folder: &Path) -> Result<(File, u64), SpoolError> {
    let file = tempfile::tempfile_in(folder).map_err(system("a file cannot be made there"))?;
    let free = free(&file).map_err(system("the file system cannot be asked"))?;
    let free = free.ok_or(SpoolError::Memory)?;
    // Room that is promised is there: a write through a mapping could not say that it is not.
    allocate(file.as_raw_fd(), 0, LARGE).map_err(system("room cannot be set aside in a file there"))?;
    Ok((file, free))
}

fn system(what: &'static str) -> impl Fn(std::io::Error) -> SpoolError {
    move |source| SpoolError::System { what, source }
}

/// Whether large buffers lie in a file.
#[must_use]
pub fn spooling() -> bool {
    BASE.load(Ordering::Acquire) != 0
}

/// Bytes of large buffers that lie in memory because the file could not take them, since it began: its disk ran full,
/// or files may not become that large (`ulimit -f`). An allocator cannot fail with a word: whoever makes large buffers
/// asks from time to time, and gives up before the memory is used up that was to be spared.
#[must_use]
pub fn spool_lacks() -> u64 {
    LACKING.load(Ordering::Relaxed)
}

/// Free bytes of the file system; `None` where it is memory.
fn free(file: &File) -> std::io::Result<Option<u64>> {
    const RAMFS: u32 = 0x8584_58f6;
    const TMPFS: u32 = 0x0102_1994;
    // SAFETY: zero is a valid value of a struct of numbers, and the call fills it.
    let stat = unsafe {
        let mut stat: libc::statfs = std::mem::zeroed();
        if libc::fstatfs(file.as_raw_fd(), &raw mut stat) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        stat
    };
    let memory = matches!(stat.f_type as u32, RAMFS | TMPFS);
    Ok((!memory).then(|| stat.f_bavail.saturating_mul(stat.f_bsize as u64)))
}

fn allocate(file: i32, at: usize, len: usize) -> std::io::Result<()> {
    // SAFETY: takes numbers only; changes a file that is ours alone.
    match unsafe { libc::fallocate(file, 0, at as libc::off_t, len as libc::off_t) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

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

/// A block in the file, if it is large and there is one with room.
fn in_file(layout: Layout) -> Option<*mut u8> {
    if layout.size() < LARGE || layout.align() > ALIGN {
        return None;
    }
    let base = BASE.load(Ordering::Acquire);
    if base == 0 {
        return None;
    }
    let len = layout.size().checked_next_multiple_of(PAGE)?;
    let at = NEXT.fetch_add(len, Ordering::Relaxed);
    let file = FILE.load(Ordering::Acquire);
    if at.checked_add(len)? > SPAN || allocate(file, at, len).is_err() {
        LACKING.fetch_add(len as u64, Ordering::Relaxed);
        return None;
    }
    // SAFETY: replaces a part of what was set aside, which nobody has yet.
    let block = unsafe {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_FIXED;
        libc::mmap((base + at) as *mut libc::c_void, len, access, flags, file, at as libc::off_t)
    };
    if block == libc::MAP_FAILED {
        give_back(at, len);
        LACKING.fetch_add(len as u64, Ordering::Relaxed);
        return None;
    }
    Some(block.cast())
}

/// Where in the file a block lies.
fn offset(block: *mut u8) -> Option<usize> {
    let base = BASE.load(Ordering::Acquire);
    (base != 0).then(|| (block as usize).wrapping_sub(base)).filter(|at| *at < SPAN)
}

/// Gives memory and disk back.
fn give_back(at: usize, len: usize) {
    if len == 0 {
        return;
    }
    let place = (BASE.load(Ordering::Acquire) + at) as *mut libc::c_void;
    // SAFETY: the pages are those of a block that its owner gave back, or a part of one that it gave up.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
        libc::mmap(place, len, libc::PROT_NONE, flags, -1, 0);
        let hole = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        libc::fallocate(FILE.load(Ordering::Acquire), hole, at as libc::off_t, len as libc::off_t);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        match spool(dir.path(), u64::MAX) {
            Err(SpoolError::Full { need: u64::MAX, .. }) => {}
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
            heap.dealloc(block, layout(2 * LARGE));
            heap.dealloc(grown, layout(LARGE + 5));
        }
    }
}
