//! Samples by line and by stack, with intervals.

use super::classes::{Classes, Followed};
use super::follow::Alive;
use super::profile::{AllocSite, AllocStack, Rate, Survivor};
use super::rates::{Counted, Open, Weighed, Windows};
use m5_cpython::PyFrame;
use rustc_hash::FxHashMap;

#[derive(Debug, Default)]
struct Line {
    samples: u64,
    bytes: u64,
    /// Of the windows that are over, in allocations and in bytes: for rates, and for shares.
    counted: [Counted; 2],
    weighed: [Weighed; 2],
    /// In the window that is open.
    in_window: u64,
    bytes_in_window: u64,
}

/// Gathers samples.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    numbers: FxHashMap<PyFrame, usize>,
    lines: Vec<Line>,
    stacks: FxHashMap<Vec<PyFrame>, usize>,
    /// By a stack's number: its samples and bytes.
    by_stack: Vec<(u64, u64)>,
    pub(super) classes: Classes,
    windows: Windows,
    counted: Counted,
    weighed: [Weighed; 2],
    in_window: u64,
    bytes_in_window: u64,
    pub(super) samples: u64,
    pub(super) bytes: u64,
    pub(super) without_stack: u64,
    pub(super) cut_stacks: u64,
}

impl Gathering {
    /// Counts a sample; the numbers of its line and of its stack.
    pub(super) fn add(&mut self, frames: Vec<PyFrame>, bytes: u64) -> (usize, usize) {
        let (number, stack) = self.number(frames);
        let line = &mut self.lines[number];
        line.samples += 1;
        line.bytes += bytes;
        line.in_window += 1;
        line.bytes_in_window += bytes;
        self.in_window += 1;
        self.bytes_in_window += bytes;
        self.samples += 1;
        self.bytes += bytes;
        self.by_stack[stack].0 += 1;
        self.by_stack[stack].1 += bytes;
        (number, stack)
    }

    /// The numbers of a line and of its stack, where nothing is counted.
    pub(super) fn number(&mut self, frames: Vec<PyFrame>) -> (usize, usize) {
        let nowhere = || PyFrame { function: String::new(), file: String::new(), line: None };
        let innermost = frames.first().cloned().unwrap_or_else(nowhere);
        let next = self.lines.len();
        let number = *self.numbers.entry(innermost).or_insert(next);
        if number == next {
            self.lines.push(Line::default());
        }
        let next = self.by_stack.len();
        let stack = *self.stacks.entry(frames).or_insert(next);
        if stack == next {
            self.by_stack.push((0, 0));
        }
        (number, stack)
    }

    /// Where these were made: only of blocks in which objects are found. Where one line keeps what it makes of a type and
    /// another hardly anything, the few of the other are mistaken: somebody else got their blocks.
    pub(super) fn survivors(&self, mut alive: Vec<Alive>) -> Vec<Survivor> {
        self.classes.without_mistaken(&mut alive);
        let mut stacks = vec![&[][..]; self.by_stack.len()];
        self.stacks.iter().for_each(|(frames, number)| stacks[*number] = frames);
        let of = |a: Alive| {
            let stack = stacks.get(a.stack).map(|s| s.to_vec()).unwrap_or_default();
            Survivor { object: a.object, type_name: a.type_name, stack }
        };
        alive.into_iter().map(of).collect()
    }

    /// A window is over.
    pub(super) fn window(&mut self, open: Open) {
        let totals = [self.in_window as f64, self.bytes_in_window as f64];
        self.windows.add(open);
        self.counted.add(totals[0], self.in_window, open);
        for (weighed, total) in self.weighed.iter_mut().zip(totals) {
            weighed.add(total, total, open);
        }
        for line in self.lines.iter_mut().filter(|l| l.in_window > 0) {
            let own = [line.in_window as f64, line.bytes_in_window as f64];
            for i in 0..2 {
                line.counted[i].add(own[i], self.in_window, open);
                line.weighed[i].add(own[i], totals[i], open);
            }
            (line.in_window, line.bytes_in_window) = (0, 0);
        }
        (self.in_window, self.bytes_in_window) = (0, 0);
    }

    /// How many there are a second.
    pub(super) fn rate(&self) -> Rate {
        self.windows.rate(self.counted)
    }

    /// Lines and stacks; with their rates where those can be told.
    pub(super) fn finish(self, rates: bool) -> (Vec<AllocSite>, Vec<AllocStack>) {
        let samples = self.samples.max(1) as f64;
        let mut followed: Vec<Followed> = self.lines.iter().map(|_| Followed::default()).collect();
        self.classes.finish(&mut followed);
        let mut sites = Vec::new();
        for (frame, number) in self.numbers.into_iter().filter(|(_, n)| self.lines[*n].samples > 0) {
            let (line, followed) = (&self.lines[number], std::mem::take(&mut followed[number]));
            let (shares, variance) = line.weighed[0].share(&self.weighed[0]);
            let ([bytes_share, ..], _) = line.weighed[1].share(&self.weighed[1]);
            let mut types: Vec<_> = followed.types.into_iter().collect();
            types.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            types.truncate(3);
            sites.push(AllocSite {
                frame,
                samples: line.samples,
                bytes: Some(line.bytes),
                share: shares[0],
                share_interval: interval(shares, samples, variance),
                bytes_share: Some(bytes_share),
                per_second: rates.then(|| self.windows.rate(line.counted[0])),
                bytes_per_second: rates.then(|| self.windows.rate(line.counted[1])),
                types,
                survival: Some(followed.own),
                survival_at_most: Some(followed.shared),
                unfollowed: Some(followed.unfollowed),
            });
        }
        sites.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.frame.cmp(&b.frame)));
        let by_stack = self.by_stack;
        let stack = |(frames, number): (Vec<PyFrame>, usize)| {
            let (samples, bytes) = by_stack[number];
            AllocStack { frames, samples, bytes: Some(bytes), net_objects: None }
        };
        let mut stacks: Vec<AllocStack> =
            self.stacks.into_iter().map(stack).filter(|stack| stack.samples > 0).collect();
        stacks.sort_by(|a, b| b.samples.cmp(&a.samples).then_with(|| a.frames.cmp(&b.frames)));
        (sites, stacks)
    }
}

/// The interval at 95 % of a share, with as many independent samples as the spread over windows leaves, and what it would be if
/// a sample took a little less or more.
fn interval(shares: [f64; 3], samples: f64, variance: f64) -> [f64; 2] {
    let share = shares[0];
    let simple = share * (1.0 - share) / samples;
    let design = if simple > 0.0 { (variance / simple).max(1.0) } else { 1.0 };
    let each = shares.map(|share| m5_stats::wilson(share, samples / design));
    each.into_iter().fold(each[0], |[low, high], other| [low.min(other[0]), high.max(other[1])])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(line: u32) -> PyFrame {
        PyFrame { function: "f".into(), file: "x.py".into(), line: Some(line) }
    }

    #[test]
    fn windows_that_differ_make_the_interval_wider() {
        let width = |mixed: bool| {
            let mut g = Gathering::default();
            for window in 0..100u32 {
                for n in 0..10 {
                    let line = if mixed { n % 2 } else { window % 2 };
                    g.add(vec![frame(line)], 16);
                }
                g.window(Open::default());
            }
            let (sites, _) = g.finish(false);
            assert!(sites.iter().all(|s| (s.share - 0.5).abs() < 1e-9));
            sites[0].share_interval[1] - sites[0].share_interval[0]
        };
        assert!(width(false) > 2.0 * width(true), "{} {}", width(false), width(true));
    }

    #[test]
    fn rates_have_intervals_that_hold_the_truth() {
        let mut random = m5_stats::Random::new(5);
        let mut held = 0;
        for _ in 0..200 {
            let mut g = Gathering::default();
            for _ in 0..100 {
                // A thousand a second of one line, in bursts, and what watching takes beside.
                let count = if random.unit() < 0.5 { 0 } else { 2 };
                let taken_ns = f64::from(count) * 1e4;
                (0..count).for_each(|_| _ = g.add(vec![frame(1)], 64));
                g.window(Open { ns: 1e6 + taken_ns, taken_ns, stands_ns: 1e7, cut: false });
            }
            let all = g.rate();
            let (sites, _) = g.finish(true);
            let (rate, bytes) = (sites[0].per_second.unwrap(), sites[0].bytes_per_second.unwrap());
            assert!((bytes.value / rate.value - 64.0).abs() < 1e-9 && all == rate);
            held += i32::from((rate.interval[0]..=rate.interval[1]).contains(&1000.0));
        }
        assert!(held > 180, "{held}");
    }
}
