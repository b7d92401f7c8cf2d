//! The collector's figures: counts from its own counters, lengths from the pauses that were seen.

use super::columns::ends;
use m5_gc::{Coverage, SourceKind};
use m5_report::doc::{Collections, GcFigures, PauseLog, ProcessRecord};
use m5_stats::{Summary, rate};

/// Absent where the counters could not be read.
pub(super) fn figures(process: &ProcessRecord) -> Option<GcFigures> {
    let s = &process.samples;
    let log = process.pauses.as_ref();
    let collections = [&s.gc0_collections, &s.gc1_collections, &s.gc2_collections];
    let collected = [&s.gc0_collected, &s.gc1_collected, &s.gc2_collected];
    let [(begin, _), (end, _)] = ends(s, &s.gc0_collections)?;
    let seconds = end - begin;
    let mut generations = [Collections::default(); 3];
    for (i, generation) in generations.iter_mut().enumerate() {
        let [(_, first), (_, last)] = ends(s, collections[i])?;
        generation.collections = last.saturating_sub(first);
        generation.per_second = rate(generation.collections as f64, seconds);
        generation.collected = ends(s, collected[i]).map_or(0, |[(_, a), (_, b)]| b.saturating_sub(a));
        generation.pauses = log.and_then(|log| summary(log, &[i]));
    }
    let mut figures = GcFigures {
        seconds,
        generations,
        source: log.map(|l| l.source),
        bounded: log.is_some_and(|l| l.source == SourceKind::Poll),
        seen: 0,
        happened: 0,
        lost: 0,
        pauses: None,
        pauses_older: None,
        pause_seconds_per_minute: None,
        pause_ratio: None,
        max_seconds: None,
    };
    if let Some(log) = log {
        pauses(&mut figures, log);
    }
    Some(figures)
}

fn pauses(figures: &mut GcFigures, log: &PauseLog) {
    figures.seen = log.seen();
    figures.happened = log.coverage.happened();
    figures.lost = log.coverage.lost;
    figures.pauses = summary(log, &[0, 1, 2]);
    figures.pauses_older = summary(log, &[1, 2]);
    let max = log.totals.iter().map(|t| t.max_seconds).fold(0.0, f64::max);
    figures.max_seconds = (figures.seen > 0).then_some(max);
    // Nothing happened: nothing paused. Something happened that nobody saw: not known.
    let total = if figures.happened == 0 && figures.seen == 0 { Some(0.0) } else { total(log) };
    let wall = log.coverage.wall_ns as f64 / 1e9;
    figures.pause_ratio = total.and_then(|t| rate(t, wall));
    figures.pause_seconds_per_minute = figures.pause_ratio.map(|r| r * 60.0);
}

/// The sum of all pauses: of those seen, and for those not seen as many of the same mean by generation.
fn total(log: &PauseLog) -> Option<f64> {
    if log.seen() == 0 {
        return None;
    }
    let seen: f64 = log.totals.iter().map(|t| t.total_seconds).sum();
    if log.source == SourceKind::Poll {
        return Some(seen);
    }
    let missed = (0..3).filter_map(|g| {
        let (totals, unseen) = (log.totals[g], unseen(&log.coverage, g));
        (totals.count > 0).then(|| totals.total_seconds / totals.count as f64 * unseen as f64)
    });
    Some(seen + missed.sum::<f64>())
}

/// Pauses of some generations. Polling misses the short ones, so those count as nothing: quantiles of what
/// was caught alone would be far too high.
fn summary(log: &PauseLog, generations: &[usize]) -> Option<Summary> {
    let all = generations.len() == 3;
    let mut values = log.durations(|g| g.map_or(all, |g| generations.contains(&usize::from(g))));
    if log.source == SourceKind::Poll && !values.is_empty() {
        let missed: u64 = generations.iter().map(|g| unseen(&log.coverage, *g)).sum();
        let room = PauseLog::MOST.saturating_sub(values.len());
        values.extend(std::iter::repeat_n(0.0, (missed / log.one_in).min(room as u64) as usize));
    }
    let mut summary = Summary::of(&values)?;
    let exact = |of: fn(&m5_report::doc::GenerationTotals) -> f64| {
        let known = generations.iter().map(|g| &log.totals[*g]);
        known.chain(all.then_some(&log.totals[3])).map(of).collect::<Vec<f64>>()
    };
    // Thinned or not, these are known for every pause that was seen.
    summary.total = exact(|t| t.total_seconds).iter().sum();
    summary.max = exact(|t| t.max_seconds).into_iter().fold(0.0, f64::max);
    if log.one_in > 1 {
        summary.count = exact(|t| t.count as f64).iter().sum::<f64>() as u64;
        summary.mean = summary.total / summary.count.max(1) as f64;
    }
    Some(summary)
}

fn unseen(coverage: &Coverage, generation: usize) -> u64 {
    coverage.generations.get(generation).map_or(0, |g| g.happened.saturating_sub(g.seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_gc::{GenerationCoverage, Pause};

    fn log(source: SourceKind, lengths_ms: &[u64], happened: u64) -> PauseLog {
        let mut log = PauseLog::new(source);
        for (i, ms) in lengths_ms.iter().enumerate() {
            let (start_ns, generation) = (i as u64 * 1_000_000_000, Some(0));
            let duration_ns = ms * 1_000_000;
            log.push(&Pause { start_ns, duration_ns, generation, pid: 1, tid: None, collected: None }, 0);
        }
        log.coverage.generations[0] = GenerationCoverage { seen: lengths_ms.len() as u64, happened };
        log.coverage.wall_ns = 60_000_000_000;
        log
    }

    #[test]
    fn what_a_fair_sample_missed_is_estimated() {
        let total = total(&log(SourceKind::Watchpoint, &[10, 20], 4)).unwrap();
        assert!((total - 0.060).abs() < 1e-12);
    }

    #[test]
    fn what_polling_missed_counts_as_nothing() {
        let log = log(SourceKind::Poll, &[10; 5], 100);
        let s = summary(&log, &[0]).unwrap();
        assert_eq!((s.count, s.p50, s.max), (100, 0.0, 0.010));
        assert!((total(&log).unwrap() - 0.050).abs() < 1e-12);
    }

    #[test]
    fn nothing_seen_of_something_is_unknown() {
        assert_eq!(total(&log(SourceKind::Watchpoint, &[], 4)), None);
        assert_eq!(summary(&log(SourceKind::Watchpoint, &[], 4), &[0]), None);
    }
}
