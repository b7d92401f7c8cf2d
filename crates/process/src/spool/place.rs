//! Which folders do: on a disk, with room, and with some left for whoever else writes there.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use thiserror::Error;

/// The largest page of any machine: blocks begin and end at multiples of it.
pub(super) const PAGE: usize = 64 << 10;
/// A disk is never filled to its end: a target may write there too. This part of it stays free, but no more than
/// [`MOST_RESERVED`].
const RESERVED: u64 = 20;
const MOST_RESERVED: u64 = 4 << 30;

/// Why buffers cannot lie in a folder.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// No file can be made there, or not of the kind that is needed.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is no disk.
    #[error("it lies in memory itself (tmpfs)")]
    Memory,
    /// Its file system does not say where on a disk a file lies: it may be one of memory, of a network, of a program.
    #[error("it is not known to lie on a disk of this machine")]
    Elsewhere,
    /// It has too little room; bytes.
    #[error("{} MiB are free there and {} MiB may be needed", free >> 20, need >> 20)]
    Full {
        /// Bytes that are free.
        free: u64,
        /// Bytes that may be needed, with what stays free.
        need: u64,
    },
}

/// A file without a name.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) file: File,
    /// Bytes that are free beside it.
    pub(super) free: u64,
    /// Bytes that stay free.
    pub(super) reserve: u64,
}

impl Place {
    /// Makes the file; it has room for one block.
    pub(super) fn in_folder(folder: &Path) -> Result<Self, SpoolError> {
        let file = tempfile::tempfile_in(folder).map_err(system("a file cannot be made there"))?;
        let room = room(file.as_raw_fd()).map_err(system("the file system cannot be asked"))?;
        let (free, reserve) = room.ok_or(SpoolError::Memory)?;
        // Room that is promised is there: a write through a mapping could not say that it is not.
        allocate(file.as_raw_fd(), 0, PAGE).map_err(system("room cannot be set aside in a file there"))?;
        Ok(Self { file, free, reserve })
    }

    /// The same where nobody asked for that folder: on a disk for certain.
    pub(super) fn on_disk(folder: &Path) -> Result<Self, SpoolError> {
        let place = Self::in_folder(folder)?;
        match located(&place.file) && !of_memory(&place.file) {
            true => Ok(place),
            false => Err(SpoolError::Elsewhere),
        }
    }

    /// Whether so much fits and the reserve stays.
    pub(super) fn holds(&self, need: u64) -> Result<(), SpoolError> {
        let (free, need) = (self.free, need.saturating_add(self.reserve));
        if free < need { Err(SpoolError::Full { free, need }) } else { Ok(()) }
    }
}

/// Whether a folder would do, before anything is done that takes long; nothing is left there.
///
/// # Errors
/// [`SpoolError`].
pub fn spool_possible(folder: &Path) -> Result<(), SpoolError> {
    Place::in_folder(folder).map(drop)
}

pub(super) fn system(what: &'static str) -> impl Fn(io::Error) -> SpoolError {
    move |source| SpoolError::System { what, source }
}

/// Free bytes of a file's file system, and how many of them are to stay; `None` where it is memory. Takes no memory.
pub(super) fn room(file: i32) -> io::Result<Option<(u64, u64)>> {
    const RAMFS: u32 = 0x8584_58f6;
    const TMPFS: u32 = 0x0102_1994;
    // SAFETY: zero is a valid value of a struct of numbers, and the call fills it.
    let stat = unsafe {
        let mut stat: libc::statfs = std::mem::zeroed();
        if libc::fstatfs(file, &raw mut stat) != 0 {
            return Err(io::Error::last_os_error());
        }
        stat
    };
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_bsize as u64);
    let memory = matches!(stat.f_type as u32, RAMFS | TMPFS);
    let reserve = (bytes(stat.f_blocks) / RESERVED).min(MOST_RESERVED);
    Ok((!memory).then(|| (bytes(stat.f_bavail), reserve)))
}

/// Sets room aside.
pub(super) fn allocate(file: i32, at: usize, len: usize) -> io::Result<()> {
    // SAFETY: takes numbers only; changes a file that is ours alone.
    match unsafe { libc::fallocate(file, 0, at as libc::off_t, len as libc::off_t) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The first of a file's extents, as the kernel's `struct fiemap` with room for one.
#[repr(C)]
#[derive(Default)]
struct FirstExtent {
    start: u64,
    length: u64,
    flags: u32,
    mapped: u32,
    room: u32,
    reserved: u32,
    logical: u64,
    physical: u64,
    extent_length: u64,
    reserved_64: [u64; 2],
    extent_flags: u32,
    reserved_32: [u32; 3],
}

/// Whether the file system knows where on a device the file's room lies. An overlay (containers) answers for the file
/// system below it, so that one over memory does not.
fn located(file: &File) -> bool {
    const FIEMAP: libc::c_ulong = 0xc020_660b;
    const UNKNOWN: u32 = 2;
    let mut asked = FirstExtent { length: PAGE as u64, room: 1, ..FirstExtent::default() };
    // SAFETY: the argument has the layout that the request expects, with room for the one extent that is asked for.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), FIEMAP as _, &raw mut asked) };
    done == 0 && asked.mapped == 1 && asked.physical != 0 && asked.extent_flags & UNKNOWN == 0
}

/// Whether the device is made of memory (`/dev/ram0`, zram).
fn of_memory(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(device) = file.metadata().map(|m| m.dev()) else { return true };
    let link = format!("/sys/dev/block/{}:{}", libc::major(device), libc::minor(device));
    let Ok(named) = std::fs::read_link(link) else { return false };
    let name = named.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.starts_with("zram") || name.starts_with("ram")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_told_from_memory() {
        assert_eq!(size_of::<FirstExtent>(), 32 + 56);
        for memory in ["/dev/shm", "/proc", "/sys"].into_iter().filter(|f| Path::new(f).is_dir()) {
            assert!(Place::on_disk(Path::new(memory)).is_err(), "{memory}");
        }
        let here = tempfile::tempdir().unwrap();
        match Place::on_disk(here.path()) {
            Ok(place) => {
                place.holds(place.free - place.reserve).unwrap();
                assert!(matches!(place.holds(place.free), Err(SpoolError::Full { .. })));
            }
            // Where temporary files lie in memory, or on a file system of another kind.
            Err(error) => assert!(matches!(error, SpoolError::Memory | SpoolError::Elsewhere), "{error}"),
        }
        assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 0);
    }
}
