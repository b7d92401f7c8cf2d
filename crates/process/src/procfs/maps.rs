//! `/proc/PID/maps`: where the interpreter's files lie in the process.

use crate::{Error, Result};

/// One mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// One past the last address.
    pub end: u64,
    /// Offset in the file.
    pub offset: u64,
    /// Whether it may be executed.
    pub executable: bool,
    /// Whether it may be read.
    pub readable: bool,
    /// Whether it may be written.
    pub writable: bool,
    /// Whether writes are seen by others that map the same.
    pub shared: bool,
    /// Device of the file, as `stat` has it; 0 where it is not known.
    pub device: u64,
    /// Inode of the file; 0 for anonymous memory.
    pub inode: u64,
    /// File or pseudo name (`[heap]`), empty for anonymous memory.
    pub path: String,
}

/// Parses the text of `/proc/PID/maps`.
///
/// # Errors
/// [`Error::Malformed`] on a line that is not a mapping.
pub fn parse_maps(text: &str) -> Result<Vec<Mapping>> {
    text.lines().map(|line| parse_line(line).ok_or_else(|| Error::malformed("maps", line))).collect()
}

/// Joins neighbours that the kernel keeps apart for reasons of its own (advice on huge pages, a fork between two
/// calls of `brk`): memory without a file, with the same name and the same rights.
#[must_use]
pub fn joined_maps(maps: Vec<Mapping>) -> Vec<Mapping> {
    let mut out: Vec<Mapping> = Vec::with_capacity(maps.len());
    let rights = |m: &Mapping| (m.readable, m.writable, m.executable, m.shared);
    for map in maps {
        match out.last_mut() {
            Some(last)
                if last.end == map.start
                    && last.inode == 0
                    && map.inode == 0
                    && last.path == map.path
                    && rights(last) == rights(&map) =>
            {
                last.end = map.end;
            }
            _ => out.push(map),
        }
    }
    out
}

/// `fd:01` as one number.
fn number_of(device: &str) -> Option<u64> {
    let (major, minor) = device.split_once(':')?;
    let part = |text| u32::from_str_radix(text, 16).ok();
    Some(rustix::fs::makedev(part(major)?, part(minor)?))
}

fn parse_line(line: &str) -> Option<Mapping> {
    let mut rest = line;
    let mut word = || {
        let (first, tail) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = tail.trim_start();
        first
    };
    let (start, end) = word().split_once('-')?;
    let perms = word();
    let offset = u64::from_str_radix(word(), 16).ok()?;
    let (device, inode) = (word(), word());
    Some(Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        offset,
        executable: perms.contains('x'),
        readable: perms.starts_with('r'),
        writable: perms.contains('w'),
        shared: perms.ends_with('s'),
        device: number_of(device)?,
        inode: inode.parse().ok()?,
        path: rest.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_paths_with_spaces() {
        let text =
            "7f00-8f00 r-xp 00001000 fd:01 12   /opt/my app/python3.11\n8f00-9f00 rw-p 00000000 00:00 0 \n";
        let maps = parse_maps(text).unwrap();
        assert_eq!(maps[0].path, "/opt/my app/python3.11");
        assert!(maps[0].executable && maps[0].offset == 0x1000);
        assert_eq!(maps[1].path, "");
    }

    #[test]
    fn what_the_kernel_keeps_apart_is_joined() {
        let text = "1000-2000 rw-p 0 00:00 0 [heap]\n2000-3000 rw-p 0 00:00 0 [heap]\n3000-4000 rw-p 0 00:00 0 \n\
                    4000-5000 ---p 0 00:00 0 \n5000-6000 rw-p 0 08:01 7 /a\n6000-7000 rw-p 0 08:01 7 /a\n";
        let joined = joined_maps(parse_maps(text).unwrap());
        let ranges: Vec<(u64, u64)> = joined.iter().map(|m| (m.start, m.end)).collect();
        let apart =
            [(0x1000, 0x3000), (0x3000, 0x4000), (0x4000, 0x5000), (0x5000, 0x6000), (0x6000, 0x7000)];
        assert_eq!(ranges, apart);
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,200}") {
            let _ = parse_maps(&text);
        }
    }
}
