//! What happens by chance, and how often it did.

use crate::Rng;
use crate::events::{Now, Part};
use std::cell::Cell;
use std::rc::Rc;

/// How many come of what comes by chance, where so many are expected.
pub(crate) fn poisson(mean: f64, rng: &mut Rng) -> f64 {
    if mean > 30.0 {
        return (mean + mean.sqrt() * rng.normal()).round().max(0.0);
    }
    let (limit, mut product, mut count) = ((-mean).exp(), rng.unit(), 0.0);
    while product > limit {
        product *= rng.unit();
        count += 1.0;
    }
    count
}

/// A Pareto size of at least one, capped; the largest of `count` such sizes where there are more.
pub(crate) fn pareto(alpha: f64, most: f64, count: f64, rng: &mut Rng) -> f64 {
    let rest = -(rng.unit().ln() / count.max(1.0)).exp_m1();
    rest.max(1e-12).powf(-1.0 / alpha).min(most)
}

/// The mean of a Pareto size that is capped.
pub(crate) fn pareto_mean(alpha: f64, most: f64) -> f64 {
    (alpha - most.powf(1.0 - alpha)) / (alpha - 1.0)
}

/// Ranks whose popularity falls as a power of them.
pub(crate) struct Zipf(Vec<f64>);

impl Zipf {
    pub(crate) fn new(ranks: usize, power: f64) -> Self {
        let mut sum = 0.0;
        let up_to = |rank: usize| {
            sum += (rank as f64 + 1.0).powf(-power);
            sum
        };
        Self((0..ranks).map(up_to).collect())
    }

    pub(crate) fn draw(&self, rng: &mut Rng) -> usize {
        let at = rng.unit() * self.0.last().copied().unwrap_or(1.0);
        self.0.partition_point(|sum| *sum < at).min(self.0.len() - 1)
    }
}

/// A level that wanders around zero by one, and forgets after `memory` seconds.
pub(crate) fn wanders(memory: f64, rng: &mut Rng) -> impl FnMut(f64, &mut Rng) -> f64 + use<> {
    let mut level = rng.normal();
    move |dt, rng| {
        let kept = (-dt / memory).exp();
        level = kept * level + (1.0 - kept * kept).sqrt() * rng.normal();
        level
    }
}

/// Something that two parts of a process share: how often something happened, or how much there is.
#[derive(Clone, Default)]
pub(crate) struct Shared(Rc<Cell<f64>>);

impl Shared {
    pub(crate) fn add(&self, more: f64) {
        self.0.set(self.0.get() + more);
    }

    pub(crate) fn set(&self, value: f64) {
        self.0.set(value);
    }

    pub(crate) fn get(&self) -> f64 {
        self.0.get()
    }
}

/// A part that has lived for `span` seconds before the watch begins.
pub(crate) fn lived(mut part: Part, span: f64, rng: &mut Rng) -> Part {
    let dt = span / 400.0;
    for i in 0..400 {
        let t = dt * f64::from(i) - span;
        part(Now { t, dt, age: t + span, load: 1.0 }, rng);
    }
    part
}

/// The same, and what it leaves behind at each of its events: so much in `span` seconds as it was before the watch.
pub(crate) fn lived_and_leaves(
    part: Part,
    events: &Shared,
    span: f64,
    size: f64,
    spread: f64,
    rng: &mut Rng,
) -> (Part, Part) {
    let part = lived(part, span, rng);
    let each = size / events.get().max(2.0) / (0.5 * spread * spread).exp();
    events.set(0.0);
    let (events, mut sum) = (events.clone(), 0.0);
    let leaves: Part = Box::new(move |_, rng| {
        let count = events.get();
        events.set(0.0);
        let drawn = count.min(20.0) as usize;
        for _ in 0..drawn {
            sum += each * count / drawn as f64 * (spread * rng.normal()).exp();
        }
        sum
    });
    (part, leaves)
}
