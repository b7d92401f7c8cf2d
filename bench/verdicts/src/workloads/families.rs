//! What a service does, and how it is watched.

use super::assembly::{drained, in_batches, in_service, in_store};
use super::family::Family::{self, *};
use crate::Rng;
use crate::applications::chance::wanders;
use crate::events::{Part, Plan, usual_noise};
use crate::wide::DAY;

/// What a service does whose events are of the scale of `seconds`, watched for `span`.
pub(super) fn plan(family: Family, seconds: f64, span: f64, every: f64, rng: &mut Rng) -> Plan {
    let mut p = Plan { noise: usual_noise(every, rng), ..Plan::empty(seconds, every) };
    p.watching.missed = if rng.chance(0.3) { rng.scale(0.005, 0.2) } else { 0.0 };
    p.watching.uneven = if rng.chance(0.1) { rng.between(1.3, 2.0) } else { 0.0 };
    if rng.chance(0.12) {
        let from = span * rng.between(0.1, 0.85);
        p.watching.gap = Some((from, from + span * rng.scale(0.01, 0.1)));
    }
    if rng.chance(0.25) {
        p.garbage = Some(collected(rng.scale(0.005, 0.06), seconds * rng.scale(0.003, 0.04), rng));
    }
    let g = rng.scale(0.05, 2.0);
    // Days are days, and hours hours, where the window is long enough to show them.
    let daily = span >= 2.0 * DAY;
    match family {
        Trainer | TrainerLeak | Crawls | CrawlsLeak | Hourly | HourlyLeak | Builds | BuildsLeak
        | Notebook | NotebookLeak | Cameras | CamerasLeak => in_batches(family, g, daily, &mut p, rng),
        Rebalances | RebalancesLeak | Channels | ChannelsLeak | Vectors | VectorsLeak | Tiles | TilesLeak
        | HeadBlocks | HeadBlocksLeak => in_store(family, g, &mut p, rng),
        Experiments | ExperimentsLeak | BlueGreen | BlueGreenLeak | Deployed | NewVersion => {
            drained(family, g, &mut p, rng);
        }
        _ => in_service(family, g, daily, &mut p, rng),
    }
    p.seconds = span;
    p
}

/// Garbage between collections, gathered at an uneven pace.
fn collected(ratio: f64, period: f64, rng: &mut Rng) -> Part {
    let (mut at, mut busy) = (rng.unit(), wanders(3.0 * period, rng));
    let mut height = 1.0;
    Box::new(move |now, rng| {
        at += now.dt / period * (0.4 * busy(now.dt, rng)).exp();
        if at >= 1.0 {
            at = at.fract();
            height = rng.between(0.8, 1.2);
        }
        ratio * height * at
    })
}
