//! The whole way from a process, or a core file, to a snapshot.

pub(crate) mod analysis;
pub(crate) mod core;
pub(crate) mod idle_threads;
pub(crate) mod live;
pub(crate) mod queued;
pub(crate) mod snapshot;
pub(crate) mod stage_times;
