//! What floors do when nothing happens: white noise on top of a wandering level (an Ornstein–Uhlenbeck
//! process), with gaps wherever they are. One grid of such noises is tried for every explanation.

/// A noise of unit variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Noise {
    /// Time over which the level forgets, in windows. 0: white only.
    pub(super) memory: f64,
    /// Part of the variance that is white.
    pub(super) white: f64,
    pub(super) ln_prior: f64,
}

/// Memories tried, in windows. The longest is a level that wanders over half of what was seen.
const MEMORIES: [f64; 5] = [0.025, 0.06, 0.13, 0.27, 0.5];
/// A level that never comes back in the window: what growth in uneven pieces leaves beside its line.
const LONG: f64 = 1.5;
const LONG_WHITES: [f64; 3] = [0.02, 0.2, 0.6];
/// A level that goes wherever it goes: as good as a random walk.
const ENDLESS: f64 = 6.0;
const ENDLESS_WHITES: [f64; 2] = [0.02, 0.2];
/// Columns that are whitened at a time.
const TOGETHER: usize = 8;
const WHITES: [f64; 3] = [0.02, 0.3, 0.7];

/// All noises that are tried.
pub(super) fn grid() -> Vec<Noise> {
    let mut all = vec![Noise { memory: 0.0, white: 1.0, ln_prior: 0.3_f64.ln() }];
    let each = 0.7 / (MEMORIES.len() * WHITES.len()) as f64;
    for white in LONG_WHITES {
        all.push(Noise { memory: LONG, white, ln_prior: (2.0 * each).ln() });
    }
    for white in ENDLESS_WHITES {
        all.push(Noise { memory: ENDLESS, white, ln_prior: each.ln() });
    }
    for memory in MEMORIES {
        for white in WHITES {
            all.push(Noise { memory, white, ln_prior: each.ln() });
        }
    }
    all
}

/// Turns this noise into independent noise of unit variance (a Kalman filter of one state).
#[derive(Debug, Clone)]
pub(super) struct Whitener {
    /// For each observation: decay since the last, gain, 1/√(innovation variance).
    steps: Vec<(f64, f64, f64)>,
    /// Logarithm of the determinant of the noise's covariance.
    pub(super) ln_det: f64,
}

impl Whitener {
    pub(super) fn new(x: &[f64], noise: &Noise) -> Self {
        let wander = 1.0 - noise.white;
        let mut steps = Vec::with_capacity(x.len());
        let (mut ln_det, mut variance, mut last) = (0.0, wander, f64::NEG_INFINITY);
        for &x in x {
            let decay = if noise.memory > 0.0 { (-(x - last) / noise.memory).exp() } else { 0.0 };
            let predicted = decay * decay * variance + wander * (1.0 - decay * decay);
            let innovation = (predicted + noise.white).max(1e-12);
            let gain = predicted / innovation;
            variance = (1.0 - gain) * predicted;
            ln_det += innovation.ln();
            steps.push((decay, gain, 1.0 / innovation.sqrt()));
            last = x;
        }
        Self { steps, ln_det }
    }

    /// Where a wandering level stands after the last of these residuals.
    pub(super) fn state(&self, residuals: &[f64]) -> f64 {
        residuals.iter().zip(&self.steps).fold(0.0, |state, (v, (decay, gain, _))| {
            let predicted = decay * state;
            predicted + gain * (v - predicted)
        })
    }

    /// [`apply`](Self::apply) for columns that lie one after the other; a few at a time, since each value waits for the
    /// one before.
    pub(super) fn apply_all(&self, columns: &[f64]) -> Vec<f64> {
        let n = self.steps.len();
        let mut out = vec![0.0; columns.len()];
        for (some, out) in columns.chunks(TOGETHER * n).zip(out.chunks_mut(TOGETHER * n)) {
            if some.len() < TOGETHER * n {
                some.chunks(n)
                    .zip(out.chunks_mut(n))
                    .for_each(|(c, out)| out.copy_from_slice(&self.apply(c)));
                continue;
            }
            let mut states = [0.0; TOGETHER];
            for (i, (decay, gain, scale)) in self.steps.iter().enumerate() {
                for (lane, state) in states.iter_mut().enumerate() {
                    let predicted = decay * *state;
                    let surprise = some[lane * n + i] - predicted;
                    *state = predicted + gain * surprise;
                    out[lane * n + i] = surprise * scale;
                }
            }
        }
        out
    }

    pub(super) fn apply(&self, column: &[f64]) -> Vec<f64> {
        let mut state = 0.0;
        let whiten = |(v, (decay, gain, scale)): (&f64, &(f64, f64, f64))| {
            let predicted = decay * state;
            let surprise = v - predicted;
            state = predicted + gain * surprise;
            surprise * scale
        };
        column.iter().zip(&self.steps).map(whiten).collect()
    }
}
