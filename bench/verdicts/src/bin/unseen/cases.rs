//! The families of all sets, as what the benchmark asks of one.

use super::Args;
use m5_bench_verdicts::wide::{self, Trace};
use m5_bench_verdicts::{events, services};

type Make = Box<dyn Fn(u64, f64, f64) -> Trace>;

/// A family of series.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) held_out: bool,
    pub(crate) leaks: bool,
    /// Its number in its set: part of its seeds.
    pub(crate) number: u64,
    /// One series, by seed, seconds watched and seconds between samples.
    pub(crate) trace: Make,
    /// A long life of it, the same way.
    pub(crate) life: Make,
}

/// All families of the second set, of the third, that are run event by event, or of the fourth, all of it held out.
pub(crate) fn all(args: &Args) -> Vec<Case> {
    if args.services {
        let case = |(family, name): (services::Family, &'static str)| Case {
            name,
            held_out: true,
            leaks: services::is_leak(family),
            number: family as u64,
            trace: Box::new(move |seed, seconds, every| services::trace(family, seed, seconds, every)),
            life: Box::new(move |seed, seconds, every| services::life(family, seed, seconds, every)),
        };
        return services::FAMILIES.into_iter().map(case).collect();
    }
    if args.events {
        let case = |(family, name, held_out): (events::Family, &'static str, bool)| Case {
            name,
            held_out,
            leaks: events::is_leak(family),
            number: family as u64,
            trace: Box::new(move |seed, seconds, every| events::trace(family, seed, seconds, every)),
            life: Box::new(move |seed, seconds, every| events::life(family, seed, seconds, every)),
        };
        return events::FAMILIES.into_iter().map(case).collect();
    }
    let case = |(family, name, held_out): (wide::Family, &'static str, bool)| Case {
        name,
        held_out,
        leaks: wide::is_leak(family),
        number: family as u64,
        trace: Box::new(move |seed, seconds, every| wide::trace(family, seed, seconds, every)),
        life: Box::new(move |seed, seconds, every| wide::life(family, seed, seconds, every)),
    };
    wide::FAMILIES.into_iter().map(case).collect()
}
