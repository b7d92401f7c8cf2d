//! The mixture of all explanations that matter: how likely growth is, how fast, and where the floor goes.

use super::evidence::Fit;
use super::shapes::{Class, Shapes};
use crate::special::normal_below;

/// By how much the spread of a forecast is widened, so that the nominal 90 % interval holds nine of ten: growth
/// comes in uneven pieces, which a line through a window takes for smaller noise than it is.
const WIDEN_GROWING: f64 = 1.2;
/// How likely a level that moved is to move again before the forecast's moment.
const ANOTHER_STEP: f64 = 0.3;
/// Explanations that a mixture counts at most: the heaviest carry nearly all of the weight.
const HEAVIEST: usize = 80;

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

    /// The fitted floor at a moment.
    pub(super) fn level(&self, shapes: &Shapes, x: f64) -> f64 {
        self.combine(&self.row(shapes, x)).0
    }

    fn slope(&self, shapes: &Shapes) -> Part {
        let mut row = vec![0.0; self.fixed];
        let free = self.model.columns().iter().filter_map(|id| shapes.columns.get(usize::from(*id)));
        row.extend(free.map(|c| c.lasting_slope()));
        let (mean, variance) = self.combine(&row);
        Part { weight: self.weight, mean, sd: (variance * self.heavier()).sqrt() }
    }

    fn ahead(&self, shapes: &Shapes, x: f64) -> Part {
        let mut row = self.row(shapes, x);
        let mut swing = 0.0;
        if x > 1.0 {
            // Where a rhythm or the load will stand is unknown: anywhere.
            let swings = self.model.columns().iter().map(|id| shapes.columns.get(usize::from(*id)));
            let swings = (0..self.fixed)
                .map(|i| i == 1 && self.loaded)
                .chain(swings.map(|c| c.is_some_and(|c| c.swings())));
            for (i, ((r, b), _)) in
                row.iter_mut().zip(&self.beta).zip(swings).enumerate().filter(|(_, (_, s))| *s)
            {
                *r = 0.0;
                // What the load did in the window is the least it may do later.
                swing += b * b * if i == 1 && self.loaded { 4.0 } else { 1.0 };
            }
        }
        let (mean, variance) = self.combine(&row);
        let sd = ((variance + self.variance) * self.heavier() + swing).sqrt();
        let widen = if self.class == Class::Growing { WIDEN_GROWING } else { 0.93 };
        Part { weight: self.weight, mean, sd: sd * widen }
    }
}

impl Fit {
    /// The forecast if there is one more step like those seen.
    fn another_step(&self, part: Part) -> Part {
        let steps = self.beta.get(self.fixed..).unwrap_or(&[]);
        let n = steps.len().max(1) as f64;
        let mean = steps.iter().sum::<f64>() / n;
        let square = steps.iter().map(|s| s * s).sum::<f64>() / n;
        let sd = (part.sd * part.sd + square).sqrt();
        Part { weight: part.weight * ANOTHER_STEP, mean: part.mean + mean, sd }
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

/// The floor at a moment beyond the window.
pub(super) fn ahead(fits: &[Fit], shapes: &Shapes, x: f64) -> Mixture {
    let mut parts = Vec::with_capacity(fits.len());
    for fit in fits {
        let part = fit.ahead(shapes, x);
        if fit.class == Class::Step && x > 1.0 {
            parts.push(fit.another_step(part));
            parts.push(Part { weight: part.weight * (1.0 - ANOTHER_STEP), ..part });
        } else {
            parts.push(part);
        }
    }
    Mixture::of(parts)
}
