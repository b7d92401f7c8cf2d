//! The families: which parts each is made of.

use super::beneath::{
    by_a_quarter, collapsed, copied_on_write, mapped_anew, swapped, throttled, trimmed_from, uneven_need,
};
use super::leaks::{
    above_a_bar, by_reconnect, by_round, ever_longer, falling_load, mended_slowly, starts_late,
};
use super::parts::{
    between_zones, busy_and_idle, canary, compiled, configured, expiring_traffic, in_step, office,
    reconnected, sinks,
};
use crate::Rng;
use crate::events::{Plan, by_time, follows, usual_noise};
use crate::wide::DAY;

/// What a service does, and what lies beneath it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Family {
    Compiled,
    ExpiringTraffic,
    Sinks,
    InStep,
    MappedAnew,
    Trimmed,
    Collapsed,
    ByQuarter,
    Reconnected,
    Configured,
    Throttled,
    Swapped,
    CopiedOnWrite,
    Canary,
    BetweenZones,
    Office,
    CompiledLeak,
    ExpiringTrafficLeak,
    SinksLeak,
    InStepLeak,
    TrimmedLeak,
    CollapsedLeak,
    ByQuarterLeak,
    SwappedLeak,
    CopiedOnWriteLeak,
    BetweenZonesLeak,
    OfficeLeak,
    StartsLate,
    UnderLoad,
    UnderLoadNamed,
    ByReconnect,
    MendedSlowly,
    HiddenNamed,
    Hidden,
    ByMapping,
    EverLonger,
}

use Family::*;

/// Every family and its name.
pub const FAMILIES: [(Family, &str); 36] = [
    (Compiled, "compiled on use, cache"),
    (ExpiringTraffic, "expires, traffic"),
    (Sinks, "sinks of a log"),
    (InStep, "workers in step"),
    (MappedAnew, "index mapped anew"),
    (Trimmed, "heap trimmed from a bar"),
    (Collapsed, "huge pages by scan"),
    (ByQuarter, "collected by a quarter"),
    (Reconnected, "connections in storms"),
    (Configured, "configurations, steps"),
    (Throttled, "held at a limit"),
    (Swapped, "swapped, read by a job"),
    (CopiedOnWrite, "copied on write"),
    (Canary, "canary, steps"),
    (BetweenZones, "traffic between zones"),
    (Office, "weeks of an office"),
    (CompiledLeak, "compiled on use + leak"),
    (ExpiringTrafficLeak, "expires, traffic + leak"),
    (SinksLeak, "sinks of a log + leak"),
    (InStepLeak, "workers in step + leak"),
    (TrimmedLeak, "heap trimmed + leak"),
    (CollapsedLeak, "huge pages by scan + leak"),
    (ByQuarterLeak, "by a quarter + leak"),
    (SwappedLeak, "swapped, read + leak"),
    (CopiedOnWriteLeak, "copied on write + leak"),
    (BetweenZonesLeak, "between zones + leak"),
    (OfficeLeak, "weeks of an office + leak"),
    (StartsLate, "leak that starts late"),
    (UnderLoad, "leak under load, unknown"),
    (UnderLoadNamed, "leak under load, named"),
    (ByReconnect, "leak by reconnects"),
    (MendedSlowly, "leak mended slowly"),
    (HiddenNamed, "hidden by load, named"),
    (Hidden, "hidden by load, unknown"),
    (ByMapping, "leak by mapping"),
    (EverLonger, "list ever longer"),
];

/// Whether a family leaks.
#[must_use]
pub fn is_leak(family: Family) -> bool {
    family as usize >= CompiledLeak as usize
}

/// What a service does whose events are of the scale of `seconds`, watched for `span`.
pub(super) fn plan(family: Family, seconds: f64, span: f64, every: f64, rng: &mut Rng) -> Plan {
    let weeks = matches!(family, Office | OfficeLeak) && span < 6.0 * DAY;
    let (seconds, span, every) = match weeks {
        true => {
            let long = DAY * rng.between(6.0, 20.0);
            (long, long, 600.0)
        }
        false => (seconds, span, every),
    };
    let mut p = Plan { noise: usual_noise(every, rng), ..Plan::empty(seconds, every) };
    p.watching.missed = if rng.chance(0.3) { rng.scale(0.01, 0.3) } else { 0.0 };
    p.watching.uneven = if rng.chance(0.1) { rng.between(1.5, 4.0) } else { 0.0 };
    if rng.chance(0.15) {
        let from = span * rng.between(0.1, 0.85);
        p.watching.gap = Some((from, from + span * rng.scale(0.01, 0.12)));
    }
    match beneath(family) {
        true => lies_beneath(family, &mut p, rng),
        false => does(family, &mut p, rng),
    }
    if is_leak(family) {
        loses(family, &mut p, rng);
    }
    p.seconds = span;
    p
}

fn beneath(family: Family) -> bool {
    matches!(
        family,
        MappedAnew
            | ByMapping
            | Trimmed
            | TrimmedLeak
            | Collapsed
            | CollapsedLeak
            | ByQuarter
            | ByQuarterLeak
            | Throttled
            | Swapped
            | SwappedLeak
            | CopiedOnWrite
            | CopiedOnWriteLeak
    )
}

/// What allocators and kernels do.
fn lies_beneath(family: Family, p: &mut Plan, rng: &mut Rng) {
    let s = p.seconds;
    match family {
        MappedAnew | ByMapping => {
            let every = s * rng.scale(0.02, 0.18);
            p.live.push(mapped_anew(
                rng.scale(0.05, 0.5),
                every,
                every * rng.scale(0.03, 0.4),
                rng.scale(0.003, 0.1),
                rng,
            ));
        }
        Trimmed | TrimmedLeak => {
            let memory = s * rng.scale(0.004, 0.06);
            p.live.push(uneven_need(rng.scale(0.02, 0.2), memory, rng.scale(8.0, 120.0) / s, rng));
            p.allocator = Some(trimmed_from(rng.scale(0.01, 0.12), s * rng.scale(0.005, 0.1)));
        }
        Collapsed | CollapsedLeak => {
            let round = s * rng.scale(0.01, 0.15);
            p.live.push(collapsed(rng.scale(0.03, 0.4), round, rng.scale(0.1, 1.5) / round, rng));
        }
        ByQuarter | ByQuarterLeak => {
            let period = s * rng.scale(0.01, 0.08);
            p.load = Some(busy_and_idle(s * rng.scale(0.05, 0.3), rng.between(0.35, 0.8), rng));
            p.garbage = Some(by_a_quarter(rng.scale(0.05, 0.3), period));
        }
        Throttled => {
            p.live.push(throttled(rng.scale(0.05, 0.6), s * rng.scale(0.01, 0.35), rng.scale(0.01, 0.15)));
        }
        Swapped | SwappedLeak => {
            let job = s * rng.scale(0.02, 0.2);
            p.live.push(swapped(rng.scale(0.03, 0.4), job * rng.scale(0.15, 1.2), job, rng));
        }
        CopiedOnWrite | CopiedOnWriteLeak => {
            let every = s * rng.scale(0.01, 0.15);
            p.live.push(copied_on_write(rng.scale(0.03, 0.6), every, every * rng.between(0.1, 0.6), rng));
        }
        _ => {}
    }
}

/// What services do.
fn does(family: Family, p: &mut Plan, rng: &mut Rng) {
    let s = p.seconds;
    match family {
        Compiled | CompiledLeak => {
            let until = s * rng.scale(0.02, 0.35);
            p.live.push(compiled(rng.scale(0.03, 0.5), until, rng.count(8, 120), rng.between(0.0, 4.0), rng));
        }
        ExpiringTraffic | ExpiringTrafficLeak => {
            let dwell = s * rng.scale(0.02, 0.2);
            let lives = s * rng.scale(0.01, 0.15);
            p.live.push(expiring_traffic(rng.scale(0.03, 0.3), lives, dwell, rng.between(0.2, 0.6)));
        }
        Sinks | SinksLeak => {
            p.live.push(sinks(rng.scale(0.02, 0.3), rng.count(1, 9), s * rng.scale(0.004, 0.08), rng));
        }
        InStep | InStepLeak => {
            let lives = s * rng.scale(0.02, 0.15);
            p.live.push(in_step(rng.scale(0.05, 0.5), rng.count(2, 16), lives, rng.scale(0.01, 0.4), rng));
        }
        Reconnected | ByReconnect => {
            let often = rng.scale(2.0, 30.0) / s;
            p.live.push(reconnected(rng.scale(0.03, 0.3), often, s * rng.scale(0.004, 0.05), rng));
        }
        Configured => {
            p.live.push(configured(
                rng.scale(0.02, 0.2),
                rng.scale(0.4, 4.0) / s,
                s * rng.scale(0.001, 0.02),
            ));
        }
        Canary => p.live.push(canary(rng.scale(0.03, 0.3), s * rng.scale(0.03, 0.25), rng)),
        BetweenZones | BetweenZonesLeak => {
            p.live.push(between_zones(rng.scale(0.01, 0.1), s * rng.scale(0.004, 0.08), rng));
        }
        Office | OfficeLeak => p.live.push(office(rng.scale(0.03, 0.3), rng)),
        UnderLoad | UnderLoadNamed => {
            p.load = Some(busy_and_idle(s * rng.scale(0.03, 0.25), rng.between(0.3, 0.8), rng));
            p.named = family == UnderLoadNamed;
            p.live.push(follows(rng.scale(0.01, 0.1), s * rng.scale(0.001, 0.02)));
        }
        Hidden | HiddenNamed => {
            let (load, live) =
                falling_load(rng.between(0.2, 0.8), s * rng.scale(0.15, 1.0), rng.scale(0.05, 0.4), rng);
            p.load = Some(load);
            p.named = family == HiddenNamed;
            p.live.push(live);
        }
        _ => {}
    }
}

/// What never comes back.
fn loses(family: Family, p: &mut Plan, rng: &mut Rng) {
    let (s, g) = (p.seconds, rng.scale(0.03, 0.5));
    p.leak = Some(match family {
        StartsLate => starts_late(g, s, s * rng.between(0.15, 0.7), s * rng.between(0.0, 0.25)),
        UnderLoad | UnderLoadNamed => above_a_bar(g, s, rng.between(0.3, 0.9), rng.between(0.3, 0.8)),
        ByReconnect => by_reconnect(g, s, rng.scale(12.0, 150.0), rng.between(0.3, 1.0)),
        MendedSlowly => mended_slowly(1.6 * g, s, s * rng.scale(0.2, 1.5), rng.between(0.25, 0.7)),
        ByMapping => by_round(g, s, s * rng.scale(0.01, 0.08), rng.between(0.1, 0.8)),
        EverLonger => ever_longer(g, s, rng.scale(0.1, 0.6), rng.between(0.125, 0.5)),
        InStepLeak | SinksLeak if rng.chance(0.5) => {
            by_round(g, s, s * rng.scale(0.005, 0.05), rng.between(0.1, 0.9))
        }
        OfficeLeak => by_time(g, s, s * rng.between(0.0, 0.3)),
        _ => by_time(g, s, 0.0),
    });
}
