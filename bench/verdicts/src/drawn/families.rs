//! The families: which parts each is made of.

use super::parts::{births, chain, fills, halved, leak, log_normal, resets, sets_in, shots, waves};
use crate::Rng;
use crate::events::{Part, Plan, usual_noise};

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Family {
    Shots,
    Resets,
    LogNormal,
    Births,
    SetsIn,
    Fills,
    Chain,
    Waves,
    Halved,
    ShotsLeak,
    ResetsLeak,
    LogNormalLeak,
    BirthsLeak,
    FillsLeak,
    ChainLeak,
    WavesLeak,
    Eased,
    Lumps,
    Excited,
    HalvedLeak,
    Mended,
}

use Family::*;

/// Every family and its name.
pub const FAMILIES: [(Family, &str); 21] = [
    (Shots, "shots"),
    (Resets, "resets"),
    (LogNormal, "lognormal"),
    (Births, "births"),
    (SetsIn, "migration"),
    (Fills, "fills"),
    (Chain, "chain"),
    (Waves, "waves"),
    (Halved, "cut to a part"),
    (ShotsLeak, "shots + leak"),
    (ResetsLeak, "resets + leak"),
    (LogNormalLeak, "lognormal + leak"),
    (BirthsLeak, "births + leak"),
    (FillsLeak, "fills + leak"),
    (ChainLeak, "chain + leak"),
    (WavesLeak, "waves + leak"),
    (Eased, "eased leak"),
    (Lumps, "lumps"),
    (Excited, "excited leak"),
    (HalvedLeak, "cut to a part + leak"),
    (Mended, "mended in part"),
];

/// Whether a family leaks.
#[must_use]
pub fn is_leak(family: Family) -> bool {
    family as usize >= ShotsLeak as usize
}

/// What a process does whose events are of the scale of `seconds`, watched for `span`.
pub(super) fn plan(family: Family, seconds: f64, span: f64, every: f64, rng: &mut Rng) -> Plan {
    let mut p = Plan { noise: usual_noise(every, rng), ..Plan::empty(seconds, every) };
    p.watching.missed = if rng.chance(0.3) { rng.scale(0.01, 0.3) } else { 0.0 };
    p.watching.uneven = if rng.chance(0.1) { rng.between(1.5, 4.0) } else { 0.0 };
    if rng.chance(0.15) {
        let from = span * rng.between(0.1, 0.85);
        p.watching.gap = Some((from, from + span * rng.scale(0.01, 0.12)));
    }
    if matches!(family, Births | BirthsLeak) {
        p.scale = Some((rng.scale(12.0, 400.0).round(), 1.0));
        p.noise = Box::new(|_, _| 0.0);
    }
    let base = p.scale.map_or(f64::INFINITY, |(base, _)| base);
    let part: Option<Part> = match family {
        Shots | ShotsLeak => Some(shots(seconds, rng)),
        Resets | ResetsLeak => Some(resets(seconds, rng)),
        LogNormal | LogNormalLeak => Some(log_normal(seconds, rng)),
        Births | BirthsLeak => Some(births(seconds, base, rng)),
        SetsIn => Some(sets_in(seconds, rng)),
        Fills | FillsLeak => Some(fills(seconds, rng)),
        Chain | ChainLeak => Some(chain(seconds, rng)),
        Waves | WavesLeak => Some(waves(seconds, rng)),
        Halved | HalvedLeak => Some(halved(seconds, rng)),
        Eased | Lumps | Excited | Mended => None,
    };
    p.live.extend(part);
    if is_leak(family) {
        let kind = match family {
            Eased => 2,
            Lumps => 3,
            Excited => 4,
            Mended => 8,
            _ => rng.count(0, 8),
        };
        p.leak = Some(leak(kind, seconds, base, rng));
    }
    p.seconds = span;
    p
}
