//! What processes say of themselves, exported beside what m5 measures: the names that `m5mem` has, and no
//! others, so that no process can fill the exporter with names of its own.

use super::labels::labels;
use crate::pool::Member;
use m5_report::doc::ApplicationValue;
use m5_report::metrics::{Family, Kind, Labels};

/// Name, help and labels of each; a counter's name ends in `_total`.
const KNOWN: &[(&str, &str, &[&str])] = &[
    ("m5mem_cache_entries", "Entries in a cache.", &["cache"]),
    ("m5mem_cache_size", "Sum of the sizes in a cache, or its number of entries.", &["cache"]),
    ("m5mem_cache_hits_total", "Lookups that found a value.", &["cache"]),
    ("m5mem_cache_misses_total", "Lookups that found none.", &["cache"]),
    ("m5mem_cache_evictions_total", "Entries that left for others.", &["cache"]),
    ("m5mem_cache_expirations_total", "Entries that left because of their age.", &["cache"]),
    ("m5mem_pool_idle", "Objects that wait in a pool.", &["pool"]),
    ("m5mem_pool_leased", "Objects of a pool that are out.", &["pool"]),
    ("m5mem_pool_created_total", "Objects that a pool made.", &["pool"]),
    ("m5mem_pool_reused_total", "Leases of an object that was there.", &["pool"]),
    ("m5mem_pool_dropped_total", "Objects that did not go back.", &["pool"]),
    ("m5mem_pool_lost_total", "Leases that were forgotten.", &["pool"]),
    ("m5mem_ws_connections", "WebSocket connections by state.", &["pool", "state"]),
    ("m5mem_ws_connects_total", "WebSocket connections opened.", &["pool"]),
    ("m5mem_ws_failures_total", "WebSocket connections that did not open.", &["pool"]),
    ("m5mem_ws_disconnects_total", "WebSocket connections that ended.", &["pool"]),
    ("m5mem_ws_stale_total", "WebSocket connections ended for silence.", &["pool"]),
    ("m5mem_ws_aborted_total", "WebSocket connections cut after the closing deadline.", &["pool"]),
    ("m5mem_ws_messages_total", "WebSocket messages received.", &["pool"]),
    ("m5mem_ws_handler_errors_total", "Exceptions in WebSocket handlers.", &["pool"]),
    ("m5mem_fd_growth_per_minute", "Growth of open descriptors a minute.", &["monitor"]),
    ("m5mem_fd_episodes_total", "Times that descriptors went over the limit.", &["monitor"]),
    ("m5mem_gc_collections_total", "Collections in the path and in idle time.", &GC),
    ("m5mem_gc_pause_seconds_total", "Seconds of collections in the path and in idle time.", &GC),
    ("m5mem_gc_loop_load", "Share of the time that the loop is busy.", &["manager"]),
];
const GC: [&str; 3] = ["manager", "where", "generation"];

/// The families that some process has values for.
pub(super) fn families(members: &[&Member], with_pid: bool) -> Vec<Family> {
    let mut age =
        Family::new("m5mem_page_age_seconds", Kind::Gauge, "Time since the process wrote its page.");
    let mut all: Vec<Family> =
        KNOWN.iter().map(|(name, help, _)| Family::new(name, kind(name), help)).collect();
    for member in members {
        let Some(said) = &member.application else { continue };
        let base = labels(member, with_pid);
        age.push(&base, said.age_seconds);
        for (family, (name, _, keys)) in all.iter_mut().zip(KNOWN) {
            for value in said.values.iter().filter(|v| v.name == *name) {
                if let Some(labels) = of(&base, value, keys) {
                    family.push(&labels, value.value);
                }
            }
        }
    }
    all.push(age);
    all
}

fn kind(name: &str) -> Kind {
    if name.ends_with("_total") { Kind::Counter } else { Kind::Gauge }
}

/// The labels in our order; `None` where the process gives others.
fn of(base: &Labels, said: &ApplicationValue, keys: &[&'static str]) -> Option<Labels> {
    let whole = said.labels.len() == keys.len();
    let add = |labels: Labels, key: &&'static str| Some(labels.with(key, said.labels.get(*key)?));
    keys.iter().try_fold(base.clone(), add).filter(|_| whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_those_that_are_known() {
        let mut said = ApplicationValue {
            name: "m5mem_ws_connections".to_owned(),
            labels: [("pool", "p"), ("state", "open")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            value: Some(1.0),
        };
        let found = of(&Labels::new(), &said, &["pool", "state"]).unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), [("pool", "p"), ("state", "open")]);
        said.labels.insert("user".to_owned(), "42".to_owned());
        assert_eq!(of(&Labels::new(), &said, &["pool", "state"]), None);
    }
}
