//! The families: which parts each is made of.

use super::parts::{
    bounded_cache, by_tenant, collected, ever_new_keys, expiring, imports, in_storms, lost, night_job,
    of_age, one_server, reconnects, rolled_out, rotated, sliding, storms, under_limit, uneven_noise,
    unlike_days,
};
use crate::Rng;
use crate::events::{Plan, by_time, usual_noise};
use crate::wide::DAY;

/// What a program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Family {
    BoundedCache,
    Expiring,
    OfAge,
    Rotated,
    OneServer,
    Collected,
    NightJob,
    Imports,
    UnevenNoise,
    UnlikeDays,
    Storms,
    UnderLimit,
    Sliding,
    EverNewKeys,
    ExpiringLeak,
    LostThreads,
    RotatedLeak,
    OneServerLeak,
    CollectedLeak,
    Reconnects,
    ImportsLeak,
    UnevenNoiseLeak,
    UnlikeDaysLeak,
    StormsLeak,
    InStorms,
    SlidingLeak,
    RolledOut,
    ByTenant,
}

use Family::*;

/// Every family and its name.
pub const FAMILIES: [(Family, &str); 28] = [
    (BoundedCache, "bounded cache"),
    (Expiring, "entries that expire"),
    (OfAge, "threads of age"),
    (Rotated, "logs rotated"),
    (OneServer, "one server's queue"),
    (Collected, "collected by ratio"),
    (NightJob, "night job"),
    (Imports, "imports on demand"),
    (UnevenNoise, "uneven noise"),
    (UnlikeDays, "days unlike"),
    (Storms, "storms"),
    (UnderLimit, "pages under a limit"),
    (Sliding, "sliding frame"),
    (EverNewKeys, "ever new keys"),
    (ExpiringLeak, "entries that expire + leak"),
    (LostThreads, "lost threads"),
    (RotatedLeak, "logs rotated + leak"),
    (OneServerLeak, "one server's queue + leak"),
    (CollectedLeak, "collected by ratio + leak"),
    (Reconnects, "leak by reconnect"),
    (ImportsLeak, "imports on demand + leak"),
    (UnevenNoiseLeak, "uneven noise + leak"),
    (UnlikeDaysLeak, "days unlike + leak"),
    (StormsLeak, "storms + leak"),
    (InStorms, "leak in storms"),
    (SlidingLeak, "sliding frame + leak"),
    (RolledOut, "leak rolled out"),
    (ByTenant, "leak by tenant"),
];

/// Whether a family leaks.
#[must_use]
pub fn is_leak(family: Family) -> bool {
    family as usize >= EverNewKeys as usize
}

/// What a program does whose events are of the scale of `seconds`, watched for `span`.
pub(super) fn plan(family: Family, seconds: f64, span: f64, every: f64, rng: &mut Rng) -> Plan {
    let long = matches!(family, UnlikeDays | UnlikeDaysLeak) && span < 2.0 * DAY;
    let (span, every) = match long {
        true => (DAY * rng.between(2.0, 7.0), 400.0),
        false => (span, every),
    };
    let mut p = Plan { noise: usual_noise(every, rng), ..Plan::empty(seconds, every) };
    p.watching.missed = if rng.chance(0.3) { rng.scale(0.01, 0.3) } else { 0.0 };
    if rng.chance(0.15) {
        let from = span * rng.between(0.1, 0.85);
        p.watching.gap = Some((from, from + span * rng.scale(0.01, 0.12)));
    }
    healthy(family, &mut p, rng);
    if is_leak(family) {
        leak(family, &mut p, rng);
    }
    p.seconds = span;
    p
}

fn healthy(family: Family, p: &mut Plan, rng: &mut Rng) {
    let s = p.seconds;
    match family {
        BoundedCache => {
            let most = rng.count(40, 350);
            let draws = most as f64 * rng.scale(3.0, 60.0) / s;
            p.live.push(bounded_cache(rng.scale(0.03, 0.5), most, draws, rng.between(0.5, 1.0)));
        }
        Expiring | ExpiringLeak => {
            let lasts = s * rng.scale(0.01, 0.12);
            p.live.push(expiring(rng.scale(0.02, 0.3), rng.scale(1.0, 20.0) / lasts, lasts));
        }
        OfAge => {
            let age = s * rng.scale(0.05, 0.5);
            p.live.push(of_age(rng.scale(0.03, 0.3), rng.count(3, 24), age, rng));
        }
        LostThreads => {
            let base = rng.scale(20.0, 200.0).round();
            p.scale = Some((base, 1.0));
            p.noise = Box::new(|_, _| 0.0);
            p.live.push(one_server(rng.scale(0.01, 0.15), s * rng.scale(0.002, 0.03)));
        }
        Rotated | RotatedLeak => p.live.push(rotated(rng.scale(0.02, 0.3), s * rng.scale(0.01, 0.2), rng)),
        OneServer | OneServerLeak => {
            p.live.push(one_server(rng.scale(0.01, 0.15), s * rng.scale(0.003, 0.06)));
        }
        Collected | CollectedLeak => {
            let (ratio, period) = (rng.scale(0.03, 0.3), s * rng.scale(0.003, 0.06));
            p.garbage = Some(collected(ratio, ratio / period, rng.count(3, 9)));
        }
        NightJob => {
            let (at, lasts) = (s * rng.between(0.05, 0.5), s * rng.scale(0.05, 0.35));
            p.live.push(night_job(rng.scale(0.05, 0.6), at, lasts, rng.between(0.0, 0.3)));
        }
        Imports | ImportsLeak => {
            let until = s * rng.between(0.1, 0.45);
            p.live.push(imports(rng.scale(0.03, 0.5), rng.count(2, 9), until, rng));
        }
        UnevenNoise | UnevenNoiseLeak => {
            p.live.push(uneven_noise(rng.scale(0.005, 0.06), s * rng.scale(0.003, 0.05), rng));
        }
        UnlikeDays | UnlikeDaysLeak => p.live.push(unlike_days(rng.scale(0.02, 0.2), rng)),
        Storms | StormsLeak => {
            let often = rng.scale(3.0, 50.0) / s;
            p.live.push(storms(rng.scale(0.03, 0.5), often, s * rng.scale(0.003, 0.06)));
        }
        UnderLimit => {
            p.live.push(under_limit(rng.scale(0.05, 0.6), s * rng.scale(0.02, 0.2), rng.scale(0.01, 0.2)));
        }
        Sliding | SlidingLeak => {
            let long = s * rng.between(0.1, 0.55);
            p.live.push(sliding(rng.scale(0.05, 0.6), long, long * rng.scale(0.01, 0.1)));
        }
        EverNewKeys | Reconnects | InStorms | RolledOut | ByTenant => {}
    }
}

fn leak(family: Family, p: &mut Plan, rng: &mut Rng) {
    let (s, g) = (p.seconds, rng.scale(0.03, 0.5));
    let base = p.scale.map_or(100.0, |(base, _)| base);
    p.leak = Some(match family {
        EverNewKeys => ever_new_keys(g, s, rng.between(0.55, 0.95)),
        LostThreads => lost(g, s, base),
        UnlikeDaysLeak => by_time(g, DAY * rng.between(2.0, 4.0), 0.0),
        Reconnects => reconnects(g, s, rng.scale(20.0, 300.0), rng.between(0.2, 0.8)),
        InStorms => in_storms(g, s, rng.between(4.0, 15.0)),
        RolledOut => rolled_out(g, s, s * rng.between(0.0, 0.4)),
        ByTenant => by_tenant(g, s, rng.count(4, 60), rng),
        _ => by_time(g, s, 0.0),
    });
}
