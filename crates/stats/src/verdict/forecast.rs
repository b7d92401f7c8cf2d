//! The mixture of all explanations that matter: how likely growth is, how fast, and where the floor goes.

use super::columns::Column;
use super::evidence::Fit;
use super::shapes::{Class, Shapes};
use crate::special::normal_below;

/// By how much the spread of a forecast is corrected, so that the nominal 90 % interval holds nine of ten.
const SPREAD_GROWING: f64 = 0.8;
const SPREAD_BENT: f64 = 1.2;
const SPREAD_SATURATING: f64 = 0.55;
const SPREAD: f64 = 0.93;
/// How often, a window, a level that moved moves again.
const STEPS_AGAIN: f64 = 0.05;
/// So many windows are taken to be like any other, beside the one that was seen, in a young process.
const OTHER_WINDOWS: f64 = 4.0;
/// How often, a window, a level that did not move goes up after all: an allocator keeps the most that was ever
/// needed, and what will once be needed no window shows.
const STEPS_UNSEEN: f64 = 0.04;
/// By how much it then goes up, as a part of the level: the mean and the spread.
const UNSEEN: f64 = 0.025;
/// Growth is never perfectly even: its pace over the day ahead differs by so much of itself from what it was, a
/// standard deviation, also where noise hides that.
const UNEVEN: f64 = 0.1;
/// A level that is this near to where it was, as a part of the way, came back.
const BACK: f64 = 0.2;
/// How often none of the explanations holds for the day ahead.
const UNEXPLAINED: f64 = 0.75;
/// The same of growth that is likely but not called…
const UNEXPLAINED_GROWTH: f64 = 0.5;
/// …and which part of that is left out in a process as young as the window: of it nothing else is known.
const EXPLAINED_YOUNG: f64 = 0.9;
/// How likely growth that is called so goes on for the day ahead.
pub(super) const CALLED_GOES_ON: f64 = 0.97;
/// The same of growth that is likely but not called: an innocent explanation fits too, or it was not seen for long.
pub(super) const DOUBTED_GOES_ON: f64 = 0.35;
/// The same of growth that is called so, but cannot have lasted for the whole life of the process: it began lately…
pub(super) const LATE_GOES_ON: f64 = 0.25;
/// …and what is left of the chance of growth that is not called.
pub(super) const LATE_DOUBT: f64 = 0.1;
/// Growth that ends before a moment ahead: how often at once, how far off it then is, as a part of the rise, and
/// how far it comes otherwise.
const SOON: f64 = 0.6;
/// …and how often at once where it cannot have lasted for the life of the process.
const SOON_LATE: f64 = 0.95;
/// How often, a window, a level that moved goes back to where it came from: what was dropped is filled again, a batch
/// ends, a deployment is taken back.
const RETURNS: f64 = 0.06;
/// How near it then comes, as a part of the way: a standard deviation.
const RETURNS_NEAR: f64 = 0.3;
/// How often steps that all went up in a process as young as the window go on at their pace: of two and more, and of one.
const CLIMBS: [f64; 2] = [0.14, 0.06];
/// How likely growth that is not called goes on in a process as young as the window, beyond what it does in an old one;
/// and where it may as well be a rhythm, half of a tooth or the doing of the load.
const YOUNG_GOES_ON: f64 = 0.9;
const INNOCENT_GOES_ON: f64 = 0.3;
const AT_ONCE: f64 = 0.05;
const ON_THE_WAY: f64 = 0.3;
/// How far, of what it fell in the window, a fall may go on or come back: a standard deviation.
const FALL: f64 = 0.5;
/// What a fall leaves open at most, of the range of the window: a standard deviation.
const WITHIN: f64 = 1.0;
/// Memory of the noise from which growth may come in uneven pieces: their sum wanders ever further off.
const PIECES: f64 = 1.0;
/// The spread that a load has in the long run at least, as a part of its mean: a window may show less of it.
const LOAD_SWINGS: f64 = 0.4;
/// What a load that hardly moved may do beyond that is not extrapolated.
const MOST_SWING: f64 = 36.0;
/// Variance of the nine middle tenths of a sine, by its amplitude: never as far out as a normal of its variance.
const SINE: f64 = 0.65;
/// How far growth that quickens may be off after all, as a part of its rise: a standard deviation.
const BENDS: f64 = 0.4;
/// How well a few steps tell the pace of a stair: a standard deviation, as a part of it.
const STAIR_PACE: f64 = 0.3;
/// Explanations that a mixture counts at most: the heaviest carry nearly all of the weight.
const HEAVIEST: usize = 80;

/// What is known of growth beside the window.
#[derive(Debug, Clone, Copy)]
pub(super) struct GoesOn {
    /// How likely it goes on until the moment that is asked for.
    pub(super) chance: f64,
    /// How likely it is growth at all, by what all signs say.
    pub(super) likely: f64,
    /// Whether it is called growth: then it is no guess beside the last floor.
    pub(super) called: bool,
    /// Whether what looks like growth may as well be a rhythm, half of a tooth or the doing of the load.
    pub(super) innocent: bool,
    /// How well it may have lasted for the life of the process: only then does it last as long again.
    pub(super) lifelong: f64,
    /// Which part of the life of the process the window is.
    pub(super) young: f64,
}

/// One normal of a mixture.
#[derive(Debug, Clone, Copy)]
struct Part {
    weight: f64,
    mean: f64,
    sd: f64,
}

/// A mixture of normals.
#[derive(Debug, Clone, Default)]
pub(super) struct Mixture(Vec<Part>);

impl Mixture {
    fn of(mut parts: Vec<Part>) -> Self {
        parts.retain(|p| p.weight > 0.0 && p.mean.is_finite() && p.sd.is_finite());
        parts.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        parts.truncate(HEAVIEST);
        let total: f64 = parts.iter().map(|p| p.weight).sum();
        parts.iter_mut().for_each(|p| p.weight /= total);
        Self(parts)
    }

    pub(super) fn above(&self, v: f64) -> f64 {
        self.0.iter().map(|p| p.weight * p.above(v)).sum()
    }

    /// The value with probability `q` below it. `None` for an empty mixture.
    pub(super) fn quantile(&self, q: f64) -> Option<f64> {
        let low = self.0.iter().map(|p| p.mean - 9.0 * p.sd).reduce(f64::min)?;
        let high = self.0.iter().map(|p| p.mean + 9.0 * p.sd).reduce(f64::max)?;
        let (mut low, mut high) = (low, high);
        for _ in 0..50 {
            let middle = 0.5 * (low + high);
            if 1.0 - self.above(middle) < q { low = middle } else { high = middle }
        }
        Some(0.5 * (low + high))
    }
}

impl Part {
    fn above(&self, v: f64) -> f64 {
        if self.sd > 0.0 {
            normal_below((self.mean - v) / self.sd)
        } else {
            f64::from(u8::from(self.mean > v))
        }
    }
}

impl Fit {
    /// The columns of the model at a moment, at no load above the mean and at the foot of a tooth.
    fn row(&self, shapes: &Shapes, x: f64) -> Vec<f64> {
        let free = self.model.columns().iter().filter_map(|id| shapes.columns.get(usize::from(*id)));
        let fixed = (0..self.fixed).map(|i| f64::from(u8::from(i == 0)));
        fixed.chain(free.map(|c| c.at(x))).collect()
    }

    fn combine(&self, row: &[f64]) -> (f64, f64) {
        let mean = row.iter().zip(&self.beta).map(|(r, b)| r * b).sum();
        let through = |c: &Vec<f64>| c.iter().zip(row).map(|(c, r)| c * r).sum::<f64>();
        let variance: f64 = row.iter().zip(&self.covariance).map(|(r, c)| r * through(c)).sum();
        (mean, variance.max(0.0))
    }

    /// A normal in place of Student's t: as wide as the t is.
    fn heavier(&self) -> f64 {
        if self.dof > 2.5 { self.dof / (self.dof - 2.0) } else { 5.0 }
    }

    /// Whether its floor still falls by `least` a window and more: its last third by a third of that.
    pub(super) fn falls(&self, shapes: &Shapes, least: f64) -> bool {
        let end = self.level(shapes, 1.0);
        match self.class {
            Class::Growing => self.slope(shapes).mean < -least,
            Class::Saturating => {
                let since = |x: f64| end - self.level(shapes, x);
                since(0.0) < -least && since(2.0 / 3.0) < -least / 3.0
            }
            Class::Flat | Class::Rhythm | Class::Step => false,
        }
    }

    /// What it says of a whole tooth, and of the load.
    pub(super) fn known(&self, shapes: &Shapes) -> (f64, f64) {
        let size = |i: usize| self.beta.get(i).copied().unwrap_or(0.0);
        let load = |id: &u16| matches!(shapes.columns.get(usize::from(*id)), Some(Column::Load));
        let place = self.model.columns().iter().position(load);
        (if self.fixed > 1 { size(1) } else { 0.0 }, place.map_or(0.0, |i| size(i + self.fixed)))
    }

    /// The fitted floor at a moment.
    pub(super) fn level(&self, shapes: &Shapes, x: f64) -> f64 {
        self.combine(&self.row(shapes, x)).0
    }

    fn slope(&self, shapes: &Shapes) -> Part {
        if let Some(pace) = self.stairs {
            return Part { weight: self.weight, mean: pace, sd: STAIR_PACE * pace };
        }
        let mut row = vec![0.0; self.fixed];
        let free = self.model.columns().iter().filter_map(|id| shapes.columns.get(usize::from(*id)));
        row.extend(free.map(|c| c.lasting_slope()));
        let (mean, variance) = self.combine(&row);
        Part { weight: self.weight, mean, sd: (variance * self.heavier()).sqrt() }
    }

    fn ahead(&self, shapes: &Shapes, x: f64) -> Part {
        let mut row = self.row(shapes, x);
        let mut end = self.row(shapes, 1.0);
        let ahead = (x - 1.0).max(0.0);
        let mut swing = 0.0;
        if ahead > 0.0 {
            // Where a rhythm or the load will stand is unknown: anywhere.
            for (i, id) in (self.fixed..).zip(self.model.columns()) {
                if shapes.columns.get(usize::from(*id)).is_some_and(|c| c.swings()) {
                    row[i] = 0.0;
                    end[i] = 0.0;
                    swing += SINE * self.beta[i] * self.beta[i];
                }
            }
            swing += self.load_swing(shapes);
        }
        let now = self.combine(&end).0;
        let fall = now - self.combine(&row).0;
        let falls = fall > 0.0;
        if falls {
            // What falls is not extrapolated: it ends somewhere between here and zero, and may come back.
            row = end;
            let fell = self.level(shapes, 0.0) - self.level(shapes, 1.0);
            swing += (FALL * fall.min(fell.max(0.0))).powi(2);
        }
        let (mean, variance) = self.combine(&row);
        // A level that wandered off comes back as slowly as it goes.
        let kept = if self.noise.memory > 0.0 { (-ahead / self.noise.memory).exp() } else { 0.0 };
        let climbed = ahead * self.stairs.unwrap_or(0.0);
        let mean = mean + climbed + kept * self.state;
        let variance = variance + (STAIR_PACE * climbed).powi(2);
        let mut noise = self.variance * (self.noise.white + (1.0 - self.noise.white) * (1.0 - kept * kept));
        if self.class == Class::Growing && !falls && self.noise.memory >= PIECES {
            noise = self.variance
                * (self.noise.white + (1.0 - self.noise.white) * (2.0 * ahead / self.noise.memory).max(1.0));
        }
        let rise = (mean - now).max(0.0);
        let bends_up = if self.bends_up(shapes) && !falls { (BENDS * rise).powi(2) } else { 0.0 };
        let uneven = (UNEVEN * ahead * self.slope(shapes).mean.max(0.0)).powi(2) + bends_up;
        let mut sd = ((variance + noise) * self.heavier() + swing).sqrt();
        if falls {
            // What fell is not known better than the window shows, and hardly worse.
            sd = sd.min(WITHIN * self.range);
        }
        let bent = |id: &u16| {
            matches!(
                shapes.columns.get(usize::from(*id)),
                Some(Column::Exp(_) | Column::Power(..) | Column::Doubling(_) | Column::Eases(..))
            )
        };
        let spread = match self.class {
            Class::Growing if self.model.columns().iter().any(bent) => SPREAD_BENT,
            Class::Growing => SPREAD_GROWING,
            Class::Saturating => SPREAD_SATURATING,
            Class::Flat | Class::Rhythm | Class::Step => SPREAD,
        };
        Part { weight: self.weight, mean, sd: (sd * sd * spread * spread + uneven).sqrt() }
    }

    /// Whether it is growth that quickens: for how long, no window shows.
    fn bends_up(&self, shapes: &Shapes) -> bool {
        let up = |id: &u16| match shapes.columns.get(usize::from(*id)) {
            Some(Column::Doubling(_)) => true,
            Some(Column::Eases(from, wide)) => from + wide > 1.0,
            Some(Column::Power(power, _)) => *power > 1.0,
            _ => false,
        };
        self.model.columns().iter().any(up)
    }

    /// The forecast by no explanation at all: the last floor, give or take what floors did over half of the window. The
    /// floors of a young process have not been everywhere yet: they wander farther.
    fn as_before(&self, weight: f64, ahead: f64, young: f64) -> Part {
        let farther = (2.0 * ahead).max(1.0).powf(young * self.wanders);
        Part { weight, mean: self.last, sd: self.change * farther }
    }

    /// For how much of the window its growth was seen.
    fn seen(&self, shapes: &Shapes) -> f64 {
        let begin = |id: &u16| match shapes.columns.get(usize::from(*id)) {
            Some(Column::Late(from) | Column::Eases(from, _)) => Some(*from),
            _ => None,
        };
        1.0 - self.model.columns().iter().filter_map(begin).fold(0.0, f64::max)
    }

    /// The forecast if growth ends before the moment of `part`, in two halves: at once, and on the way.
    fn ends_before(&self, shapes: &Shapes, part: Part, chance: f64, soon: f64) -> [Part; 2] {
        let now = self.ahead(shapes, 1.0);
        let rise = part.mean - now.mean;
        let sd = part.sd.min((now.sd * now.sd + (AT_ONCE * rise).powi(2)).sqrt());
        let at_once = Part { weight: soon * chance * part.weight, mean: now.mean, sd };
        let on_the_way = Part {
            weight: (1.0 - soon) * chance * part.weight,
            mean: now.mean + ON_THE_WAY * rise,
            sd: (sd * sd + (ON_THE_WAY * rise).powi(2)).sqrt(),
        };
        [at_once, on_the_way]
    }

    /// Its changes of level: when, and by how much.
    pub(super) fn steps<'a>(&'a self, shapes: &'a Shapes) -> impl Iterator<Item = (f64, f64)> + 'a {
        let sizes = self.beta.iter().skip(self.fixed);
        self.model
            .columns()
            .iter()
            .zip(sizes)
            .filter_map(|(id, size)| Some((shapes.columns.get(usize::from(*id))?.moved()?, *size)))
    }

    /// Its changes of level with those of batches, which end.
    pub(super) fn steps_and_batches(&self, shapes: &Shapes) -> Vec<(f64, f64)> {
        let mut all: Vec<(f64, f64)> = self.steps(shapes).collect();
        for (id, size) in self.model.columns().iter().zip(self.beta.iter().skip(self.fixed)) {
            if let Some(Column::Batch(from, to)) = shapes.columns.get(usize::from(*id)) {
                all.extend([(*from, *size), (*to, -*size)]);
            }
        }
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all
    }

    /// When its last change of level was.
    pub(super) fn last_moved(&self, shapes: &Shapes) -> f64 {
        self.steps(shapes).map(|(at, _)| at).fold(0.0, f64::max)
    }

    /// By how much its changes of level moved it.
    pub(super) fn moved(&self, shapes: &Shapes) -> f64 {
        self.steps(shapes).map(|(_, size)| size).sum::<f64>().abs()
    }

    /// Whether it went up and came back: a batch.
    fn came_back(&self, shapes: &Shapes) -> bool {
        let largest = self.steps(shapes).map(|(_, size)| size.abs()).fold(0.0, f64::max);
        largest > 0.0 && self.moved(shapes) < BACK * largest
    }

    /// Variance by what the load may do later: what it did in the window at least.
    fn load_swing(&self, shapes: &Shapes) -> f64 {
        let load = |id: &u16| matches!(shapes.columns.get(usize::from(*id)), Some(Column::Load));
        let place = self.model.columns().iter().position(load).map(|i| i + self.fixed);
        let (Some(spread), Some(place)) = (self.load_spread, place) else { return 0.0 };
        let effect = self.beta.get(place).copied().unwrap_or(0.0).powi(2);
        let noise = self.covariance.get(place).and_then(|row| row.get(place)).copied().unwrap_or(0.0);
        let more = (LOAD_SWINGS / spread.max(1e-9)).powi(2).clamp(1.0, MOST_SWING);
        // An effect that may be chance is not extrapolated.
        let sure = (effect - 4.0 * noise).max(0.0);
        2.0 * SINE * (sure * more + (effect - sure))
    }

    /// The forecast if steps that all went up go on as they came: a leak that shows in whole arenas, or in one of them.
    fn climbs(&self, shapes: &Shapes, part: Part, ahead: f64, young: f64) -> Option<Part> {
        if self.class != Class::Step || ahead <= 0.0 || young <= 0.0 {
            return None;
        }
        let (count, least) =
            self.steps(shapes).fold((0, f64::INFINITY), |(n, least), (_, size)| (n + 1, least.min(size)));
        let chance = if count > 1 { CLIMBS[0] } else { CLIMBS[1] };
        let pace = self.moved(shapes) * ahead;
        let sd = (part.sd * part.sd + (0.5 * pace).powi(2)).sqrt();
        (least > 0.0).then_some(Part { weight: chance * young * part.weight, mean: part.mean + pace, sd })
    }

    /// The forecast if the last change of level is taken back, or what fell is filled again.
    fn returns(&self, shapes: &Shapes, part: Part, chance: f64) -> Option<Part> {
        if chance <= 0.0 || self.came_back(shapes) {
            return None;
        }
        let size = match self.class {
            Class::Step => self.steps(shapes).max_by(|a, b| a.0.total_cmp(&b.0))?.1,
            Class::Flat => return None,
            _ => Some(self.level(shapes, 1.0) - self.level(shapes, 0.0)).filter(|moved| *moved < 0.0)?,
        };
        let sd = (part.sd * part.sd + (RETURNS_NEAR * size).powi(2)).sqrt();
        Some(Part { weight: part.weight * chance, mean: part.mean - size, sd })
    }

    /// How often, a window, its level moves again: in a process that is as young as the window as it did in it, among
    /// others in which little happens.
    fn steps_again(&self, shapes: &Shapes, young: f64) -> f64 {
        // Of moves in one direction nobody knows whether such come again: a rise that was cut into steps has ended.
        let both_ways = [1.0, -1.0].iter().all(|way| self.steps(shapes).any(|(_, size)| way * size > 0.0));
        let again = self.steps(shapes).count() as f64;
        let moves = if both_ways && !self.came_back(shapes) { young * again } else { 0.0 };
        (moves + OTHER_WINDOWS * STEPS_AGAIN) / (young + OTHER_WINDOWS)
    }

    /// The forecast if the level moves up or on once more, or so many times as are likely then.
    fn another_step(&self, shapes: &Shapes, part: Part, chance: f64, times: f64) -> Part {
        let moved = self.class == Class::Step && !self.came_back(shapes);
        let steps: Vec<f64> = if moved { self.steps(shapes).map(|s| s.1).collect() } else { Vec::new() };
        let n = steps.len() as f64;
        let (mean, square) = if steps.is_empty() {
            (UNSEEN, UNSEEN * UNSEEN)
        } else {
            (steps.iter().sum::<f64>() / n, steps.iter().map(|s| s * s).sum::<f64>() / n)
        };
        let sd = (part.sd * part.sd + times * square).sqrt();
        // Of many moves nobody knows the direction.
        Part { weight: part.weight * chance, mean: part.mean + mean / times, sd }
    }
}

/// Lasting growth per window, over the explanations that have any.
pub(super) fn slopes(fits: &[Fit], shapes: &Shapes) -> Mixture {
    Mixture::of(fits.iter().filter(|f| f.class == Class::Growing).map(|f| f.slope(shapes)).collect())
}

/// How likely lasting growth of at least `least` per window is.
pub(super) fn growth_probability(fits: &[Fit], shapes: &Shapes, least: f64) -> f64 {
    let growing = fits.iter().filter(|f| f.class == Class::Growing);
    growing.fold(0.0, |sum, f| sum + f.weight * f.slope(shapes).above(least))
}

/// How much of the weight says that the floor falls by `least` a window.
pub(super) fn falling_weight(fits: &[Fit], shapes: &Shapes, least: f64) -> f64 {
    fits.iter().filter(|f| f.falls(shapes, least)).map(|f| f.weight).sum()
}

/// The floor at a moment beyond the window. Growth goes on with a chance of `goes_on` at least, and for as long
/// again as it was seen with one half: what has lasted for a time lasts as much longer. Otherwise it ends, at once or
/// on the way.
pub(super) fn ahead(fits: &[Fit], shapes: &Shapes, x: f64, goes_on: GoesOn) -> Mixture {
    let ahead = (x - 1.0).max(0.0);
    let mut parts = Vec::with_capacity(4 * fits.len());
    let growing: f64 = fits.iter().filter(|f| f.class == Class::Growing).map(|f| f.weight).sum();
    let [more, less] = match goes_on.likely {
        likely if growing > 0.0 && likely > growing => [likely / growing, (1.0 - likely) / (1.0 - growing)],
        _ => [1.0, 1.0],
    };
    for fit in fits {
        let mut part = fit.ahead(shapes, x);
        part.weight *= if fit.class == Class::Growing { more } else { less };
        if fit.class == Class::Growing && ahead > 0.0 {
            let seen = fit.seen(shapes);
            let young = match goes_on {
                GoesOn { called: true, .. } => 0.0,
                GoesOn { innocent: true, young, .. } => INNOCENT_GOES_ON * young,
                GoesOn { young, .. } => YOUNG_GOES_ON * young,
            };
            let chance =
                (goes_on.chance + young).max(goes_on.lifelong * seen / (seen + ahead)).min(CALLED_GOES_ON);
            let soon = if goes_on.called { SOON } else { SOON_LATE - goes_on.lifelong * (SOON_LATE - SOON) };
            parts.extend(fit.ends_before(shapes, part, 1.0 - chance, soon));
            part.weight *= chance;
        }
        let steps = match fit.class {
            Class::Growing => 0.0,
            Class::Step => fit.steps_again(shapes, goes_on.young),
            Class::Flat | Class::Rhythm | Class::Saturating => STEPS_UNSEEN,
        };
        // What no window showed may come whether or not an explanation holds.
        let chance = -(-steps * ahead).exp_m1();
        let back = -(-RETURNS * ahead).exp_m1();
        let mut push = |mut part: Part| {
            if chance > 0.0 {
                parts.push(fit.another_step(shapes, part, chance, steps * ahead / chance));
            }
            let returned = fit.returns(shapes, part, back);
            let climbs = fit.climbs(shapes, part, ahead, goes_on.young);
            let taken = climbs.map_or(0.0, |p| p.weight) + returned.map_or(0.0, |p| p.weight);
            part.weight = part.weight * (1.0 - chance) - taken;
            parts.extend(returned.into_iter().chain(climbs));
            parts.push(part);
        };
        if ahead > 0.0 && !(goes_on.called && fit.class == Class::Growing) {
            let young = if goes_on.innocent { 0.0 } else { goes_on.young };
            let unexplained = match fit.class {
                Class::Growing => UNEXPLAINED_GROWTH * (1.0 - EXPLAINED_YOUNG * young),
                _ => UNEXPLAINED,
            };
            push(fit.as_before(unexplained * part.weight, ahead, goes_on.young));
            part.weight *= 1.0 - unexplained;
        }
        push(part);
    }
    Mixture::of(parts)
}
