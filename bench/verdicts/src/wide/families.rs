//! The families: which pieces each is made of, and which are held out.

use super::parts::{
    Noise, bursts, capped, day, line, pieces, power_law, ratchet, skewed_cache, steps, teeth, warm_up,
};
use super::{DAY, Part, Plan};
use crate::Rng;

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Family {
    Still,
    Wandering,
    WarmUp,
    SlowCache,
    ExpiringCache,
    Teeth,
    Steps,
    Ratchet,
    Spikes,
    Batch,
    Falling,
    Days,
    PartDay,
    PartDayLoad,
    PartDayIdleLoad,
    LaggedLoad,
    Restarted,
    Line,
    RisingTeeth,
    Onset,
    Pieces,
    WarmUpLine,
    StepLine,
    SpikesLine,
    DaysLine,
    LoadLine,
    IdleLoadLine,
    Slowing,
    Faster,
    RestartedLine,
}

use Family::*;

/// Every family, its name, and whether it is held out.
pub const FAMILIES: [(Family, &str, bool); 30] = [
    (Still, "still", false),
    (Wandering, "wandering", true),
    (WarmUp, "warm-up", false),
    (SlowCache, "cache, skewed keys", false),
    (ExpiringCache, "cache that expires", true),
    (Teeth, "teeth", false),
    (Steps, "steps", false),
    (Ratchet, "ratchet", true),
    (Spikes, "spikes", false),
    (Batch, "batches", true),
    (Falling, "falling", false),
    (Days, "whole days", false),
    (PartDay, "part of a day", false),
    (PartDayLoad, "part of a day, load", true),
    (PartDayIdleLoad, "part of a day, idle load", false),
    (LaggedLoad, "lagged load", true),
    (Restarted, "restarted", false),
    (Line, "line", false),
    (RisingTeeth, "rising teeth", false),
    (Onset, "onset", true),
    (Pieces, "pieces", false),
    (WarmUpLine, "warm-up + line", true),
    (StepLine, "steps + line", false),
    (SpikesLine, "spikes + line", true),
    (DaysLine, "whole days + line", false),
    (LoadLine, "load + line", false),
    (IdleLoadLine, "idle load + line", true),
    (Slowing, "slowing", false),
    (Faster, "ever faster", false),
    (RestartedLine, "restarted + line", true),
];

/// Whether a family leaks.
#[must_use]
pub fn is_leak(family: Family) -> bool {
    family as usize >= Line as usize
}

/// Families with a rhythm of up to four times their scale.
pub(super) fn is_rhythm(family: Family) -> bool {
    matches!(family, PartDay | PartDayLoad | PartDayIdleLoad | LaggedLoad | LoadLine)
}

/// Families that need days to be what they are.
fn needs_days(family: Family) -> bool {
    matches!(family, Days | DaysLine)
}

/// What a process does whose rhythms and caches are of the scale of `seconds`, watched for `span` (or for `seconds`).
pub(super) fn plan(family: Family, seconds: f64, span: Option<f64>, every: f64, rng: &mut Rng) -> Plan {
    let (seconds, every) = if needs_days(family) && seconds < 2.0 * DAY {
        (DAY * rng.count(2, 3) as f64, 60.0)
    } else {
        (seconds, every)
    };
    let span = span.unwrap_or(seconds);
    let until = span + 1.1 * DAY;
    let growth = if is_leak(family) { rng.scale(0.03, 0.4) } else { 0.0 };
    let mut p = Plan {
        seconds,
        every,
        floor: Vec::new(),
        top: Vec::new(),
        load: None,
        restarts: Vec::new(),
        growth,
        onset: 0.0,
        noise: Noise::usual(every, rng),
    };
    body(family, &mut p, span, until, rng);
    loads(family, &mut p, rng);
    leak(family, &mut p, rng);
    p.seconds = span;
    p
}

/// What a healthy process does, or the same below a leak.
fn body(family: Family, p: &mut Plan, span: f64, until: f64, rng: &mut Rng) {
    let s = p.seconds;
    match family {
        Wandering => {
            let memory = s * rng.scale(0.004, 0.12);
            p.noise = Noise::new(p.every, memory, rng.scale(0.003, 0.05), rng.scale(0.0001, 0.01), rng);
        }
        WarmUp | WarmUpLine => p.floor.push(warm_up(rng.scale(0.03, 1.0), s * rng.scale(0.01, 0.4))),
        SlowCache => {
            let (half, power) = (s * rng.scale(0.03, 0.6), rng.between(0.6, 1.2));
            p.floor.push(skewed_cache(rng.scale(0.05, 0.6), half, power));
        }
        ExpiringCache => p.floor.push(capped(rng.scale(0.05, 0.6), s * rng.between(0.08, 0.65))),
        Teeth | RisingTeeth => {
            let (height, period) = (rng.scale(0.03, 0.6), s * rng.scale(0.004, 0.25));
            p.top.push(teeth(height, period, rng.between(0.0, 0.4), until, rng));
        }
        Steps | StepLine => {
            let n = if family == Steps { rng.count(1, 4) } else { rng.count(1, 2) };
            let size =
                |rng: &mut Rng| if rng.chance(0.7) { rng.scale(0.02, 0.3) } else { -rng.scale(0.02, 0.2) };
            p.floor.push(steps((0..n).map(|_| (span * rng.unit(), size(rng))).collect()));
        }
        Ratchet => p.floor.push(ratchet(rng.scale(0.005, 0.08), s * rng.scale(0.002, 0.05), until, rng)),
        Spikes | SpikesLine => p.top.push(bursts(rng.count(1, 40), span, p.every, 0.01 * s, rng)),
        Batch => p.top.push(bursts(rng.count(1, 5), span, 0.02 * s, 0.15 * s, rng)),
        Falling => {
            let size = rng.scale(0.05, 0.5);
            p.floor.push(match rng.count(0, 2) {
                0 => Box::new(move |t| -size * (t / s).min(1.0)),
                1 => warm_up(-size, s * rng.scale(0.05, 0.5)),
                _ => capped_from(-size, s * rng.between(0.3, 0.8), s),
            });
        }
        Restarted | RestartedLine => {
            p.restarts = (0..rng.count(1, 4)).map(|_| span * rng.between(0.03, 0.5)).collect();
            let (size, tau, restarts) =
                (rng.scale(0.03, 0.5), s * rng.scale(0.005, 0.06), p.restarts.clone());
            let born = move |t: f64| restarts.iter().copied().filter(|r| *r <= t).fold(0.0, f64::max);
            p.floor.push(Box::new(move |t| size * -(-(t - born(t)) / tau).exp_m1()));
        }
        _ => {}
    }
}

/// A fall in the last part of the window only.
fn capped_from(size: f64, from: f64, to: f64) -> Part {
    Box::new(move |t| size * ((t - from) / (to - from)).clamp(0.0, 1.0))
}

/// What follows the use of the service, and the load that is named.
fn loads(family: Family, p: &mut Plan, rng: &mut Rng) {
    let s = p.seconds;
    let size = rng.scale(0.01, 0.15);
    match family {
        Days | DaysLine => {
            let day = day(DAY, rng);
            p.floor.push(Box::new(move |t| size * day(t)));
        }
        PartDay | PartDayLoad | PartDayIdleLoad | LaggedLoad | LoadLine => {
            let period =
                if family == LoadLine { s * rng.between(0.3, 2.0) } else { s * rng.between(1.2, 4.0) };
            let day = day(period, rng);
            let lag = if family == LaggedLoad { s * rng.scale(0.01, 0.12) } else { 0.0 };
            let of = day.clone();
            p.floor.push(Box::new(move |t| size * of(t - lag)));
            let (deep, idle) = (rng.between(0.2, 0.8), rng.normal());
            p.load = match family {
                PartDay => None,
                PartDayIdleLoad => Some(idle_load(s, idle)),
                _ => Some(Box::new(move |t| 200.0 * (1.0 + deep * day(t)))),
            };
        }
        IdleLoadLine => p.load = Some(idle_load(s, rng.normal())),
        _ => {}
    }
}

/// A load that has nothing to do with memory.
fn idle_load(seconds: f64, angle: f64) -> Part {
    Box::new(move |t| {
        let x = t / seconds;
        0.3 + 0.05 * (17.0 * x + angle).sin() + 0.04 * (41.0 * x + 3.0 * angle).sin() + 0.02 * (5.3 * x).cos()
    })
}

/// What never comes back.
fn leak(family: Family, p: &mut Plan, rng: &mut Rng) {
    if !is_leak(family) {
        return;
    }
    let (s, g) = (p.seconds, p.growth);
    let born = p.restarts.iter().copied().fold(0.0, f64::max);
    p.onset = if family == Onset { s * rng.between(0.1, 0.55) } else { born };
    let onset = p.onset;
    p.floor.push(match family {
        Pieces => pieces(g, s, rng.scale(10.0, 100.0), rng),
        Slowing => power_law(g, s, rng.between(0.4, 0.85)),
        Faster => power_law(g, s, rng.between(1.2, 2.0)),
        _ => line(g, s, onset),
    });
}
