//! Hardware watchpoints on the collector's flag: each collection of an unprepared interpreter (3.8 to 3.14),
//! exact, by generation, in every thread, without a byte written to the target.

mod arch;
mod attached;
mod attempts;
mod by_counts;
mod calibrate;
mod classify;
mod collector;
mod duty_cycle;
mod exclusive_pairs;
mod full;
mod group;
mod ledger;
mod obstacle;
mod program;
mod resting;
mod rings;
mod scheduling;
mod source;
mod watched;
mod window;
mod world;

pub(crate) use calibrate::Traps;
pub(crate) use obstacle::diagnose;
pub(crate) use resting::Resting;
pub(crate) use source::{Wanted, WatchSource};
