//! The record of a process of which nothing is recorded yet: the one place that knows all its fields.

use super::redact;
use m5_process::{Headroom, Identity, Process, Stat, Status, boot_unix_seconds, ticks_per_second};
use m5_report::doc::{ProcessRecord, Samples};

/// One that says only who it is.
#[must_use]
pub fn bare_record(identity: Identity) -> ProcessRecord {
    ProcessRecord {
        identity,
        ppid: 0,
        uid: None,
        started_unix_seconds: started_unix_seconds(identity),
        command: Vec::new(),
        service: None,
        exited: false,
        re_executed_seconds: None,
        interpreter: None,
        unread: None,
        memory_limit_bytes: None,
        fd_limit: None,
        cgroup: None,
        samples: Samples::default(),
        rollups: Vec::new(),
        connections: Vec::new(),
        pauses: None,
        application: None,
        derived: None,
        criteria: Vec::new(),
        objectives_from: None,
    }
}

/// One that says where it comes from, too. Secrets in its command line are masked.
pub(crate) fn record_of(process: &Process, stat: &Stat, status: &Status) -> ProcessRecord {
    ProcessRecord {
        ppid: stat.ppid,
        uid: status.uid,
        command: redact(&process.command().unwrap_or_default()),
        memory_limit_bytes: Headroom::of(process.pid()).tightest(),
        fd_limit: process.max_fds(),
        ..bare_record(process.identity())
    }
}

/// When a process started, seconds since 1970.
pub(crate) fn started_unix_seconds(identity: Identity) -> f64 {
    boot_unix_seconds() + identity.start_ticks as f64 / ticks_per_second()
}
