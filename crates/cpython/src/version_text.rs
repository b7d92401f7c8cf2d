//! Before 3.11 no symbol tells the version; it stands as text, `3.9.18 (default, …`, among the variables of the
//! build, where the interpreter keeps what `sys.version` says.

use crate::Version;
use m5_process::{Mapping, Memory};

/// The most bytes of a mapping that are searched.
const MOST: u64 = 16 << 20;
const PIECE: usize = 1 << 16;
/// Room for the longest version, so that none is cut by the edge of a piece.
const OVERLAP: usize = 32;

/// Looks for a version of this minor among the variables of a mapped file.
pub(crate) fn search(memory: &impl Memory, maps: &[Mapping], file: &str, minor: u32) -> Option<Version> {
    let mut end_of_file = 0;
    // Variables without a first value follow the file's own mappings, without its name.
    let mut variables = |m: &&Mapping| {
        let named = m.path == file;
        let follows = m.path.is_empty() && m.start == end_of_file;
        if named {
            end_of_file = m.end;
        }
        (named || follows) && !m.executable
    };
    maps.iter().filter(|m| variables(m)).find_map(|m| in_range(memory, m.start, m.end, minor))
}

fn in_range(memory: &impl Memory, start: u64, end: u64, minor: u32) -> Option<Version> {
    let end = end.min(start.saturating_add(MOST));
    let mut at = start;
    let mut piece = vec![0; PIECE];
    while at < end {
        let len = PIECE.min((end - at) as usize);
        memory.read(at, &mut piece[..len]).ok()?;
        if let Some(version) = in_bytes(&piece[..len], minor) {
            return Some(version);
        }
        at += (len.saturating_sub(OVERLAP)).max(1) as u64;
        if len <= OVERLAP {
            break;
        }
    }
    None
}

/// A text that begins with a version of this minor and goes on with the build in parentheses.
fn in_bytes(bytes: &[u8], minor: u32) -> Option<Version> {
    let prefix = format!("3.{minor}.");
    let texts = bytes.split(|b| *b == 0).filter(|text| text.starts_with(prefix.as_bytes()));
    texts.filter_map(|text| version_before_build(&text[..text.len().min(OVERLAP)])).next()
}

fn version_before_build(text: &[u8]) -> Option<Version> {
    let (version, _) = std::str::from_utf8(text).ok()?.split_once(" (")?;
    Version::parse(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_process::BufferMemory;
    use proptest::prelude::*;

    #[test]
    fn finds_a_version_across_the_edge_of_a_piece() {
        for at in [1, PIECE - 3, PIECE, PIECE + 7] {
            let mut bytes = vec![0; 2 * PIECE];
            bytes[at..at + 11].copy_from_slice(b"3.9.18 (def");
            let memory = BufferMemory::new(0x1000, bytes);
            assert_eq!(in_range(&memory, 0x1000, 0x1000 + 2 * PIECE as u64, 9), Version::parse("3.9.18"));
            assert_eq!(in_range(&memory, 0x1000, 0x1000 + 2 * PIECE as u64, 8), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..200), len in 0u64..300) {
            let memory = BufferMemory::new(0, bytes);
            let _ = in_range(&memory, 0, len, 9);
        }
    }
}
