//! The kernel's performance events, as little of them as watchpoints need: open, redirect, switch, and read
//! the records. Only this folder speaks to `perf_event_open`.

mod event;
mod mapping;
mod record;

pub(crate) use event::{Attr, Event, OpenError, Target};
pub(crate) use mapping::Mapping;
pub(crate) use record::{Record, Sample, parse};
