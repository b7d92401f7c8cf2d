//! The table of pools with free blocks: its heads tell which block an allocation will get.
//!
//! Stripped builds do not name it and each version keeps it elsewhere, but it knows itself: the entry of a
//! class without a pool points to itself, sixteen bytes before.

use m5_process::{LiveMemory, Mapping, Memory};

/// Size classes of 16 to 512 bytes.
const CLASSES: usize = 32;
/// Bytes of data that are looked through at most, and at a time.
const MOST: u64 = 64 << 20;
/// Offset of the size class in a pool's header.
const POOL_CLASS: u64 = 36;
const CHUNK: usize = 1 << 20;

/// Address of `usedpools`, among the writable data of the interpreter's file; `None` where none is like it
/// (`PYTHONMALLOC=malloc`).
pub(super) fn table(memory: &LiveMemory, maps: &[Mapping], file: &str) -> Option<u64> {
    let end_of_file = maps.iter().filter(|m| m.path == file).map(|m| m.end).max()?;
    // Variables without a value of their own lie right behind the file's.
    let ours = |m: &&Mapping| {
        m.writable
            && (m.path == file || m.path.is_empty() && m.start == end_of_file)
            && m.end - m.start < MOST
    };
    maps.iter().filter(ours).find_map(|m| within(memory, m))
}

fn within(memory: &LiveMemory, map: &Mapping) -> Option<u64> {
    let mut bytes = vec![0; CHUNK];
    let overlap = CLASSES * 16;
    let mut at = map.start;
    while at < map.end {
        let length = (map.end - at).min(CHUNK as u64) as usize;
        let chunk = bytes.get_mut(..length)?;
        if memory.read(at, chunk).is_ok() {
            let words: Vec<u64> = chunk.as_chunks::<8>().0.iter().map(|w| u64::from_le_bytes(*w)).collect();
            let is = |(i, w): &(usize, &[u64])| is_table(w, at + 8 * *i as u64) && pools_agree(memory, w);
            if let Some((i, _)) = words.windows(CLASSES * 2).enumerate().find(is) {
                return Some(at + 8 * i as u64);
            }
        }
        if length < CHUNK {
            break;
        }
        at += (length - overlap) as u64;
    }
    None
}

/// Whether these words are the table, if they lie at `at`: pairs of (first, last) pool, or of itself.
fn is_table(words: &[u64], at: u64) -> bool {
    words.as_chunks::<2>().0.iter().enumerate().all(|(class, pair)| {
        let itself = at.wrapping_add(16 * class as u64).wrapping_sub(16);
        match *pair {
            [a, b] if a == itself && b == itself => true,
            [a, b] => a & 0xfff == 0 && b & 0xfff == 0 && a != 0 && b != 0,
        }
    })
}

/// Whether the pools of these words say that they are of the very class: most of them, since they may change
/// meanwhile.
fn pools_agree(memory: &LiveMemory, words: &[u64]) -> bool {
    let (mut pools, mut agree) = (0, 0);
    for (class, pair) in words.as_chunks::<2>().0.iter().enumerate().filter(|(_, p)| p[0] & 0xfff == 0) {
        pools += 1;
        agree += u32::from(memory.i32(pair[0].wrapping_add(POOL_CLASS)).ok() == i32::try_from(class).ok());
    }
    agree * 4 >= pools * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_itself() {
        let at = 0x5000u64;
        let mut words: Vec<u64> = (0..CLASSES as u64).flat_map(|c| [at + 16 * c - 16; 2]).collect();
        assert!(is_table(&words, at) && !is_table(&words, at + 8));
        words[4] = 0x7000;
        words[5] = 0x9000;
        assert!(is_table(&words, at));
        words[4] = 0x7001;
        assert!(!is_table(&words, at));
        assert!(!is_table(&[0; 64], at));
    }
}
