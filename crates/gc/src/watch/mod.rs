//! Hardware watchpoints on the collector's flag: each collection of an unprepared interpreter (3.8 to 3.14),
//! exact, by generation, in every thread, without a byte written to the target.

mod arch;
mod calibrate;
mod classify;
mod collector;
mod endless;
mod family;
mod full;
mod group;
mod obstacle;
mod program;
mod rings;
mod scan;
mod source;
mod steer;
mod window;
mod world;

pub(crate) use obstacle::diagnose;
pub(crate) use source::{Wanted, WatchSource};
