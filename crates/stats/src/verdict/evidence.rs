//! How well each explanation, with each noise, accounts for the floors: the marginal likelihood of linear
//! models whose noise level is unknown (Laplace's approximation with Cauchy priors on the coefficients).

use super::blocks::Blocks;
use super::columns::Column;
use super::linear::{dot, inverse, project, project_in};
use super::measures::range;
use super::noise::{Noise, Whitener};
use super::shapes::{Class, MOST, Model, Shapes};
use super::stairs::stairs;
use crate::special::ln_gamma;

/// A rhythm that swings up and down by this part of the level is a large one already.
const USUAL_SWING: f64 = 0.1;
/// Resets from which teeth are surely teeth, so that the last floor is one without its tooth: two drops may be anything.
const TEETH: usize = 6;
/// Logarithm of the prior density of a coefficient at most: 1 / (π · scale).
const MOST_LIKELY_SIZE: f64 = 1.52;

/// An explanation that matters, fitted.
#[derive(Debug, Clone)]
pub(super) struct Fit {
    pub(super) weight: f64,
    pub(super) class: Class,
    pub(super) model: Model,
    /// Coefficients: constant, phase (where there is one), then the model's columns.
    pub(super) beta: Vec<f64>,
    /// Their covariance.
    pub(super) covariance: Vec<Vec<f64>>,
    /// Variance of the noise.
    pub(super) variance: f64,
    pub(super) dof: f64,
    /// Growth a window of steps that are a stair.
    pub(super) stairs: Option<f64>,
    /// Where the wandering level stands at the end of the window.
    pub(super) state: f64,
    /// Between the lowest and the highest floor of the window.
    pub(super) range: f64,
    /// Change of the floors over half of the window, a root mean square.
    pub(super) change: f64,
    /// By which power of time that change grows: none where floors come back, a half where they go wherever they go.
    pub(super) wanders: f64,
    /// The last floor.
    pub(super) last: f64,
    /// How many of the coefficients come before the model's own.
    pub(super) fixed: usize,
    /// The noise.
    pub(super) noise: Noise,
    /// Where one of the columns is the load: its spread as a part of its mean.
    pub(super) load_spread: Option<f64>,
}

pub(super) struct Problem<'a> {
    blocks: &'a Blocks,
    pub(super) shapes: &'a Shapes,
    fixed: Vec<Vec<f64>>,
    /// The free columns, one after the other.
    free: Vec<f64>,
    /// How many of the free columns stand beside others.
    pub(super) paired: usize,
    /// What models of so many columns leave: Γ of half of the degrees of freedom, and those.
    left: [Option<(f64, f64)>; MOST + 1],
    range: f64,
    /// What even a perfect fit leaves: values are rounded to the quantum.
    rounding: f64,
}

/// One noise: what is left of every column, and of the values, after the fixed columns.
pub(super) struct Gram<'a> {
    /// What is left of the columns, one after the other, and how long each is.
    all: Vec<f64>,
    n: usize,
    /// Products of the columns that stand beside others, row by row: those that a model asks for.
    paired: usize,
    xx: &'a [f64],
    /// Of every column with itself, and with the load.
    own: Vec<f64>,
    with_load: Vec<f64>,
    xy: Vec<f64>,
    yy: f64,
    /// What does not depend on the model.
    ln_base: f64,
    rounding: f64,
}

impl<'a> Problem<'a> {
    pub(super) fn new(blocks: &'a Blocks, shapes: &'a Shapes) -> Self {
        let mut fixed = vec![vec![1.0; blocks.x.len()]];
        fixed.extend(blocks.phase.clone());
        let load = blocks.load.as_deref().unwrap_or(&[]);
        let mut free = Vec::with_capacity(shapes.columns.len() * blocks.x.len());
        for column in &shapes.columns {
            match column {
                Column::Load => free.extend_from_slice(load),
                c => free.extend(blocks.x.iter().map(|x| c.at(*x))),
            }
        }
        let left = std::array::from_fn(|k| {
            let dof = blocks.x.len().checked_sub(k + fixed.len()).filter(|d| *d >= 2)? as f64;
            Some((ln_gamma(0.5 * dof), 0.5 * dof))
        });
        // Uniform rounding, and never less than a millionth of the level.
        let rounding = blocks.x.len() as f64 * (blocks.quantum * blocks.quantum / 12.0).max(1e-10);
        let paired = shapes.paired.min(shapes.columns.len());
        Self { blocks, shapes, fixed, free, paired, left, range: range(&blocks.y), rounding }
    }

    /// The last floor, and what floors did over half of the window (a root mean square); teeth of this height aside.
    fn as_before(&self, tooth: f64) -> (f64, f64, f64) {
        let phase = |i: usize| self.blocks.phase.as_ref().and_then(|p| p.get(i)).copied().unwrap_or(0.0);
        let feet: Vec<f64> = self.blocks.y.iter().enumerate().map(|(i, y)| y - tooth * phase(i)).collect();
        let half = feet.len() / 2;
        let over = |lag: usize| {
            let changes = feet.iter().zip(feet.iter().skip(lag)).map(|(a, b)| (b - a).powi(2));
            (changes.sum::<f64>() / (feet.len() - lag).max(1) as f64).sqrt()
        };
        let change = over(half);
        let ways: f64 = feet.windows(2).map(|w| (w[1] - w[0]).abs()).sum();
        let net = feet.last().zip(feet.first()).map_or(0.0, |(b, a)| (b - a).abs());
        let power = (change / over((half / 4).max(1)).max(1e-12)).max(1e-12).ln() / 4_f64.ln();
        let wanders = power.clamp(0.0, 0.5) * (1.0 - net / ways.max(1e-12));
        let last = if tooth == 0.0 { self.blocks.last } else { feet.last().copied().unwrap_or(0.0) };
        (last, change, wanders)
    }

    /// With so many of the columns, from the first.
    pub(super) fn gram<'p>(&self, whitener: &Whitener, products: &'p mut [f64], columns: usize) -> Gram<'p> {
        let mut basis: Vec<Vec<f64>> = Vec::new();
        let mut ln_fixed = 0.0;
        for column in &self.fixed {
            let mut column = project(whitener.apply(column), &basis);
            let norm = dot(&column, &column).max(1e-30);
            ln_fixed += norm.ln();
            column.iter_mut().for_each(|v| *v /= norm.sqrt());
            basis.push(column);
        }
        let y = project(whitener.apply(&self.blocks.y), &basis);
        let n = self.blocks.x.len();
        let mut all = whitener.apply_all(&self.free[..columns * n]);
        all.chunks_exact_mut(n).for_each(|c| project_in(c, &basis));
        let x: Vec<&[f64]> = all.chunks_exact(n).collect();
        // Beside events anything may stand beside anything.
        let paired = if columns > self.shapes.events_from { 0 } else { self.paired };
        for (i, j) in self.shapes.pairs().filter(|_| paired > 0) {
            let (i, j) = (usize::from(i), usize::from(j));
            let product = dot(x[i], x[j]);
            products[i * paired + j] = product;
            products[j * paired + i] = product;
        }
        let load = self.shapes.load.and_then(|l| x.get(usize::from(l)));
        let with_load = load.map_or_else(Vec::new, |load| x.iter().map(|c| dot(c, load)).collect());
        let xy = x.iter().map(|c| dot(c, &y)).collect();
        let own = x.iter().map(|c| dot(c, c)).collect();
        Gram {
            all,
            n,
            paired,
            xx: products,
            own,
            with_load,
            xy,
            yy: dot(&y, &y),
            ln_base: -0.5 * (whitener.ln_det + ln_fixed),
            rounding: self.rounding,
        }
    }

    /// The whole fit of one explanation.
    pub(super) fn fit(&self, weight: f64, noise: &Noise, whitener: &Whitener, model: &Model) -> Option<Fit> {
        let y = whitener.apply(&self.blocks.y);
        let n = self.blocks.x.len();
        let free = model.columns().iter().filter_map(|id| self.free.get(usize::from(*id) * n..)?.get(..n));
        let plain: Vec<&[f64]> = self.fixed.iter().map(Vec::as_slice).chain(free).collect();
        let x: Vec<Vec<f64>> = plain.iter().map(|c| whitener.apply(c)).collect();
        let inverse =
            inverse(&x.iter().map(|a| x.iter().map(|b| dot(a, b)).collect()).collect::<Vec<Vec<f64>>>())?;
        let xy: Vec<f64> = x.iter().map(|c| dot(c, &y)).collect();
        let beta: Vec<f64> = inverse.iter().map(|row| dot(row, &xy)).collect();
        let rss = (dot(&y, &y) - dot(&beta, &xy)).max(0.0) + self.rounding;
        let dof = (y.len() as f64 - x.len() as f64).max(1.0);
        let variance = rss / dof;
        let fitted =
            |i: usize| plain.iter().zip(&beta).map(|(c, b)| c.get(i).map_or(0.0, |v| b * v)).sum::<f64>();
        let rest: Vec<f64> = self.blocks.y.iter().enumerate().map(|(i, y)| y - fitted(i)).collect();
        let state = whitener.state(&rest);
        let tooth = if self.blocks.resets >= TEETH { beta.get(1).copied().unwrap_or(0.0) } else { 0.0 };
        let (last, change, wanders) = self.as_before(tooth);
        let covariance = inverse.into_iter().map(|r| r.into_iter().map(|v| v * variance).collect()).collect();
        let stairs = stairs(model, self.shapes, beta.get(self.fixed.len()..).unwrap_or(&[]));
        Some(Fit {
            weight,
            class: if stairs.is_some() { Class::Growing } else { model.class },
            stairs,
            model: *model,
            beta,
            covariance,
            variance,
            dof,
            state,
            range: self.range,
            change,
            wanders,
            last,
            fixed: self.fixed.len(),
            noise: *noise,
            load_spread: model.load.then_some(self.blocks.load_spread),
        })
    }
}

impl Gram<'_> {
    /// Product of two columns. Those that stand beside others, with the load or with themselves are known.
    fn product(&self, a: u16, b: u16) -> f64 {
        let (a, b) = (usize::from(a), usize::from(b));
        if a == b {
            self.own[a]
        } else if a < self.paired && b < self.paired {
            self.xx[a * self.paired + b]
        } else if let Some(product) = self.with_load.get(a.max(b)).filter(|_| a.min(b) == 0) {
            *product
        } else {
            let column = |i: usize| &self.all[i * self.n..(i + 1) * self.n];
            dot(column(a), column(b))
        }
    }

    /// Logarithm of the marginal likelihood. `None` where the columns cannot be told apart, or where it is below
    /// `least` whatever the prior of its coefficients.
    pub(super) fn evidence(&self, model: &Model, problem: &Problem<'_>, least: f64) -> Option<f64> {
        let k = usize::from(model.len);
        let (ln_gamma, half) = (*problem.left.get(k)?)?;
        let mut l = [[0.0_f64; MOST]; MOST];
        let mut z = [0.0_f64; MOST];
        let mut det = 1.0_f64;
        let mut rss = self.yy;
        for i in 0..k {
            for j in 0..=i {
                let mut v = self.product(model.columns[i], model.columns[j]);
                let whole = v;
                let (above, beside) = (l[j], l[i]);
                for (a, b) in above[..j].iter().zip(&beside) {
                    v -= a * b;
                }
                if i == j {
                    if v <= 1e-7 * whole || v <= 1e-12 {
                        return None;
                    }
                    det *= v;
                    l[i][i] = v.sqrt();
                } else {
                    l[i][j] = v / l[j][j];
                }
            }
            let mut v = self.xy[usize::from(model.columns[i])];
            for m in 0..i {
                v -= l[i][m] * z[m];
            }
            z[i] = v / l[i][i];
            rss -= z[i] * z[i];
        }
        let spread = 0.5 * (rss.max(0.0) + self.rounding);
        let ln_tau = (2.0 * std::f64::consts::PI).ln();
        let likely = self.ln_base - half * ln_tau - 0.5 * det.ln() + ln_gamma - half * spread.ln();
        if likely + k as f64 * MOST_LIKELY_SIZE < least {
            return None;
        }
        Some(likely + ln_prior(model, problem, &l, &z))
    }
}

/// Logarithm of the prior of a model's coefficients, of which `l` and `z` are the triangle and the right side.
fn ln_prior(model: &Model, problem: &Problem<'_>, l: &[[f64; MOST]; MOST], z: &[f64; MOST]) -> f64 {
    let k = usize::from(model.len);
    let mut density = 1.0;
    let mut beta = [0.0_f64; MOST];
    for i in (0..k).rev() {
        let mut v = z[i];
        for m in i + 1..k {
            v -= l[m][i] * beta[m];
        }
        beta[i] = v / l[i][i];
        let scale = problem.shapes.columns[usize::from(model.columns[i])].scale();
        let part = beta[i] / scale;
        density *= std::f64::consts::PI * scale * (1.0 + part * part);
    }
    let square: f64 = beta.iter().map(|b| b * b).sum();
    let swing = if model.class == Class::Rhythm { 0.5 * square / (USUAL_SWING * USUAL_SWING) } else { 0.0 };
    -density.ln() - swing
}
