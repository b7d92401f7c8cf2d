//! A pprof profile, gzipped: `go tool pprof`, speedscope and Pyroscope read it. Five small messages, written
//! by hand.

use crate::heap::export::stacks::stacks;
use crate::heap::export::strings::Strings;
use flate2::{Compression, write::GzEncoder};
use m5_heap::{SnapshotInfo, Summary};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The profile: objects and bytes by chain of holders. Names carry no counts, so that two profiles of one process
/// can be subtracted (`-diff_base`).
///
/// # Errors
/// Never but where memory cannot be had.
pub fn pprof(summary: &Summary, info: &SnapshotInfo) -> io::Result<Vec<u8>> {
    let mut profile = Profile::default();
    let space = profile.string("inuse_space");
    let count = message(&[(1, profile.string("inuse_objects")), (2, profile.string("count"))]);
    let kind = message(&[(1, space), (2, profile.string("bytes"))]);
    let stacks = stacks(summary);
    let samples: Vec<Vec<u8>> = stacks
        .iter()
        .map(|stack| {
            // The innermost frame comes first.
            let locations: Vec<u64> = stack.frames.iter().rev().map(|f| profile.location(&f.name)).collect();
            let mut sample = Vec::new();
            packed(&mut sample, 1, &locations);
            packed(&mut sample, 2, &[stack.objects, stack.bytes]);
            sample
        })
        .collect();
    let comment = profile.string(&format!("m5 snapshot of PID {}", info.identity.pid));
    let mut out = Vec::new();
    bytes_field(&mut out, 1, &count);
    bytes_field(&mut out, 1, &kind);
    samples.iter().for_each(|s| bytes_field(&mut out, 2, s));
    for id in 1..=profile.functions.len() as u64 {
        let line = message(&[(1, id)]);
        let mut location = message(&[(1, id)]);
        bytes_field(&mut location, 4, &line);
        bytes_field(&mut out, 4, &location);
    }
    for (i, name) in profile.functions.iter().enumerate() {
        bytes_field(&mut out, 5, &message(&[(1, i as u64 + 1), (2, *name), (3, *name)]));
    }
    profile.strings.all().iter().for_each(|s| bytes_field(&mut out, 6, s.as_bytes()));
    number_field(&mut out, 9, (info.taken_at.max(0.0) * 1e9) as u64);
    bytes_field(&mut out, 11, &kind);
    number_field(&mut out, 12, 1);
    number_field(&mut out, 13, comment);
    number_field(&mut out, 14, space);
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    gz.write_all(&out)?;
    gz.finish()
}

/// Strings and functions by number; the first string is empty by definition.
struct Profile {
    strings: Strings,
    functions: Vec<u64>,
    by_name: BTreeMap<u64, u64>,
}

impl Default for Profile {
    fn default() -> Self {
        let mut strings = Strings::default();
        strings.number("");
        Self { strings, functions: Vec::new(), by_name: BTreeMap::new() }
    }
}

impl Profile {
    fn string(&mut self, text: &str) -> u64 {
        self.strings.number(text)
    }

    /// Number of the location with this name; locations and functions go by the same numbers.
    fn location(&mut self, name: &str) -> u64 {
        let string = self.string(name);
        let next = self.functions.len() as u64 + 1;
        let id = *self.by_name.entry(string).or_insert(next);
        if id == next {
            self.functions.push(string);
        }
        id
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn number_field(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn bytes_field(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn packed(out: &mut Vec<u8>, field: u64, values: &[u64]) {
    let mut body = Vec::new();
    values.iter().for_each(|v| varint(&mut body, *v));
    bytes_field(out, field, &body);
}

fn message(fields: &[(u64, u64)]) -> Vec<u8> {
    let mut out = Vec::new();
    fields.iter().for_each(|(field, value)| number_field(&mut out, *field, *value));
    out
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
