//! The labels of a watched process.

use crate::pool::Member;
use m5_report::metrics::Labels;

/// Service and slot; the pid too where it is asked for, which makes one series per process ever started.
pub(super) fn labels(member: &Member, with_pid: bool) -> Labels {
    let labels = Labels::new().with("service", member.service()).with("slot", member.slot().to_string());
    if with_pid { labels.with("pid", member.identity().pid.to_string()) } else { labels }
}
