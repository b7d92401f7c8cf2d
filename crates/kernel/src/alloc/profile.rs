//! Samples by line and by stack, with intervals.

use super::classes::{Classes, Followed};
use super::follow::{Alive, LOOKS_S, Survival};
use m5_cpython::PyFrame;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a process allocated.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AllocProfile {
    /// How long it was watched, seconds.
    pub seconds: f64,
    /// Time that the windows were open, seconds.
    pub open_s: f64,
    /// Windows.
    pub windows: u64,
    /// Allocations seen.
    pub samples: u64,
    /// Bytes that they asked for; `None` where the source does not tell.
    pub bytes: Option<u64>,
    /// Allocations in a window that found no room to be written down.
    pub lost: u64,
    /// Samples whose stack had no Python frame that could be read.
    pub without_stack: u64,
    /// Samples whose stack is deeper than what was kept.
    pub cut_stacks: u64,
    /// Threads that were watched, of how many that run Python.
    pub threads: [u64; 2],
    /// Allocations a second, with what watching itself took taken off; `None` where the windows held little else.
    pub per_second: Option<f64>,
    /// What a sample costs the target here, seconds.
    pub cost_s: f64,
    /// The share of the target's time that watching took, by that cost.
    pub overhead: f64,
    /// Ages at which survivors were counted, seconds.
    pub looks_s: Vec<f64>,
    /// The build copied its allocator into some callers, which are not seen.
    pub partial: bool,
    /// Whether blocks are known at all, so that survivors could be followed.
    pub follows: bool,
    /// What saw the samples.
    #[serde(default)]
    pub source: AllocSource,
    /// Of the source [`AllocSource::Collections`]: the collections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collections: Option<CollectionsSeen>,
    /// Lines, the most bytes first, or the most samples where bytes are not known.
    pub sites: Vec<AllocSite>,
    /// Stacks, the most samples first.
    pub stacks: Vec<AllocStack>,
}

/// What sees allocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AllocSource {
    /// A program in the kernel, at the allocator.
    #[default]
    Kernel,
    /// Stacks at the starts of young collections.
    Collections,
}

/// Collections whose stacks are the samples: each stands for as many new tracked objects, less those that died, as the
/// threshold of the youngest generation says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CollectionsSeen {
    /// Collections of young generations while the process was watched.
    pub happened: u64,
    /// Of these, while windows were open.
    pub in_windows: u64,
    /// The youngest generation's threshold, as last read.
    pub threshold: u64,
    /// New tracked objects a second, less those that died.
    pub net_objects_per_second: f64,
    /// What stood in the way of the kernel's programs.
    pub instead_of_kernel: String,
    /// Whether more rights would help against that.
    #[serde(default)]
    pub rights_would_help: bool,
    /// Why these fields are `null`.
    pub absent: BTreeMap<String, String>,
}

/// A line that allocates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AllocSite {
    /// Function, file and line.
    pub frame: PyFrame,
    /// Samples.
    pub samples: u64,
    /// Bytes that they asked for; `None` where the source does not tell.
    pub bytes: Option<u64>,
    /// Share of all samples.
    pub share: f64,
    /// 95 % interval of that: the windows are the units, since what is seen in one of them is alike.
    pub share_interval: [f64; 2],
    /// Share of all bytes.
    pub bytes_share: Option<f64>,
    /// Types of what was followed, the most frequent first.
    pub types: Vec<(String, u64)>,
    /// How much survives of the objects that are surely this line's.
    pub survival: Option<Survival>,
    /// The same for types with free lists, past which the allocator is not asked: what lives may have been handed on to
    /// another line, so that less of this line's lives than is told.
    pub survival_at_most: Option<Survival>,
    /// Followed blocks that are no objects (items of a list, keys of a dict), or texts, which are moved when they are whole:
    /// nothing is told of them.
    pub unfollowed: Option<u64>,
}

/// A stack that allocates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AllocStack {
    /// Innermost first.
    pub frames: Vec<PyFrame>,
    /// Samples.
    pub samples: u64,
    /// Bytes that they asked for; `None` where the source does not tell.
    pub bytes: Option<u64>,
    /// New tracked objects that its samples stand for, less those that died; of [`AllocSource::Collections`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net_objects: Option<u64>,
}

impl AllocStack {
    /// Bytes, or objects where bytes are not known.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.bytes.or(self.net_objects).unwrap_or(self.samples)
    }
}

/// An object that was sampled as it was made, and that lived at every look since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivor {
    /// Its address, without what lies before it.
    pub object: u64,
    /// Its type, without a module.
    pub type_name: String,
    /// Who made it, innermost first.
    pub stack: Vec<PyFrame>,
}

#[derive(Debug, Default)]
struct Line {
    samples: u64,
    bytes: u64,
    /// Of the windows that are over: sums of squares and of products with the windows' totals.
    squares: f64,
    products: f64,
    /// In the window that is open.
    in_window: u64,
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
    window_squares: f64,
    in_window: u64,
    pub(super) samples: u64,
    pub(super) bytes: u64,
    pub(super) without_stack: u64,
    pub(super) cut_stacks: u64,
}

impl Gathering {
    /// Counts a sample; the numbers of its line and of its stack.
    pub(super) fn add(&mut self, frames: Vec<PyFrame>, bytes: u64) -> (usize, usize) {
        let nowhere = || PyFrame { function: String::new(), file: String::new(), line: None };
        let innermost = frames.first().cloned().unwrap_or_else(nowhere);
        let next = self.lines.len();
        let number = *self.numbers.entry(innermost).or_insert(next);
        if number == next {
            self.lines.push(Line::default());
        }
        let line = &mut self.lines[number];
        line.samples += 1;
        line.bytes += bytes;
        line.in_window += 1;
        self.in_window += 1;
        self.samples += 1;
        self.bytes += bytes;
        let next = self.by_stack.len();
        let stack = *self.stacks.entry(frames).or_insert(next);
        if stack == next {
            self.by_stack.push((0, 0));
        }
        self.by_stack[stack].0 += 1;
        self.by_stack[stack].1 += bytes;
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
    pub(super) fn window(&mut self) {
        let total = self.in_window as f64;
        self.window_squares += total * total;
        for line in self.lines.iter_mut().filter(|l| l.in_window > 0) {
            let own = line.in_window as f64;
            line.squares += own * own;
            line.products += own * total;
            line.in_window = 0;
        }
        self.in_window = 0;
    }

    /// Lines and stacks.
    pub(super) fn finish(self) -> (Vec<AllocSite>, Vec<AllocStack>) {
        let (samples, all_bytes) = (self.samples.max(1) as f64, self.bytes.max(1) as f64);
        let mut followed: Vec<Followed> = self.lines.iter().map(|_| Followed::default()).collect();
        self.classes.finish(&mut followed);
        let mut sites = Vec::new();
        for (frame, number) in self.numbers {
            let (line, followed) = (&self.lines[number], std::mem::take(&mut followed[number]));
            let share = line.samples as f64 / samples;
            let spread = line.squares - 2.0 * share * line.products + share * share * self.window_squares;
            let variance = (spread / (samples * samples)).max(0.0);
            let mut types: Vec<_> = followed.types.into_iter().collect();
            types.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            types.truncate(3);
            sites.push(AllocSite {
                frame,
                samples: line.samples,
                bytes: Some(line.bytes),
                share,
                share_interval: interval(share, samples, variance),
                bytes_share: Some(line.bytes as f64 / all_bytes),
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
        let mut stacks: Vec<AllocStack> = self.stacks.into_iter().map(stack).collect();
        stacks.sort_by(|a, b| b.samples.cmp(&a.samples).then_with(|| a.frames.cmp(&b.frames)));
        (sites, stacks)
    }
}

/// The interval at 95 % of a share, with as many independent samples as the spread over windows leaves.
fn interval(share: f64, samples: f64, variance: f64) -> [f64; 2] {
    let simple = share * (1.0 - share) / samples;
    let design = if simple > 0.0 { (variance / simple).max(1.0) } else { 1.0 };
    m5_stats::wilson(share, samples / design)
}

impl Survival {
    /// How many lived at the latest age that at least `least` of them reached: that age in seconds, how many lived,
    /// and of how many.
    #[must_use]
    pub fn latest(&self, least: u64) -> Option<(f64, u64, u64)> {
        let last = (0..LOOKS_S.len()).rev().find(|i| self.looked[*i] >= least.max(1))?;
        Some((LOOKS_S[last], self.alive[last], self.looked[last]))
    }
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
                g.window();
            }
            let (sites, _) = g.finish();
            assert!(sites.iter().all(|s| (s.share - 0.5).abs() < 1e-9));
            sites[0].share_interval[1] - sites[0].share_interval[0]
        };
        assert!(width(false) > 2.0 * width(true), "{} {}", width(false), width(true));
    }
}
