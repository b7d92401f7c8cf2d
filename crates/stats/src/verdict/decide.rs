//! From weighed explanations to a verdict, or to how long still to wait for one.

use super::blocks::{self, Blocks, MIN_SECONDS, WARMUP_SECONDS};
use super::evidence::Fit;
use super::forecast::{
    CALLED_GOES_ON, DOUBTED_GOES_ON, GoesOn, LATE_DOUBT, LATE_GOES_ON, ahead, falling_weight,
    growth_probability, slopes,
};
use super::ground;
use super::shapes::{Class, Shapes};
use super::weigh::weigh;
use super::{Assessment, Forecast, Options, Point, Reason, Shift, TimeToLimit, Verdict};

const DAY: f64 = 86_400.0;
/// Growth of a layer is sure from this probability on.
pub(crate) const SURE: f64 = 0.75;
/// Growth by this part of the level a window is small (caches of rare keys, code that is used for the first time, a
/// morning): it is called so from this probability on…
const SMALL: f64 = 0.05;
const SURE_SMALL: f64 = 0.97;
/// …by this part, one that matters, where it is likelier than not…
const LARGE: f64 = 0.12;
const SURE_LARGE: f64 = 0.5;
/// …and from this one where days are known, so that no rhythm of theirs passes for it…
const SURE_DAYS: f64 = 0.6;
/// …from this one where it cannot have lasted for the life of the process: a batch, a morning…
const SURE_LATE: f64 = 0.95;
/// …unless a rhythm of which only a part was seen explains it with so much of the weight…
const RHYTHM: f64 = 0.12;
/// …or if it only regains what was given back, as long as days are not known.
const DAYS_KNOWN: f64 = 1.4;
/// Below this, an innocent explanation is accepted.
const DOUBTFUL: f64 = 0.5;
/// …but only where growth by this much a window, as a part of the level, is less likely than that: what could hide a
/// leak has not been shown to be none.
const WOULD_MATTER: f64 = 0.1;
const EXCLUDED: f64 = 0.1;
/// The part of the window at which growth must have shown already, at least so much.
const BEFORE: f64 = 0.9;
/// How many times as likely growth is where floors climb by steps and hardly ever go down.
const CLIMBS: f64 = 8.0;
const SHOWN_BEFORE: f64 = 0.4;
/// A level is one that was there before where it is this near, as a part of the largest change…
const RETURNED: f64 = 0.25;
/// …to so many of all floors.
const SEEN_BEFORE: f64 = 0.15;
/// A level that was moved to after this part of the window may be a batch as well.
const STOOD: f64 = 1.0 - SEEN_BEFORE;
/// Ends of the interval of a forecast. Surprises of memory go upwards, so more of it is left out below.
const LOW: f64 = 0.05;
const HIGH: f64 = 0.97;

pub(super) fn decide(points: &[Point], options: &Options<'_>) -> Assessment {
    let (run, started) = blocks::last_run(points, options);
    let Some(warm) = blocks::warmup_end(&run, started) else {
        return too_little(Reason::TooFewSamples, 0.0, None, None);
    };
    let used = run.get(run.partition_point(|p| p.t < warm)..).unwrap_or(&[]);
    let span = used.last().zip(used.first()).map_or(0.0, |(b, a)| b.t - a.t);
    let level = run.last().map(|p| p.v);
    if span < MIN_SECONDS {
        return too_little(Reason::TooShort, span, level, Some(wait_for_time(&run, started, span)));
    }
    let born = run.first().map(|p| started.unwrap_or(p.t).min(p.t));
    let options = &Options { started: born, ..*options };
    let Some(blocks) = blocks::cut(used, options) else {
        return too_little(Reason::TooFewSamples, span, level, wait_for_points(used));
    };
    let judged = Judged::new(blocks, options);
    match judged.verdict(options) {
        Verdict::Growing if options.confirm && !confirmed(used, options) => Assessment {
            reason: Some(Reason::Unconfirmed),
            wait_seconds: Some((1.0 - BEFORE) * judged.blocks.seconds),
            ..judged.assessment(Verdict::Insufficient, options)
        },
        verdict => judged.assessment(verdict, options),
    }
}

/// Whether growth was to be seen a while ago already: what the last moments alone say may be chance.
fn confirmed(used: &[Point], options: &Options<'_>) -> bool {
    let (Some(first), Some(last)) = (used.first(), used.last()) else { return false };
    let until = first.t + BEFORE * (last.t - first.t);
    let before = used.get(..used.partition_point(|p| p.t <= until)).unwrap_or(&[]);
    blocks::cut(before, options).is_some_and(|b| growth_of(&b, options) >= SHOWN_BEFORE)
}

fn too_little(reason: Reason, observed_seconds: f64, level: Option<f64>, wait: Option<f64>) -> Assessment {
    Assessment { level, observed_seconds, wait_seconds: wait, reason: Some(reason), ..Assessment::default() }
}

/// Until the warm-up is over and enough was seen after it.
fn wait_for_time(run: &[Point], started: Option<f64>, span: f64) -> f64 {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return WARMUP_SECONDS + MIN_SECONDS };
    let start = started.unwrap_or(first.t).min(first.t);
    let after_warmup = WARMUP_SECONDS + MIN_SECONDS - (last.t - start);
    after_warmup.max(MIN_SECONDS - span.max(last.t - first.t).min(MIN_SECONDS)).max(1.0)
}

/// Until there are enough points, at the pace so far.
fn wait_for_points(used: &[Point]) -> Option<f64> {
    let pace = (used.last()?.t - used.first()?.t) / (used.len().checked_sub(1)? as f64);
    let missing = (3 * blocks::MIN_BLOCKS).saturating_sub(used.len()).max(1);
    (pace > 0.0).then_some(pace * missing as f64)
}

fn shapes(blocks: &Blocks) -> Shapes {
    let load = blocks.load.as_ref().map(|_| blocks.load_explains);
    Shapes::new(&blocks.x, load, blocks.seconds / DAY, blocks.age)
}

/// How likely lasting growth is, and nothing else.
fn growth_of(blocks: &Blocks, options: &Options<'_>) -> f64 {
    let shapes = shapes(blocks);
    let growing = weigh(blocks, &shapes, |m| matches!(m.class, Class::Growing | Class::Step));
    likelier(growth_probability(&growing, &shapes, least_growth(blocks, options)), blocks)
}

/// A probability of growth that knows whether floors climb by steps.
fn likelier(growth: f64, blocks: &Blocks) -> f64 {
    if ground::climbs(&blocks.y) { CLIMBS * growth / (1.0 + (CLIMBS - 1.0) * growth) } else { growth }
}

/// A window with its explanations weighed.
struct Judged {
    blocks: Blocks,
    shapes: Shapes,
    fits: Vec<Fit>,
    growth: f64,
    /// Growth that would matter is excluded.
    excluded: bool,
}

impl Judged {
    fn new(blocks: Blocks, options: &Options<'_>) -> Self {
        let shapes = shapes(&blocks);
        let fits = weigh(&blocks, &shapes, |_| true);
        let least = least_growth(&blocks, options);
        let growth = likelier(growth_probability(&fits, &shapes, least), &blocks);
        // In a process that has lived for many windows, growth that began in this one is a rare chance.
        let matters = WOULD_MATTER.max(least);
        let chance = growth_probability(&fits, &shapes, matters) / (matters * blocks.life).max(1.0);
        let excluded = chance < EXCLUDED;
        Self { blocks, shapes, fits, growth, excluded }
    }

    fn assessment(&self, verdict: Verdict, options: &Options<'_>) -> Assessment {
        let (level, seconds) = (self.blocks.level, self.blocks.seconds);
        let slopes = slopes(&self.fits, &self.shapes);
        let slope = |q| slopes.quantile(q).map(|s| s * level / seconds).filter(|s| s.is_finite());
        let called = verdict == Verdict::Growing;
        let growth = slopes.quantile(0.5).unwrap_or(0.0);
        let lifelong = self.lifelong(growth);
        let chance = match called {
            true => LATE_GOES_ON + lifelong * (CALLED_GOES_ON - LATE_GOES_ON),
            false => DOUBTED_GOES_ON * (self.growth / DOUBTFUL).clamp(0.0, 1.0) * lifelong.max(LATE_DOUBT),
        };
        let lifelong = lifelong.max(LATE_DOUBT);
        let innocent = !called && self.innocent(growth);
        let goes_on = GoesOn { chance, called, innocent, lifelong, young: 1.0 / self.blocks.life };
        let future = ahead(&self.fits, &self.shapes, 1.0 + DAY / seconds, goes_on);
        let value = |q| future.quantile(q).map(|v| v * level);
        let now = ahead(&self.fits, &self.shapes, 1.0, GoesOn { chance: 1.0, ..goes_on })
            .quantile(0.5)
            .map(|v| v * level);
        let now = now.filter(|v| v.is_finite()).map(|v| self.blocks.seen(v));
        let forecast = || Forecast::of([value(LOW)?, value(0.5)?, value(HIGH)?]);
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
        a.limit = options.limit.and_then(|limit| time_to(limit, &a));
        a
    }

    /// How well growth by so much a window (a part of the level) may have lasted for the whole life of the process:
    /// 1 where it may, less where the level would have been below zero at its birth. Then it began lately, as a day's
    /// rise or a batch does.
    fn lifelong(&self, growth: f64) -> f64 {
        1.0 / (growth * self.blocks.life).max(1.0)
    }

    fn verdict(&self, options: &Options<'_>) -> Verdict {
        let growth = slopes(&self.fits, &self.shapes).quantile(0.5).unwrap_or(0.0);
        let matters = ((growth - SMALL) / (LARGE - SMALL)).clamp(0.0, 1.0);
        let usual = match self.blocks.seconds < DAYS_KNOWN * DAY {
            true => SURE_SMALL + matters * (SURE_LARGE - SURE_SMALL),
            false => SURE_DAYS,
        };
        let sure = usual + (1.0 - self.lifelong(growth)) * (SURE_LATE - usual);
        if self.growth >= sure && !self.innocent(growth) {
            return Verdict::Growing;
        }
        if self.growth >= DOUBTFUL || !self.excluded {
            return Verdict::Insufficient;
        }
        let least = least_growth(&self.blocks, options);
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
        } else if flat >= step && flat >= saturating {
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
        let growing = self.fits.iter().filter(|f| f.class == Class::Growing);
        let heaviest = growing.max_by(|a, b| a.weight.total_cmp(&b.weight));
        let (tooth, load) = heaviest.map_or((0.0, 0.0), |f| f.known(&self.shapes));
        let part = |column: &Option<Vec<f64>>, i: usize, size: f64| {
            column.as_ref().and_then(|c| c.get(i)).map_or(0.0, |v| size * v)
        };
        let left =
            |(i, y): (usize, &f64)| y - part(&self.blocks.phase, i, tooth) - part(&self.blocks.load, i, load);
        let floors: Vec<f64> = self.blocks.y.iter().enumerate().map(left).collect();
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
