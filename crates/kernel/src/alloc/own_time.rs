//! When, by the program's own clock, each allocation of a window came: without what watching took.
//!
//! A sample takes longer than most programs need to the next allocation, so that the rest that is left of a gap is a small difference
//! of large numbers. What is short is told by the mean of all gaps between the same two places: of those there are many.

use super::cost::Cost;
use super::record::Allocation;
use super::threads::Given;
use rustc_hash::FxHashMap;

/// What samples take is known but for so much of it, either way.
const WRONG: f64 = 0.1;
/// No program allocates faster, nanoseconds.
const FASTEST_NS: f64 = 20.0;
/// A gap of so many times what watching takes of it is told by itself.
const LONG: f64 = 2.0;
/// The share of a window that interruptions of any kind may take.
const TAKEN: f64 = 0.07;
/// And, where the program was put on a processor in it, how often what watching takes of a gap: the breakpoint is put in and taken out, and
/// m5 itself may need the same processor to open and to close.
const SWITCHED: f64 = 4.0;
/// Pairs of places that are kept, and over how many gaps their means go.
const PAIRS: usize = 4096;
const MEAN_OVER: f64 = 1000.0;

/// What samples may take: as likely, less, more; and more, while the call that opened the window interrupted the program, which
/// went on later. What is told with each of them is in this order.
pub(super) const TAKES: [f64; KINDS] = [1.0, 1.0 - WRONG, 1.0 + WRONG, 1.0 + WRONG];
pub(super) const KINDS: usize = 4;
/// For how long it is interrupted at most, in times of what watching takes of a gap.
const INTERRUPTED: f64 = 5.0;

/// The moment at which a window opens is known to about this, nanoseconds.
const OPENS_NS: f64 = 1_000.0;

/// A window by the program's own clock, nanoseconds.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Window {
    /// When each allocation came that counts, in order.
    pub(super) at: Vec<[f64; KINDS]>,
    /// How long the window was.
    pub(super) extent: [f64; KINDS],
    /// The same by everybody's clock, and what watching took of it.
    pub(super) open_ns: f64,
    pub(super) taken_ns: f64,
}

impl Window {
    /// One of many that are alike, with so much in it.
    pub(super) fn equal(samples: usize) -> Self {
        Self { at: vec![[0.0; KINDS]; samples], extent: [f64::MAX; KINDS], ..Self::default() }
    }
}

/// A place in the code: code object and instruction.
type Place = (u64, u64);

/// Means of what lies between the end of one sample and the begin of the next, by the places of both.
#[derive(Debug, Default)]
pub(super) struct OwnTime {
    /// The program rests at times: what watching takes is found cold then, and a short gap may be none of its own.
    pub(super) rests: bool,
    pairs: FxHashMap<(Place, Place), (f64, f64)>,
}

impl OwnTime {
    /// The windows from `start` to `end`, each with the numbers of its own of what was seen, by what the schedule gave: all of them
    /// together, or each thread, where without a GIL one goes on while another is held up: each has a time of its own.
    pub(super) fn windows(
        &mut self,
        seen: &[Allocation],
        cost: Cost,
        times: [u64; 2],
        given: &[Given],
        cut: bool,
    ) -> Vec<(Window, Vec<usize>)> {
        let parts = match given {
            [together] => vec![(*together, (0..seen.len()).collect())],
            _ => by_thread(seen, given),
        };
        let window = |(given, of): (Given, Vec<usize>)| {
            let own: Vec<&Allocation> = of.iter().filter_map(|n| seen.get(*n)).collect();
            (self.window(&own, cost, times, given, cut), of)
        };
        parts.into_iter().map(window).collect()
    }

    /// A window from `start` to `end` in which these were seen, in order, and the schedule gave the program this. Of one that was
    /// `cut` at its last allocation that one says when it ended, and nothing else. What comes after the end does not count:
    /// closing interrupts the program.
    pub(super) fn window(
        &mut self,
        seen: &[&Allocation],
        cost: Cost,
        [start, end]: [u64; 2],
        given: Given,
        cut: bool,
    ) -> Window {
        let outside = cost.outside_ns();
        let seen = &seen[..seen.partition_point(|a| a.time_ns <= end)];
        let switched = if given.slices > 0 { SWITCHED * outside } else { 0.0 };
        let waited_ns = given.waited_ns as f64;
        let mut own = self.own(seen, outside, [start, end]);
        without(&mut own, waited_ns);
        let mut now = [0.0; KINDS];
        let mut at: Vec<[f64; KINDS]> = Vec::with_capacity(own.len());
        for own in &own {
            now.iter_mut().zip(own).for_each(|(now, own)| *now += own);
            at.push(now);
        }
        // The last one is the window's end.
        at.pop();
        let extent = if cut { at.pop().unwrap_or(now) } else { now };
        let taken_ns = seen.iter().map(|a| cost.of(a.took_ns)).sum();
        let least = FASTEST_NS * seen.len().max(1) as f64;
        let open_ns = (end.saturating_sub(start) as f64 - waited_ns).max(0.0);
        Window {
            at,
            extent: std::array::from_fn(|v| {
                (extent[v] - if v > 1 { TAKEN * open_ns + switched } else { 0.0 }).max(least)
            }),
            open_ns,
            taken_ns,
        }
    }

    /// The program's own time before the first sample, between each two, and after the last one.
    fn own(&mut self, seen: &[&Allocation], outside: f64, [start, end]: [u64; 2]) -> Vec<[f64; KINDS]> {
        let (Some(first), Some(last)) = (seen.first(), seen.last()) else {
            return vec![[end.saturating_sub(start) as f64; KINDS]];
        };
        let gaps: Vec<[f64; KINDS]> =
            seen.windows(2).map(|pair| self.between(pair[0], pair[1], outside)).collect();
        // Nearly all of what is outside of the kernel's program comes before it.
        let before = TAKES.map(|t| (first.time_ns.saturating_sub(start) as f64 - t * outside).max(0.0));
        let after = end.saturating_sub(last.time_ns + last.took_ns) as f64;
        // Where the program allocates faster than that is known, it comes as soon as the next one does; and may have been in the next
        // sample when the window ended.
        let mut before = at_once(before, before[0] < OPENS_NS, gaps.first());
        if before[0] < INTERRUPTED * outside {
            before[3] = 0.0;
        }
        let sample = outside + last.took_ns as f64;
        let after = at_once([after; KINDS], after < sample + OPENS_NS, gaps.last());
        std::iter::once(before).chain(gaps).chain([after]).collect()
    }

    /// The program's own time between two samples.
    fn between(&mut self, before: &Allocation, next: &Allocation, outside: f64) -> [f64; KINDS] {
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
        let mut own = TAKES.map(|t| (mean - t * outside).max(FASTEST_NS));
        if self.rests {
            own[3] = FASTEST_NS;
        }
        own
    }
}

/// No longer than a gap, where that is all that can be told; nothing, if samples take more.
fn at_once(own: [f64; KINDS], untold: bool, gap: Option<&[f64; KINDS]>) -> [f64; KINDS] {
    match gap {
        Some(gap) if untold => [own[0].min(gap[0]), own[1].min(gap[1]), 0.0, 0.0],
        _ => own,
    }
}

/// Takes the time off in which the program waited: the longest first, which are those in which it did.
fn without(own: &mut [[f64; KINDS]], mut waited_ns: f64) {
    while let Some(longest) = own.iter_mut().max_by(|a, b| a[0].total_cmp(&b[0])).filter(|l| l[0] > 0.0) {
        let off = longest[0].min(waited_ns);
        if off <= 0.0 {
            return;
        }
        longest.iter_mut().for_each(|ns| *ns = (*ns - off).max(0.0));
        waited_ns -= off;
    }
}

/// The numbers of the allocations of each thread, in order, with what it was given; one list at least.
fn by_thread(seen: &[Allocation], given: &[Given]) -> Vec<(Given, Vec<usize>)> {
    let mut threads: Vec<(Given, Vec<usize>)> = Vec::new();
    for (n, allocation) in seen.iter().enumerate() {
        let thread = allocation.thread;
        match threads.iter_mut().find(|(given, _)| given.thread == thread) {
            Some((_, numbers)) => numbers.push(n),
            None => {
                let of = given.iter().find(|given| given.thread == thread);
                threads.push((of.copied().unwrap_or(Given { thread, ..Given::default() }), vec![n]));
            }
        }
    }
    if threads.is_empty() {
        threads.push((Given::default(), Vec::new()));
    }
    threads
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allocation(time_ns: u64) -> Allocation {
        Allocation { time_ns, took_ns: 2_000, frames: vec![(1, 0)], ..Allocation::default() }
    }

    #[test]
    fn what_a_shared_processor_takes_may_be_none_of_the_programs_own_time() {
        let seen: Vec<Allocation> = (1..=10).map(|n| allocation(n * 12_000)).collect();
        // From the last sample on m5 itself had the processor.
        let times = [0, 120_000 + 35_000];
        let extent = |slices| {
            let given = Given { slices, ..Given::default() };
            let windows =
                OwnTime::default().windows(&seen, Cost::new(12_000.0, 2_000.0), times, &[given], false);
            windows[0].0.extent
        };
        let (alone, shared) = (extent(0), extent(1));
        assert!(alone[2] > 10_000.0 && alone[0] == shared[0], "{alone:?} {shared:?}");
        assert_eq!([shared[2], shared[3]], [10.0 * FASTEST_NS; 2]);
    }
}
