//! The pauses of one process between two rounds, or of an old stretch of time: sums exact, single pauses thinned
//! by a coin that depends on the pause alone, so that blocks merge fairly whatever was thinned before.

use m5_gc::{Coverage, Pause, SourceKind};
use m5_report::doc::{GenerationTotals, PauseLog, mix};

/// Single pauses that a block keeps at most.
pub(super) const MOST: usize = 1024;
/// How a generation that is not known is written.
const UNKNOWN: u8 = 3;

/// One pause on the clock of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) start_ns: i64,
    pub(super) duration_ns: u64,
    pub(super) generation: Option<u8>,
}

/// Pauses of a stretch of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    pub(super) source: SourceKind,
    pub(super) totals: [GenerationTotals; 4],
    /// What the source saw and missed in this stretch alone.
    pub(super) coverage: Coverage,
    pub(super) one_in: u64,
    pub(super) kept: Vec<Kept>,
}

impl Block {
    /// An empty one.
    #[must_use]
    pub fn new(source: SourceKind) -> Self {
        let (totals, coverage) = ([GenerationTotals::default(); 4], Coverage::default());
        Self { source, totals, coverage, one_in: 1, kept: Vec::new() }
    }

    /// Adds a pause that began `start_ns` on the clock of the history.
    pub fn push(&mut self, pause: &Pause, start_ns: i64) {
        let seconds = pause.duration_ns as f64 / 1e9;
        let generation = pause.generation.map(|g| g.min(2));
        let totals = &mut self.totals[usize::from(generation.unwrap_or(UNKNOWN))];
        totals.count += 1;
        totals.total_seconds += seconds;
        totals.max_seconds = totals.max_seconds.max(seconds);
        let kept = Kept { start_ns, duration_ns: pause.duration_ns, generation };
        if stays(&kept, self.one_in) {
            self.kept.push(kept);
            self.bound(MOST);
        }
    }

    /// What the source saw and missed in this stretch.
    pub fn cover(&mut self, coverage: Coverage) {
        self.coverage = coverage;
    }

    /// Takes in a later stretch.
    pub(super) fn merge(&mut self, later: &Self, most: usize) {
        for (sum, more) in self.totals.iter_mut().zip(&later.totals) {
            sum.count = sum.count.saturating_add(more.count);
            sum.total_seconds += more.total_seconds;
            sum.max_seconds = sum.max_seconds.max(more.max_seconds);
        }
        self.source = later.source;
        self.coverage = self.coverage.plus(&later.coverage);
        self.kept.extend_from_slice(&later.kept);
        self.thin_to(self.one_in.max(later.one_in));
        self.bound(most);
    }

    fn bound(&mut self, most: usize) {
        // Sixty halvings leave nothing of anything; a file that says more is not believed.
        while self.kept.len() > most && self.one_in < 1 << 60 {
            self.thin_to(self.one_in * 2);
        }
        self.kept.truncate(most);
    }

    fn thin_to(&mut self, one_in: u64) {
        self.one_in = one_in;
        self.kept.retain(|k| stays(k, one_in));
    }

    /// The log of a recording that began at `origin_ns`.
    pub(super) fn into_log(self, origin_ns: i64) -> PauseLog {
        let mut log = PauseLog::new(self.source);
        (log.totals, log.coverage, log.one_in) = (self.totals, self.coverage, self.one_in);
        for kept in self.kept {
            log.start_seconds.push(kept.start_ns.saturating_sub(origin_ns) as f64 / 1e9);
            log.duration_seconds.push(kept.duration_ns as f64 / 1e9);
            log.generation.push(kept.generation);
        }
        log
    }

    /// The single pauses in few bytes: times as differences, all of variable length.
    pub(super) fn pack(&self, t_ns: i64) -> Vec<u8> {
        let (mut bytes, mut last) = (Vec::with_capacity(self.kept.len() * 9), t_ns);
        for kept in &self.kept {
            let step = kept.start_ns.wrapping_sub(last);
            put(&mut bytes, (step.wrapping_shl(1) ^ (step >> 63)) as u64);
            put(&mut bytes, kept.duration_ns);
            bytes.push(kept.generation.unwrap_or(UNKNOWN));
            last = kept.start_ns;
        }
        bytes
    }

    /// And back; `None` where the bytes are no pauses.
    pub(super) fn unpack(t_ns: i64, mut bytes: &[u8]) -> Option<Vec<Kept>> {
        let (mut out, mut last) = (Vec::new(), t_ns);
        while !bytes.is_empty() {
            let step = take(&mut bytes)?;
            last = last.wrapping_add((step >> 1) as i64 ^ -((step & 1) as i64));
            let duration_ns = take(&mut bytes)?;
            let (generation, rest) = bytes.split_first()?;
            bytes = rest;
            let generation = match *generation {
                UNKNOWN => None,
                g if g < UNKNOWN => Some(g),
                _ => return None,
            };
            out.push(Kept { start_ns: last, duration_ns, generation });
        }
        Some(out)
    }
}

/// Whether a pause is among one in so many (a power of two).
fn stays(kept: &Kept, one_in: u64) -> bool {
    mix(kept.start_ns as u64 ^ kept.duration_ns.rotate_left(32)).is_multiple_of(one_in.max(1))
}

/// What was seen and missed between two looks at a source; one that was opened anew starts at nothing.
pub(super) fn since(now: &Coverage, before: &Coverage) -> Coverage {
    if now.wall_ns < before.wall_ns { *now } else { now.since(before) }
}

fn put(bytes: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pause(duration_ns: u64, generation: Option<u8>) -> Pause {
        Pause { duration_ns, generation, pid: 1, ..Pause::default() }
    }

    proptest! {
        #[test]
        fn pauses_pack_and_unpack(
            rows in prop::collection::vec((any::<i64>(), any::<u64>(), prop::option::of(0u8..3)), 0..50),
            t in any::<i64>(),
        ) {
            let mut block = Block::new(SourceKind::Ring);
            rows.iter().for_each(|(start, long, generation)| block.push(&pause(*long, *generation), *start));
            prop_assert_eq!(Block::unpack(t, &block.pack(t)).unwrap(), block.kept);
        }

        #[test]
        fn any_bytes_unpack_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(kept) = Block::unpack(0, &bytes) {
                prop_assert!(kept.len() * 3 <= bytes.len());
            }
        }

        #[test]
        fn merged_or_pushed_in_one_go_is_the_same(cut in 0usize..5000) {
            let at = |i: u64| (pause(i * 7919 % 100_000, Some((i % 3) as u8)), i as i64 * 1_000);
            let (mut whole, mut a, mut b) =
                (Block::new(SourceKind::Ring), Block::new(SourceKind::Ring), Block::new(SourceKind::Ring));
            for i in 0..5000_u64 {
                let (pause, start) = at(i);
                whole.push(&pause, start);
                if (i as usize) < cut { a.push(&pause, start) } else { b.push(&pause, start) }
            }
            a.merge(&b, MOST);
            prop_assert_eq!(&a.kept, &whole.kept);
            prop_assert_eq!(a.totals.map(|t| t.count), whole.totals.map(|t| t.count));
            prop_assert!(a.one_in == 8 || a.one_in == 4, "{}", a.one_in);
        }
    }
}
