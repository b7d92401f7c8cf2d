//! The runtime of a build without any symbol, by what it publishes about itself (3.13 and later): a word of its
//! own at its beginning, among the writable data of an image.

use super::Found;
use crate::Version;
use m5_process::{Mapping, Memory};

const COOKIE: &[u8; 8] = b"xdebugpy";
/// Read at a time, and of one mapping at most.
const STEP: usize = 1 << 20;
const MOST: u64 = 16 << 20;
/// A runtime is no smaller and no larger.
const SIZES: std::ops::RangeInclusive<u64> = 1 << 16..=1 << 24;
/// Supported versions: a cookie without one is something else that holds the word.
const MAJOR: u32 = 3;

pub(super) fn look(memory: &impl Memory, maps: &[Mapping], path: &str) -> Option<Found> {
    maps.iter().filter(|m| m.path == path && m.writable).find_map(|m| in_mapping(memory, m))
}

fn in_mapping(memory: &impl Memory, map: &Mapping) -> Option<Found> {
    let (mut at, end) = (map.start, map.end.min(map.start.saturating_add(MOST)));
    let mut bytes = Vec::new();
    while at < end {
        bytes.resize(((end - at) as usize).min(STEP), 0);
        memory.read(at, &mut bytes).ok()?;
        let words = bytes.chunks_exact(8).enumerate().filter(|(_, word)| word == COOKIE);
        for (i, _) in words {
            if let Some(found) = runtime(memory, at + 8 * i as u64, map) {
                return Some(found);
            }
        }
        at += bytes.len() as u64;
    }
    None
}

fn runtime(memory: &impl Memory, address: u64, map: &Mapping) -> Option<Found> {
    let version = Version(memory.u64(address + 8).ok()? as u32);
    let runtime_size = memory.u64(address + 24).ok()?;
    let sound = version.0 >> 24 == MAJOR && SIZES.contains(&runtime_size);
    let file = map.path.clone();
    sound.then_some(Found { runtime: address, runtime_size, file, version: Some(version) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_process::BufferMemory;
    use proptest::prelude::*;

    fn mapping(bytes: &[u8]) -> Mapping {
        let (start, path) = (0x1000, "/opt/service".to_owned());
        Mapping { start, end: start + bytes.len() as u64, writable: true, path, ..Mapping::default() }
    }

    #[test]
    fn the_word_alone_is_not_enough() {
        let mut bytes = vec![0; 4096];
        bytes[64..72].copy_from_slice(COOKIE);
        let found = |bytes: &[u8]| {
            let map = mapping(bytes);
            look(&BufferMemory::new(map.start, bytes.to_vec()), std::slice::from_ref(&map), "/opt/service")
        };
        assert_eq!(found(&bytes), None);
        bytes[72..76].copy_from_slice(&0x030e_07f0u32.to_le_bytes());
        bytes[88..96].copy_from_slice(&316_616u64.to_le_bytes());
        let runtime = found(&bytes).unwrap();
        assert_eq!((runtime.runtime, runtime.runtime_size), (0x1040, 316_616));
    }

    #[test]
    fn what_it_publishes_is_found_where_the_symbol_is() {
        for python in m5_testkit::pythons().into_iter().filter(|p| p.minor() >= (3, 13)) {
            let program = "import sys; print(1, flush=True); sys.stdin.read()";
            let mut target = m5_testkit::Target::start(&python, program);
            target.line();
            let process = m5_process::Process::open(target.pid()).unwrap();
            let by_symbol = super::super::find(&process).unwrap();
            let maps = process.maps().unwrap();
            let found = look(&process.memory(), &maps, &by_symbol.file).unwrap();
            let of = |f: &Found| (f.runtime, f.runtime_size);
            assert_eq!(of(&found), of(&by_symbol), "{}", python.name);
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let map = mapping(&bytes);
            let memory = BufferMemory::new(map.start, bytes);
            let _ = look(&memory, std::slice::from_ref(&map), "/opt/service");
        }
    }
}
