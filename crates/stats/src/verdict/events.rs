//! What happens once: a batch, pages that are taken and come back, a cache that begins to fill. Each is tried beside the
//! best explanations, so that growth below events is weighed against the same events without growth.

use super::columns::Column;
use super::evidence::{Gram, Problem};
use super::noise::{Noise, Whitener};
use super::shapes::{Class, MOST, Model};

/// How often an explanation has one event more.
const ONE_MORE: f64 = 0.15;
/// Events at most.
const EVENTS: usize = 3;
/// Explanations with events that are weaker than the best by this (natural logarithm) count for nothing.
const NEGLIGIBLE: f64 = 5.0;
/// The part that is white of the noises that events stand in: beside events, noise is what forgets soon.
const WHITES: std::ops::Range<f64> = 0.25..0.5;
/// Its memory at most, in windows.
const MEMORY: f64 = 0.3;

/// Explanations that were found: how good, with which noise.
type Found = Vec<(f64, usize, Model)>;

/// Adds those with events beside the best of each kind.
pub(super) fn beside(
    problem: &Problem<'_>,
    noises: &[Noise],
    whiteners: &[Whitener],
    products: &mut [f64],
    found: &mut Found,
) {
    let shapes = problem.shapes;
    let best_at = found.iter().max_by(|a, b| a.0.total_cmp(&b.0)).map(|f| f.1);
    let simple = |class: Class| {
        shapes.models.iter().find(move |m| m.class == class && !m.load && usize::from(m.len) <= 1).copied()
    };
    let mut more: Found = Vec::new();
    for (i, (noise, whitener)) in noises.iter().zip(whiteners).enumerate() {
        let usual = noise.memory <= MEMORY && (noise.memory == 0.0 || WHITES.contains(&noise.white));
        if !usual && best_at != Some(i) {
            continue;
        }
        let gram = problem.gram(whitener, products, shapes.columns.len());
        let best_of = |growing: bool| {
            let alike = |f: &&(f64, usize, Model)| f.1 == i && (f.2.class == Class::Growing) == growing;
            found.iter().filter(alike).max_by(|a, b| a.0.total_cmp(&b.0)).map(|f| f.2)
        };
        let mut bases: Vec<Model> = Vec::with_capacity(4);
        for base in [simple(Class::Flat), simple(Class::Growing), best_of(false), best_of(true)] {
            bases.extend(base.filter(|b| !bases.iter().any(|other| other.columns() == b.columns())));
        }
        for base in bases {
            greedy(problem, &gram, base, |score, model| more.push((score + noise.ln_prior, i, *model)));
        }
    }
    let best = found.iter().chain(&more).map(|f| f.0).fold(f64::NEG_INFINITY, f64::max);
    let growing = |f: &(f64, usize, Model)| f.2.class == Class::Growing;
    let best_growing =
        found.iter().chain(&more).filter(|f| growing(f)).map(|f| f.0).fold(f64::NEG_INFINITY, f64::max);
    more.retain(|f| f.0 > best - NEGLIGIBLE || growing(f) && f.0 > best_growing - 1.0);
    found.extend(more);
}

/// One event more, and one more, as long as it is the better for it; every one that was tried is seen.
fn greedy(problem: &Problem<'_>, gram: &Gram<'_>, base: Model, mut see: impl FnMut(f64, &Model)) {
    let shapes = problem.shapes;
    let score = |model: &Model, least: f64| {
        gram.evidence(model, problem, least - model.ln_prior).map(|ml| ml + model.ln_prior)
    };
    let candidates = shapes.steps.len() + shapes.columns.len() - shapes.events_from;
    let ln_prior = (ONE_MORE / candidates as f64).ln();
    let Some(mut best) = score(&base, f64::NEG_INFINITY) else { return };
    let mut few = base;
    for _ in 0..EVENTS {
        let place = usize::from(few.len);
        if place >= MOST {
            return;
        }
        let mut better: Option<(f64, Model)> = None;
        let events = (shapes.events_from..shapes.columns.len()).map(|id| id as u16);
        for event in events.chain(shapes.steps.iter().copied()).filter(|e| !few.columns().contains(e)) {
            let model = one_more(&few, event, ln_prior, shapes.columns[usize::from(event)]);
            let least = better.map_or(best, |(s, _)| s.max(best)) - NEGLIGIBLE;
            let Some(score) = score(&model, least) else { continue };
            if score > least {
                see(score, &model);
            }
            if better.is_none_or(|(s, _)| score > s) {
                better = Some((score, model));
            }
        }
        let Some((score, model)) = better.filter(|(score, _)| *score > best) else { return };
        (best, few) = (score, model);
    }
}

/// An explanation with one event more.
fn one_more(few: &Model, event: u16, ln_prior: f64, column: Column) -> Model {
    let mut more = *few;
    more.columns[usize::from(few.len)] = event;
    more.len += 1;
    more.ln_prior += ln_prior;
    more.steps += u8::from(matches!(column, Column::Step(_)));
    if few.class == Class::Flat && column.moved().is_some() {
        more.class = Class::Step;
    }
    more
}
