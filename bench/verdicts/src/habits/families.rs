//! The families: which parts each is made of.

use super::parts::{
    additive, backlog, backs_off, beats, by_swap, chaos, controller, double_buffer, epochs, fails_over,
    garbage_between, half_mended, heavy_gaps, pink, purged, remainder, table, uneven_entries, wandering_pace,
};
use crate::Rng;
use crate::events::{Plan, by_time, usual_noise};

/// What a program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Family {
    Backlog,
    Table,
    DoubleBuffer,
    Chaos,
    Pink,
    BacksOff,
    Controller,
    Epochs,
    UnevenEntries,
    Beats,
    Additive,
    FailsOver,
    Purged,
    BacklogLeak,
    TableLeak,
    DoubleBufferLeak,
    ChaosLeak,
    PinkLeak,
    ControllerLeak,
    EpochsLeak,
    UnevenEntriesLeak,
    BeatsLeak,
    AdditiveLeak,
    HeavyGaps,
    Remainder,
    WanderingPace,
    BySwap,
    HalfMended,
}

use Family::*;

/// Every family and its name.
pub const FAMILIES: [(Family, &str); 28] = [
    (Backlog, "backlog"),
    (Table, "table by its count"),
    (DoubleBuffer, "buffers by turns"),
    (Chaos, "chaos"),
    (Pink, "noise of every length"),
    (BacksOff, "retries that back off"),
    (Controller, "controller"),
    (Epochs, "epochs"),
    (UnevenEntries, "uneven entries"),
    (Beats, "beats"),
    (Additive, "additive increase"),
    (FailsOver, "fails over, steps"),
    (Purged, "purged by timer"),
    (BacklogLeak, "backlog + leak"),
    (TableLeak, "table by its count + leak"),
    (DoubleBufferLeak, "buffers by turns + leak"),
    (ChaosLeak, "chaos + leak"),
    (PinkLeak, "noise of every length + leak"),
    (ControllerLeak, "controller + leak"),
    (EpochsLeak, "epochs + leak"),
    (UnevenEntriesLeak, "uneven entries + leak"),
    (BeatsLeak, "beats + leak"),
    (AdditiveLeak, "additive increase + leak"),
    (HeavyGaps, "leak with long gaps"),
    (Remainder, "uncollectable remainder"),
    (WanderingPace, "leak at a wandering pace"),
    (BySwap, "leak by swap"),
    (HalfMended, "leak half mended"),
];

/// Whether a family leaks.
#[must_use]
pub fn is_leak(family: Family) -> bool {
    family as usize >= BacklogLeak as usize
}

/// What a program does whose events are of the scale of `seconds`, watched for `span`.
pub(super) fn plan(family: Family, seconds: f64, span: f64, every: f64, rng: &mut Rng) -> Plan {
    let mut p = Plan { noise: usual_noise(every, rng), ..Plan::empty(seconds, every) };
    p.watching.missed = if rng.chance(0.3) { rng.scale(0.01, 0.3) } else { 0.0 };
    if rng.chance(0.15) {
        let from = span * rng.between(0.1, 0.85);
        p.watching.gap = Some((from, from + span * rng.scale(0.01, 0.12)));
    }
    does(family, &mut p, rng);
    if is_leak(family) {
        let (s, g) = (seconds, rng.scale(0.03, 0.5));
        p.leak = Some(match family {
            HeavyGaps => heavy_gaps(g, s, rng.scale(25.0, 400.0), rng.between(1.3, 2.5)),
            WanderingPace => wandering_pace(g, s, s * rng.scale(0.05, 0.4), rng.between(0.3, 0.8)),
            BySwap => by_swap(g, s, s * rng.scale(0.005, 0.06)),
            HalfMended => half_mended(g, s, s * rng.between(0.25, 0.75), rng.between(0.3, 0.8)),
            _ => by_time(g, s, 0.0),
        });
        if family == Remainder {
            let (ratio, period) = (rng.scale(0.02, 0.2), s * rng.scale(0.004, 0.05));
            p.leak = Some(remainder(g, s, period, rng));
            p.garbage = Some(garbage_between(ratio, period));
        }
    }
    p.seconds = span;
    p
}

fn does(family: Family, p: &mut Plan, rng: &mut Rng) {
    let s = p.seconds;
    match family {
        Backlog | BacklogLeak => {
            let often = rng.scale(2.0, 40.0) / s;
            p.live.push(backlog(rng.scale(0.03, 0.5), often, s * rng.scale(0.005, 0.1)));
        }
        Table | TableLeak => {
            let memory = s * rng.scale(0.01, 0.2);
            p.live.push(table(rng.scale(0.03, 0.4), rng.between(0.1, 0.5), memory, rng));
        }
        DoubleBuffer | DoubleBufferLeak | BySwap => {
            p.live.push(double_buffer(rng.scale(0.03, 0.5), s * rng.scale(0.005, 0.1), rng));
        }
        Chaos | ChaosLeak => {
            let step = s * rng.scale(0.003, 0.04);
            p.live.push(chaos(rng.scale(0.03, 0.3), step, rng.between(3.6, 4.0), rng));
        }
        Pink | PinkLeak => p.live.push(pink(rng.scale(0.003, 0.03), s, rng)),
        BacksOff => {
            let often = rng.scale(1.0, 10.0) / s;
            p.live.push(backs_off(rng.scale(0.03, 0.4), often, s * rng.scale(0.003, 0.02)));
        }
        Controller | ControllerLeak => {
            let period = s * rng.scale(0.01, 0.12);
            p.live.push(controller(rng.scale(0.02, 0.2), period, rng.between(0.05, 0.4)));
        }
        Epochs | EpochsLeak => {
            p.live.push(epochs(rng.scale(0.03, 0.4), s * rng.scale(0.01, 0.12), rng.between(0.6, 0.95)));
        }
        UnevenEntries | UnevenEntriesLeak => {
            let turnover = s * rng.scale(0.02, 0.2);
            p.live.push(uneven_entries(rng.scale(0.05, 0.4), rng.count(30, 300), turnover, rng));
        }
        Beats | BeatsLeak => p.live.push(beats(rng.scale(0.02, 0.25), s * rng.scale(0.01, 0.1), rng)),
        Additive | AdditiveLeak => {
            p.live.push(additive(rng.scale(0.02, 0.3), s * rng.scale(0.005, 0.06), rng));
        }
        FailsOver => {
            let at = s * rng.between(0.05, 0.6);
            p.live.push(fails_over(
                rng.scale(0.05, 0.5),
                at,
                s * rng.scale(0.03, 0.3),
                s * rng.scale(0.005, 0.05),
            ));
        }
        Purged => {
            let often = rng.scale(3.0, 60.0) / s;
            p.live.push(purged(rng.scale(0.03, 0.4), often, s * rng.scale(0.02, 0.2), rng));
        }
        HeavyGaps | Remainder | WanderingPace | HalfMended => {}
    }
}
