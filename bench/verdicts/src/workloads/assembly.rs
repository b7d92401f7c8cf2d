//! Which parts each family is made of.

use super::batches::{builds, cameras, crawls, hourly, notebook, trainer};
use super::deploys::{blue_green, experiments, started};
use super::family::Family::{self, *};
use super::family::is_leak;
use super::leaks::{loader_kept, orphaned, since};
use super::serving::{answers, exports, mail, matches, proxy, sleepers, streams};
use super::stores::{head_blocks, rebalances, rings, tiles, vectors};
use crate::Rng;
use crate::applications::chance::{Shared, lived, lived_and_leaves};
use crate::events::{Allocator, Part, Plan};

/// For how many windows a process has lived: a few are young.
fn old(rng: &mut Rng) -> f64 {
    if rng.chance(0.2) { rng.scale(0.03, 0.5) } else { rng.scale(1.0, 3.0) }
}

/// How large a part is: of any size beside nothing, and never far larger than the leak beside it.
fn sized(family: Family, g: f64, rng: &mut Rng) -> f64 {
    let size = rng.scale(0.02, 0.5);
    if is_leak(family) { size.min(3.0 * g) } else { size }
}

/// A part that has lived before the watch; where it leaks, what its events leave.
fn lives(family: Family, events: &Shared, part: Part, g: f64, p: &mut Plan, rng: &mut Rng) {
    let s = p.seconds;
    if !is_leak(family) {
        p.live.push(lived(part, s * old(rng), rng));
        return;
    }
    let spread = rng.between(0.0, 1.0);
    let (part, leak) = lived_and_leaves(part, events, s, g, spread, rng);
    p.live.push(part);
    p.leak = Some(leak);
}

/// An allocator that gives free pages back after a while, but for a part of them that is pinned until it is used again.
fn gives_back(after: f64, pinned: f64) -> Allocator {
    let (mut fixed, mut loose, mut before) = (0.0_f64, 0.0_f64, f64::NAN);
    Box::new(move |live, dt, _| {
        let freed = if before.is_nan() { 0.0 } else { before - live };
        before = live;
        if freed >= 0.0 {
            fixed += pinned * freed;
            loose += (1.0 - pinned) * freed;
        } else {
            let used = fixed.min(-freed);
            fixed -= used;
            loose = (loose + freed + used).max(0.0);
        }
        loose *= (-dt / after).exp();
        live + fixed + loose
    })
}

pub(super) fn in_batches(family: Family, g: f64, daily: bool, p: &mut Plan, rng: &mut Rng) {
    let (s, events, size) = (p.seconds, Shared::default(), sized(family, g, rng));
    let seen = events.clone();
    let part = match family {
        Trainer | TrainerLeak => trainer(size, s * rng.scale(0.01, 0.15), seen, rng),
        Crawls | CrawlsLeak => crawls(size, rng.count(1, 6), s * rng.scale(0.005, 0.06), seen, rng),
        Hourly | HourlyLeak => {
            let period = if daily { 3600.0 } else { s * rng.scale(0.01, 0.08) };
            hourly(size, period, seen, rng)
        }
        Builds | BuildsLeak => builds(size, rng.count(1, 4), s * rng.scale(0.003, 0.03), daily, seen, rng),
        Notebook | NotebookLeak => notebook(size, rng.count(6, 40), s * rng.scale(0.01, 0.12), seen, rng),
        _ => cameras(size, s * rng.scale(0.002, 0.03), daily, seen, rng),
    };
    if matches!(family, Hourly | HourlyLeak | Builds | BuildsLeak) && rng.chance(0.5) {
        p.allocator = Some(gives_back(s * rng.scale(0.001, 0.03), rng.between(0.0, 0.3)));
    }
    lives(family, &events, part, g, p, rng);
}

pub(super) fn in_store(family: Family, g: f64, p: &mut Plan, rng: &mut Rng) {
    let (s, events, size) = (p.seconds, Shared::default(), sized(family, g, rng));
    let seen = events.clone();
    let part = match family {
        Rebalances | RebalancesLeak => {
            let often = rng.scale(6.0, 60.0) / s;
            rebalances(size, often, s * rng.scale(0.002, 0.03), seen, rng)
        }
        Channels | ChannelsLeak => rings(size, rng.count(20, 120), s * rng.scale(0.02, 0.3), seen, rng),
        Vectors | VectorsLeak => vectors(size, s * rng.scale(0.1, 1.5), seen, rng),
        Tiles | TilesLeak => tiles(size, s * rng.scale(0.02, 0.3), seen, rng),
        _ => head_blocks(size, s * rng.scale(0.01, 0.15), rng.scale(1.0, 50.0), seen, rng),
    };
    lives(family, &events, part, g, p, rng);
}

pub(super) fn in_service(family: Family, g: f64, daily: bool, p: &mut Plan, rng: &mut Rng) {
    let (s, events, size) = (p.seconds, Shared::default(), sized(family, g, rng));
    let seen = events.clone();
    let (count, lasts) = (rng.scale(4.0, 60.0), s * rng.scale(0.002, 0.03));
    let part = match family {
        Streams | StreamsLeak => streams(size, count, lasts, seen, rng),
        Answers | AnswersLeak => answers(size, count, lasts, seen, rng),
        Matches | MatchesLeak => matches(size, count, lasts, daily, seen, rng),
        Mail | MailLeak => mail(size, rng.count(3, 6), s * rng.scale(0.02, 0.2), seen, rng),
        Proxy | ProxyLeak => proxy(size, count, lasts, seen, rng),
        Sleepers | SleepersLeak => {
            let part = sleepers(size, rng.count(12, 80), s * rng.scale(0.005, 0.08), rng);
            p.live.push(lived(part, s * old(rng), rng));
            let (orphans, sent) = (rng.scale(10.0, 300.0), rng.scale(0.3, 10.0));
            let since = old(rng).min(1.0);
            p.leak = is_leak(family).then(|| orphaned(g, s, orphans, sent, since, rng));
            return;
        }
        _ => exports(size, rng.scale(0.5, 20.0), lasts, seen, rng),
    };
    if matches!(family, Exports | ExportsLeak | Answers | AnswersLeak) && rng.chance(0.6) {
        p.allocator = Some(gives_back(s * rng.scale(0.001, 0.05), rng.between(0.0, 0.6)));
    }
    if family == LoaderKept {
        p.live.push(lived(part, s * old(rng), rng));
        p.leak = Some(loader_kept(g, s, rng.between(0.5, 0.95), rng.scale(0.02, 3.0), rng));
        return;
    }
    lives(family, &events, part, g, p, rng);
}

pub(super) fn drained(family: Family, g: f64, p: &mut Plan, rng: &mut Rng) {
    let (s, events) = (p.seconds, Shared::default());
    let seen = events.clone();
    let part = match family {
        Experiments | ExperimentsLeak => {
            let (size, often) = (sized(family, g, rng), rng.scale(6.0, 40.0) / s);
            experiments(size, often, rng.scale(0.3, 2.0) / often, seen, rng)
        }
        BlueGreen | BlueGreenLeak => {
            let often = rng.scale(6.0, 40.0) / s;
            let size = rng.scale(0.1, 1.0).min(if is_leak(family) { 5.0 * g } else { 1.0 });
            blue_green(size, often, rng.scale(0.02, 0.3) / often, seen, rng)
        }
        _ => {
            // The last of some deploys brought the leak, or none did.
            let at = s * rng.between(0.2, 0.6);
            let size = sized(family, g, rng);
            let part = answers(size, rng.scale(4.0, 60.0), s * rng.scale(0.002, 0.03), seen, rng);
            p.live.push(lived(part, s, rng));
            p.live.push(started(rng.scale(0.05, 0.5), s * rng.scale(0.001, 0.03)));
            p.restarts = if rng.chance(0.4) { vec![at * rng.between(0.2, 0.8), at] } else { vec![at] };
            events.set(0.0);
            p.leak = is_leak(family).then(|| since(at, g, s - at, events));
            return;
        }
    };
    lives(family, &events, part, g, p, rng);
}
