//! A window with its explanations weighed, and what they say.

use super::blocks::Blocks;
use super::evidence::Fit;
use super::forecast::{
    CALLED_GOES_ON, DOUBTED_GOES_ON, GoesOn, LATE_DOUBT, LATE_GOES_ON, ahead, falling_weight,
    growth_probability, slopes,
};
use super::ground;
use super::lately::Parts;
use super::learned;
use super::measures::range;
use super::shapes::{Class, Shapes};
use super::signs::{self, Signs};
use super::weigh::weigh;
use super::{Assessment, Forecast, Options, Point, Reason, Shift, TimeToLimit, Verdict};

const DAY: f64 = 86_400.0;
/// Growth is called so from this probability on, where as many series grow as do not…
const SURE: f64 = 0.8;
/// …and from this one where it cannot have lasted for the life of the process: a batch, a morning.
const SURE_LATE: f64 = 0.995;
/// Where days are known it must be so likely by what was weighed, less where it may have lasted for the process's life.
const SURE_DAYS: f64 = 0.6;
const SURE_DAYS_LASTING: f64 = 0.1;
/// …and this part of the range of all floors.
const OF_RANGE: f64 = 0.12;
/// The rhythm of the clock is known to explanations alone: what they are so sure of beside it is so.
const SURE_BY_CLOCK: f64 = 0.97;
/// Floors that rise are enough where they may have risen so for this part of the life of the process.
const LASTING: f64 = 0.5;
/// What looks like growth may as well be a rhythm of which only a part was seen where that has so much of the weight…
const RHYTHM: f64 = 0.12;
/// …or if it only regains what was given back, as long as days are not known.
const DAYS_KNOWN: f64 = 1.4;
/// Below this, an innocent explanation is accepted: of what was weighed, and of what was learned.
const DOUBTFUL: f64 = 0.5;
/// …but only where growth by this much a window, as a part of the level, is less likely than that: what could hide a
/// leak has not been shown to be none.
const WOULD_MATTER: f64 = 0.1;
const EXCLUDED: f64 = 0.1;
/// What a forecast keeps of the chance of growth where the verdict says that it is none.
const CLEARED: f64 = 0.4;
/// How many times as likely growth is where floors climb by steps and hardly ever go down.
const CLIMBS: f64 = 8.0;
/// A level is one that was there before where it is this near, as a part of the largest change…
const RETURNED: f64 = 0.25;
/// …to so many of all floors.
const SEEN_BEFORE: f64 = 0.15;
/// A step has so much of the weight: a rhythm, a queue or a batch may look like one as well.
const SURE_STEP: f64 = 0.8;
/// A level that was moved to after this part of the window may be a batch as well.
const STOOD: f64 = 1.0 - SEEN_BEFORE;
/// Ends of the interval of a forecast, in an old process. Surprises of memory go upwards, so more of it is left out below…
const LOW: f64 = 0.05;
const HIGH: f64 = 0.97;
/// …and so much more on either side in a process as young as the window: what it has not done yet it hardly does tomorrow.
const YOUNG: [f64; 2] = [0.05, 0.02];

/// A probability of growth that knows whether floors climb by steps.
fn likelier(growth: f64, blocks: &Blocks) -> f64 {
    if ground::climbs(&blocks.y) { CLIMBS * growth / (1.0 + (CLIMBS - 1.0) * growth) } else { growth }
}

/// A window with its explanations weighed.
pub(super) struct Judged {
    blocks: Blocks,
    shapes: Shapes,
    fits: Vec<Fit>,
    /// How likely the explanations hold lasting growth to be…
    weighed: f64,
    /// …and how likely all signs do.
    growth: f64,
    /// Growth that would matter is excluded.
    excluded: bool,
    parts: Parts,
    pub(super) signs: Signs,
}

impl Judged {
    pub(super) fn new(blocks: Blocks, used: &[Point], options: &Options<'_>) -> Self {
        let shapes = Shapes::new(&blocks.x, blocks.load_matters(), blocks.seconds / DAY, blocks.age);
        let fits = weigh(&blocks, &shapes);
        let least = least_growth(&blocks, options);
        let weighed = likelier(growth_probability(&fits, &shapes, least), &blocks);
        // In a process that has lived for many windows, growth that began in this one is a rare chance.
        let matters = WOULD_MATTER.max(least);
        let chance = growth_probability(&fits, &shapes, matters) / (matters * blocks.life).max(1.0);
        let excluded = chance < EXCLUDED;
        let parts = Parts::of(used, blocks.level);
        let floors = unexplained(&blocks, &shapes, &fits);
        let signs = signs::signs(&blocks, &shapes, &fits, &floors, &parts, used.len());
        let learned = learned::growth(&signs);
        let by_clock = blocks.seconds >= DAYS_KNOWN * DAY && weighed >= SURE_BY_CLOCK;
        let growth = if signs.evident() || by_clock { learned.max(weighed) } else { learned };
        Self { blocks, shapes, fits, weighed, growth, excluded, parts, signs }
    }

    pub(super) fn assessment(&self, options: &Options<'_>) -> Assessment {
        let verdict = self.verdict(options);
        let (level, seconds) = (self.blocks.level, self.blocks.seconds);
        let slopes = slopes(&self.fits, &self.shapes);
        let slope = |q| slopes.quantile(q).map(|s| s * level / seconds).filter(|s| s.is_finite());
        let called = verdict == Verdict::Growing;
        let growth = slopes.quantile(0.5).unwrap_or(0.0);
        let lifelong = self.lifelong(growth);
        let cleared = !called && verdict != Verdict::Insufficient;
        let likely = self.weighed.max(if cleared { CLEARED } else { 1.0 } * self.growth);
        let chance = match called {
            true => LATE_GOES_ON + lifelong * (CALLED_GOES_ON - LATE_GOES_ON),
            false => DOUBTED_GOES_ON * (likely / DOUBTFUL).clamp(0.0, 1.0) * lifelong.max(LATE_DOUBT),
        };
        let likely = likely * lifelong;
        let lifelong = lifelong.max(LATE_DOUBT);
        let innocent = !called && self.innocent(growth);
        let goes_on = GoesOn { chance, likely, called, innocent, lifelong, young: 1.0 / self.blocks.life };
        let future = ahead(&self.fits, &self.shapes, 1.0 + DAY / seconds, goes_on);
        let value = |q| future.quantile(q).map(|v| v * level);
        let now = ahead(&self.fits, &self.shapes, 1.0, GoesOn { chance: 1.0, likely: 0.0, ..goes_on })
            .quantile(0.5)
            .map(|v| v * level);
        let now = now.filter(|v| v.is_finite()).map(|v| self.blocks.seen(v));
        let [below, above] = self.around(called).map(|v| v * level);
        let forecast = || {
            let ends = [LOW + YOUNG[0] * goes_on.young, 0.5, HIGH - YOUNG[1] * goes_on.young].map(value);
            let [low, middle, high] = [ends[0]?, ends[1]?, ends[2]?];
            Forecast::of([low.min(middle + below), middle, high.max(middle + above)])
        };
        let mut a = Assessment {
            verdict,
            level: now,
            slope: slope(0.5),
            slope_low: slope(0.05),
            slope_high: slope(0.95),
            forecast_24h: forecast(),
            observed_seconds: seconds,
            growth_probability: Some(self.growth.clamp(0.0, 1.0)),
            ..Assessment::default()
        };
        if verdict == Verdict::Insufficient {
            a.reason = Some(Reason::Undecided);
            a.wait_seconds = Some(if self.excluded { SEEN_BEFORE } else { 0.5 } * seconds);
        }
        if verdict == Verdict::Step {
            a.shift = self.last_step();
        }
        if called {
            a.rises = ground::rises(&unexplained(&self.blocks, &self.shapes, &self.fits));
        }
        a.limit = options.limit.and_then(|limit| time_to(limit, &a));
        a
    }

    /// How far below the likeliest explanation the lowest values of short stretches of the window were; and where feet of
    /// teeth are judged, how far above it their floors: where on its tooth the series will be is not known.
    fn around(&self, called: bool) -> [f64; 2] {
        let fits = self.fits.iter().filter(|f| !called || f.class == Class::Growing);
        let heaviest = fits.max_by(|a, b| a.weight.total_cmp(&b.weight));
        let [below, above] =
            heaviest.map_or([0.0; 2], |fit| self.parts.around(|x| fit.level(&self.shapes, x)));
        [below, if self.blocks.feet { above } else { 0.0 }]
    }

    /// How well growth by so much a window (a part of the level) may have lasted for the whole life of the process:
    /// 1 where it may, less where the level would have been below zero at its birth. Then it began lately, as a day's
    /// rise or a batch does.
    fn lifelong(&self, growth: f64) -> f64 {
        1.0 / (growth * self.blocks.life).max(1.0)
    }

    /// Whether growth by so much a window shows in the floors. Where days are known they go up and down with them: it must
    /// then be weighed to be likely, or floors rise through all days, and by more than a part of what floors do in all.
    fn shows(&self, growth: f64) -> bool {
        let lasting = self.lifelong(growth) >= LASTING;
        if self.blocks.seconds < DAYS_KNOWN * DAY {
            return self.signs.show(lasting);
        }
        let sure = if lasting { SURE_DAYS_LASTING } else { SURE_DAYS };
        (self.weighed >= sure || self.signs.rise()) && growth > OF_RANGE * range(&self.blocks.y)
    }

    fn verdict(&self, options: &Options<'_>) -> Verdict {
        let growth = slopes(&self.fits, &self.shapes).quantile(0.5).unwrap_or(0.0);
        let least = least_growth(&self.blocks, options);
        let sure = SURE + (1.0 - self.lifelong(growth)) * (SURE_LATE - SURE);
        let grows = self.growth >= sure && self.shows(growth);
        if grows && growth > least && !self.regains(growth) && !self.blocks.load_may_explain(growth) {
            return Verdict::Growing;
        }
        let odds = self.growth / (1.0 - self.growth).max(f64::MIN_POSITIVE) * self.lifelong(growth);
        if self.weighed >= DOUBTFUL || odds >= 1.0 || !self.excluded {
            return Verdict::Insufficient;
        }
        let falling = falling_weight(&self.fits, &self.shapes, least);
        let (mut flat, mut step, mut saturating, mut moved_lately) = (0.0, 0.0, 0.0, 0.0);
        for fit in &self.fits {
            let rise = fit.level(&self.shapes, 1.0) - fit.level(&self.shapes, 0.0);
            match fit.class {
                Class::Saturating if rise > least => saturating += fit.weight,
                // What came back is no step.
                Class::Step if fit.moved(&self.shapes) > least && !self.returned(fit) => {
                    step += fit.weight;
                    moved_lately += fit.weight * f64::from(u8::from(fit.last_moved(&self.shapes) > STOOD));
                }
                _ if fit.falls(&self.shapes, least) => {}
                Class::Flat | Class::Rhythm | Class::Step | Class::Saturating => flat += fit.weight,
                Class::Growing => {}
            }
        }
        if falling > flat.max(step).max(saturating) {
            Verdict::Falling
        } else if flat >= step && flat >= saturating || step > saturating && step < SURE_STEP {
            Verdict::Flat
        } else if step > saturating {
            // Whether it stays is not known yet.
            if 2.0 * moved_lately > step { Verdict::Insufficient } else { Verdict::Step }
        } else {
            Verdict::Saturating
        }
    }

    /// Whether growth by so much a window may as well be a rhythm, half of a tooth or the doing of the load.
    fn innocent(&self, growth: f64) -> bool {
        let rhythm: f64 = self.fits.iter().filter(|f| f.class == Class::Rhythm).map(|f| f.weight).sum();
        rhythm > RHYTHM || self.regains(growth) || self.blocks.load_may_explain(growth)
    }

    /// Whether a rise only regains what the window gave back, the load and the teeth aside.
    fn regains(&self, growth: f64) -> bool {
        let floors = unexplained(&self.blocks, &self.shapes, &self.fits);
        self.blocks.seconds < DAYS_KNOWN * DAY && ground::regains(&self.blocks.x, &floors, growth)
    }

    /// Whether the level after the last change was there before it: batches come and go.
    fn returned(&self, fit: &Fit) -> bool {
        let steps = fit.steps_and_batches(&self.shapes);
        let Some((last, _)) = steps.last() else { return false };
        let largest = steps.iter().map(|(_, size)| size.abs()).fold(0.0, f64::max);
        let end = fit.level(&self.shapes, 1.0);
        let near = |y: f64| (y - end).abs() < RETURNED * largest;
        let floors = || self.blocks.x.iter().zip(&self.blocks.y);
        let before = floors().filter(|(x, y)| *x < last && near(**y)).count();
        let apart = floors().filter(|(x, y)| *x < last && !near(**y)).count();
        apart > 0 && before as f64 >= SEEN_BEFORE * self.blocks.x.len() as f64 || comes_and_goes(&steps)
    }

    fn last_step(&self) -> Option<Shift> {
        let steps = self.fits.iter().filter(|f| f.class == Class::Step);
        let heaviest = steps.max_by(|a, b| a.weight.total_cmp(&b.weight))?;
        let (at, size) = heaviest.steps(&self.shapes).max_by(|a, b| a.0.total_cmp(&b.0))?;
        Some(Shift { at: self.blocks.start + at * self.blocks.seconds, by: size * self.blocks.level })
    }
}

/// The floors, the load and the teeth aside: as the likeliest growth knows them.
fn unexplained(blocks: &Blocks, shapes: &Shapes, fits: &[Fit]) -> Vec<f64> {
    let growing = fits.iter().filter(|f| f.class == Class::Growing);
    let heaviest = growing.max_by(|a, b| a.weight.total_cmp(&b.weight));
    let (tooth, load) = heaviest.map_or((0.0, 0.0), |f| f.known(shapes));
    let part = |column: &Option<Vec<f64>>, i: usize, size: f64| {
        column.as_ref().and_then(|c| c.get(i)).map_or(0.0, |v| size * v)
    };
    let left = |(i, y): (usize, &f64)| y - part(&blocks.phase, i, tooth) - part(&blocks.load, i, load);
    blocks.y.iter().enumerate().map(left).collect()
}

/// Whether the last of these changes of level (when, by how much) is one of several excursions: an earlier one of half
/// of its size and more came back to where all began, and the last one has not lasted for twice as long.
fn comes_and_goes(steps: &[(f64, f64)]) -> bool {
    let Some(((last, size), before)) = steps.split_last() else { return false };
    let (mut level, mut longest, mut farthest) = (0.0_f64, 0.0_f64, 0.0_f64);
    for ((at, by), (until, _)) in before.iter().zip(steps.iter().skip(1)) {
        level += by;
        if level * size > 0.0 && level.abs() >= 0.5 * size.abs() {
            (longest, farthest) = (longest.max(until - at), farthest.max(level.abs()));
        }
    }
    let at_the_begin = level.abs() < RETURNED * size.abs().max(farthest);
    at_the_begin && farthest > 0.0 && 1.0 - last < 2.0 * longest
}

/// Growth per window that matters: a share of the level, and more than rounding can feign.
fn least_growth(blocks: &Blocks, options: &Options<'_>) -> f64 {
    options.min_growth.max(1.5 * blocks.quantum)
}

fn time_to(limit: f64, a: &Assessment) -> Option<TimeToLimit> {
    let missing = limit - a.level?;
    let reach = |slope: Option<f64>| {
        let seconds = if missing <= 0.0 { 0.0 } else { missing / slope.filter(|s| *s > 0.0)? };
        seconds.is_finite().then_some(seconds)
    };
    let growing = a.verdict == Verdict::Growing || missing <= 0.0;
    Some(TimeToLimit {
        limit,
        earliest_seconds: reach(a.slope_high),
        expected_seconds: reach(a.slope.filter(|_| growing)),
        latest_seconds: reach(a.slope_low.filter(|_| growing)),
    })
}
