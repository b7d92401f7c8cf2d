//! Lives that are over, by service and slot: a restart ends a process, and not what is known of its service.

use m5_stats::Life;
use std::collections::{BTreeMap, VecDeque};

/// Lives kept of a slot.
const LIVES: usize = 24;
/// Slots kept; beyond them nothing new is remembered.
const SLOTS: usize = 4096;

/// What was summed up of lives that are over, oldest first.
#[derive(Debug, Default)]
pub(super) struct Past(BTreeMap<(String, usize), VecDeque<Life>>);

impl Past {
    /// Keeps a life.
    pub(super) fn remember(&mut self, service: &str, slot: usize, life: Life) {
        let key = (service.to_owned(), slot);
        if self.0.len() >= SLOTS && !self.0.contains_key(&key) {
            return;
        }
        let lives = self.0.entry(key).or_default();
        if lives.len() == LIVES {
            lives.pop_front();
        }
        lives.push_back(life);
    }

    /// The lives of a slot.
    pub(super) fn of(&self, service: &str, slot: usize) -> Vec<Life> {
        self.0.get(&(service.to_owned(), slot)).into_iter().flatten().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_keeps_its_latest_lives() {
        let life = |level: f64| Life { level, slope: 0.0, seconds: 600.0 };
        let mut past = Past::default();
        (0..30).for_each(|i| past.remember("a", 0, life(f64::from(i))));
        past.remember("a", 1, life(99.0));
        let lives = past.of("a", 0);
        assert_eq!((lives.len(), lives[0].level, lives[23].level), (24, 6.0, 29.0));
        assert_eq!((past.of("a", 1).len(), past.of("b", 0).len()), (1, 0));
    }
}
