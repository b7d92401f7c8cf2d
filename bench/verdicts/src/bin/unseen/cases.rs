//! The families of both sets, as what the benchmark asks of one.

use m5_bench_verdicts::events;
use m5_bench_verdicts::wide::{self, Trace};

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

/// All families of the second set, or of the third, that are run event by event.
pub(crate) fn all(events: bool) -> Vec<Case> {
    if events {
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
