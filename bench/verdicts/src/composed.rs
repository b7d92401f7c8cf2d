//! Processes of parts that other sets have alone: what one family does beside what another does, with a leak of a third or
//! without. To learn from, beside the families themselves; nothing is judged on it.

use crate::Rng;
use crate::events::Plan;
use crate::wide::Trace;
use crate::{containers, events, layers, services};

/// The sets that parts are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Events,
    Services,
    Containers,
    Layers,
}

const SETS: [Set; 4] = [Set::Events, Set::Services, Set::Containers, Set::Layers];
/// Samples of a window: few and many.
const SAMPLES: [f64; 2] = [150.0, 1500.0];

/// A family of another set, beside which something else happens.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    set: Set,
    number: usize,
    /// Its name in its set.
    pub name: &'static str,
    /// Whether it leaks.
    pub leaks: bool,
}

/// All of them.
#[must_use]
pub fn families() -> Vec<Family> {
    SETS.into_iter().flat_map(of).collect()
}

fn of(set: Set) -> Vec<Family> {
    let all: Vec<(&'static str, bool)> = match set {
        Set::Events => events::FAMILIES.iter().map(|f| (f.1, events::is_leak(f.0))).collect(),
        Set::Services => services::FAMILIES.iter().map(|f| (f.1, services::is_leak(f.0))).collect(),
        Set::Containers => containers::FAMILIES.iter().map(|f| (f.1, containers::is_leak(f.0))).collect(),
        Set::Layers => layers::FAMILIES.iter().map(|f| (f.1, layers::is_leak(f.0))).collect(),
    };
    let family = |(number, (name, leaks))| Family { set, number, name, leaks };
    all.into_iter().enumerate().map(family).collect()
}

/// Builds the series of a family that belongs to a seed. Of `seconds`, the usual window, its own is a sixth to ten.
#[must_use]
pub fn trace(family: Family, seed: u64, seconds: f64) -> Trace {
    let mut rng = Rng::new(seed ^ 0xa54f_f53a_5f1d_36f1);
    let window = seconds * rng.scale(0.15, 12.0);
    let every = (window / rng.scale(SAMPLES[0], SAMPLES[1])).clamp(3.0, 400.0);
    let mut plan = part(family, window, every, &mut rng);
    let alone = plan.seconds != window || plan.scale.is_some() || plan.named;
    let all = families();
    let healthy: Vec<Family> = all.into_iter().filter(|f| !f.leaks).collect();
    let other = healthy[rng.count(0, healthy.len() - 1)];
    let beside = part(other, window, every, &mut rng);
    if !alone && beside.seconds == window && beside.scale.is_none() && !beside.named {
        plan.live.extend(beside.live);
        plan.garbage = plan.garbage.or(beside.garbage);
        plan.allocator = plan.allocator.or(beside.allocator);
        plan.load = plan.load.or(beside.load);
    }
    plan.run(&mut rng)
}

fn part(family: Family, seconds: f64, every: f64, rng: &mut Rng) -> Plan {
    match family.set {
        Set::Events => events::part(family.number, seconds, every, rng),
        Set::Services => services::part(family.number, seconds, every, rng),
        Set::Containers => containers::part(family.number, seconds, every, rng),
        Set::Layers => layers::part(family.number, seconds, every, rng),
    }
}
