//! A snapshot as a pprof profile, gzipped.

use crate::heap::export::stacks::stacks;
use crate::shared::pprof::{Builder, Place};
use m5_heap::{SnapshotInfo, Summary};
use std::io;

/// The profile: objects and bytes by chain of holders. Names carry no counts, so that two profiles of one process
/// can be subtracted (`-diff_base`).
///
/// # Errors
/// Never but where memory cannot be had.
pub fn pprof(summary: &Summary, info: &SnapshotInfo) -> io::Result<Vec<u8>> {
    let mut profile = Builder::new(&[("inuse_objects", "count"), ("inuse_space", "bytes")]);
    for stack in stacks(summary) {
        // The innermost frame comes first.
        let places = stack.frames.iter().rev().map(|f| Place { function: &f.name, file: "", line: 0 });
        profile.sample(places, &[stack.objects, stack.bytes]);
    }
    let taken_at = (info.taken_at.max(0.0) * 1e9) as i64;
    profile.describe(taken_at, 0, &format!("m5 snapshot of PID {}", info.identity.pid));
    profile.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::testing::sample;
    use std::io::Read;

    fn take_varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    }

    /// Fields of a message: number, and either the number or the bytes.
    fn fields(mut bytes: &[u8]) -> Vec<(u64, Result<u64, &[u8]>)> {
        let mut out = Vec::new();
        while !bytes.is_empty() {
            let key = take_varint(&mut bytes);
            let value = take_varint(&mut bytes);
            if key & 7 == 0 {
                out.push((key >> 3, Ok(value)));
            } else {
                let (body, rest) = bytes.split_at(value as usize);
                bytes = rest;
                out.push((key >> 3, Err(body)));
            }
        }
        out
    }

    #[test]
    fn a_reader_of_its_own_finds_every_byte_and_name() {
        let doc = sample();
        let summary = doc.heap.unwrap();
        let packed = pprof(&summary, &doc.info.unwrap()).unwrap();
        let mut raw = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut raw).unwrap();
        let all = fields(&raw);
        let of = |field| all.iter().filter(move |f| f.0 == field).map(|f| f.1);
        let strings: Vec<&str> = of(6).map(|s| std::str::from_utf8(s.unwrap_err()).unwrap()).collect();
        assert_eq!(strings[0], "");
        assert!(strings.contains(&"engine.FEED.history (list)") && strings.contains(&"engine.Tick"));
        let (mut objects, mut bytes) = (0, 0);
        let locations = of(4).count() as u64;
        for sample in of(2) {
            let sample = fields(sample.unwrap_err());
            let mut ids = sample[0].1.unwrap_err();
            while !ids.is_empty() {
                let id = take_varint(&mut ids);
                assert!(id >= 1 && id <= locations);
            }
            let mut value = sample[1].1.unwrap_err();
            objects += take_varint(&mut value);
            bytes += take_varint(&mut value);
        }
        assert_eq!((objects, bytes), (summary.objects, summary.bytes));
        assert_eq!(of(1).count(), 2);
        assert_eq!(of(14).map(|s| strings[s.unwrap() as usize]).collect::<Vec<_>>(), ["inuse_space"]);
    }
}
