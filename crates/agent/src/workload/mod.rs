//! A load that the user names, to hold growth against: a number in a file, or a metric of a Prometheus endpoint.
//! CPU time is what m5 takes by itself; but a leak makes collections dearer, so that CPU rises with it, where
//! orders or requests do not.

mod metric;
mod source;
mod watch;

pub use source::{WorkloadError, WorkloadSource};
pub(crate) use watch::WorkloadWatch;
