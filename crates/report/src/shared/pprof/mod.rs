//! pprof profiles, gzipped: `go tool pprof`, speedscope and Pyroscope read them.

pub(crate) mod message;

use crate::shared::strings::Strings;
use flate2::{Compression, write::GzEncoder};
use message::{Function, Line, Location, Profile, Sample, ValueType};
use prost::Message;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// One place on a stack. Without a file it is a name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    /// The function, or what stands for one.
    pub(crate) function: &'a str,
    /// Its file; empty where there is none.
    pub(crate) file: &'a str,
    /// The line; 0 where it is not known.
    pub(crate) line: u32,
}

/// A profile that is put together.
pub(crate) struct Builder {
    profile: Profile,
    strings: Strings,
    functions: BTreeMap<(i64, i64), u64>,
    locations: BTreeMap<(u64, i64), u64>,
}

impl Builder {
    /// A profile whose samples have these values, each with its unit; the last is shown first.
    pub(crate) fn new(values: &[(&str, &str)]) -> Self {
        let mut strings = Strings::default();
        // By definition the first string is empty.
        strings.number("");
        let mut builder = Self {
            profile: Profile::default(),
            strings,
            functions: BTreeMap::new(),
            locations: BTreeMap::new(),
        };
        for (kind, unit) in values {
            let kind = ValueType { kind: builder.string(kind), unit: builder.string(unit) };
            builder.profile.sample_type.push(kind);
        }
        let shown = builder.profile.sample_type.last().copied();
        builder.profile.default_sample_type = shown.map_or(0, |s| s.kind);
        builder.profile.period_type = shown;
        builder.profile.period = 1;
        builder
    }

    /// When it was taken (nanoseconds since 1970), over how long, and what it is of.
    pub(crate) fn describe(&mut self, time_nanos: i64, duration_nanos: i64, comment: &str) {
        let comment = self.string(comment);
        self.profile.time_nanos = time_nanos;
        self.profile.duration_nanos = duration_nanos;
        self.profile.comment.push(comment);
    }

    /// Adds a stack, the innermost place first, with a value for each kind.
    pub(crate) fn sample<'a>(&mut self, stack: impl IntoIterator<Item = Place<'a>>, values: &[u64]) {
        let location_id = stack.into_iter().map(|place| self.location(place)).collect();
        let value = values.iter().map(|v| i64::try_from(*v).unwrap_or(i64::MAX)).collect();
        self.profile.sample.push(Sample { location_id, value });
    }

    /// The profile as it is stored.
    ///
    /// # Errors
    /// Never but where memory cannot be had.
    pub(crate) fn finish(mut self) -> io::Result<Vec<u8>> {
        self.profile.string_table = self.strings.all().to_vec();
        let mut gz = GzEncoder::new(Vec::new(), Compression::default());
        gz.write_all(&self.profile.encode_to_vec())?;
        gz.finish()
    }

    fn string(&mut self, text: &str) -> i64 {
        self.strings.number(text) as i64
    }

    fn location(&mut self, place: Place<'_>) -> u64 {
        let function_id = self.function(place);
        let line = i64::from(place.line);
        let next = self.profile.location.len() as u64 + 1;
        let id = *self.locations.entry((function_id, line)).or_insert(next);
        if id == next {
            self.profile.location.push(Location { id, line: vec![Line { function_id, line }] });
        }
        id
    }

    fn function(&mut self, place: Place<'_>) -> u64 {
        let (name, filename) = (self.string(place.function), self.string(place.file));
        let next = self.profile.function.len() as u64 + 1;
        let id = *self.functions.entry((name, filename)).or_insert(next);
        if id == next {
            self.profile.function.push(Function { id, name, system_name: name, filename });
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn places_and_functions_are_written_once() {
        let mut builder = Builder::new(&[("alloc_objects", "count"), ("alloc_space", "bytes")]);
        let at = |line| Place { function: "on_tick", file: "market.py", line };
        builder.sample([at(88), at(12)], &[3, 300]);
        builder.sample([at(88)], &[1, u64::MAX]);
        builder.describe(5, 7, "m5");
        let mut raw = Vec::new();
        flate2::read::GzDecoder::new(builder.finish().unwrap().as_slice()).read_to_end(&mut raw).unwrap();
        let profile = Profile::decode(raw.as_slice()).unwrap();
        assert_eq!((profile.location.len(), profile.function.len()), (2, 1));
        assert_eq!(profile.sample[0].location_id, [1, 2]);
        assert_eq!(profile.sample[1].value, [1, i64::MAX]);
        let named = |number: i64| profile.string_table[number as usize].as_str();
        assert_eq!((named(0), named(profile.default_sample_type)), ("", "alloc_space"));
        assert_eq!((named(profile.function[0].filename), named(profile.comment[0])), ("market.py", "m5"));
    }
}
