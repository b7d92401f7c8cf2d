//! The explanations: what healthy and leaking processes do, as sums of a few columns.

/// One column of an explanation, over the window 0..=1 and beyond.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Column {
    /// A steady rise.
    Ramp,
    /// A change of level.
    Step(f64),
    /// A rise that starts late.
    Late(f64),
    /// A rise that ends.
    Plateau(f64),
    /// A rise that levels off.
    Exp(f64),
    /// A rise that slows down but never ends: the maximum of more and more of the same.
    Log(f64),
    Cos(f64),
    Sin(f64),
}

impl Column {
    pub(super) fn at(self, x: f64) -> f64 {
        match self {
            Self::Ramp => x,
            Self::Step(c) => f64::from(u8::from(x > c)),
            Self::Late(c) => (x - c).max(0.0),
            Self::Plateau(c) => (x / c).min(1.0),
            Self::Exp(tau) => -(-x / tau).exp_m1(),
            Self::Log(scale) => (x / scale).ln_1p() / (1.0 / scale).ln_1p(),
            Self::Cos(f) => (std::f64::consts::TAU * f * x).cos(),
            Self::Sin(f) => (std::f64::consts::TAU * f * x).sin(),
        }
    }

    /// Growth per window at the end, of the kind that goes on.
    pub(super) fn lasting_slope(self) -> f64 {
        f64::from(u8::from(matches!(self, Self::Ramp | Self::Late(_))))
    }

    /// Whether it comes and goes: far ahead its phase is unknown.
    pub(super) fn swings(self) -> bool {
        matches!(self, Self::Cos(_) | Self::Sin(_))
    }

    /// Size of a usual coefficient, as a part of the level.
    pub(super) fn scale(self) -> f64 {
        0.07
    }
}

/// What an explanation says of the series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Flat,
    Rhythm,
    Step,
    Saturating,
    Growing,
}

/// Up to four columns beside the constant ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Model {
    pub(super) columns: [u16; 4],
    pub(super) len: u8,
    pub(super) class: Class,
    pub(super) ln_prior: f64,
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
    pub(super) models: Vec<Model>,
    /// Column numbers of the steps: a third one is tried beside the best two.
    pub(super) steps: Vec<u16>,
    /// Prior of one set of three steps.
    pub(super) ln_prior_three_steps: f64,
}

const EXPS: [f64; 12] = [0.04, 0.06, 0.08, 0.105, 0.135, 0.17, 0.21, 0.26, 0.31, 0.37, 0.44, 0.53];
const LOGS: [f64; 1] = [0.03];
const SLOW_RHYTHMS: [f64; 11] = [0.22, 0.25, 0.28, 0.315, 0.35, 0.385, 0.42, 0.46, 0.5, 0.6, 0.72];
const RHYTHMS: [f64; 12] = [0.55, 0.67, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0];

impl Shapes {
    pub(super) fn new(x: &[f64], load_known: bool) -> Self {
        let mut s = Self::default();
        let ramp = s.column(Column::Ramp);
        let middles: Vec<f64> = x.windows(2).map(|w| 0.5 * (w[0] + w[1])).collect();
        let step: Vec<u16> = middles.iter().map(|c| s.column(Column::Step(*c))).collect();
        let inner: Vec<f64> = middles.iter().copied().filter(|c| (0.1..=0.82).contains(c)).collect();
        let late: Vec<u16> = inner.iter().map(|c| s.column(Column::Late(*c))).collect();
        let plateau: Vec<u16> = inner.iter().map(|c| s.column(Column::Plateau(*c))).collect();
        let exp: Vec<u16> = EXPS.iter().map(|t| s.column(Column::Exp(*t))).collect();
        let log: Vec<u16> = LOGS.iter().map(|t| s.column(Column::Log(*t))).collect();
        let rhythm: Vec<[u16; 2]> =
            RHYTHMS.iter().map(|f| [s.column(Column::Cos(*f)), s.column(Column::Sin(*f))]).collect();
        let slow: Vec<Vec<u16>> =
            SLOW_RHYTHMS.iter().map(|f| vec![s.column(Column::Cos(*f)), s.column(Column::Sin(*f))]).collect();
        let one = |ids: &[u16]| ids.iter().map(|id| vec![*id]).collect::<Vec<_>>();
        let with = |a: &[u16], b: &[u16]| {
            a.iter().flat_map(|a| b.iter().map(move |b| vec![*a, *b])).collect::<Vec<_>>()
        };
        let every = |n: usize| step.iter().copied().step_by(n).collect::<Vec<_>>();
        let pair = |ids: &[u16]| {
            let mut all = Vec::new();
            for (i, a) in ids.iter().enumerate() {
                all.extend(ids.get(i + 1..).unwrap_or(&[]).iter().map(|b| vec![*a, *b]));
            }
            all
        };
        let ramped = |sets: Vec<Vec<u16>>| {
            sets.into_iter()
                .map(|mut set| {
                    set.push(ramp);
                    set
                })
                .collect::<Vec<_>>()
        };
        let rhythms: Vec<Vec<u16>> = rhythm.iter().map(|r| r.to_vec()).collect();
        s.family(Class::Flat, 0.30, vec![vec![]]);
        s.family(Class::Step, 0.10, one(&step));
        s.family(Class::Step, 0.05, pair(&step));
        s.family(Class::Saturating, 0.10, one(&exp));
        s.family(Class::Saturating, 0.08, one(&plateau));
        s.family(Class::Saturating, 0.02, one(&log));
        s.family(Class::Saturating, 0.03, with(&exp, &step));
        // A rhythm follows the load: where that is known, little is left for one of its own.
        s.family(Class::Rhythm, if load_known { 0.01 } else { 0.08 }, rhythms.clone());
        s.family(Class::Rhythm, if load_known { 0.005 } else { 0.06 }, slow);
        s.family(Class::Growing, 0.08, vec![vec![ramp]]);
        s.family(Class::Growing, 0.03, ramped(one(&step)));
        s.family(Class::Growing, 0.02, ramped(pair(&every(2))));
        s.family(Class::Growing, 0.04, one(&late));
        s.family(Class::Growing, 0.02, ramped(one(&late)));
        s.family(Class::Growing, 0.05, ramped(one(&exp)));
        s.family(Class::Growing, 0.02, ramped(rhythms));
        let n = step.len() as f64;
        s.ln_prior_three_steps = (0.03 / (n * (n - 1.0) * (n - 2.0) / 6.0).max(1.0)).ln();
        s.steps = step;
        s
    }

    fn column(&mut self, column: Column) -> u16 {
        self.columns.push(column);
        (self.columns.len() - 1) as u16
    }

    /// Adds explanations that share a prior.
    fn family(&mut self, class: Class, prior: f64, sets: Vec<Vec<u16>>) {
        let ln_prior = (prior / sets.len().max(1) as f64).ln();
        for set in sets {
            let mut columns = [0; 4];
            columns.iter_mut().zip(&set).for_each(|(to, from)| *to = *from);
            self.models.push(Model { columns, len: set.len().min(4) as u8, class, ln_prior });
        }
    }
}
