//! The explanations: what healthy and leaking processes do, as sums of a few columns.

use super::columns::Column;

/// What an explanation says of the series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Flat,
    Rhythm,
    Step,
    Saturating,
    Growing,
}

/// Columns of an explanation at most, beside the constant ones.
pub(super) const MOST: usize = 6;

/// A few columns beside the constant ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Model {
    pub(super) columns: [u16; MOST],
    pub(super) len: u8,
    /// How many of its columns are steps.
    pub(super) steps: u8,
    pub(super) class: Class,
    pub(super) ln_prior: f64,
    /// One of the columns is the load.
    pub(super) load: bool,
}

impl Model {
    pub(super) fn columns(&self) -> &[u16] {
        self.columns.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

/// All columns and all explanations for blocks at the given moments.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    pub(super) columns: Vec<Column>,
    /// How many of them, from the first, stand beside others; of the rest each stands alone, or beside the load.
    pub(super) paired: usize,
    /// The column of the load, where there is one.
    pub(super) load: Option<u16>,
    pub(super) models: Vec<Model>,
    /// Pairs of columns that stand together in a model.
    pairs: Vec<(u16, u16)>,
    /// Column numbers of the steps: a third one is tried beside the best two.
    pub(super) steps: Vec<u16>,
    /// Priors of one pair of steps beside a ramp, of one set of three steps, and of one of four: each step more is tried
    /// beside the best so far.
    pub(super) ln_prior_more_steps: [f64; 3],
    /// From here on columns are events, which stand beside the best explanations only.
    pub(super) events_from: usize,
}

const EXPS: [f64; 12] = [0.04, 0.06, 0.08, 0.105, 0.135, 0.17, 0.21, 0.26, 0.31, 0.37, 0.44, 0.53];
/// When a level that moves over a while begins to, and for how long.
const MOVES: [f64; 11] = [0.04, 0.1, 0.17, 0.24, 0.31, 0.38, 0.46, 0.54, 0.62, 0.7, 0.78];
const LASTING: [f64; 7] = [0.07, 0.11, 0.16, 0.22, 0.3, 0.42, 0.58];
/// …and when it stands again at the latest: what moves until the end may go on.
const STANDS: f64 = 0.93;
const LOGS: [f64; 1] = [0.03];
/// Growth that slows down but goes on, and growth that quickens.
const POWERS: [f64; 5] = [0.5, 0.65, 0.8, 1.5, 2.0];
/// Growth that slows down so much that it counts as ending.
const SLOW_POWERS: [f64; 1] = [0.3];
/// Growth that doubles, and stairs: even steps in a window, at every phase of the first.
const DOUBLINGS: [f64; 8] = [0.6, 1.0, 1.4, 1.8, 2.2, 2.8, 3.6, 5.0];
const STAIRS: [f64; 7] = [2.6, 3.2, 4.0, 5.0, 6.2, 7.6, 9.4];
const STAIR_PHASES: usize = 6;
/// Growth that sets in over a while: from when, and how long that takes.
const EASES: [f64; 7] = [0.0, 0.08, 0.17, 0.27, 0.37, 0.48, 0.6];
const EASED: [f64; 5] = [0.2, 0.35, 0.5, 0.75, 1.1];
/// …and what of the window it must have been seen for.
const EASED_FOR: f64 = 0.75;
const FILLINGS: [f64; 5] = [0.03, 0.08, 0.2, 0.35, 0.6];
const SLOW_RHYTHMS: [f64; 11] = [0.22, 0.25, 0.28, 0.315, 0.35, 0.385, 0.42, 0.46, 0.5, 0.6, 0.72];
const RHYTHMS: [f64; 12] = [0.55, 0.67, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0];
/// Slow waves with their half: the shape of a day in most services.
const TWO_WAVES: [f64; 8] = [0.25, 0.315, 0.385, 0.46, 0.55, 0.67, 0.8, 1.0];
/// Days of hours of use and hours without: frequency, and how sharp the shoulders are. Every angle.
const HOURS: [f64; 6] = [0.25, 0.32, 0.4, 0.5, 0.64, 0.8];
const SHOULDERS: [f64; 2] = [2.5, 4.5];
const ANGLES: usize = 14;

/// Events: for how many blocks batches last, how fast what was taken comes back, how fast what begins levels off, and how
/// many such times must have been seen of that.
const BATCHES: [usize; 6] = [1, 2, 3, 4, 6, 9];
const RECOVERIES: [f64; 4] = [0.02, 0.05, 0.12, 0.3];
const RISES: [f64; 3] = [0.02, 0.06, 0.15];
const ENOUGH: f64 = 2.5;

/// Days from which a rhythm of the clock is one of the explanations…
const ONE_DAY: f64 = 0.9;
/// …and from which it can be told from growth.
const CLOCK_DAYS: f64 = 1.4;
/// What is left of a rhythm's prior beside a load that is known.
const BESIDE_LOAD: f64 = 0.12;

fn one(ids: &[u16]) -> Vec<Vec<u16>> {
    ids.iter().map(|id| vec![*id]).collect()
}

/// Every set of one list beside every set of another.
fn with(a: &[Vec<u16>], b: &[Vec<u16>]) -> Vec<Vec<u16>> {
    a.iter().flat_map(|a| b.iter().map(move |b| [&a[..], b].concat())).collect()
}

fn pairs(ids: &[u16]) -> Vec<Vec<u16>> {
    let rest = |i: usize| ids.get(i + 1..).unwrap_or(&[]);
    ids.iter().enumerate().flat_map(|(i, a)| rest(i).iter().map(|b| vec![*a, *b])).collect()
}

impl Shapes {
    /// For blocks at these moments of a window of so many days, which began at this age of the process (in windows),
    /// beside a load that matters or without one.
    pub(super) fn new(x: &[f64], load: bool, days: f64, age: f64) -> Self {
        let mut s = Self::default();
        s.load = load.then(|| s.column(Column::Load));
        let ramp = s.column(Column::Ramp);
        let middles: Vec<f64> = x.windows(2).map(|w| 0.5 * (w[0] + w[1])).collect();
        let step = s.columns(middles.iter().map(|c| Column::Step(*c)));
        let inner: Vec<f64> = middles.iter().copied().filter(|c| (0.1..=0.82).contains(c)).collect();
        let late = s.columns(inner.iter().map(|c| Column::Late(*c)));
        let plateau = s.columns(inner.iter().map(|c| Column::Plateau(*c)));
        let exp = s.columns(EXPS.iter().map(|t| Column::Exp(*t)));
        let filling = s.columns(FILLINGS.iter().map(|h| Column::Filling(*h, age)));
        let slow = s.columns(
            LOGS.iter().map(|t| Column::Log(*t)).chain(SLOW_POWERS.iter().map(|p| Column::Power(*p, age))),
        );
        let powers = s.columns(POWERS.iter().map(|p| Column::Power(*p, age)));
        let doublings = s.columns(DOUBLINGS.iter().map(|k| Column::Doubling(*k)));
        let mut wave = |f: f64| vec![s.column(Column::Cos(f)), s.column(Column::Sin(f))];
        let rhythms: Vec<Vec<u16>> = RHYTHMS.iter().map(|f| wave(*f)).collect();
        let slow_rhythms: Vec<Vec<u16>> = SLOW_RHYTHMS.iter().map(|f| wave(*f)).collect();
        let two_waves: Vec<Vec<u16>> = TWO_WAVES.iter().map(|f| [wave(*f), wave(2.0 * f)].concat()).collect();
        let ramped = |sets: Vec<Vec<u16>>| with(&[vec![ramp]], &sets);
        s.family(Class::Flat, 0.30, vec![vec![]]);
        s.family(Class::Step, 0.10, one(&step));
        s.family(Class::Step, 0.05, pairs(&step));
        s.family(Class::Saturating, 0.08, one(&exp));
        s.family(Class::Saturating, 0.06, one(&filling));
        s.family(Class::Saturating, 0.08, one(&plateau));
        s.family(Class::Saturating, 0.02, one(&slow));
        s.family(Class::Saturating, 0.03, with(&one(&exp), &one(&step)));
        s.family(Class::Rhythm, 0.08, rhythms.clone());
        s.family(Class::Rhythm, 0.06, slow_rhythms);
        s.family(Class::Rhythm, 0.04, two_waves);
        s.family(Class::Growing, 0.08, vec![vec![ramp]]);
        s.family(Class::Growing, 0.05, one(&powers));
        s.family(Class::Growing, 0.03, ramped(one(&step)));
        s.family(Class::Growing, 0.04, one(&late));
        s.family(Class::Growing, 0.02, ramped(one(&late)));
        s.family(Class::Growing, 0.05, ramped(one(&exp)));
        s.family(Class::Growing, 0.02, one(&doublings));
        s.family(Class::Growing, 0.02, ramped(one(&doublings)));
        s.family(Class::Growing, 0.02, ramped(rhythms));
        if days >= CLOCK_DAYS {
            s.clock(days, ramp, &step, &exp);
        } else if days >= ONE_DAY {
            let day = vec![s.column(Column::ClockCos(days)), s.column(Column::ClockSin(days))];
            s.family(Class::Rhythm, 0.1, vec![day]);
        }
        s.lone();
        let n = step.len() as f64;
        let threes = n * (n - 1.0) * (n - 2.0) / 6.0;
        let sets = [n * (n - 1.0) / 2.0, threes, threes * (n - 3.0) / 4.0];
        let priors = [0.02, 0.03, 0.015];
        s.ln_prior_more_steps = std::array::from_fn(|i| (priors[i] / sets[i].max(1.0)).ln());
        s.steps = step;
        s.pair();
        s.events(&middles);
        s
    }

    /// Events between these moments.
    fn events(&mut self, middles: &[f64]) {
        self.events_from = self.columns.len();
        let last = middles.last().copied().unwrap_or(1.0);
        let batch = |(i, from): (usize, &f64)| {
            let from = *from;
            BATCHES.into_iter().filter_map(move |l| Some(Column::Batch(from, *middles.get(i + l)?)))
        };
        self.columns.extend(middles.iter().enumerate().flat_map(batch));
        for at in middles {
            let apart = |tau: &f64| at + ENOUGH * tau < last;
            self.columns.extend(RECOVERIES.into_iter().map(|tau| Column::Recovers(*at, tau)));
            self.columns.extend(RISES.into_iter().filter(apart).map(|tau| Column::Rises(*at, tau)));
        }
    }

    /// Pairs of columns that stand together in a model, each once; not those with the load.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        self.pairs.iter().copied()
    }

    fn pair(&mut self) {
        let n = self.paired;
        let mut seen = vec![false; n * n];
        for model in &self.models {
            let columns = model.columns();
            for (i, a) in columns.iter().enumerate() {
                for b in columns.iter().take(i).filter(|b| usize::from(**b.max(&a)) < n) {
                    let (low, high) = (*a.min(b), *a.max(b));
                    if !std::mem::replace(&mut seen[usize::from(low) * n + usize::from(high)], true) {
                        self.pairs.push((low, high));
                    }
                }
            }
        }
    }

    /// Explanations of one column each, of which no other makes use: levels that move over a while, hours of use.
    fn lone(&mut self) {
        self.paired = self.columns.len();
        let moves: Vec<(f64, f64)> = MOVES
            .iter()
            .flat_map(|from| LASTING.iter().map(move |l| (*from, from + l)))
            .filter(|(_, to)| *to <= STANDS)
            .collect();
        let slides = self.columns(moves.iter().map(|(from, to)| Column::Slide(*from, *to)));
        let swings = self.columns(moves.iter().map(|(from, to)| Column::Swing(*from, *to)));
        self.family(Class::Step, 0.05, one(&[slides, swings].concat()));
        let angles = (0..ANGLES).map(|i| std::f64::consts::TAU * i as f64 / ANGLES as f64);
        let hours: Vec<Column> = HOURS
            .iter()
            .flat_map(|f| SHOULDERS.iter().map(move |s| (*f, *s)))
            .flat_map(|(f, s)| angles.clone().map(move |a| Column::Hours(f, a, s)))
            .collect();
        let hours = self.columns(hours.into_iter());
        let phases = (0..STAIR_PHASES).map(|i| (i as f64 + 0.5) / STAIR_PHASES as f64);
        let stairs: Vec<Column> =
            STAIRS.iter().flat_map(|n| phases.clone().map(|phase| Column::Stairs(*n, phase))).collect();
        let stairs = self.columns(stairs.into_iter());
        self.family(Class::Growing, 0.03, one(&stairs));
        let eases = EASES.iter().flat_map(|from| EASED.iter().map(move |wide| (*from, *wide)));
        let seen = |(from, wide): &(f64, f64)| *wide <= (1.0 - from) / EASED_FOR;
        let eases: Vec<(f64, f64)> = eases.filter(seen).collect();
        let eases = self.columns(eases.into_iter().map(|(from, wide)| Column::Eases(from, wide)));
        self.family(Class::Growing, 0.04, one(&eases));
        let beside_load = if self.load.is_some() { BESIDE_LOAD } else { 1.0 };
        self.add(Class::Rhythm, 0.04 * beside_load, &one(&hours), false);
    }

    /// Explanations with the rhythm of the clock: a day, half a day beside it, and a week where two were seen.
    fn clock(&mut self, days: f64, ramp: u16, step: &[u16], exp: &[u16]) {
        let mut wave = |f: f64| [self.column(Column::ClockCos(f)), self.column(Column::ClockSin(f))];
        let day = wave(days).to_vec();
        let halves = [&day[..], &wave(2.0 * days)].concat();
        let mut rhythms = vec![day.clone(), halves];
        if days >= 14.0 {
            rhythms.push([&day[..], &wave(days / 7.0)].concat());
        }
        self.family(Class::Flat, 0.15, rhythms.clone());
        self.family(Class::Growing, 0.08, with(&[vec![ramp]], &rhythms));
        self.family(Class::Step, 0.05, with(&one(step), std::slice::from_ref(&day)));
        self.family(Class::Saturating, 0.04, with(&one(exp), std::slice::from_ref(&day)));
        self.family(Class::Growing, 0.02, with(&with(&one(step), &[vec![ramp]]), &[day]));
    }

    fn columns(&mut self, columns: impl Iterator<Item = Column>) -> Vec<u16> {
        columns.map(|c| self.column(c)).collect()
    }

    fn column(&mut self, column: Column) -> u16 {
        self.columns.push(column);
        (self.columns.len() - 1) as u16
    }

    /// Adds explanations that share a prior. Where a load is known, each is there without it and with it: the
    /// evidence says which. A rhythm follows the load: beside that, little is left for one of its own.
    fn family(&mut self, class: Class, prior: f64, sets: Vec<Vec<u16>>) {
        let Some(load) = self.load else { return self.add(class, prior, &sets, false) };
        let rhythm = if class == Class::Rhythm { BESIDE_LOAD } else { 1.0 };
        self.add(class, 0.5 * rhythm * prior, &sets, false);
        self.add(class, 0.5 * rhythm * prior, &with(&sets, &[vec![load]]), true);
    }

    fn add(&mut self, class: Class, prior: f64, sets: &[Vec<u16>], load: bool) {
        let ln_prior = (prior / sets.len().max(1) as f64).ln();
        for set in sets {
            let mut columns = [0; MOST];
            columns.iter_mut().zip(set).for_each(|(to, from)| *to = *from);
            let step = |id: &&u16| matches!(self.columns.get(usize::from(**id)), Some(Column::Step(_)));
            let (steps, len) = (set.iter().filter(step).count() as u8, set.len().min(MOST) as u8);
            self.models.push(Model { columns, len, steps, class, ln_prior, load });
        }
    }
}
