//! When, by the program's own clock, each allocation of a window came: without what watching took.
//!
//! A sample takes longer than most programs need to the next allocation, so that the rest that is left of a gap is a small difference
//! of large numbers. What is short is told by the mean of all gaps between the same two places: of those there are many.

use super::cost::Cost;
use super::record::Allocation;
use rustc_hash::FxHashMap;

/// What samples take is known but for so much of it, either way.
const WRONG: f64 = 0.1;
/// No program allocates faster, nanoseconds.
const FASTEST_NS: f64 = 20.0;
/// A gap of so many times what watching takes of it is told by itself.
const LONG: f64 = 3.0;
/// Pairs of places that are kept, and over how many gaps their means go.
const PAIRS: usize = 4096;
const MEAN_OVER: f64 = 1000.0;

/// What samples may take: as likely, less, more. What is told with each of them is in this order.
pub(super) const TAKES: [f64; 3] = [1.0, 1.0 - WRONG, 1.0 + WRONG];

/// A window by the program's own clock, nanoseconds.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Window {
    /// When each allocation came that counts, in order.
    pub(super) at: Vec<[f64; 3]>,
    /// How long the window was.
    pub(super) extent: [f64; 3],
    /// The same by everybody's clock, and what watching took of it.
    pub(super) open_ns: f64,
    pub(super) taken_ns: f64,
    /// The time since the window before it, for which it stands.
    pub(super) stands_ns: f64,
}

impl Window {
    /// One of many that are alike, with so much in it, which stands for so long.
    pub(super) fn equal(samples: usize, stands_ns: f64) -> Self {
        Self { at: vec![[0.0; 3]; samples], extent: [f64::MAX; 3], stands_ns, ..Self::default() }
    }
}

/// A place in the code: code object and instruction.
type Place = (u64, u64);

/// Means of what lies between the end of one sample and the begin of the next, by the places of both.
#[derive(Debug, Default)]
pub(super) struct OwnTime {
    pairs: FxHashMap<(Place, Place), (f64, f64)>,
}

impl OwnTime {
    /// A window from `start`, which is known but for so much, to `end`, in which these were seen, in order. Of one that was `cut`
    /// at its last allocation that one says when it ended, and nothing else.
    pub(super) fn window(
        &mut self,
        seen: &[Allocation],
        cost: Cost,
        [start, end]: [u64; 2],
        unsure_ns: u64,
        cut: bool,
    ) -> Window {
        let outside = cost.outside_ns();
        let gaps: Vec<[f64; 3]> =
            seen.windows(2).map(|pair| self.between(&pair[0], &pair[1], outside)).collect();
        let mut at = Vec::with_capacity(seen.len());
        let mut now = [0.0; 3];
        if let Some(first) = seen.first() {
            let before = TAKES.map(|t| own(first.time_ns.saturating_sub(start), t * outside / 2.0));
            // Where the program allocates faster than that is known, it comes as soon as the next one does.
            let soon =
                |v: usize| if before[v] < unsure_ns as f64 { gaps.first().map(|gap| gap[v]) } else { None };
            now = std::array::from_fn(|v| before[v].min(soon(v).unwrap_or(f64::MAX)));
            at.push(now);
        }
        for gap in gaps {
            now.iter_mut().zip(gap).for_each(|(now, own)| *now += own);
            at.push(now);
        }
        if let Some(last) = seen.last().filter(|_| !cut) {
            let rest = end.saturating_sub(last.time_ns + last.took_ns);
            let own = TAKES.map(|t| own(rest, t * outside / 2.0));
            now.iter_mut().zip(own).for_each(|(now, own)| *now += own);
        }
        let open_ns = end.saturating_sub(start) as f64;
        let extent = if seen.is_empty() { [open_ns; 3] } else { now };
        if cut {
            at.pop();
        }
        let taken_ns = seen.iter().map(|a| cost.of(a.took_ns)).sum();
        let least = FASTEST_NS * seen.len().max(1) as f64;
        Window { at, extent: extent.map(|ns| ns.max(least)), open_ns, taken_ns, stands_ns: 0.0 }
    }

    /// The program's own time between two samples.
    fn between(&mut self, before: &Allocation, next: &Allocation, outside: f64) -> [f64; 3] {
        let gap = next.time_ns.saturating_sub(before.time_ns + before.took_ns) as f64;
        if gap > LONG * outside {
            return TAKES.map(|t| gap - t * outside);
        }
        let place = |a: &Allocation| a.frames.first().copied().unwrap_or_default();
        let pair = (place(before), place(next));
        let mut mean = gap;
        if self.pairs.len() < PAIRS || self.pairs.contains_key(&pair) {
            let (sum, n) = self.pairs.entry(pair).or_default();
            if *n >= MEAN_OVER {
                (*sum, *n) = (*sum * (1.0 - 1.0 / *n), *n - 1.0);
            }
            (*sum, *n) = (*sum + gap, *n + 1.0);
            mean = *sum / *n;
        }
        TAKES.map(|t| (mean - t * outside).max(FASTEST_NS))
    }
}

/// What is left of a time of which watching took so much.
fn own(ns: u64, taken: f64) -> f64 {
    (ns as f64 - taken).max(0.0)
}
