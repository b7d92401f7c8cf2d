//! The kernel's performance events, as little of them as watchpoints need: open, redirect, switch, and read
//! the records. Events themselves are opened by `m5_process::perf`.

mod record;

pub(crate) use m5_process::perf::{Attr, Event, Mapping, OpenError, Target};
pub(crate) use record::{Record, Sample, parse};
