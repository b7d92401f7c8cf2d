//! Why a page was copied, by what differs between the two copies.

use crate::graph::dict::word;
use crate::take::analysis::Analysis;
use rustc_hash::FxHashSet;

/// Why a page was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// No object begins there: why it was written to is not asked.
    Native,
    /// The collector's words differ, or nothing does any more where the collector writes.
    Collector,
    /// Counts differ, or nothing does any more where the collector does not write.
    Counts,
    /// Anything else differs.
    Changed,
}

/// Knows the words of the parent's objects.
#[derive(Debug)]
pub(super) struct Classifier<'a> {
    analysis: &'a Analysis,
    frozen: FxHashSet<u64>,
}

/// Bytes of the collector's head, which always lies right before the object.
pub(super) const HEAD: u64 = 16;

impl<'a> Classifier<'a> {
    /// `frozen`: the objects that the collector leaves alone.
    pub(super) fn new(analysis: &'a Analysis, frozen: FxHashSet<u64>) -> Self {
        Self { analysis, frozen }
    }

    /// Compares two copies of the page at an address.
    pub(super) fn why(&self, at: u64, parent: &[u8], child: &[u8]) -> Why {
        let (page, addresses) = (parent.len() as u64, &self.analysis.census.address);
        let from = addresses.partition_point(|a| *a < at);
        // The head of the first object of the next page may lie on this one.
        let to = addresses.partition_point(|a| *a < at + page + HEAD);
        let first = addresses.get(from).copied();
        if first.is_none_or(|a| a >= at + page) {
            return Why::Native;
        }
        let mut rest = parent.to_vec();
        let copy = |rest: &mut Vec<u8>, offset: Option<u64>, bytes: u64| -> bool {
            let Some(offset) = offset else { return false };
            let range = offset as usize..(offset + bytes).min(page) as usize;
            let (Some(to), Some(from)) = (rest.get_mut(range.clone()), child.get(range)) else {
                return false;
            };
            let differs = to != from;
            to.copy_from_slice(from);
            differs
        };
        let (mut counted, mut marked, mut tracked) = (false, false, false);
        for object in from..to {
            let (Some(address), Some(desc)) =
                (addresses.get(object).copied(), self.analysis.census.desc(object as u32))
            else {
                continue;
            };
            let offset = address - at;
            if offset < page {
                counted |= copy(&mut rest, Some(offset), 8);
            }
            if desc.gc() && desc.prefix >= HEAD {
                let head = offset.checked_sub(HEAD);
                let linked = head.is_some_and(|h| word(parent, h as usize) != 0);
                tracked |= linked && !self.frozen.contains(&address);
                marked |= copy(&mut rest, head, HEAD);
            }
        }
        match (rest == child, counted, marked) {
            (false, ..) => Why::Changed,
            (true, true, _) => Why::Counts,
            (true, false, true) => Why::Collector,
            // Written to and back again.
            (true, false, false) if tracked => Why::Collector,
            (true, false, false) => Why::Counts,
        }
    }
}
