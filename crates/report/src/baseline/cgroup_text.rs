//! The cgroup around a process: its memory, and what its CPU quota held back.

use crate::Lang;
use crate::shared::units;
use crate::shared::value_words::{mark, maybe};
use crate::texts::Record;
use m5_process::{Cgroup, Throttling};
use m5_stats::judge;
use m5_stats::objectives::{CGROUP_PEAK, CPU_THROTTLED};
use std::fmt::Write;

/// A line on memory, and one on the quota where there is one.
pub(crate) fn lines(c: &Cgroup, lang: Lang) -> Vec<String> {
    let limit = c.max_bytes.map_or_else(|| lang.say(Record::NoLimit).to_owned(), |b| units::bytes(b as f64));
    let current = maybe(c.current_bytes, |b| units::bytes(b as f64));
    let mut memory = lang.fill(Record::Cgroup, &[&c.version, &current, &limit]);
    if let (Some(peak), Some(ratio)) = (c.peak_bytes, c.peak_ratio()) {
        let (peak, share) = (units::bytes(peak as f64), units::percent(ratio));
        let words = lang.fill(Record::CgroupPeak, &[&peak, &share]);
        let _ = write!(memory, ", {words} {}", mark(judge(Some(ratio), &CGROUP_PEAK)));
    }
    if let Some(pressure) = c.pressure_some_percent {
        let pressure = units::percent(pressure / 100.0);
        let _ = write!(memory, ", {}", lang.fill(Record::CgroupPressure, &[&pressure]));
    }
    std::iter::once(memory).chain(c.throttling.as_ref().map(|t| quota(t, lang))).collect()
}

fn quota(t: &Throttling, lang: Lang) -> String {
    let words =
        [maybe(t.ratio(), units::percent), units::time(t.throttled_seconds), format!("{:.2}", t.quota_cores)];
    let line = lang.fill(Record::CgroupQuota, &[&words[0], &words[1], &words[2]]);
    format!("{line} {}", mark(judge(t.ratio(), &CPU_THROTTLED)))
}
