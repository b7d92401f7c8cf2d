//! What other threads pay for a collection of a build without the GIL: how long it waited for them to stop, and how long
//! they stood. They run on while the collector does the rest.

use super::thin::{mix, retain};
use crate::shared::units;
use crate::shared::value_words::NOTHING;
use crate::text::Style;
use crate::texts::SourceWords;
use m5_gc::WorldStops;
use serde::{Deserialize, Serialize};

/// The stops of a recording.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WorldLog {
    /// Waiting for threads to stop, of each collection whose request was watched.
    pub waited: Lengths,
    /// Threads standing, of each collection.
    pub stood: Lengths,
}

/// Lengths: sums exact for ever, single ones thinned evenly once they are very many.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Lengths {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub total_seconds: f64,
    /// The longest.
    pub max_seconds: f64,
    /// One of 2^so many is kept below.
    pub thinned: u32,
    /// Single ones.
    pub seconds: Vec<f64>,
}

/// Single ones that a document keeps at most.
const MOST: usize = 100_000;

impl Lengths {
    fn push(&mut self, ns: u64) {
        let seconds = ns as f64 / 1e9;
        self.count += 1;
        self.total_seconds += seconds;
        self.max_seconds = self.max_seconds.max(seconds);
        if mix(self.count).is_multiple_of(1 << self.thinned) {
            self.seconds.push(seconds);
        }
        if self.seconds.len() > MOST {
            self.thinned += 1;
            let salt = u64::from(self.thinned) << 32;
            retain(&mut self.seconds, |i| mix(i as u64 ^ salt) & 1 == 0);
        }
    }

    /// A quantile of those that are kept.
    fn quantile(&self, q: f64) -> Option<f64> {
        m5_stats::quantile(&m5_stats::sorted(&self.seconds), q)
    }

    fn words(&self) -> [String; 3] {
        let time = |t: Option<f64>| t.map_or_else(|| NOTHING.to_owned(), units::time);
        [units::time(self.total_seconds), time(self.quantile(0.5)), units::time(self.max_seconds)]
    }
}

impl WorldLog {
    /// Adds the stops of a collection.
    pub fn push(&mut self, stops: &WorldStops) {
        self.stood.push(stops.stood_ns);
        if let Some(waited) = stops.waited_ns {
            self.waited.push(waited);
        }
    }
}

/// The lines of a report; one that says so where they were not watched.
pub(crate) fn lines(world: Option<&WorldLog>, style: Style) -> Vec<String> {
    let lang = style.lang;
    let Some(world) = world else { return vec![style.dim(lang.say(SourceWords::WorldUnwatched))] };
    let fill = |text, lengths: &Lengths| {
        let [total, middle, longest] = lengths.words();
        lang.fill(text, &[&total, &middle, &longest])
    };
    let waited = (world.waited.count > 0).then(|| fill(SourceWords::Waited, &world.waited));
    [Some(fill(SourceWords::Stood, &world.stood)), waited].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_watched_is_no_zero() {
        let mut log = WorldLog::default();
        log.push(&WorldStops { stops: 2, waited_ns: None, stood_ns: 3_000_000 });
        log.push(&WorldStops { stops: 2, waited_ns: Some(1_000), stood_ns: 1_000_000 });
        assert_eq!((log.stood.count, log.waited.count), (2, 1));
        assert!((log.stood.total_seconds - 0.004).abs() < 1e-12 && log.stood.max_seconds == 0.003);
    }

    #[test]
    fn very_many_are_thinned() {
        let mut lengths = Lengths::default();
        (0..300_000).for_each(|i| lengths.push(i));
        assert_eq!(lengths.count, 300_000);
        assert!(lengths.seconds.len() <= MOST && lengths.seconds.len() > MOST / 4);
        let middle = lengths.quantile(0.5).unwrap();
        assert!((middle - 150_000e-9).abs() < 3_000e-9, "{middle}");
    }
}
