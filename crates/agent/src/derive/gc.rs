//! The collector's figures: counts from its own counters, lengths from the pauses that were seen.

use super::columns::ends;
use super::pause_totals::{Estimates, unseen};
use m5_gc::SourceKind;
use m5_report::doc::{Collections, GcFigures, PauseLog, ProcessRecord};
use m5_stats::stratified::weighted_summary;
use m5_stats::{Summary, rate};

/// A trace that covers this part of the time between the readings counts for all of it.
const WHOLE: f64 = 0.9;

/// Absent where the counters could not be read.
pub(super) fn figures(process: &ProcessRecord) -> Option<GcFigures> {
    let s = &process.samples;
    let log = process.pauses.as_ref();
    let collections = [&s.gc0_collections, &s.gc1_collections, &s.gc2_collections];
    let collected = [&s.gc0_collected, &s.gc1_collected, &s.gc2_collected];
    let [(begin, _), (end, _)] = ends(s, &s.gc0_collections)?;
    // One count of what happened: the trace's own, which saw the very pauses that are told.
    let counted = log.filter(|l| l.coverage.wall_ns as f64 / 1e9 >= WHOLE * (end - begin));
    let seconds = counted.map_or(end - begin, |l| l.coverage.wall_ns as f64 / 1e9);
    let mut generations = [Collections::default(); 3];
    for (i, generation) in generations.iter_mut().enumerate() {
        let [(_, first), (_, last)] = ends(s, collections[i])?;
        generation.collections =
            counted.map_or(last.saturating_sub(first), |l| l.coverage.generations[i].happened);
        generation.per_second = rate(generation.collections as f64, seconds);
        generation.collected = ends(s, collected[i]).map_or(0, |[(_, a), (_, b)]| b.saturating_sub(a));
    }
    let mut figures = GcFigures {
        seconds,
        generations,
        source: log.map(|l| l.source),
        bounded: log.is_some_and(|l| l.source == SourceKind::Poll),
        ..GcFigures::default()
    };
    if let Some(log) = log {
        pauses(&mut figures, log, &Estimates::of(log, process));
    }
    Some(figures)
}

fn pauses(figures: &mut GcFigures, log: &PauseLog, estimates: &Estimates) {
    figures.seen = log.seen();
    figures.happened = log.coverage.happened();
    figures.lost = log.coverage.lost;
    for (g, generation) in figures.generations.iter_mut().enumerate() {
        generation.seen = Some(log.totals[g].count);
        generation.pauses = summary(log, &[g], estimates);
        generation.pause_total = estimates.of_generation(log, g);
    }
    figures.pauses = summary(log, &[0, 1, 2], estimates);
    figures.pauses_older = summary(log, &[1, 2], estimates);
    let max = log.totals.iter().map(|t| t.max_seconds).fold(0.0, f64::max);
    figures.max_seconds = (figures.seen > 0).then_some(max);
    let unfinished = log.coverage.unfinished_ns as f64 / 1e9;
    figures.unfinished_seconds = (unfinished > max).then_some(unfinished);
    let whole = figures.seen >= figures.happened && figures.lost == 0 && figures.unfinished_seconds.is_none();
    figures.longest_known = whole && !figures.bounded;
    figures.pause_total = estimates.whole(log);
    figures.at_least = figures.pause_total.is_some()
        && (figures.bounded || estimates.blind() || figures.unfinished_seconds.is_some());
    let wall = log.coverage.wall_ns as f64 / 1e9;
    figures.pause_ratio = figures.pause_total.and_then(|t| rate(t.value, wall));
    figures.pause_seconds_per_minute = figures.pause_ratio.map(|r| r * 60.0);
}

/// Pauses of some generations, each weighing as much as it stands for. Polling misses the short ones, so those
/// count as nothing: quantiles of what was caught alone would be far too high.
fn summary(log: &PauseLog, generations: &[usize], estimates: &Estimates) -> Option<Summary> {
    let all = generations.len() == 3;
    let picked = |g: Option<u8>| g.map_or(all, |g| generations.contains(&usize::from(g)));
    let mut summary = if log.source == SourceKind::Poll {
        let mut values = log.durations(picked);
        if values.is_empty() {
            return None;
        }
        let missed: u64 = generations.iter().map(|g| unseen(&log.coverage, *g)).sum();
        let room = PauseLog::MOST.saturating_sub(values.len());
        values.extend(std::iter::repeat_n(0.0, (missed / log.one_in).min(room as u64) as usize));
        Summary::of(&values)?
    } else {
        let kept = log.generation.iter().zip(&log.duration_seconds).zip(&estimates.weights);
        let kept = kept.filter(|((g, _), _)| picked(**g)).map(|((_, d), w)| (*d, *w));
        weighted_summary(&kept.collect::<Vec<_>>())?
    };
    let exact = |of: fn(&m5_report::doc::GenerationTotals) -> f64| {
        let known = generations.iter().map(|g| &log.totals[*g]);
        known.chain(all.then_some(&log.totals[3])).map(of).collect::<Vec<f64>>()
    };
    // Thinned or not, these are known for every pause that was seen.
    summary.total = exact(|t| t.total_seconds).iter().sum();
    summary.max = exact(|t| t.max_seconds).into_iter().fold(0.0, f64::max);
    if log.source != SourceKind::Poll {
        summary.count = exact(|t| t.count as f64).iter().sum::<f64>() as u64;
    }
    Some(summary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_gc::{GenerationCoverage, Pause};
    use proptest::prelude::*;

    fn pause(start_ns: u64, duration_ns: u64, generation: Option<u8>) -> Pause {
        Pause { start_ns, duration_ns, generation, pid: 1, ..Pause::default() }
    }

    fn log(source: SourceKind, lengths_ms: &[u64], happened: u64) -> PauseLog {
        let mut log = PauseLog::new(source);
        for (i, ms) in lengths_ms.iter().enumerate() {
            log.push(&pause(i as u64 * 1_000_000_000, ms * 1_000_000, Some(0)), 0);
        }
        log.coverage.generations[0] = GenerationCoverage { seen: lengths_ms.len() as u64, happened };
        log.coverage.wall_ns = 60_000_000_000;
        log
    }

    fn estimates(log: &PauseLog) -> Estimates {
        Estimates::over(log, &[])
    }

    #[test]
    fn what_a_fair_sample_missed_is_estimated() {
        let log = log(SourceKind::Watchpoint, &[10, 20], 4);
        let total = estimates(&log).whole(&log).unwrap();
        assert!((total.value - 0.060).abs() < 1e-12 && total.low >= 0.030 && total.high > 0.060);
    }

    #[test]
    fn what_polling_missed_counts_as_nothing() {
        let log = log(SourceKind::Poll, &[10; 5], 100);
        let s = summary(&log, &[0], &estimates(&log)).unwrap();
        assert_eq!((s.count, s.p50, s.max), (100, 0.0, 0.010));
        assert!((estimates(&log).whole(&log).unwrap().value - 0.050).abs() < 1e-12);
    }

    #[test]
    fn nothing_seen_of_something_is_unknown() {
        let log = log(SourceKind::Watchpoint, &[], 4);
        assert_eq!(estimates(&log).whole(&log), None);
        assert_eq!(summary(&log, &[0], &estimates(&log)), None);
    }

    #[test]
    fn a_full_collection_seen_for_sure_does_not_lift_the_quantiles() {
        let mut log = log(SourceKind::Watchpoint, &[1; 20], 2000);
        log.push(&pause(0, 90_000_000, Some(2)), 0);
        log.coverage.generations[2] = GenerationCoverage { seen: 1, happened: 1 };
        let s = summary(&log, &[0, 1, 2], &estimates(&log)).unwrap();
        assert_eq!((s.p99, s.max, s.count), (0.001, 0.090, 21));
    }

    #[test]
    fn pauses_without_a_generation_weigh_as_much_as_the_others() {
        let mut log = log(SourceKind::Watchpoint, &[1; 5], 900);
        for i in 0..95 {
            let ms = if i < 10 { 30 } else { 1 };
            log.push(&pause(0, ms * 1_000_000, None), 0);
        }
        log.coverage.generations[2] = GenerationCoverage { seen: 0, happened: 100 };
        let s = summary(&log, &[0, 1, 2], &estimates(&log)).unwrap();
        assert_eq!(
            (s.p50, s.p95),
            (0.001, 0.030),
            "one of ten is long, whatever five of the short ones stand for"
        );
    }

    #[test]
    fn one_that_has_not_ended_may_be_the_longest() {
        let mut log = log(SourceKind::Watchpoint, &[10, 20], 2);
        let figures = |log: &PauseLog| {
            let mut figures = GcFigures::default();
            pauses(&mut figures, log, &estimates(log));
            (figures.longest_known, figures.at_least, figures.unfinished_seconds)
        };
        log.coverage.unfinished_ns = 5_000_000;
        assert_eq!(figures(&log), (true, false, None), "one that ran at the end, as one mostly does");
        log.coverage.unfinished_ns = 300_000_000;
        assert_eq!(figures(&log), (false, true, Some(0.3)));
    }

    #[test]
    fn a_generation_of_which_nothing_was_seen_makes_the_sum_a_lower_bound() {
        let mut log = log(SourceKind::Watchpoint, &[10, 20], 2);
        log.coverage.generations[1] = GenerationCoverage { seen: 0, happened: 3 };
        let estimates = estimates(&log);
        assert!(estimates.blind() && estimates.of_generation(&log, 1).is_none());
        assert_eq!(
            estimates.of_generation(&log, 2).map(|t| t.value),
            Some(0.0),
            "nothing happened, nothing paused"
        );
    }

    /// What a trace may have seen (generation, start in ms, length in µs) and missed of each generation.
    type Ledger = (SourceKind, Vec<(Option<u8>, u64, u64)>, [u64; 3], [u64; 3], u64);

    fn ledgers() -> impl Strategy<Value = Ledger> {
        let generation =
            prop_oneof![4 => Just(Some(0)), 2 => Just(Some(1)), 2 => Just(Some(2)), 1 => Just(None)];
        let pause = (generation, 0_u64..60_000, prop_oneof![1_u64..200, 1_u64..5_000_000]);
        let source =
            prop_oneof![Just(SourceKind::Watchpoint), Just(SourceKind::Ring), Just(SourceKind::Poll)];
        let few = || prop_oneof![2 => Just(0_u64), 1 => 0_u64..5000];
        let each = || [few(), few(), few()];
        (source, prop::collection::vec(pause, 0..80), each(), each(), few())
    }

    fn told((source, seen, missed, unwatched, lost): &Ledger) -> (PauseLog, GcFigures) {
        let mut log = PauseLog::new(*source);
        for (generation, ms, us) in seen {
            log.push(&pause(ms * 1_000_000, us * 1000, *generation), 0);
        }
        log.coverage.wall_ns = 60_000_000_000;
        log.coverage.lost = *lost;
        // What no label is known of is of some generation all the same.
        let unlabelled = [log.totals[3].count, 0, 0];
        for g in 0..3 {
            let seen = log.totals[g].count;
            let happened = seen + missed[g] + unwatched[g] + unlabelled[g];
            log.coverage.generations[g] = GenerationCoverage { seen, happened };
            log.coverage.unwatched[g] = unwatched[g];
        }
        log.coverage.unlabelled.seen = log.totals[3].count;
        let mut figures = GcFigures { source: Some(*source), ..GcFigures::default() };
        figures.bounded = *source == SourceKind::Poll;
        figures.seconds = 60.0;
        for (g, of) in figures.generations.iter_mut().enumerate() {
            of.collections = log.coverage.generations[g].happened;
        }
        pauses(&mut figures, &log, &estimates(&log));
        (log, figures)
    }

    fn in_order(s: &Summary) -> bool {
        s.p50 <= s.p95 && s.p95 <= s.p99 && s.p99 <= s.max && s.mean <= s.max && s.min <= s.p50
    }

    proptest! {
        #[test]
        fn figures_never_contradict_one_another(ledger in ledgers()) {
            let (log, f) = told(&ledger);
            prop_assert!(f.seen <= f.happened, "{f:?}");
            prop_assert_eq!(f.happened, f.generations.iter().map(|g| g.collections).sum::<u64>());
            let labelled: u64 = f.generations.iter().filter_map(|g| g.seen).sum();
            prop_assert_eq!(f.seen, labelled + log.totals[3].count);
            prop_assert!(!f.longest_known || f.seen == f.happened && f.lost == 0);
            for summary in f.generations.iter().map(|g| g.pauses).chain([f.pauses, f.pauses_older]).flatten() {
                prop_assert!(in_order(&summary), "{summary:?}");
                prop_assert!(Some(summary.max) <= f.max_seconds, "{summary:?} {f:?}");
            }
            let longest = f.generations.iter().filter_map(|g| g.pauses).map(|s| s.max).fold(0.0, f64::max);
            prop_assert!(Some(longest) <= f.max_seconds || f.seen == 0);
            let seen: f64 = log.totals.iter().map(|t| t.total_seconds).sum();
            for total in f.generations.iter().map(|g| g.pause_total).chain([f.pause_total]).flatten() {
                prop_assert!(total.low <= total.value && total.value <= total.high, "{total:?}");
            }
            if let Some(whole) = f.pause_total {
                prop_assert!(whole.low >= seen * (1.0 - 1e-9), "{whole:?} of {seen}");
                let most = f.generations.iter().filter_map(|g| g.pause_total).map(|t| t.value).sum::<f64>();
                prop_assert!(whole.value <= (most + log.totals[3].total_seconds) * (1.0 + 1e-9) + 1e-12);
                prop_assert!(f.at_least || f.bounded || f.seen < f.happened || whole.high == whole.low);
                prop_assert_eq!(f.pause_ratio, Some(whole.value / 60.0));
            } else {
                prop_assert!(f.seen == 0 && f.happened > 0);
            }
            let hidden = log.coverage.unwatched != [0; 3] && f.pause_total.is_some();
            prop_assert!(!hidden || f.at_least, "what nothing watched is in no estimate");
        }
    }
}
