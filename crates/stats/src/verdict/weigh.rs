//! Which explanations matter: all of them with all noises, and beside the best of them what happens once.

use super::blocks::Blocks;
use super::events;
use super::evidence::{Fit, Gram, Problem};
use super::noise::{Whitener, grid};
use super::shapes::{Class, Model, Shapes};

/// Explanations weaker than the best by this (natural logarithm) count for nothing.
const NEGLIGIBLE: f64 = 9.0;
/// Growing explanations are kept where they are this near to the best of their kind.
const NEAR: f64 = 3.0;

/// All explanations that matter, with weights that sum to one.
pub(super) fn weigh(blocks: &Blocks, shapes: &Shapes) -> Vec<Fit> {
    let problem = Problem::new(blocks, shapes);
    let noises = grid();
    let whiteners: Vec<Whitener> = noises.iter().map(|n| Whitener::new(&blocks.x, n)).collect();
    let mut products = vec![0.0; problem.paired * problem.paired];
    let mut found: Vec<(f64, usize, Model)> = Vec::new();
    let mut best = f64::NEG_INFINITY;
    let mut best_growing = f64::NEG_INFINITY;
    for (i, (noise, whitener)) in noises.iter().zip(&whiteners).enumerate() {
        let gram = problem.gram(whitener, &mut products, shapes.events_from);
        let mut best_steps: Option<(f64, Model)> = None;
        let mut best_ramped: Option<(f64, Model)> = None;
        let mut see = |model: &Model, gram: &Gram| {
            let growing = model.class == Class::Growing;
            let least = match (model.class, model.steps) {
                // A step more is tried beside the best of these, however weak.
                (Class::Step, 2 | 3) | (Class::Growing, 1) => f64::NEG_INFINITY,
                (Class::Growing, _) => (best - NEGLIGIBLE).min(best_growing - NEAR),
                _ => best - NEGLIGIBLE,
            };
            let prior = model.ln_prior + noise.ln_prior;
            let Some(ml) = gram.evidence(model, &problem, least - prior) else { return f64::NEG_INFINITY };
            let score = ml + prior;
            best = best.max(score);
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
            let (more, kind) = match model.class {
                Class::Step => (2, &mut best_steps),
                Class::Growing => (1, &mut best_ramped),
                _ => continue,
            };
            if model.steps == more && kind.is_none_or(|(s, _)| score > s) {
                *kind = Some((score, *model));
            }
        }
        let [ramped, third, fourth] = shapes.ln_prior_more_steps;
        for (best, ln_priors) in [(best_steps, &[third, fourth][..]), (best_ramped, &[ramped])] {
            let mut few = best.map(|(_, model)| model);
            for ln_prior in ln_priors {
                few = few.and_then(|few| one_more(&few, *ln_prior, shapes, |model| see(model, &gram)));
            }
        }
    }
    events::beside(&problem, &noises, &whiteners, &mut products, &mut found);
    for (score, _, model) in &found {
        best = best.max(*score);
        if model.class == Class::Growing {
            best_growing = best_growing.max(*score);
        }
    }
    found.retain(|(score, _, model)| {
        let growing = model.class == Class::Growing && *score > best_growing - NEAR;
        *score > best - NEGLIGIBLE || growing
    });
    let share = |score: f64| (score - best).exp().max(f64::MIN_POSITIVE);
    let total: f64 = found.iter().map(|(s, ..)| share(*s)).sum();
    let fit = |(score, noise, model): &(f64, usize, Model)| {
        problem.fit(share(*score) / total, noises.get(*noise)?, whiteners.get(*noise)?, model)
    };
    found.iter().filter_map(fit).collect()
}

/// Tries one more step beside those of a model, and returns the best.
fn one_more(
    few: &Model,
    ln_prior: f64,
    shapes: &Shapes,
    mut see: impl FnMut(&Model) -> f64,
) -> Option<Model> {
    let mut best: Option<(f64, Model)> = None;
    for step in shapes.steps.iter().filter(|s| !few.columns().contains(s)) {
        let mut more = *few;
        *more.columns.get_mut(usize::from(few.len))? = *step;
        (more.len, more.steps, more.ln_prior) = (few.len + 1, few.steps + 1, ln_prior);
        let score = see(&more);
        if best.is_none_or(|(s, _)| score > s) {
            best = Some((score, more));
        }
    }
    best.map(|(_, model)| model)
}
