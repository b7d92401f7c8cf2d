//! `m5.page/1`: the values behind the page, of processes that are watched now or were recorded. No command line
//! and no peer's address: a page is shown around.

use m5_gc::SourceKind;
use m5_stats::{Assessment, BetweenRestarts};
use serde::Serialize;
use std::collections::BTreeMap;

/// Name and version of the document.
pub const PAGE_SCHEMA: &str = "m5.page/1";

/// What the page shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Page {
    /// [`PAGE_SCHEMA`].
    pub schema: &'static str,
    /// Version of the m5 that measured.
    pub m5_version: String,
    /// When the values were taken, Unix seconds.
    pub made_unix_seconds: f64,
    /// Time between samples.
    pub interval_seconds: f64,
    /// Processes, those that need somebody first.
    pub processes: Vec<PageProcess>,
}

/// The lines in the charts.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct PageObjectives {
    /// Highest resident memory.
    pub rss_peak_bytes: Option<f64>,
    /// 95th percentile of the pauses.
    pub gc_pause_p95_seconds: Option<f64>,
    /// Open descriptors.
    pub open_fds: Option<f64>,
    /// Resident memory as a part of its limit.
    pub rss_limit_ratio: Option<f64>,
    /// Open descriptors as a part of their limit.
    pub fd_limit_ratio: Option<f64>,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PageProcess {
    /// Its service or program.
    pub service: String,
    /// The lines that its values are held against.
    pub objectives: PageObjectives,
    /// Where those come from.
    pub objectives_from: Sentence,
    /// Which worker of it, where that is known.
    pub slot: Option<usize>,
    /// Its pid.
    pub pid: i32,
    /// Whether it has ended.
    pub exited: bool,
    /// When it started, Unix seconds.
    pub started_unix_seconds: f64,
    /// The interpreter, where it is read.
    pub python: Option<String>,
    /// Why it is not, where it is not.
    pub unread: Option<String>,
    /// Whether somebody has stopped it (SIGSTOP, a debugger).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// Cores in use: between the last two samples, or over a recording.
    pub cpu: Option<f64>,
    /// Resident memory at the last sample.
    pub rss_bytes: Option<f64>,
    /// The verdict on its resident memory.
    pub memory: Option<Assessment>,
    /// What the verdict rests on, as the terminal says it.
    pub evidence: Option<Sentence>,
    /// What it and the lives before it say together, where the memory grows in each of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between_restarts: Option<BetweenRestarts>,
    /// Limit of the memory cgroup.
    pub limit_bytes: Option<f64>,
    /// Limit of open descriptors.
    pub fd_limit: Option<u64>,
    /// How pauses are seen.
    pub source: Option<SourceKind>,
    /// Pauses seen over collections that happened.
    pub coverage: Option<f64>,
    /// Collections since its start, by generation.
    pub collections: Option<[u64; 3]>,
    /// Descriptors by kind.
    pub fds: Option<BTreeMap<String, u64>>,
    /// TCP sockets by state.
    pub connections: Option<BTreeMap<String, u64>>,
    /// Values over time; absent for processes that are only listed.
    pub samples: Option<PageSamples>,
    /// Floors of stretches of the time shown: Unix seconds at the end of each, bytes.
    pub floors: Vec<(f64, f64)>,
    /// Pauses.
    pub pauses: Option<PagePauses>,
    /// What was found beyond the verdict, and what to do.
    pub advice: Vec<Sentence>,
}

/// Columns of one length; bytes and counts at Unix seconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct PageSamples {
    /// Unix seconds.
    pub t: Vec<f64>,
    /// Resident memory.
    pub rss_bytes: Vec<Option<f64>>,
    /// The same right after a full collection, where one was since the last sample.
    pub post_gc_bytes: Vec<Option<f64>>,
    /// Open descriptors.
    pub fds: Vec<Option<f64>>,
    /// Established connections.
    pub connections: Vec<Option<f64>>,
    /// Collections so far, by generation.
    pub collections: [Vec<Option<f64>>; 3],
}

/// Pauses of the collector.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PagePauses {
    /// Pauses that were seen.
    pub seen: u64,
    /// 95th percentile of those in the timeline.
    pub p95_seconds: Option<f64>,
    /// The longest that was seen.
    pub max_seconds: Option<f64>,
    /// The timeline: Unix seconds, length in seconds, generation.
    pub latest: Vec<(f64, f64, Option<u8>)>,
    /// Upper bounds of the histogram's bars, seconds; the last bar has none.
    pub bounds: Vec<f64>,
    /// Pauses by generation and bar; last those whose generation is not known.
    pub counts: [Vec<u64>; 4],
}

/// A sentence in each language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sentence {
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

impl Sentence {
    /// Says it in both.
    pub fn each(say: impl Fn(crate::Lang) -> String) -> Self {
        Self { en: say(crate::Lang::En), zh: say(crate::Lang::Zh) }
    }
}

/// Stretches that floors are shown of.
const STRETCHES: usize = 24;

/// Floors of equal stretches of the time that points span: what a garbage collector and a load that come and go
/// leave. Points are Unix seconds and bytes, in order. A stretch begins with the last point of the one before: where points
/// are far apart, a floor does not stand above the line between them.
#[must_use]
pub fn floors(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let width = (last.0 - first.0) / STRETCHES.min(points.len() / 5).max(1) as f64;
    if width <= 0.0 {
        return Vec::new();
    }
    let stretch = |t: f64| (((t - first.0) / width) as usize).min(STRETCHES - 1);
    let lowest = |part: &[(f64, f64)]| part.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let mut before = f64::INFINITY;
    let parts = points.chunk_by(|a, b| stretch(a.0) == stretch(b.0));
    let floor = |part: &[(f64, f64)]| {
        let (end, at_end) = *part.last()?;
        let lowest = lowest(part).min(std::mem::replace(&mut before, at_end));
        Some((end, lowest))
    };
    parts.filter_map(floor).collect()
}

/// Which of many values of a chart to show: of each group in time the lowest and the highest, so that no peak and
/// no floor goes. All where there are no more than `most`.
#[must_use]
pub fn thinned(values: &[Option<f64>], most: usize) -> Vec<usize> {
    if values.len() <= most {
        return (0..values.len()).collect();
    }
    let group = values.len().div_ceil((most / 2).max(1));
    let mut keep = Vec::with_capacity(most + 2);
    for begin in (0..values.len()).step_by(group) {
        let end = (begin + group).min(values.len());
        let present = || (begin..end).filter(|i| values[*i].is_some());
        let by = |a: &usize, b: &usize| values[*a].unwrap_or(0.0).total_cmp(&values[*b].unwrap_or(0.0));
        let mut pair = [present().min_by(by).unwrap_or(begin), present().max_by(by).unwrap_or(begin)];
        pair.sort_unstable();
        keep.extend(pair);
    }
    keep.push(values.len() - 1);
    keep.dedup();
    keep
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn floors_are_the_lowest_of_their_stretch() {
        let points: Vec<(f64, f64)> = (0..240).map(|i| (f64::from(i), f64::from(100 + i % 10))).collect();
        let floors = floors(&points);
        assert_eq!(floors.len(), 24);
        assert!(floors.iter().all(|f| f.1 <= 101.0), "{floors:?}");
        assert!(super::floors(&[]).is_empty() && super::floors(&[(1.0, 1.0)]).is_empty());
    }

    proptest! {
        #[test]
        fn no_floor_stands_above_the_memory_that_it_is_drawn_below(
            steps in prop::collection::vec((0.1..500.0_f64, 1.0..1e9_f64), 2..300),
        ) {
            let mut t = 0.0;
            let points: Vec<(f64, f64)> = steps.iter().map(|(step, bytes)| { t += step; (t, *bytes) }).collect();
            let floors = floors(&points);
            prop_assert_eq!(floors.last().map(|f| f.0), points.last().map(|p| p.0));
            let mut from = points[0].0;
            for (to, floor) in floors {
                prop_assert!(points.iter().filter(|p| p.0 >= from && p.0 <= to).all(|p| p.1 >= floor));
                from = to;
            }
        }

        #[test]
        fn thinning_keeps_extremes_and_the_last(
            values in prop::collection::vec(prop::option::of(0.0..1e9), 1..3000), most in 4usize..300,
        ) {
            let keep = thinned(&values, most);
            prop_assert!(keep.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(keep.len() <= most + 4, "{}", keep.len());
            prop_assert_eq!(keep.last().copied(), Some(values.len() - 1));
            let max = |v: &mut dyn Iterator<Item = Option<f64>>| v.flatten().fold(f64::NEG_INFINITY, f64::max);
            let kept = max(&mut keep.iter().map(|i| values[*i]));
            prop_assert_eq!(kept, max(&mut values.iter().copied()));
        }
    }
}
