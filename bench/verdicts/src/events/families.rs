//! The families: which parts each is made of, and which are held out.

use super::Plan;
use super::parts::{
    arenas, bent, by_error, by_request, by_time, decays, follows, garbage, heavy_tails, jobs, jumping,
    keyed_cache, lopsided, sessions, usual_noise, warm_up, week,
};
use crate::Rng;
use crate::wide::DAY;

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Family {
    Jumping,
    JumpingNamed,
    HeavyTails,
    Arenas,
    Decaying,
    KeyedCache,
    FullCache,
    Sessions,
    Jobs,
    Weeks,
    Lopsided,
    Blind,
    ClockSet,
    Restarts,
    Garbage,
    JumpingLine,
    HeavyLine,
    ArenasLine,
    CacheLine,
    WeeksLine,
    Late,
    BlindLine,
    RestartsLine,
    ByRequest,
    ByError,
    Slowing,
    Doubling,
    GarbageLine,
    JobsLine,
    JumpingNamedLine,
}

use Family::*;

/// Every family, its name, and whether it is held out.
pub const FAMILIES: [(Family, &str, bool); 30] = [
    (Jumping, "load that jumps", false),
    (JumpingNamed, "load that jumps, named", true),
    (HeavyTails, "heavy tails", false),
    (Arenas, "arenas", true),
    (Decaying, "pages given back late", false),
    (KeyedCache, "cache by keys", false),
    (FullCache, "cache by keys, full", true),
    (Sessions, "sessions", true),
    (Jobs, "jobs by timetable", false),
    (Weeks, "weeks", false),
    (Lopsided, "part of a lopsided day", true),
    (Blind, "samples missed", false),
    (ClockSet, "clock set", true),
    (Restarts, "restarts", false),
    (Garbage, "garbage by ratio", false),
    (JumpingLine, "load that jumps + line", false),
    (HeavyLine, "heavy tails + line", true),
    (ArenasLine, "arenas + line", false),
    (CacheLine, "cache by keys + line", true),
    (WeeksLine, "weeks + line", false),
    (Late, "late", false),
    (BlindLine, "samples missed + line", true),
    (RestartsLine, "restarts + line", false),
    (ByRequest, "leak by request, named", true),
    (ByError, "leak by error", false),
    (Slowing, "ever slower", true),
    (Doubling, "doubling", false),
    (GarbageLine, "garbage by ratio + line", true),
    (JobsLine, "jobs by timetable + line", false),
    (JumpingNamedLine, "load that jumps, named + line", true),
];

/// Whether a family leaks.
#[must_use]
pub fn is_leak(family: Family) -> bool {
    family as usize >= JumpingLine as usize
}

/// What a process does whose events are of the scale of `seconds`, watched for `span` (or for `seconds`).
pub(super) fn plan(family: Family, seconds: f64, span: Option<f64>, every: f64, rng: &mut Rng) -> Plan {
    let weeks = matches!(family, Weeks | WeeksLine);
    let (seconds, every, span) = match span {
        None if weeks => (DAY * rng.count(4, 21) as f64, 600.0, None),
        span => (seconds, every, span),
    };
    let mut p = Plan { noise: usual_noise(every, rng), ..Plan::empty(seconds, every) };
    healthy(family, &mut p, span.unwrap_or(seconds), rng);
    leak(family, &mut p, rng);
    p.seconds = span.unwrap_or(seconds);
    p
}

fn healthy(family: Family, p: &mut Plan, span: f64, rng: &mut Rng) {
    let s = p.seconds;
    match family {
        Jumping | JumpingNamed | JumpingLine | JumpingNamedLine | ByRequest => {
            p.load = Some(jumping(s * rng.scale(0.005, 0.15), rng));
            p.live.push(follows(rng.scale(0.01, 0.15), s * rng.scale(0.001, 0.05)));
            p.named = matches!(family, JumpingNamed | JumpingNamedLine | ByRequest);
        }
        HeavyTails | HeavyLine => {
            p.live.push(heavy_tails(rng.scale(0.0005, 0.02), rng.scale(0.01, 0.2), rng.scale(0.001, 0.05)));
        }
        Arenas | ArenasLine => {
            p.live.push(sessions(
                rng.scale(0.0003, 0.004),
                rng.scale(20.0, 200.0),
                s * rng.scale(0.005, 0.1),
            ));
            p.allocator =
                Some(arenas(rng.scale(0.004, 0.08), rng.scale(0.0, 0.005).max(1e-9) * 15.0 / p.every));
        }
        Decaying => {
            p.load = Some(jumping(s * rng.scale(0.005, 0.1), rng));
            p.live.push(follows(rng.scale(0.01, 0.2), 1.0));
            p.allocator = Some(decays(s * rng.scale(0.005, 0.3)));
        }
        KeyedCache | FullCache | CacheLine => {
            let most = if family == FullCache { rng.between(0.3, 0.9) } else { 1.0 };
            let (size, power) = (rng.scale(0.05, 0.6), rng.between(0.6, 1.3));
            p.live.push(keyed_cache(size, power, s * rng.scale(0.002, 0.03), most));
        }
        Sessions => {
            let mean = rng.scale(20.0, 500.0);
            p.live.push(sessions(rng.scale(0.02, 0.3) / mean, mean, s * rng.scale(0.01, 0.3)));
        }
        Jobs | JobsLine => {
            let every = s * rng.scale(0.02, 0.4);
            p.live.push(jobs(every, rng.scale(0.03, 0.8), rng.scale(0.05, 0.5), rng));
        }
        Weeks | WeeksLine => {
            let (size, of) = (rng.scale(0.01, 0.12), week(rng));
            p.live.push(Box::new(move |now, _| size * of(now.t)));
        }
        Lopsided => {
            let (size, of) = (rng.scale(0.01, 0.12), lopsided(s * rng.between(1.3, 4.0), rng));
            p.live.push(Box::new(move |now, _| size * of(now.t)));
        }
        Blind | BlindLine | ClockSet => {
            p.live.push(sessions(rng.scale(0.0002, 0.002), 50.0, s * rng.scale(0.005, 0.05)));
            p.watching.missed = rng.scale(0.01, 0.7);
            let from = span * rng.between(0.05, 0.8);
            p.watching.gap = rng.chance(0.7).then(|| (from, from + span * rng.scale(0.02, 0.3)));
            let by = rng.scale(1.0, 10_000.0) * if rng.chance(0.5) { 1.0 } else { -1.0 };
            let set = family == ClockSet || rng.chance(0.3);
            p.watching.jump = set.then(|| (span * rng.between(0.1, 0.9), by));
        }
        Restarts | RestartsLine => {
            let mut at = 0.0;
            while at < 0.6 * span {
                at += -rng.unit().ln() * s * rng.between(0.1, 0.4) + 0.02 * s;
                p.restarts.push(at);
            }
            p.restarts.retain(|r| *r < 0.65 * span);
            p.live.push(warm_up(rng.scale(0.05, 0.5), s * rng.scale(0.004, 0.05)));
        }
        Garbage | GarbageLine => {
            p.load = Some(jumping(s * rng.scale(0.01, 0.2), rng));
            p.garbage = Some(garbage(rng.scale(0.05, 0.4), s * rng.scale(0.005, 0.2), rng.between(0.0, 0.4)));
        }
        Late | ByError | Slowing | Doubling => {}
    }
}

fn leak(family: Family, p: &mut Plan, rng: &mut Rng) {
    if !is_leak(family) {
        return;
    }
    let (s, g) = (p.seconds, rng.scale(0.03, 0.4));
    p.leak = Some(match family {
        Late => by_time(g / 0.5, s, s * rng.between(0.3, 0.7)),
        RestartsLine => by_time(g / 0.5, s, 0.0),
        ByRequest => by_request(g, s),
        ByError => by_error(g, s, rng.scale(15.0, 200.0)),
        Slowing => bent(g, s, rng.between(0.45, 0.85)),
        Doubling => bent(g, s, if rng.chance(0.5) { 0.0 } else { rng.between(1.3, 2.0) }),
        _ => by_time(g, s, 0.0),
    });
}
