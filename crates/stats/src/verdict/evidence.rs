//! How well each explanation, with each noise, accounts for the floors: the marginal likelihood of linear
//! models whose noise level is unknown (Laplace's approximation with Cauchy priors on the coefficients).

use super::blocks::Blocks;
use super::columns::Column;
use super::noise::{Noise, Whitener, grid};
use super::shapes::{Class, MOST, Model, Shapes};
use crate::special::ln_gamma;

/// Explanations weaker than the best by this (natural logarithm) count for nothing.
const NEGLIGIBLE: f64 = 9.0;
/// Growing explanations are kept where they are this near to the best of their kind.
const NEAR: f64 = 3.0;
/// A rhythm that swings up and down by this part of the level is a large one already.
const USUAL_SWING: f64 = 0.1;
/// Resets from which teeth are surely teeth, so that the last floor is one without its tooth: two drops may be anything.
const TEETH: usize = 6;
/// Fixed columns and free ones of a model at most.
const MAX: usize = MOST + 2;

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
    /// Where the wandering level stands at the end of the window.
    pub(super) state: f64,
    /// Between the lowest and the highest floor of the window.
    pub(super) range: f64,
    /// Change of the floors over half of the window, a root mean square.
    pub(super) change: f64,
    /// The last floor.
    pub(super) last: f64,
    /// How many of the coefficients come before the model's own.
    pub(super) fixed: usize,
    /// The noise.
    pub(super) noise: Noise,
    /// Where one of the columns is the load: its spread as a part of its mean.
    pub(super) load_spread: Option<f64>,
}

/// All explanations that matter, with weights that sum to one.
pub(super) fn weigh(blocks: &Blocks, shapes: &Shapes) -> Vec<Fit> {
    let problem = Problem::new(blocks, shapes);
    let noises = grid();
    let mut found: Vec<(f64, usize, Model)> = Vec::new();
    let mut best = f64::NEG_INFINITY;
    let mut best_growing = f64::NEG_INFINITY;
    for (i, noise) in noises.iter().enumerate() {
        let gram = problem.gram(noise);
        let mut best_steps: Option<(f64, Model)> = None;
        let mut best_ramped: Option<(f64, Model)> = None;
        let mut see = |model: &Model, gram: &Gram| {
            let Some(ml) = gram.evidence(model, &problem) else { return f64::NEG_INFINITY };
            let score = ml + model.ln_prior + noise.ln_prior;
            best = best.max(score);
            let growing = model.class == Class::Growing;
            if growing {
                best_growing = best_growing.max(score);
            }
            // However unlikely growth is: how fast it could be is said of every series.
            if score > best - NEGLIGIBLE || (growing && score > best_growing - NEAR) {
                found.push((score, i, *model));
            }
            score
        };
        for model in &shapes.models {
            let score = see(model, &gram);
            if model.class == Class::Step
                && model.steps(shapes) == 2
                && best_steps.is_none_or(|(s, _)| score > s)
            {
                best_steps = Some((score, *model));
            }
            if model.class == Class::Growing
                && model.steps(shapes) == 1
                && best_ramped.is_none_or(|(s, _)| score > s)
            {
                best_ramped = Some((score, *model));
            }
        }
        for (best, ln_prior) in
            [(best_steps, shapes.ln_prior_three_steps), (best_ramped, shapes.ln_prior_ramped_steps)]
        {
            let Some((_, few)) = best else { continue };
            for step in shapes.steps.iter().filter(|s| !few.columns().contains(s)) {
                let mut more = few;
                more.columns[usize::from(few.len)] = *step;
                (more.len, more.ln_prior) = (few.len + 1, ln_prior);
                see(&more, &gram);
            }
        }
    }
    found.retain(|(score, _, model)| {
        let growing = model.class == Class::Growing && *score > best_growing - NEAR;
        *score > best - NEGLIGIBLE || growing
    });
    let share = |score: f64| (score - best).exp().max(f64::MIN_POSITIVE);
    let total: f64 = found.iter().map(|(s, ..)| share(*s)).sum();
    let fit = |(score, noise, model): &(f64, usize, Model)| {
        problem.fit(share(*score) / total, noises.get(*noise)?, model)
    };
    found.iter().filter_map(fit).collect()
}

struct Problem<'a> {
    blocks: &'a Blocks,
    shapes: &'a Shapes,
    fixed: Vec<Vec<f64>>,
    free: Vec<Vec<f64>>,
    range: f64,
    /// What even a perfect fit leaves: values are rounded to the quantum.
    rounding: f64,
}

/// One noise: what is left of every column, and of the values, after the fixed columns.
struct Gram {
    n: usize,
    /// Products of the columns that stand beside others, row by row.
    paired: usize,
    xx: Vec<f64>,
    /// Of every column with itself, and with the load.
    own: Vec<f64>,
    with_load: Vec<f64>,
    xy: Vec<f64>,
    yy: f64,
    /// What does not depend on the model.
    ln_base: f64,
    fixed: usize,
    rounding: f64,
}

impl<'a> Problem<'a> {
    fn new(blocks: &'a Blocks, shapes: &'a Shapes) -> Self {
        let mut fixed = vec![vec![1.0; blocks.x.len()]];
        fixed.extend(blocks.phase.clone());
        let load = blocks.load.as_deref().unwrap_or(&[]);
        let column = |c: &Column| match c {
            Column::Load => load.to_vec(),
            c => blocks.x.iter().map(|x| c.at(*x)).collect(),
        };
        let free = shapes.columns.iter().map(column).collect();
        // Uniform rounding, and never less than a millionth of the level.
        let rounding = blocks.x.len() as f64 * (blocks.quantum * blocks.quantum / 12.0).max(1e-10);
        let end = |pick: fn(f64, f64) -> f64| blocks.y.iter().copied().reduce(pick).unwrap_or(0.0);
        Self { blocks, shapes, fixed, free, range: end(f64::max) - end(f64::min), rounding }
    }

    /// The last floor, and what floors did over half of the window (a root mean square); teeth of this height aside.
    fn as_before(&self, tooth: f64) -> (f64, f64) {
        let phase = |i: usize| self.blocks.phase.as_ref().and_then(|p| p.get(i)).copied().unwrap_or(0.0);
        let feet: Vec<f64> = self.blocks.y.iter().enumerate().map(|(i, y)| y - tooth * phase(i)).collect();
        let half = feet.len() / 2;
        let changes = feet.iter().zip(feet.iter().skip(half)).map(|(a, b)| (b - a).powi(2));
        let change = (changes.sum::<f64>() / (feet.len() - half).max(1) as f64).sqrt();
        (feet.last().copied().unwrap_or(0.0), change)
    }

    fn gram(&self, noise: &Noise) -> Gram {
        let whitener = Whitener::new(&self.blocks.x, noise);
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
        let x: Vec<Vec<f64>> = self.free.iter().map(|c| project(whitener.apply(c), &basis)).collect();
        let paired = self.shapes.paired.min(x.len());
        let mut xx = vec![0.0; paired * paired];
        for (i, a) in x.iter().enumerate().take(paired) {
            for (j, b) in x.iter().enumerate().take(i + 1) {
                let product = dot(a, b);
                xx[i * paired + j] = product;
                xx[j * paired + i] = product;
            }
        }
        let load = self.shapes.load.and_then(|l| x.get(usize::from(l)));
        let with_load = load.map_or_else(Vec::new, |load| x.iter().map(|c| dot(c, load)).collect());
        let xy = x.iter().map(|c| dot(c, &y)).collect();
        Gram {
            n: y.len(),
            paired,
            xx,
            own: x.iter().map(|c| dot(c, c)).collect(),
            with_load,
            xy,
            yy: dot(&y, &y),
            ln_base: -0.5 * (whitener.ln_det + ln_fixed),
            fixed: self.fixed.len(),
            rounding: self.rounding,
        }
    }

    /// The whole fit of one explanation.
    fn fit(&self, weight: f64, noise: &Noise, model: &Model) -> Option<Fit> {
        let whitener = Whitener::new(&self.blocks.x, noise);
        let y = whitener.apply(&self.blocks.y);
        let free = model.columns().iter().filter_map(|id| self.free.get(usize::from(*id)));
        let plain: Vec<&Vec<f64>> = self.fixed.iter().chain(free).collect();
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
        let (last, change) = self.as_before(tooth);
        let covariance = inverse.into_iter().map(|r| r.into_iter().map(|v| v * variance).collect()).collect();
        Some(Fit {
            weight,
            class: model.class,
            model: *model,
            beta,
            covariance,
            variance,
            dof,
            state,
            range: self.range,
            change,
            last,
            fixed: self.fixed.len(),
            noise: *noise,
            load_spread: model.load.then_some(self.blocks.load_spread),
        })
    }
}

impl Gram {
    /// Product of two columns: both stand beside others, or one is the load, or they are the same.
    fn product(&self, a: u16, b: u16) -> f64 {
        let (a, b) = (usize::from(a), usize::from(b));
        if a == b {
            self.own[a]
        } else if a < self.paired && b < self.paired {
            self.xx[a * self.paired + b]
        } else {
            self.with_load.get(a.max(b)).copied().unwrap_or(0.0)
        }
    }

    /// Logarithm of the marginal likelihood. `None` where the columns cannot be told apart.
    fn evidence(&self, model: &Model, problem: &Problem<'_>) -> Option<f64> {
        let k = usize::from(model.len);
        let mut l = [[0.0_f64; MOST]; MOST];
        let mut z = [0.0_f64; MOST];
        let mut ln_det = 0.0;
        let mut rss = self.yy;
        for i in 0..k {
            for j in 0..=i {
                let mut v = self.product(model.columns[i], model.columns[j]);
                let whole = v;
                v -= l[i].iter().zip(&l[j]).take(j).map(|(a, b)| a * b).sum::<f64>();
                if i == j {
                    if v <= 1e-7 * whole || v <= 1e-12 {
                        return None;
                    }
                    ln_det += v.ln();
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
        let mut ln_prior = 0.0;
        let mut beta = [0.0_f64; MOST];
        for i in (0..k).rev() {
            let mut v = z[i];
            for m in i + 1..k {
                v -= l[m][i] * beta[m];
            }
            beta[i] = v / l[i][i];
            let scale = problem.shapes.columns[usize::from(model.columns[i])].scale();
            let part = beta[i] / scale;
            ln_prior -= (std::f64::consts::PI * scale * (1.0 + part * part)).ln();
        }
        if model.class == Class::Rhythm {
            let square: f64 = beta.iter().map(|b| b * b).sum();
            ln_prior -= 0.5 * square / (USUAL_SWING * USUAL_SWING);
        }
        let dof = self.n.checked_sub(k + self.fixed).filter(|d| *d >= 2)? as f64;
        let half = 0.5 * dof;
        let spread = 0.5 * (rss.max(0.0) + self.rounding);
        let ln_tau = (2.0 * std::f64::consts::PI).ln();
        Some(self.ln_base - half * ln_tau - 0.5 * ln_det + ln_gamma(half) - half * spread.ln() + ln_prior)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A column less its parts along an orthonormal basis.
fn project(mut column: Vec<f64>, basis: &[Vec<f64>]) -> Vec<f64> {
    for b in basis {
        let part = dot(&column, b);
        column.iter_mut().zip(b).for_each(|(v, b)| *v -= part * b);
    }
    column
}

/// The inverse of a small symmetric matrix (Gauss–Jordan with pivoting).
fn inverse(matrix: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    let n = matrix.len();
    if n > MAX {
        return None;
    }
    let mut a: Vec<Vec<f64>> = matrix.to_vec();
    for (i, row) in a.iter_mut().enumerate() {
        row.extend((0..n).map(|j| f64::from(u8::from(i == j))));
    }
    for i in 0..n {
        let pivot = (i..n).max_by(|p, q| a[*p][i].abs().total_cmp(&a[*q][i].abs()))?;
        a.swap(i, pivot);
        let head = a[i][i];
        if head.abs() < 1e-14 {
            return None;
        }
        a[i].iter_mut().for_each(|v| *v /= head);
        let row = a[i].clone();
        for (j, other) in a.iter_mut().enumerate().filter(|(j, _)| *j != i) {
            let _ = j;
            let factor = other[i];
            other.iter_mut().zip(&row).for_each(|(v, r)| *v -= factor * r);
        }
    }
    Some(a.into_iter().map(|row| row.into_iter().skip(n).collect()).collect())
}
