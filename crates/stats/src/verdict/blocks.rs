//! From raw points to a few dozen floors: the last run of the process, without its warm-up, in blocks.

use super::load::{self, Floors};
use super::vectors::{along, centred, correlation, less, spread, varied};
use super::{Options, Point, sawtooth};
use crate::quantile::{median, sorted};

/// Blocks at most. More would cost time and tell little: the noise between neighbours is correlated.
pub(super) const BLOCKS: usize = 32;
/// Blocks at most where a day must be seen in them.
const MOST_BLOCKS: usize = 48;
/// Days from which a block is a day.
const MANY_DAYS: f64 = 12.0;
const DAY: f64 = 86_400.0;
/// Windows from which a process is old.
const OLD: f64 = 2.0;
/// Blocks at least.
pub(super) const MIN_BLOCKS: usize = 8;
/// Points that a block needs for its floor to be one.
const MIN_POINTS: usize = 3;
/// The part of the process's age that counts as warm-up.
const WARMUP_SHARE: f64 = 0.15;
/// Warm-up at least, seconds.
pub(super) const WARMUP_SECONDS: f64 = 120.0;
/// Time to watch after the warm-up at least, seconds.
pub(super) const MIN_SECONDS: f64 = 300.0;

/// A change of level inside a block explains at least this part of its spread.
const SPLIT: f64 = 0.85;

/// A block is a burst when it stands this many times the usual noise above its neighbourhood.
const BURST: f64 = 6.0;
/// Part of what floors do beside a line from which a load that explains it matters. Less than that a load that has nothing to
/// do with them explains of a slow wave by chance.
const MATTERS: f64 = 0.4;
/// Correlation with time from which a load cannot be told from a leak…
const STEADY: f64 = 0.92;
/// …where what is left of both beside their trends is correlated so much.
const FOLLOWS: f64 = 0.3;
/// …and the values move beside their trend at least so much of what the load does beside its own.
const MOVED: f64 = 0.2;

/// A series ready to be judged. Times are parts of the window (0 to 1), values are parts of `level`.
#[derive(Debug, Clone, Default)]
pub(super) struct Blocks {
    pub(super) x: Vec<f64>,
    pub(super) y: Vec<f64>,
    /// Mean load of each block, centred, in standard deviations.
    pub(super) load: Option<Vec<f64>>,
    /// Standard deviation of the load, as a part of its mean.
    pub(super) load_spread: f64,
    /// Which part of what the floors do beside a line the load explains.
    pub(super) load_explains: f64,
    /// How far along its tooth each block is, in usual tooth lengths.
    pub(super) phase: Option<Vec<f64>>,
    /// How often its teeth were reset in the window.
    pub(super) resets: usize,
    /// Whether the floors are feet of teeth: what a stretch shows is then anywhere on its tooth.
    pub(super) feet: bool,
    /// Where the series stands: the floor of its last stretch, whatever changed within.
    pub(super) last: f64,
    /// The level by which values were divided.
    pub(super) level: f64,
    /// The lowest and the highest value, in the series' own unit.
    pub(super) between: [f64; 2],
    /// The smallest step of the values, as a part of the level.
    pub(super) quantum: f64,
    /// How old the process was at the begin of the window, in windows; two at most: older is old.
    pub(super) age: f64,
    /// How old it was at its end, in windows.
    pub(super) life: f64,
    /// First moment and length of the window, seconds.
    pub(super) start: f64,
    pub(super) seconds: f64,
}

/// The points of the last run, without what is not finite or not in order.
pub(super) fn last_run(points: &[Point], options: &Options<'_>) -> (Vec<Point>, Option<f64>) {
    let restart = options.restarts.iter().copied().filter(|r| r.is_finite()).reduce(f64::max);
    let from = restart.unwrap_or(f64::NEG_INFINITY);
    let mut run: Vec<Point> = Vec::with_capacity(points.len());
    for p in points {
        let in_order = run.last().is_none_or(|last| p.t > last.t);
        if p.t.is_finite() && p.v.is_finite() && p.t >= from && in_order {
            run.push(*p);
        }
    }
    let started = options.started.filter(|s| s.is_finite()).max_option(restart);
    (run, started)
}

trait MaxOption {
    fn max_option(self, other: Option<f64>) -> Option<f64>;
}

impl MaxOption for Option<f64> {
    fn max_option(self, other: Option<f64>) -> Option<f64> {
        self.into_iter().chain(other).reduce(f64::max)
    }
}

/// When the warm-up ends: a share of the age, two minutes at least.
pub(super) fn warmup_end(run: &[Point], started: Option<f64>) -> Option<f64> {
    let (first, last) = (run.first()?, run.last()?);
    let start = started.unwrap_or(first.t).min(first.t);
    Some(start + (WARMUP_SHARE * (last.t - start)).max(WARMUP_SECONDS))
}

/// Cuts a run (already without its warm-up) into blocks. `None` where there are too few points.
pub(super) fn cut(run: &[Point], options: &Options<'_>) -> Option<Blocks> {
    let end = |pick: fn(f64, f64) -> f64| run.iter().map(|p| p.v).reduce(pick);
    let between = [end(f64::min)?, end(f64::max)?];
    Some(Blocks { between, ..cut_floors(run, options)? })
}

fn cut_floors(run: &[Point], options: &Options<'_>) -> Option<Blocks> {
    let (first, last) = (run.first()?, run.last()?);
    let seconds = last.t - first.t;
    let count = (run.len() / MIN_POINTS).min(most(seconds));
    if count < MIN_BLOCKS || seconds <= 0.0 {
        return None;
    }
    let teeth = if options.floors { None } else { sawtooth::find(run, count) };
    if teeth.is_none()
        && !options.floors
        && let Some(feet) = sawtooth::feet(run, count)
    {
        return Some(Blocks { feet: true, ..cut_floors(&feet, &Options { floors: true, ..*options })? });
    }
    let age = options.started.map_or(0.0, |born| (first.t - born) / seconds).max(0.0);
    let mut blocks =
        Blocks { age: age.min(OLD), life: 1.0 + age, start: first.t, seconds, ..Blocks::default() };
    if !options.floors
        && let Some(feet) = sawtooth::uneven_feet(run, count)
    {
        blocks.x = feet.iter().map(|p| (p.t - first.t) / seconds).collect();
        blocks.y = feet.iter().map(|p| p.v).collect();
        blocks.feet = true;
        blocks.finish(run, options);
        blocks.last = blocks.y.last().copied().unwrap_or(blocks.last);
        return Some(blocks);
    }
    let mut phase = Vec::new();
    let chunks = chunks(run, first.t, seconds / count as f64, count);
    let x = |t: f64| (t - first.t) / seconds;
    for (i, block) in chunks.iter().enumerate() {
        if let Some(teeth) = &teeth {
            let Some((block, u)) = teeth.level(block) else { continue };
            let (t, v) = floor(&block, 0.0, options.floors)?;
            blocks.x.push(x(t));
            blocks.y.push(v);
            phase.push(u);
        } else {
            let (t, v) = floor(block, slope_at(&chunks, i), options.floors)?;
            blocks.x.push(x(t));
            blocks.y.push(v);
        }
    }
    if teeth.is_none() && !options.floors {
        blocks.drop_bursts();
    }
    if blocks.y.len() < MIN_BLOCKS {
        return None;
    }
    blocks.resets = teeth.as_ref().map_or(0, sawtooth::Sawtooth::count);
    blocks.feet = teeth.is_some();
    blocks.phase = teeth.and_then(|_| varied(phase));
    blocks.finish(run, options);
    Some(blocks)
}

/// Blocks of a window at most: a day needs eight to be seen, and a window of weeks is cut into whole days.
fn most(seconds: f64) -> usize {
    let days = seconds / DAY;
    match days {
        d if d >= MANY_DAYS => (d as usize).min(BLOCKS),
        d => ((8.0 * d) as usize).clamp(BLOCKS, MOST_BLOCKS),
    }
}

/// The points of each block that has two or more.
fn chunks(run: &[Point], start: f64, width: f64, count: usize) -> Vec<&[Point]> {
    let mut rest = run;
    let mut all = Vec::with_capacity(count);
    for i in 1..=count {
        let end = start + width * i as f64;
        let n = if i == count { rest.len() } else { rest.partition_point(|p| p.t < end) };
        let (block, after) = rest.split_at(n);
        rest = after;
        if block.len() >= 2 {
            all.push(block);
        }
    }
    all
}

fn middle(block: &[Point]) -> (f64, f64) {
    let t = block.iter().map(|p| p.t).sum::<f64>() / block.len() as f64;
    (t, median(&block.iter().map(|p| p.v).collect::<Vec<_>>()).unwrap_or(0.0))
}

/// How fast values change around a block: without that, the floor of a rise is its start, and of a fall its end.
/// The lesser of the changes on both sides, none where they disagree: a step is no slope.
fn slope_at(blocks: &[&[Point]], i: usize) -> f64 {
    let between = |a: Option<&&[Point]>, b: Option<&&[Point]>| {
        let ((t0, v0), (t1, v1)) = (middle(a?), middle(b?));
        (t1 > t0).then(|| (v1 - v0) / (t1 - t0))
    };
    let before = i.checked_sub(1).and_then(|j| between(blocks.get(j), blocks.get(i)));
    let after = between(blocks.get(i), blocks.get(i + 1));
    let (before, after) = (before.or(after).unwrap_or(0.0), after.or(before).unwrap_or(0.0));
    if before * after <= 0.0 { 0.0 } else { before.signum() * before.abs().min(after.abs()) }
}

/// The floor of a block: the mean of the lowest third of its values. It knows nothing of bursts, and parts of a
/// unit show, where a plain quantile of whole numbers is a whole number.
fn floor(block: &[Point], slope: f64, floors: bool) -> Option<(f64, f64)> {
    let block = one_side(block, slope);
    let (t, _) = middle(block);
    let values = sorted(&block.iter().map(|p| p.v - slope * (p.t - t)).collect::<Vec<_>>());
    let kept = if floors { values.len() } else { values.len().div_ceil(3) };
    let lower = values.get(..kept).filter(|l| !l.is_empty())?;
    Some((t, lower.iter().sum::<f64>() / lower.len() as f64))
}

/// The mean of the lowest third of values.
fn floor_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values = sorted(&values.collect::<Vec<_>>());
    let lower = values.get(..values.len().div_ceil(3)).filter(|l| !l.is_empty())?;
    Some(lower.iter().sum::<f64>() / lower.len() as f64)
}

/// A block in which the level changes is the longer side of that change, or the lower one where that is long
/// enough: a floor between two levels would be neither.
fn one_side(block: &[Point], slope: f64) -> &[Point] {
    let n = block.len() as f64;
    let value = |p: &Point| p.v - slope * p.t;
    let mean = block.iter().map(value).sum::<f64>() / n;
    let whole: f64 = block.iter().map(|p| (value(p) - mean).powi(2)).sum();
    let (mut sum, mut best, mut at, mut rises) = (0.0, 0.0, 0, false);
    for (i, p) in block.iter().enumerate().take(block.len().saturating_sub(1)) {
        sum += value(p) - mean;
        let left = i as f64 + 1.0;
        let between = sum * sum * n / (left * (n - left));
        if between > best {
            (best, at, rises) = (between, i + 1, sum < 0.0);
        }
    }
    if best < SPLIT * whole || block.len() < 4 {
        return block;
    }
    let (left, right) = block.split_at(at);
    let (lower, upper) = if rises { (left, right) } else { (right, left) };
    if 3 * lower.len() >= block.len() { lower } else { upper }
}

impl Blocks {
    /// Leaves out blocks that stand alone above both sides: a burst that filled a block.
    fn drop_bursts(&mut self) {
        let bends: Vec<f64> = self.y.windows(3).map(|w| (w[0] - 2.0 * w[1] + w[2]).abs()).collect();
        let usual = median(&bends).unwrap_or(0.0) * 1.4826 / 6_f64.sqrt();
        let side = |values: Option<&[f64]>| values.and_then(|v| v.iter().copied().reduce(f64::max));
        let burst = |i: usize| {
            let before = side(self.y.get(i.saturating_sub(3)..i.saturating_sub(1)));
            let after = side(self.y.get(i + 2..(i + 4).min(self.y.len())));
            // A burst may touch the next block too: the neighbours are not asked.
            let Some((before, after)) = before.zip(after) else { return false };
            self.y.get(i).is_some_and(|y| y - before.max(after) > BURST * usual) && usual > 0.0
        };
        let keep: Vec<bool> = (0..self.y.len()).map(|i| !burst(i)).collect();
        let mut kept = keep.iter();
        self.x.retain(|_| kept.next().copied().unwrap_or(true));
        let mut kept = keep.iter();
        self.y.retain(|_| kept.next().copied().unwrap_or(true));
    }

    /// A level of the window is none that was never seen, whatever line or tooth leads there.
    pub(super) fn seen(&self, level: f64) -> f64 {
        level.max(self.between[0]).min(self.between[1])
    }

    /// Whether there is a load that explanations are weighed with.
    pub(super) fn load_matters(&self) -> bool {
        self.load.is_some() && self.load_explains > MATTERS
    }

    /// Whether growth of this size, a window, may be the doing of the load: it rises or falls as steadily and by
    /// as much, and what it does beside that shows in the values too. A leak that makes collections dearer
    /// raises the CPU time as steadily, but the values do not follow its ups and downs.
    pub(super) fn load_may_explain(&self, growth: f64) -> bool {
        let Some(load) = &self.load else { return false };
        let x = centred(self.x.clone());
        let steady = along(&x, load).0;
        let trend = self.load_spread * steady / self.x.len() as f64 / spread(&x).powi(2);
        let steady = steady / (self.x.len() as f64 * spread(&x) * spread(load));
        let y = centred(self.y.clone());
        let (rest, beside) = (less(&y, &x), less(load, &x));
        // Values that rise evenly beside a load that does not are not its doing, whatever their last digits do.
        let moved = spread(&rest) / spread(&y) > MOVED * spread(&beside) / spread(load);
        let follows = correlation(&rest, &beside);
        // What follows a load that falls would fall with it.
        steady.abs() > STEADY && trend.abs() >= growth && moved && steady.signum() * follows > FOLLOWS
    }

    /// The load beside the floors, and the scale of both.
    fn finish(&mut self, run: &[Point], options: &Options<'_>) {
        let floors = Floors { x: &self.x, y: &self.y, start: self.start, seconds: self.seconds };
        if let Some((load, spread, explains)) = options.load.and_then(|load| load::follow(load, floors)) {
            (self.load, self.load_spread, self.load_explains) = (Some(load), spread, explains);
        }
        self.scale(run);
    }

    /// Divides by the level and finds the quantum.
    fn scale(&mut self, run: &[Point]) {
        let values = sorted(&run.iter().map(|p| p.v).collect::<Vec<_>>());
        let range = values.last().zip(values.first()).map_or(0.0, |(b, a)| b - a);
        let gap = values.windows(2).map(|w| w[1] - w[0]).filter(|d| *d > 0.0).reduce(f64::min);
        let typical = median(&self.y).unwrap_or(0.0).abs();
        self.level = [typical, range].into_iter().find(|v| *v > 0.0).unwrap_or(1.0);
        self.quantum = gap.unwrap_or(self.level * 1e-6).min(self.level) / self.level;
        self.y.iter_mut().for_each(|y| *y /= self.level);
        let since = self.start + self.seconds * (1.0 - 1.0 / BLOCKS as f64);
        let enough = run.len().saturating_sub(MIN_POINTS);
        let lately = run.get(run.partition_point(|p| p.t < since).min(enough)..).unwrap_or(&[]);
        self.last = floor_of(lately.iter().map(|p| p.v)).unwrap_or(0.0) / self.level;
    }
}
