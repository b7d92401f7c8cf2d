//! A population in time of which some windows, opened by chance, were seen: cut into stretches, so that what was seen
//! stands for what was missed at about the same time.

use crate::stratified::{Seen, Stratum};
use std::ops::Range;

/// Values that a stretch must show before it is told apart from the next one, and in so many windows: how much windows
/// differ cannot be told from fewer.
const ENOUGH: usize = 20;
const WINDOWS: usize = 8;

/// A stretch of time: which of the values it holds, and of how many they are a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// Of the values that were seen, those of this stretch.
    pub range: Range<usize>,
    /// How many there are in all, and the values by window.
    pub stratum: Stratum,
}

/// Cuts the time of `seen`, moments and what was seen then in order of time, into stretches. `happened` is how many there are in all,
/// `steps` how many there were until when: without them all time is one stretch. Values within `window` of a first one
/// were seen in one window.
#[must_use]
pub fn stretches(seen: &[(f64, Seen)], happened: u64, steps: &[(f64, u64)], window: f64) -> Vec<Stretch> {
    let first = first_of_windows(seen, window);
    let counted = steps.last().map_or(0, |(_, n)| *n);
    // Where the readings and the total differ, the total is right in all and the readings in part.
    let scale = if counted > 0 { happened as f64 / counted as f64 } else { 0.0 };
    let (mut cuts, mut at, mut from, mut begun) = (Vec::new(), 0, 0, 0);
    let enough =
        |range: Range<usize>| range.len() >= ENOUGH && first[range].iter().filter(|f| **f).count() >= WINDOWS;
    for (until, count) in steps {
        at += seen[at..].iter().take_while(|(time, _)| time < until).count();
        if enough(from..at) && enough(at..seen.len()) {
            cuts.push((from..at, count.saturating_sub(begun) as f64 * scale));
            (from, begun) = (at, *count);
        }
    }
    let rest = happened as f64 - cuts.iter().map(|(_, size)| size).sum::<f64>();
    cuts.push((from..seen.len(), rest));
    let stretch = |(range, size): (Range<usize>, f64)| {
        let mut groups: Vec<Vec<Seen>> = Vec::new();
        for i in range.clone() {
            if first[i] || groups.is_empty() {
                groups.push(Vec::new());
            }
            groups.last_mut().into_iter().for_each(|group| group.push(seen[i].1));
        }
        let size = (size.round().max(0.0) as u64).max(range.len() as u64);
        Stretch { range, stratum: Stratum { size, groups } }
    };
    cuts.into_iter().map(stretch).collect()
}

/// Which of the values begin a window.
fn first_of_windows(seen: &[(f64, Seen)], window: f64) -> Vec<bool> {
    let mut begun = f64::NEG_INFINITY;
    let mut first = |(time, _): &(f64, Seen)| {
        let new = time - begun > window;
        if new {
            begun = *time;
        }
        new
    };
    seen.iter().map(&mut first).collect()
}
