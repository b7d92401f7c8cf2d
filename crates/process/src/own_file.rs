//! The functions through which m5 writes its files: whole ones, and those that grow.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a file that appears whole or not at all, for its owner's eyes only: under a name of its own in the same
/// folder, then renamed over what was there; a link in its place is replaced, never followed. What is no regular file
/// (a pipe, a device) is written directly and stays one.
///
/// # Errors
/// Those of the file system and of `write`; then nothing is left of it, and what was there is as before.
pub fn write_whole(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    if is_special(path) {
        let mut out = BufWriter::new(File::options().write(true).open(path)?);
        return write(&mut out).and_then(|()| out.flush());
    }
    let mut out = BufWriter::new(temporary(path)?);
    write(&mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|e| e.error)
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
    let folder = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new().prefix(".m5-").tempfile_in(folder)
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
