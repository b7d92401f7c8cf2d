//! The kernel's records, from bytes.

/// One write to a watched address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) time: u64,
    /// The instruction after the one that wrote.
    pub(crate) ip: u64,
    pub(crate) addr: u64,
    pub(crate) pid: i32,
    pub(crate) tid: i32,
}

/// What a ring says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    /// A watched write.
    Sample(Sample),
    /// A thread was born (in a new process, if the pids differ).
    Fork { time: u64, pid: i32, parent: i32, tid: i32, parent_tid: i32 },
    /// A thread ended.
    Exit { time: u64, pid: i32, tid: i32 },
    /// Records that found no room, or that the kernel held back (then how many is not known, and counted as
    /// one): some time between `time` and `until`.
    Lost { time: u64, until: u64, count: u64 },
}

const LOST: u32 = 2;
const EXIT: u32 = 4;
const THROTTLE: u32 = 5;
const UNTHROTTLE: u32 = 6;
const FORK: u32 = 7;
const SAMPLE: u32 = 9;

/// Appends the records of `bytes`; stops at what is no record.
pub(crate) fn parse(bytes: &[u8], out: &mut Vec<Record>) {
    let mut rest = bytes;
    while let Some((head, _)) = rest.split_at_checked(8) {
        let size = usize::from(u16::from_le_bytes([head[6], head[7]]));
        if size < 8 || size > rest.len() {
            return;
        }
        let (record, tail) = rest.split_at(size);
        let kind = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        out.extend(one(kind, &record[8..]));
        rest = tail;
    }
}

fn one(kind: u32, body: &[u8]) -> Option<Record> {
    let word = |at: usize| Some(u64::from_le_bytes(body.get(at..at + 8)?.try_into().ok()?));
    let half = |at: usize| Some(i32::from_le_bytes(body.get(at..at + 4)?.try_into().ok()?));
    Some(match kind {
        SAMPLE => Record::Sample(Sample {
            ip: word(0)?,
            pid: half(8)?,
            tid: half(12)?,
            time: word(16)?,
            addr: word(24)?,
        }),
        FORK => Record::Fork {
            pid: half(0)?,
            parent: half(4)?,
            tid: half(8)?,
            parent_tid: half(12)?,
            time: word(16)?,
        },
        EXIT => Record::Exit { pid: half(0)?, tid: half(8)?, time: word(16)? },
        LOST => Record::Lost { count: word(8)?, time: word(24)?, until: word(24)? },
        THROTTLE | UNTHROTTLE => {
            Record::Lost { count: u64::from(kind == THROTTLE), time: word(0)?, until: word(0)? }
        }
        _ => return None,
    })
}

impl Record {
    /// The same with one pid called otherwise.
    pub(crate) fn renamed(self, from: i32, to: i32) -> Self {
        let of = |pid| if pid == from { to } else { pid };
        match self {
            Self::Sample(sample) => Self::Sample(Sample { pid: of(sample.pid), ..sample }),
            Self::Fork { time, pid, parent, tid, parent_tid } => {
                Self::Fork { time, pid: of(pid), parent: of(parent), tid, parent_tid }
            }
            Self::Exit { time, pid, tid } => Self::Exit { time, pid: of(pid), tid },
            lost @ Self::Lost { .. } => lost,
        }
    }

    /// When it happened.
    pub(crate) fn time(&self) -> u64 {
        match *self {
            Self::Sample(Sample { time, .. })
            | Self::Fork { time, .. }
            | Self::Exit { time, .. }
            | Self::Lost { time, .. } => time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: u32, words: &[u64]) -> Vec<u8> {
        let mut out = Vec::from(kind.to_le_bytes());
        out.extend([0, 0]);
        out.extend((8 + 8 * words.len() as u16).to_le_bytes());
        out.extend(words.iter().flat_map(|w| w.to_le_bytes()));
        out
    }

    #[test]
    fn reads_each_kind() {
        let pair = |low: u64, high: u64| low | high << 32;
        let mut bytes = record(SAMPLE, &[7, pair(1, 2), 99, 0x10]);
        bytes.extend(record(17, &[0]));
        bytes.extend(record(FORK, &[pair(5, 1), pair(5, 2), 100, 0, 0]));
        bytes.extend(record(EXIT, &[pair(5, 1), pair(6, 1), 101, 0, 0]));
        bytes.extend(record(LOST, &[3, 44, pair(1, 2), 102]));
        bytes.extend(record(THROTTLE, &[103, 1, 1, 0, 0]));
        let mut out = Vec::new();
        parse(&bytes, &mut out);
        assert_eq!(
            out,
            [
                Record::Sample(Sample { time: 99, ip: 7, addr: 0x10, pid: 1, tid: 2 }),
                Record::Fork { time: 100, pid: 5, parent: 1, tid: 5, parent_tid: 2 },
                Record::Exit { time: 101, pid: 5, tid: 6 },
                Record::Lost { time: 102, until: 102, count: 44 },
                Record::Lost { time: 103, until: 103, count: 1 },
            ]
        );
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut out = Vec::new();
            parse(&bytes, &mut out);
            prop_assert!(out.len() <= bytes.len() / 8);
        }
    }
}
