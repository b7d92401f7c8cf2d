//! Slots: which worker of a service a process is. Unlike a pid it comes back after a restart, so that metrics
//! have few label values.

use std::collections::{BTreeMap, BTreeSet};

/// Slots in use, by service.
#[derive(Debug, Default)]
pub(super) struct Slots(BTreeMap<String, BTreeSet<usize>>);

impl Slots {
    /// The lowest free slot of a service.
    pub(super) fn take(&mut self, service: &str) -> usize {
        let used = self.0.entry(service.to_owned()).or_default();
        let slot = (0..).find(|slot| !used.contains(slot)).unwrap_or_default();
        used.insert(slot);
        slot
    }

    /// Gives one back.
    pub(super) fn free(&mut self, service: &str, slot: usize) {
        if let Some(used) = self.0.get_mut(service) {
            used.remove(&slot);
            if used.is_empty() {
                self.0.remove(service);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_comes_back() {
        let mut slots = Slots::default();
        assert_eq!((slots.take("a"), slots.take("a"), slots.take("b")), (0, 1, 0));
        slots.free("a", 0);
        assert_eq!(slots.take("a"), 0);
    }
}
