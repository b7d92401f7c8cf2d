//! The one gate through which a file is opened that a process names: its user chooses the path and what lies there.
//!
//! A path is looked up inside the process's own root, without leaving it by a link; what is found is asked what it is
//! before it is opened, so that a device or a pipe is never touched; it must be the very file that is mapped; and no
//! more of it is read than was agreed.

use crate::{Mapping, Process};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, fstatfs, openat, openat2};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// Largest program or library that is looked into. How much of it is read is for its own tables to say, which may claim
/// anything within the file, and a file may claim any size.
const LARGEST_PROGRAM: u64 = 512 << 20;

impl Process {
    /// The file of a mapping, also where it was deleted or lies in another root; `None` where it cannot be had, is no
    /// regular file, or is no longer the one that was mapped.
    #[must_use]
    pub fn open_mapped(&self, map: &Mapping) -> Option<File> {
        if map.inode == 0 {
            return None;
        }
        let path = map.path.strip_suffix(" (deleted)").unwrap_or(&map.path);
        let inside = || Found::inside(&self.path("root"), path);
        let range = || format!("{:x}-{:x}", map.start, map.end);
        let places: [&dyn Fn() -> io::Result<Found>; 4] =
            [&inside, &|| Found::at(Path::new(path)), &|| Found::at(&self.path("exe")), &|| {
                Found::at(&self.path("map_files").join(range()))
            }];
        places.iter().find_map(|place| place().ok().filter(|found| found.is(map))?.open().ok())
    }

    /// The same for a program or library whose tables are to be read; `None` too where it is larger than any.
    #[must_use]
    pub fn open_program(&self, map: &Mapping) -> Option<File> {
        self.open_mapped(map).and_then(|file| no_larger(file, LARGEST_PROGRAM).ok())
    }
}

/// Opens a program of the user's choice.
///
/// # Errors
/// As [`open_regular`], and `FileTooLarge`.
pub fn open_program(path: &Path) -> io::Result<File> {
    no_larger(open_regular(path)?, LARGEST_PROGRAM)
}

fn no_larger(file: File, most: u64) -> io::Result<File> {
    if file.metadata()?.len() > most {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    Ok(file)
}

/// Opens a regular file of the user's choice; a device or a pipe in its place is not touched.
///
/// # Errors
/// The kernel's, and `InvalidInput` for what is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    Found::at(path)?.open()
}

/// What lies at a path, not opened yet: to be asked what it is.
struct Found(OwnedFd);

impl Found {
    fn at(path: &Path) -> io::Result<Self> {
        Ok(Self(openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?))
    }

    /// By a path that begins in this root and stays there, whatever links lie on it.
    fn inside(root: &Path, path: &str) -> io::Result<Self> {
        let root = openat(CWD, root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Ok(Self(openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), how)?))
    }

    /// Whether it is the regular file of a mapping. File systems that show the files of another give mappings
    /// another device than files.
    fn is(&self, map: &Mapping) -> bool {
        const LAYERED: [i64; 2] = [0x794c_7630, 0x9123_683e];
        let Ok(stat) = fstat(&self.0) else { return false };
        let same_device = || stat.st_dev == map.device || map.device == 0;
        let layered = || fstatfs(&self.0).is_ok_and(|fs| LAYERED.contains(&fs.f_type));
        self.is_regular() && stat.st_ino == map.inode && (same_device() || layered())
    }

    fn is_regular(&self) -> bool {
        fstat(&self.0).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
    }

    /// Opens it for reading, once it is known to be a regular file.
    fn open(&self) -> io::Result<File> {
        if !self.is_regular() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let link = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(File::from(openat(CWD, link, flags, Mode::empty())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn mapping(path: &Path) -> Mapping {
        let meta = std::fs::metadata(path).unwrap();
        let path = path.display().to_string();
        Mapping { path, inode: meta.ino(), device: meta.dev(), ..Mapping::default() }
    }

    fn me() -> Process {
        Process::open(std::process::id() as i32).unwrap()
    }

    #[test]
    fn the_file_that_is_mapped_and_no_other() {
        let me = me();
        for map in me.maps().unwrap().iter().filter(|m| m.inode != 0) {
            let file = me.open_mapped(map).unwrap_or_else(|| panic!("{map:?}"));
            assert_eq!(file.metadata().unwrap().ino(), map.inode);
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, b"0123456789").unwrap();
        let map = mapping(&file);
        assert!(me.open_program(&map).is_some());
        // A file of holes has any size that its owner likes.
        File::options().write(true).open(&file).unwrap().set_len(LARGEST_PROGRAM + 1).unwrap();
        assert!(me.open_program(&map).is_none() && me.open_mapped(&map).is_some());
        assert!(open_program(&file).is_err());
        assert!(me.open_mapped(&Mapping { inode: map.inode + 1, ..map.clone() }).is_none());
        assert!(me.open_mapped(&Mapping { device: map.device + 1, ..map }).is_none());
    }

    #[test]
    fn pipes_and_devices_are_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
        // Neither waits for a writer.
        assert!(me().open_mapped(&mapping(&pipe)).is_none());
        assert_eq!(open_regular(&pipe).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(me().open_mapped(&mapping(Path::new("/dev/zero"))).is_none());
        assert!(open_regular(Path::new("/dev/zero")).is_err());
    }

    #[test]
    fn a_link_leads_nowhere_outside_of_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let (root, secret) = (dir.path().join("root"), dir.path().join("secret"));
        std::fs::create_dir(&root).unwrap();
        std::fs::write(&secret, b"mine").unwrap();
        symlink(&secret, root.join("absolute")).unwrap();
        symlink("../secret", root.join("upwards")).unwrap();
        std::fs::write(root.join("own"), b"theirs").unwrap();
        symlink("/own", root.join("within")).unwrap();
        for outside in ["/absolute", "/upwards", "/../secret"] {
            assert!(Found::inside(&root, outside).is_err(), "{outside}");
        }
        let file = Found::inside(&root, "/within").unwrap().open().unwrap();
        assert_eq!(io::read_to_string(file).unwrap(), "theirs");
    }
}
