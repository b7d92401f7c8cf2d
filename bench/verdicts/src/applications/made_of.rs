//! Which parts each family is made of.

use super::chance::{Shared, lived, lived_and_leaves};
use super::data::{backfill, crontab, frames, hot_cache, shapes, shop, uploads, windows_of_stream};
use super::family::Family::{self, *};
use super::family::is_leak;
use super::leaks::{
    by_use, feeds_itself, heard, in_incidents, labels, listeners, of_one_worker, on_mondays, pieces,
    to_far_bound,
};
use super::memory::{by_ticks, of_threads, probed, shipper};
use super::serving::{
    books, children, conversations, fan_out, in_flight, max_requests, pool, share_of_autoscaler,
};
use crate::Rng;
use crate::events::{Part, Plan, by_time, follows};
use crate::wide::DAY;

/// For how many windows a process has lived: a few are young.
fn old(rng: &mut Rng) -> f64 {
    if rng.chance(0.25) { rng.scale(0.02, 0.3) } else { 1.0 }
}

/// A part that has lived before the watch; where it leaks, what its events leave.
fn lives(leaks: bool, events: &Shared, part: Part, g: f64, spread: f64, p: &mut Plan, rng: &mut Rng) {
    let s = p.seconds;
    if !leaks {
        p.live.push(lived(part, s * old(rng), rng));
        return;
    }
    let (part, leak) = lived_and_leaves(part, events, s, g, spread, rng);
    p.live.push(part);
    p.leak = Some(leak);
}

pub(super) fn on_data(family: Family, g: f64, p: &mut Plan, rng: &mut Rng) {
    let (s, events, size) = (p.seconds, Shared::default(), rng.scale(0.02, 0.4));
    let seen = events.clone();
    let spread = rng.between(0.0, 1.0);
    let part = match family {
        HotCache | HotCacheLeak => {
            let keys = rng.count(60, 300);
            let room = (keys as f64 * rng.between(0.1, 0.7)) as usize;
            let purged = if rng.chance(0.3) { rng.scale(0.3, 3.0) / s } else { 0.0 };
            let cache = hot_cache(size, keys, room.max(8), rng.scale(3.0, 100.0) / s, purged, rng);
            let count = rng.scale(30.0, 3000.0);
            p.leak = is_leak(family).then(|| pieces(g, s, count, rng.between(1.4, 3.0)));
            p.live.push(lived(cache, s * old(rng), rng));
            return;
        }
        Frames | ByJob => {
            let every = s * rng.scale(0.008, 0.08);
            frames(size, every, rng.between(0.2, 1.5), rng.scale(0.02, 0.2), seen, rng)
        }
        Shapes => {
            let emptied = s * rng.scale(0.03, 0.3);
            shapes(size, rng.count(5, 48), rng.scale(30.0, 500.0) / emptied, emptied, rng)
        }
        Windows | NeverClosed => {
            let widths = (0..rng.count(1, 3)).map(|_| s * rng.scale(0.005, 0.12)).collect();
            windows_of_stream(size, widths, rng.scale(0.02, 1.0), seen, rng)
        }
        Uploads | NeverDeleted => {
            let sweep = s * rng.scale(0.01, 0.15);
            let often = rng.scale(40.0, 3000.0) / s;
            uploads(size, often, s * rng.scale(0.002, 0.03), rng.scale(0.01, 0.3), sweep, seen, rng)
        }
        Crontab | CrontabLeak => crontab(size, s, seen, rng),
        Backfill => {
            let lasts = s * rng.scale(0.05, 0.4);
            backfill(size, s * rng.between(-0.4, 1.0), lasts, rng.between(0.4, 1.0), rng)
        }
        _ => {
            p.leak = is_leak(family).then(|| by_use(g, s, events));
            p.live.push(shop(size, seen, rng));
            return;
        }
    };
    lives(is_leak(family), &events, part, g, spread, p, rng);
}

pub(super) fn in_memory(family: Family, g: f64, p: &mut Plan, rng: &mut Rng) {
    let (s, events, size) = (p.seconds, Shared::default(), rng.scale(0.02, 0.4));
    let seen = events.clone();
    let part = match family {
        ByTicks | ByTicksLeak => {
            let dwell = s * rng.scale(0.005, 0.08);
            let (work, pages) =
                by_ticks(size, dwell, dwell * rng.scale(0.05, 2.0), rng.between(0.1, 0.6), rng);
            p.allocator = Some(pages);
            p.live.push(lived(work, s, rng));
            p.leak = is_leak(family).then(|| by_time(g, s, 0.0));
            return;
        }
        Probed | ProbedLeak => {
            p.live.push(lived(probed(size, s * rng.scale(0.02, 0.25), rng), s, rng));
            p.leak = is_leak(family).then(|| pieces(g, s, rng.scale(60.0, 3000.0), 3.0));
            return;
        }
        OfThreads | ByThread => of_threads(size, rng.count(3, 32), s * rng.scale(0.005, 0.05), seen, rng),
        _ => {
            let lasts = s * rng.scale(0.005, 0.06);
            shipper(size, rng.scale(4.0, 40.0) / s, lasts, lasts * rng.scale(0.3, 5.0), seen, rng)
        }
    };
    lives(is_leak(family), &events, part, g, rng.between(0.0, 0.8), p, rng);
}

pub(super) fn serves(family: Family, g: f64, p: &mut Plan, rng: &mut Rng) {
    let (s, events, size) = (p.seconds, Shared::default(), rng.scale(0.02, 0.4));
    let seen = events.clone();
    let part = match family {
        MaxRequests | ByFork => {
            let lives = s * rng.scale(0.01, 0.1);
            max_requests(size, rng.count(2, 12), lives, rng.between(0.3, 1.0), seen, rng)
        }
        Children | ByMessage => {
            let (replaced, count) = (rng.scale(5.0, 100.0), rng.count(1, 8));
            let tasks = count as f64 * replaced * rng.scale(5.0, 60.0) / s;
            children(size, count, tasks, replaced, rng.between(1.2, 3.0), seen, rng)
        }
        FanOut | ByDropped => fan_out(size, rng.count(6, 24), s * rng.scale(0.004, 0.06), seen, rng),
        Books | ByOrder => {
            books(size, rng.count(4, 40), s * rng.scale(0.004, 0.08), rng.between(0.0, 0.8), seen, rng)
        }
        Autoscaled | AutoscaledLeak => {
            let waves = [s * rng.scale(0.05, 0.5), DAY];
            let wave = if s > 1.5 * DAY { waves[rng.count(0, 1)] } else { waves[0] };
            p.load = Some(share_of_autoscaler(wave, s * rng.scale(0.003, 0.05), rng));
            p.live.push(follows(size, s * rng.scale(0.001, 0.02)));
            p.leak = is_leak(family).then(|| pieces(g, s, rng.scale(30.0, 3000.0), rng.between(1.6, 4.0)));
            return;
        }
        Pool | PoolFarBound => {
            let of_age = s * rng.scale(0.01, 0.15);
            let open = pool(size, rng.count(4, 40), of_age, of_age * rng.scale(0.05, 1.0), rng);
            p.live.push(lived(open, s * old(rng), rng));
            p.leak = is_leak(family).then(|| to_far_bound(g, s, g * rng.scale(1.5, 60.0)));
            return;
        }
        _ => {
            let lasts = s * rng.scale(0.003, 0.05);
            conversations(size, rng.scale(6.0, 60.0), lasts, rng.between(1.3, 3.0), seen, rng)
        }
    };
    lives(is_leak(family), &events, part, g, rng.between(0.0, 1.0), p, rng);
}

/// What never comes back, beside little else.
pub(super) fn loses(family: Family, g: f64, p: &mut Plan, rng: &mut Rng) {
    let (s, unused, size) = (p.seconds, Shared::default(), rng.scale(0.01, 0.2));
    p.leak = Some(match family {
        OnMondays => on_mondays(g, s, rng),
        FeedsItself => feeds_itself(g, s, rng.between(0.3, 2.5), g * rng.scale(1.5, 20.0)),
        OneWorker => {
            let workers = max_requests(size, rng.count(2, 8), s * rng.scale(0.01, 0.1), 0.5, unused, rng);
            p.live.push(lived(workers, s, rng));
            of_one_worker(g, s, rng.scale(2.0, 60.0), rng.between(0.1, 0.8))
        }
        Labels => labels(g, s, rng.scale(0.3, 12.0), rng.between(0.6, 0.95), rng.scale(0.02, 3.0)),
        Incidents => in_incidents(g, s, rng.scale(5.0, 60.0), s * rng.scale(0.002, 0.04), rng),
        NeverFinished => {
            let tasks =
                in_flight(size, rng.scale(5.0, 40.0), s * rng.scale(0.002, 0.03), rng.between(1.1, 2.5));
            p.live.push(lived(tasks, s, rng));
            pieces(g, s, rng.scale(10.0, 500.0), 6.0)
        }
        _ => {
            let kept = Shared::default();
            p.garbage = Some(heard(rng.scale(0.02, 0.3), s * rng.scale(0.004, 0.06), kept.clone(), rng));
            listeners(g, s, rng.scale(20.0, 2000.0), kept)
        }
    });
}
