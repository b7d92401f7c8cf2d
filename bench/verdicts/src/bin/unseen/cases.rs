//! The families of all sets, as what the benchmark asks of one.

use super::Args;
use m5_bench_verdicts::wide::{self, Trace};
use m5_bench_verdicts::{
    applications, containers, drawn, events, habits, layers, programs, runtimes, services, workloads,
};

type Make = Box<dyn Fn(u64, f64, f64) -> Trace>;

/// Healthy families in which a level may move and stay, so that `step` is right; by a part of their name.
const MOVES: [&str; 33] = [
    "traffic",
    "warm-up",
    "caches",
    "pool",
    "deployments",
    "workers by need",
    "arenas",
    "steps",
    "ratchet",
    "ring",
    "mixed",
    "loaded anew",
    "huge pages",
    "trading day",
    "expires",
    "cache",
    "shared pages",
    "reclaimed",
    "imports",
    "sliding",
    "night job",
    "limit",
    "first uses",
    "restart",
    "table by",
    "purged",
    "migration",
    "fills",
    "chain",
    "held at",
    "canary",
    "rebalances",
    "blue and green",
];

/// A family of series.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) held_out: bool,
    pub(crate) leaks: bool,
    /// Whether its level may move and stay.
    pub(crate) moves: bool,
    /// Its number in its set: part of its seeds.
    pub(crate) number: u64,
    /// One series, by seed, seconds watched and seconds between samples.
    pub(crate) trace: Make,
    /// A long life of it, the same way.
    pub(crate) life: Make,
}

/// The families of a module, all of them held out or none.
macro_rules! set_of {
    ($module:ident, $held_out:literal) => {
        set(
            $module::FAMILIES.map(|(family, name)| (family, name, $held_out)),
            $module::is_leak,
            $module::trace,
            $module::life,
        )
    };
}

/// All families of the second set, of the third, that are run event by event, of one of the later ones, or of those to
/// learn from.
pub(crate) fn all(args: &Args) -> Vec<Case> {
    if args.drawn {
        return set_of!(drawn, false);
    }
    if args.workloads {
        return set_of!(workloads, true);
    }
    if args.applications {
        return set_of!(applications, true);
    }
    if args.runtimes {
        return set_of!(runtimes, true);
    }
    if args.habits {
        return set_of!(habits, true);
    }
    if args.programs {
        return set_of!(programs, true);
    }
    if args.layers {
        return set_of!(layers, true);
    }
    if args.containers {
        return set_of!(containers, true);
    }
    if args.services {
        return set_of!(services, false);
    }
    if args.events {
        return set(events::FAMILIES, events::is_leak, events::trace, events::life);
    }
    set(wide::FAMILIES, wide::is_leak, wide::trace, wide::life)
}

type Generate<F> = fn(F, u64, f64, f64) -> Trace;

/// The families of one set; the number of each is its place.
fn set<F: Copy + 'static, const N: usize>(
    families: [(F, &'static str, bool); N],
    is_leak: fn(F) -> bool,
    trace: Generate<F>,
    life: Generate<F>,
) -> Vec<Case> {
    let case = |(number, (family, name, held_out)): (usize, (F, &'static str, bool))| Case {
        name,
        held_out,
        leaks: is_leak(family),
        moves: MOVES.iter().any(|part| name.contains(part)),
        number: number as u64,
        trace: Box::new(move |seed, seconds, every| trace(family, seed, seconds, every)),
        life: Box::new(move |seed, seconds, every| life(family, seed, seconds, every)),
    };
    families.into_iter().enumerate().map(case).collect()
}
