//! Samples by line and by stack, with intervals.

use super::classes::{Classes, Followed};
use super::follow::Alive;
use super::own_time::Window;
use super::profile::{AllocSite, AllocStack, Rate, Survivor};
use super::rates::{Plain, Said, Sums, WHOLE, Windows};
use m5_cpython::PyFrame;
use rustc_hash::FxHashMap;

#[derive(Debug, Default)]
struct Line {
    samples: u64,
    bytes: u64,
    /// Of the windows that are over, in allocations and in bytes.
    sums: [Sums; 2],
}

#[derive(Debug, Default)]
struct Stack {
    samples: u64,
    /// Of the windows that are over, in allocations and in bytes.
    sums: [Plain; 2],
}

/// What was seen in the window that is open: line, stack, and bytes.
type Seen = (usize, usize, u64);

/// Gathers samples.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    numbers: FxHashMap<PyFrame, usize>,
    lines: Vec<Line>,
    stacks: FxHashMap<Vec<PyFrame>, usize>,
    /// By a stack's number.
    by_stack: Vec<Stack>,
    pub(super) classes: Classes,
    windows: Windows,
    sums: [Sums; 2],
    open: Vec<Seen>,
    pub(super) samples: u64,
    pub(super) bytes: u64,
    pub(super) without_stack: u64,
    pub(super) cut_stacks: u64,
    /// Of a program that runs whenever it may: the share of the time in which it did, at which windows are looks.
    pub(super) busy: Option<f64>,
}

impl Gathering {
    /// Counts a sample; the numbers of its line and of its stack.
    pub(super) fn add(&mut self, frames: Vec<PyFrame>, bytes: u64) -> (usize, usize) {
        let (number, stack) = self.number(frames);
        let line = &mut self.lines[number];
        line.samples += 1;
        line.bytes += bytes;
        self.samples += 1;
        self.bytes += bytes;
        self.by_stack[stack].samples += 1;
        self.open.push((number, stack, bytes));
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
            self.by_stack.push(Stack::default());
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

    /// A window is over that stands for so long: by parts that go on side by side, each with the numbers of what is its own of all that
    /// was added since the last one.
    pub(super) fn window(&mut self, parts: &[(Window, Vec<usize>)], stands_ns: f64) {
        let open = std::mem::take(&mut self.open);
        let value = |seen: &Seen, bytes: bool| if bytes { seen.2 as f64 } else { 1.0 };
        let counted = |of: &dyn Fn(&Seen) -> bool| {
            [false, true].map(|bytes| {
                let of_part = |(window, own): &(Window, Vec<usize>)| {
                    let seen = |n: usize| own.get(n).and_then(|n| open.get(*n)).filter(|s| of(s));
                    Said::of(window, |n| seen(n).map_or(0.0, |s| value(s, bytes)))
                };
                parts.iter().map(of_part).fold(Said::default(), Said::and)
            })
        };
        let all = counted(&|_| true);
        self.windows.add(parts.iter().map(|(window, _)| window), stands_ns);
        let add = |sums: &mut [Sums; 2], said: &[Said; 2]| {
            for ((sums, said), all) in sums.iter_mut().zip(said).zip(&all) {
                sums.add(said, all, stands_ns);
            }
        };
        add(&mut self.sums, &all);
        for number in distinct(open.iter().map(|seen| seen.0)) {
            add(&mut self.lines[number].sums, &counted(&|seen| seen.0 == number));
        }
        for number in distinct(open.iter().map(|seen| seen.1)) {
            let said = counted(&|seen| seen.1 == number);
            for (plain, said) in self.by_stack[number].sums.iter_mut().zip(&said) {
                plain.add(said, stands_ns);
            }
        }
    }

    /// A window is over that was as long as all others, by the program's own clock.
    pub(super) fn equal_window(&mut self, stands_ns: f64) {
        let all = self.open.len();
        self.window(&[(Window::equal(all), (0..all).collect())], stands_ns);
    }

    /// How many there are a second.
    pub(super) fn rate(&self) -> Rate {
        self.rate_of(&self.sums[0])
    }

    fn rate_of(&self, sums: &Sums) -> Rate {
        let whole = self.windows.rate(sums, WHOLE, self.busy);
        if self.busy.is_some() {
            return whole;
        }
        // Where it rests, what a whole window says depends on whether it opened in a rest.
        let short = self.windows.rate(sums, self.windows.time(&self.sums[0]), None);
        Rate { value: whole.value, interval: around(short.interval, whole.interval) }
    }

    /// How much of what whole windows say is believed, beside what all of them say within the same time: the former is told by more of
    /// the samples, and is right where nothing depends on when a window opens. As far as both differ by more than chance, it is not.
    fn believed(&self, time: usize) -> f64 {
        let errors =
            m5_stats::errors_of_groups(self.sums[0].windows(time)) / m5_stats::errors_of_groups(f64::MAX);
        let (mut apart, mut chance) = (0.0, 0.0);
        for line in &self.lines {
            let ([short, ..], variance) = line.sums[0].share(&self.sums[0], time);
            let ([whole, ..], _) = line.sums[0].share(&self.sums[0], WHOLE);
            apart += (short - whole).powi(2);
            chance += variance * errors * errors;
        }
        if apart > chance { chance / apart } else { 1.0 }
    }

    /// Lines and stacks; with their rates where those can be told.
    pub(super) fn finish(self, rates: bool) -> (Vec<AllocSite>, Vec<AllocStack>) {
        let time = self.windows.time(&self.sums[0]);
        let whole = self.believed(time);
        let mixed = |short: f64, long: f64| (1.0 - whole) * short + whole * long;
        let unseen = self.windows.unseen(time);
        let known = [self.samples as f64, self.sums[0].windows(time)];
        let mut followed: Vec<Followed> = self.lines.iter().map(|_| Followed::default()).collect();
        self.classes.finish(&mut followed);
        let share = |sums: &Sums, of: usize, time: usize| sums.share(&self.sums[of], time);
        let mut sites = Vec::new();
        for (frame, number) in self.numbers.iter().filter(|(_, n)| self.lines[**n].samples > 0) {
            let (line, followed) = (&self.lines[*number], std::mem::take(&mut followed[*number]));
            let (short, variance) = share(&line.sums[0], 0, time);
            let told = mixed(short[0], share(&line.sums[0], 0, WHOLE).0[0]);
            let [low, high] = interval(short, known, variance, unseen);
            let bytes = [time, WHOLE].map(|time| share(&line.sums[1], 1, time).0[0]);
            let rate = |of: usize| rates.then(|| self.rate_of(&line.sums[of]));
            let mut types: Vec<_> = followed.types.into_iter().collect();
            types.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            types.truncate(3);
            sites.push(AllocSite {
                frame: frame.clone(),
                samples: line.samples,
                bytes: Some(line.bytes),
                share: told,
                share_interval: [low.min(told), high.max(told)],
                bytes_share: Some(mixed(bytes[0], bytes[1])),
                per_second: rate(0),
                bytes_per_second: rate(1),
                types,
                survival: Some(followed.own),
                survival_at_most: Some(followed.shared),
                unfollowed: Some(followed.unfollowed),
            });
        }
        let most = |a: &AllocSite, b: &AllocSite| f64::total_cmp(&share_of(b), &share_of(a));
        sites.sort_by(|a, b| {
            most(a, b).then_with(|| b.bytes.cmp(&a.bytes)).then_with(|| a.frame.cmp(&b.frame))
        });
        let stack = |(frames, number): (&Vec<PyFrame>, &usize)| {
            let stack: &Stack = &self.by_stack[*number];
            let part = |of: usize, all: u64| {
                let [short, long] = [time, WHOLE].map(|time| stack.sums[of].share(&self.sums[of], time));
                (mixed(short, long) * all as f64).round() as u64
            };
            let (samples, bytes) = (part(0, self.samples), Some(part(1, self.bytes)));
            AllocStack { frames: frames.clone(), samples, bytes, net_objects: None }
        };
        let seen = self.stacks.iter().filter(|(_, n)| self.by_stack[**n].samples > 0);
        let mut stacks: Vec<AllocStack> = seen.map(stack).collect();
        stacks.sort_by(|a, b| b.samples.cmp(&a.samples).then_with(|| a.frames.cmp(&b.frames)));
        (sites, stacks)
    }
}

/// The least interval around both.
fn around(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0].min(b[0]), a[1].max(b[1])]
}

/// By what lines are sorted.
fn share_of(site: &AllocSite) -> f64 {
    site.bytes_share.unwrap_or(site.share)
}

fn distinct(numbers: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut distinct: Vec<usize> = numbers.collect();
    distinct.sort_unstable();
    distinct.dedup();
    distinct
}

/// The interval at 95 % of a share, with as many independent looks as the spread over windows leaves, and what it would be if
/// a sample took a little less or more: as many as samples at most, and where nothing else was seen or never this, as many as windows.
/// What was not seen may be this, or none of it.
fn interval(shares: [f64; 3], [samples, windows]: [f64; 2], variance: f64, unseen: f64) -> [f64; 2] {
    let simple = shares[0] * (1.0 - shares[0]);
    let looks = if simple > 0.0 { simple / variance.max(simple / samples) } else { windows };
    let each = shares.map(|share| m5_stats::wilson_of_groups(share, looks, windows));
    let [low, high] =
        each.into_iter().fold(each[0], |[low, high], other| [low.min(other[0]), high.max(other[1])]);
    [low * (1.0 - unseen), high + unseen * (1.0 - high)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alloc::own_time::KINDS;

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
                g.equal_window(1.0);
            }
            let (sites, stacks) = g.finish(false);
            assert!(sites.iter().all(|s| (s.share - 0.5).abs() < 1e-9));
            assert!(stacks.iter().all(|s| (s.samples, s.bytes) == (500, Some(8000))));
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
                // A thousand a second of one line, in bursts of two in a millisecond of the program's own.
                let count = if random.unit() < 0.5 { 0 } else { 2 };
                let at: Vec<_> = (0..count).map(|_| [1e6 * random.unit(); KINDS]).collect();
                (0..count).for_each(|_| _ = g.add(vec![frame(1)], 64));
                let taken_ns = f64::from(count) * 1e4;
                let open_ns = 1e6 + taken_ns;
                let extent = [1e6; KINDS];
                g.window(&[(Window { at, extent, open_ns, taken_ns }, (0..2).collect())], 1e7);
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
