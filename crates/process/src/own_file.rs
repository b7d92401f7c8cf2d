//! The functions through which m5 writes its files: whole ones, and those that grow.

use rustix::fs::{AtFlags, CWD, linkat};
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a file that appears whole or not at all, for its owner's eyes only: without a name (where the file system has no
/// such files, under one of its own) in the same folder, then renamed over what was there; a link in its place is replaced, never followed. What is no regular file
/// (a pipe, a device) is written directly and stays one.
///
/// # Errors
/// Those of the file system and of `write`; then nothing is left of it, and what was there is as before.
pub fn write_whole(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    if is_special(path) {
        let mut out = BufWriter::new(File::options().write(true).open(path)?);
        return write(&mut out).and_then(|()| out.flush());
    }
    match unnamed(path) {
        Ok(file) => {
            let file = written(file, write)?;
            persist(file, path)
        }
        Err(_) => {
            let (file, name) = temporary(path)?.into_parts();
            written(file, write)?;
            name.persist(path).map_err(|e| e.error)
        }
    }
}

fn written(file: File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<File> {
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(file)
}

/// A file without a name in the folder of `path`: whoever is killed while it writes leaves nothing. Not every file system
/// has them.
fn unnamed(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).mode(0o600).custom_flags(libc::O_TMPFILE).open(folder(path))
}

/// Gives it a name of its own for a moment, then that of `path`.
fn persist(mut file: File, path: &Path) -> io::Result<()> {
    let link = |name: &Path| -> io::Result<()> {
        let itself = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(linkat(CWD, itself, CWD, name, AtFlags::SYMLINK_FOLLOW)?)
    };
    for _ in 0..8 {
        // No name is guessed twice: of this process, of this moment.
        let name = folder(path).join(format!(".m5-{}-{}", std::process::id(), crate::monotonic_ns()));
        match link(&name) {
            Ok(()) => {
                return fs::rename(&name, path).inspect_err(|_| {
                    let _ = fs::remove_file(&name);
                });
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            // Without `/proc` it cannot be named: what it holds is copied.
            Err(_) => break,
        }
    }
    let mut named = temporary(path)?;
    file.rewind()?;
    io::copy(&mut file, &mut named)?;
    named.as_file().sync_all()?;
    named.persist(path).map(drop).map_err(|e| e.error)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether such a file could be written here, before hours are spent on what it is to hold.
///
/// # Errors
/// Those that writing would have.
pub fn check_writable(path: &Path) -> io::Result<()> {
    if is_special(path) {
        // Not opened: a pipe that is opened and closed is at its end for whoever reads it.
        return Ok(rustix::fs::access(path, rustix::fs::Access::WRITE_OK)?);
    }
    temporary(path).map(drop)
}

/// Opens a file that grows (a journal, a history) for adding to its end, made where it is not there, for its owner's eyes
/// only. A link in its place is refused, but for those of the system itself (`/dev/stdout`); a pipe or a device stays one.
///
/// # Errors
/// Those of the file system, and `InvalidInput` for a link.
pub fn open_to_add(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.append(true).create(true).mode(0o600);
    const OF_SYSTEM: [&str; 4] = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"];
    if OF_SYSTEM.iter().any(|own| path.starts_with(own)) {
        return options.open(path);
    }
    options.read(!is_special(path)).custom_flags(libc::O_NOFOLLOW);
    options.open(path).map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => {
            let word =
                "it is a symbolic link, which m5 does not write through: name the file that it leads to";
            io::Error::new(io::ErrorKind::InvalidInput, word)
        }
        _ => error,
    })
}

/// With O_EXCL and mode 0600; it goes when it is dropped.
fn temporary(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(".m5-").tempfile_in(folder(path))
}

fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn whole_or_not_at_all_and_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report");
        write_whole(&path, |out| out.write_all(b"first")).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        write_whole(&path, |out| {
            // While it is written nobody sees it.
            let names: Vec<_> = fs::read_dir(dir.path())?.filter_map(|e| Some(e.ok()?.file_name())).collect();
            assert!(names.len() == 1 || unnamed(&path).is_err(), "{names:?}");
            out.write_all(b"first")
        })
        .unwrap();
        let broken = |out: &mut dyn Write| out.write_all(b"half").and(Err(io::Error::other("no more")));
        assert!(write_whole(&path, broken).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write_whole(dir.path(), |out| out.write_all(b"x")).is_err());
    }

    #[test]
    fn a_link_is_replaced_and_what_it_led_to_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, link) = (dir.path().join("victim"), dir.path().join("report"));
        fs::write(&victim, b"precious").unwrap();
        symlink(&victim, &link).unwrap();
        check_writable(&link).unwrap();
        write_whole(&link, |out| out.write_all(b"report")).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(fs::read(&link).unwrap(), b"report");
        assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn what_grows_is_no_link_either() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, link) = (dir.path().join("victim"), dir.path().join("journal"));
        fs::write(&victim, b"precious\n").unwrap();
        symlink(&victim, &link).unwrap();
        assert_eq!(open_to_add(&link).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        symlink(dir.path().join("not there"), dir.path().join("dangling")).unwrap();
        assert!(open_to_add(&dir.path().join("dangling")).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
        let own = dir.path().join("own");
        for line in [b"one\n", b"two\n"] {
            open_to_add(&own).unwrap().write_all(line).unwrap();
        }
        assert_eq!(fs::read(&own).unwrap(), b"one\ntwo\n");
        assert_eq!(fs::metadata(&own).unwrap().permissions().mode() & 0o777, 0o600);
        // Links of the system's own.
        open_to_add(Path::new("/dev/null")).unwrap();
        open_to_add(Path::new("/proc/self/fd/2")).unwrap();
    }

    #[test]
    fn a_device_stays_a_device() {
        let null = Path::new("/dev/null");
        check_writable(null).unwrap();
        write_whole(null, |out| out.write_all(b"lost")).unwrap();
        assert!(!fs::metadata(null).unwrap().is_file());
    }
}
