//! The file of large buffers, of which there is at most one in a process.
#![allow(unsafe_code)]

use super::place::{PAGE, Place, SpoolError, allocate, room, system};
use std::io;
use std::os::fd::IntoRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};

/// Blocks from this size on lie in the file: what thousands of tasks hold at a time are many blocks of some 100 KiB.
pub(super) const LARGE: usize = PAGE;
/// Addresses that are set aside for them. No address is used twice, so that a file of this size is never full.
const SPAN: usize = 8 << 40;
/// After so many bytes the disk is asked again how much is free: others write there too.
const BETWEEN: u64 = 32 << 20;

static FILE: AtomicI32 = AtomicI32::new(-1);
/// First address; 0 where no file is in use.
static BASE: AtomicUsize = AtomicUsize::new(0);
static NEXT: AtomicUsize = AtomicUsize::new(0);
/// Bytes of blocks that the file had no room for.
static LACKING: AtomicU64 = AtomicU64::new(0);
/// Bytes that stay free on the disk.
static RESERVE: AtomicU64 = AtomicU64::new(0);
/// Bytes taken since the disk was asked.
static TAKEN: AtomicU64 = AtomicU64::new(0);
/// Whether less than the reserve is free.
static FULL: AtomicBool = AtomicBool::new(false);
/// No further block goes into it.
static ENDED: AtomicBool = AtomicBool::new(false);
/// How many ask for buffers in memory.
static IN_MEMORY: AtomicUsize = AtomicUsize::new(0);

/// Puts large buffers that are made from now on into a file without a name in `folder`, which must have `need` bytes
/// free. Once a process: later calls change nothing.
///
/// # Errors
/// [`SpoolError`]; then buffers lie in memory as before.
pub fn spool(folder: &Path, need: u64) -> Result<(), SpoolError> {
    if BASE.load(Ordering::Acquire) != 0 {
        return Ok(());
    }
    begin(folder, Place::in_folder(folder)?, need)
}

/// The same in the first of these folders that lies on a disk of this machine with twice that room: which one that is.
///
/// # Errors
/// Why each of them does not do; nothing where there was a file before, which a process has once.
pub fn spool_in_any(folders: &[PathBuf], need: u64) -> Result<&PathBuf, Vec<SpoolError>> {
    let mut unfit = Vec::new();
    if BASE.load(Ordering::Acquire) != 0 {
        return Err(unfit);
    }
    for folder in folders {
        let begun = Place::on_disk(folder).and_then(|place| begin(folder, place, need.saturating_mul(2)));
        match begun {
            Ok(()) => return Ok(folder),
            Err(error) => {
                tracing::debug!(folder = %folder.display(), %error, "no place for large buffers");
                unfit.push(error);
            }
        }
    }
    Err(unfit)
}

fn begin(folder: &Path, place: Place, need: u64) -> Result<(), SpoolError> {
    place.holds(need)?;
    // SAFETY: a new mapping at an address of the kernel's choice, of memory that nobody may touch.
    let base = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        libc::mmap(std::ptr::null_mut(), SPAN, libc::PROT_NONE, flags, -1, 0)
    };
    if base == libc::MAP_FAILED {
        return Err(system("addresses cannot be had")(io::Error::last_os_error()));
    }
    tracing::debug!(folder = %folder.display(), free = place.free, need, "large buffers lie in a file");
    RESERVE.store(place.reserve, Ordering::Relaxed);
    FILE.store(place.file.into_raw_fd(), Ordering::Release);
    BASE.store(base as usize, Ordering::Release);
    Ok(())
}

/// Puts no further buffer into the file, for the rest of the process; what lies there stays until it is given back.
pub fn end_spool() {
    ENDED.store(true, Ordering::Release);
    LACKING.store(0, Ordering::Relaxed);
}

/// Whether large buffers that are made lie in a file.
#[must_use]
pub fn spooling() -> bool {
    BASE.load(Ordering::Acquire) != 0 && !ENDED.load(Ordering::Acquire)
}

/// Bytes of large buffers that lie in memory because the file could not take them, since it began: its disk ran full,
/// or files may not become that large (`ulimit -f`). An allocator cannot fail with a word: whoever makes large buffers
/// asks from time to time, and gives up before the memory is used up that was to be spared.
#[must_use]
pub fn spool_lacks() -> u64 {
    LACKING.load(Ordering::Relaxed)
}

/// While one lives, buffers that are made lie in memory: whoever writes into a file may have to wait for a disk, and must
/// not while a target stands still.
#[derive(Debug)]
#[must_use]
pub struct InMemory(());

impl InMemory {
    /// From now on.
    pub fn begin() -> Self {
        IN_MEMORY.fetch_add(1, Ordering::AcqRel);
        Self(())
    }
}

impl Drop for InMemory {
    fn drop(&mut self) {
        IN_MEMORY.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A block in the file, where there is one with room.
pub(super) fn take(size: usize) -> Option<*mut u8> {
    let base = BASE.load(Ordering::Acquire);
    if base == 0 || ENDED.load(Ordering::Acquire) || IN_MEMORY.load(Ordering::Acquire) > 0 {
        return None;
    }
    let len = size.checked_next_multiple_of(PAGE)?;
    let file = FILE.load(Ordering::Acquire);
    let block = mapped(file, base, len);
    if block.is_none() {
        LACKING.fetch_add(len as u64, Ordering::Relaxed);
    }
    block
}

fn mapped(file: i32, base: usize, len: usize) -> Option<*mut u8> {
    if !disk_has_room(file, len as u64) {
        return None;
    }
    let at = NEXT.fetch_add(len, Ordering::Relaxed);
    if at.checked_add(len)? > SPAN || allocate(file, at, len).is_err() {
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
        return None;
    }
    Some(block.cast())
}

/// Whether the disk keeps its reserve. It is not asked for each block.
fn disk_has_room(file: i32, len: u64) -> bool {
    let before = TAKEN.fetch_add(len, Ordering::Relaxed);
    if before / BETWEEN != (before + len) / BETWEEN {
        let reserve = RESERVE.load(Ordering::Relaxed);
        let full = matches!(room(file), Ok(Some((free, _))) if free < reserve.saturating_add(len));
        FULL.store(full, Ordering::Relaxed);
    }
    !FULL.load(Ordering::Relaxed)
}

/// Where in the file a block lies.
pub(super) fn offset(block: *mut u8) -> Option<usize> {
    let base = BASE.load(Ordering::Acquire);
    (base != 0).then(|| (block as usize).wrapping_sub(base)).filter(|at| *at < SPAN)
}

/// Gives memory and disk back.
pub(super) fn give_back(at: usize, len: usize) {
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
