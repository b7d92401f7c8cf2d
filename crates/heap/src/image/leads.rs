//! Whether bytes may refer to anything: words that are addresses of captured memory.

use std::ops::Range;

/// Captured memory, as what a word may lead to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leads {
    /// In order; touching ones are one.
    runs: Vec<Range<u64>>,
    /// The runs lie in these two stretches, the gap between which is the largest: most words that are no addresses lie
    /// in neither. First address and length.
    clusters: [(u64, u64); 2],
}

impl Leads {
    /// `ranges` in order of address.
    pub(crate) fn to(ranges: impl IntoIterator<Item = Range<u64>>) -> Self {
        let mut runs: Vec<Range<u64>> = Vec::new();
        for range in ranges {
            match runs.last_mut() {
                Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
                _ => runs.push(range),
            }
        }
        let gap = |i: usize| match (runs.get(i), runs.get(i + 1)) {
            (Some(a), Some(b)) => b.start - a.end,
            _ => 0,
        };
        let cut = (0..runs.len().saturating_sub(1)).max_by_key(|i| gap(*i)).map_or(runs.len(), |i| i + 1);
        let stretch = |part: &[Range<u64>]| match part {
            [] => (0, 0),
            [first, ..] => (first.start, part.last().map_or(0, |last| last.end - first.start)),
        };
        let (low, high) = runs.split_at(cut);
        let clusters = [stretch(low), stretch(high)];
        Self { runs, clusters }
    }

    /// Whether one of the words that begin at multiples of eight bytes leads there.
    pub(crate) fn any(&self, bytes: &[u8]) -> bool {
        const LINE: usize = 64;
        let [(low, few), (high, more)] = self.clusters;
        bytes.as_chunks::<8>().0.chunks(LINE).any(|line| {
            // Without a branch for each word: nearly no line of plain data has one that is near.
            let near = line.iter().fold(false, |near, word| {
                let word = u64::from_le_bytes(*word);
                near | (word.wrapping_sub(low) < few) | (word.wrapping_sub(high) < more)
            });
            near && line.iter().any(|word| self.leads(u64::from_le_bytes(*word)))
        })
    }

    /// The same of words that begin anywhere, as in a packed struct.
    pub(crate) fn anywhere(&self, bytes: &[u8]) -> bool {
        const LINE: usize = 64;
        const WORD: usize = 8;
        (0..bytes.len()).step_by(LINE).any(|from| {
            let words = bytes.get(from..bytes.len().min(from + LINE + WORD - 1)).unwrap_or(&[]);
            // The two highest bytes of an address are zero: texts and most numbers have no such pair.
            let (left, right) = (words.get(WORD - 2..).unwrap_or(&[]), words.get(WORD - 1..).unwrap_or(&[]));
            let near = left.iter().zip(right).fold(false, |near, (a, b)| near | (a | b == 0));
            near && words
                .windows(WORD)
                .any(|word| word.first_chunk().is_some_and(|word| self.leads(u64::from_le_bytes(*word))))
        })
    }

    /// How many of the words that begin at multiples of eight bytes lead there.
    pub(crate) fn count(&self, bytes: &[u8]) -> usize {
        bytes.as_chunks::<8>().0.iter().filter(|word| self.leads(u64::from_le_bytes(**word))).count()
    }

    fn leads(&self, word: u64) -> bool {
        let run = self.runs.get(self.runs.partition_point(|r| r.end <= word));
        run.is_some_and(|r| r.start <= word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_two_clusters_hide_nothing(
            starts in prop::collection::vec(0u64..1 << 20, 0..8),
            words in prop::collection::vec(0u64..1 << 20, 0..200),
            offset in 0usize..8,
        ) {
            let mut ranges: Vec<Range<u64>> = starts.iter().map(|s| *s..s + 1 + s % 5000).collect();
            ranges.sort_by_key(|r| r.start);
            let leads = Leads::to(ranges.clone());
            let within = words.iter().any(|w| ranges.iter().any(|r| r.contains(w)));
            let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
            prop_assert_eq!(leads.any(&bytes), within);
            let mut shifted = vec![0xff; offset];
            shifted.extend(&bytes);
            prop_assert!(!within || leads.anywhere(&shifted));
        }
    }
}
