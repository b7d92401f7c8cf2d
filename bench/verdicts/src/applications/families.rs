//! What an application does, and how it is watched.

use super::family::Family::{self, *};
use super::made_of::{in_memory, loses, on_data, serves};
use crate::Rng;
use crate::events::{Plan, usual_noise};
use crate::wide::DAY;

/// What an application does whose events are of the scale of `seconds`, watched for `span`.
pub(super) fn plan(family: Family, seconds: f64, span: f64, every: f64, rng: &mut Rng) -> Plan {
    let (seconds, span, every) = by_days(family, seconds, span, every, rng);
    let mut p = Plan { noise: usual_noise(every, rng), ..Plan::empty(seconds, every) };
    p.watching.missed = if rng.chance(0.3) { rng.scale(0.005, 0.3) } else { 0.0 };
    p.watching.uneven = if rng.chance(0.1) { rng.between(1.5, 4.0) } else { 0.0 };
    if rng.chance(0.15) {
        let from = span * rng.between(0.1, 0.85);
        p.watching.gap = Some((from, from + span * rng.scale(0.01, 0.12)));
    }
    let g = rng.scale(0.03, 0.6);
    match family {
        HotCache | HotCacheLeak | Frames | ByJob | Shapes | Windows | NeverClosed | Uploads
        | NeverDeleted | Crontab | Backfill | CrontabLeak | Shop | ShopLeak => {
            on_data(family, g, &mut p, rng)
        }
        ByTicks | ByTicksLeak | OfThreads | ByThread | Shipper | ByOutage | Probed | ProbedLeak => {
            in_memory(family, g, &mut p, rng);
        }
        OnMondays | FeedsItself | OneWorker | Labels | Incidents | NeverFinished | Listeners => {
            loses(family, g, &mut p, rng);
        }
        _ => serves(family, g, &mut p, rng),
    }
    p.seconds = span;
    p
}

/// Windows of families that are about days: scale, span, seconds between samples.
fn by_days(family: Family, seconds: f64, span: f64, every: f64, rng: &mut Rng) -> (f64, f64, f64) {
    let days = match family {
        Shop | ShopLeak if span < 2.5 * DAY => rng.between(2.5, 5.0),
        OnMondays => rng.between(15.0, 35.0),
        _ => return (seconds, span, every),
    };
    let long = (DAY * days).max(span);
    (long, long, (long / rng.scale(300.0, 1500.0)).max(every))
}
