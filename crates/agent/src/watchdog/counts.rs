//! What the watchdog did, counted for Prometheus.

use super::{Action, Outcome};
use m5_report::metrics::{Family, Kind, Labels};
use std::collections::BTreeMap;

/// Counts since the watchdog started.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Rule, process, action, result.
    actions: BTreeMap<[String; 4], u64>,
    /// Bytes by process.
    given: BTreeMap<String, u64>,
}

impl Counts {
    pub(super) fn add(&mut self, rule: &str, process: &str, outcome: &Outcome) {
        let key = [rule, process, outcome.action, outcome.result].map(str::to_owned);
        *self.actions.entry(key).or_default() += 1;
        if outcome.action == Action::Trim.word() {
            *self.given.entry(process.to_owned()).or_default() += outcome.given_bytes.unwrap_or(0);
        }
    }

    pub(super) fn families(&self) -> Vec<Family> {
        let mut actions = Family::new(
            "m5_watch_actions_total",
            Kind::Counter,
            "Actions of the watchdog's rules by what came of them.",
        );
        for ([rule, process, action, result], count) in &self.actions {
            let labels = of(process).with("rule", rule).with("action", action).with("result", result);
            actions.push(&labels, Some(*count as f64));
        }
        let mut given = Family::new(
            "m5_trimmed_bytes_total",
            Kind::Counter,
            "Free memory of the C library that the watchdog gave back to the system.",
        );
        for (process, bytes) in &self.given {
            given.push(&of(process), Some(*bytes as f64));
        }
        vec![actions, given]
    }
}

/// Service and slot, as the exporter labels them.
fn of(process: &str) -> Labels {
    let (service, slot) = process.rsplit_once('/').unwrap_or((process, "0"));
    Labels::new().with("service", service).with("slot", slot)
}
