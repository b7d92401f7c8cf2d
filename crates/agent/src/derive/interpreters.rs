//! The objectives of collections held against each interpreter of a process where there are several: each pauses by itself
//! where it has a lock of its own, and what is rare in one may be frequent in another.

use super::criteria::{Known, TOO_SHORT, pauses, per_second};
use super::pause_totals::Estimates;
use m5_gc::SourceKind;
use m5_report::doc::{Criterion, InterpreterPauses, PauseLog, ProcessRecord};
use m5_stats::stratified::weighted_summary;
use m5_stats::{Objective, Objectives, generation_of_rate};

/// One criterion for each interpreter that is there and each objective of the collector; nothing where there is one
/// interpreter, or nobody traced.
pub(super) fn judge_each(process: &ProcessRecord, o: &Objectives) -> Vec<Criterion> {
    let Some(log) = &process.pauses else { return Vec::new() };
    let there: Vec<&InterpreterPauses> =
        log.interpreters.iter().filter(|row| row.interpreter.is_some()).collect();
    if there.len() < 2 {
        return Vec::new();
    }
    let estimates = Estimates::of(log, process);
    let each = |row: &InterpreterPauses| {
        let rows = o.iter().into_iter().filter_map(|(name, objective)| {
            let criterion = judged(name, objective, row, log, &estimates)?;
            Some(Criterion { interpreter: row.interpreter, ..criterion })
        });
        rows.collect::<Vec<_>>()
    };
    there.into_iter().flat_map(each).collect()
}

/// `None` where the objective is none of a collector.
fn judged(
    name: &str,
    objective: &Objective,
    row: &InterpreterPauses,
    log: &PauseLog,
    estimates: &Estimates,
) -> Option<Criterion> {
    let seconds = log.coverage.wall_ns as f64 / 1e9;
    if let Some(g) = generation_of_rate(name) {
        return Some(per_second(name, Some((row.happened[g], seconds)), objective, TOO_SHORT));
    }
    Some(match name {
        "gc_pause_p95_seconds" => {
            let known = match log.source {
                _ if row.happened == [0; 3] => Known::NoneHappened,
                SourceKind::Poll => Known::AtLeast,
                SourceKind::Ring | SourceKind::Watchpoint => Known::Measured,
            };
            pauses(p95(row, log, estimates), known, objective, TOO_SHORT)
        }
        _ => return None,
    })
}

/// The pauses of one interpreter, each weighing as much as it stands for; what polling missed counts as nothing.
fn p95(row: &InterpreterPauses, log: &PauseLog, estimates: &Estimates) -> Option<f64> {
    let own = |i: usize| Some(log.interpreter.get(i).copied().unwrap_or(0)) == row.interpreter;
    let all = log.duration_seconds.iter().zip(&estimates.weights).enumerate();
    let mut values: Vec<(f64, f64)> = all.filter(|(i, _)| own(*i)).map(|(_, (d, w))| (*d, *w)).collect();
    if values.is_empty() {
        return None;
    }
    if log.source == SourceKind::Poll {
        let missed = row.happened.iter().sum::<u64>().saturating_sub(row.whole().count);
        values.push((0.0, missed as f64));
    }
    weighted_summary(&values).map(|s| s.p95)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::bare_record;
    use m5_gc::{InterpreterCollections, Pause};
    use m5_process::Identity;
    use m5_stats::Status;

    /// Two interpreters for ten seconds: the main one with short pauses, the other with a long one a second.
    fn recorded() -> ProcessRecord {
        let mut log = PauseLog::new(SourceKind::Ring);
        for i in 0..40_u64 {
            let other = i % 4 == 3;
            let (interpreter, generation) = (i64::from(other), Some(if other { 2 } else { 0 }));
            let duration_ns = if other { 90_000_000 } else { 50_000 };
            let start_ns = i * 250_000_000;
            let pause = Pause { start_ns, duration_ns, generation, pid: 1, interpreter, ..Pause::default() };
            log.push(&pause, 0);
        }
        log.coverage.wall_ns = 10_000_000_000;
        let of = |interpreter, happened| InterpreterCollections { interpreter, happened };
        log.count(&[of(Some(0), [30, 0, 0]), of(Some(1), [0, 0, 10]), of(None, [5, 0, 0])]);
        log.check().unwrap();
        ProcessRecord { pauses: Some(log), ..bare_record(Identity { pid: 1, start_ticks: 1 }) }
    }

    #[test]
    fn each_is_held_against_them_alone() {
        let objectives = Objectives::of(m5_stats::Profile::Trading);
        let all = judge_each(&recorded(), &objectives);
        let of = |id, name: &str| {
            let found = all.iter().find(|c| c.interpreter == Some(id) && c.name == name).unwrap();
            (found.status, found.value)
        };
        assert_eq!(of(0, "gc_pause_p95_seconds"), (Status::Ok, Some(50e-6)));
        assert_eq!(of(1, "gc_pause_p95_seconds"), (Status::Warn, Some(0.09)));
        assert_eq!((of(0, "gc_gen2_per_second").1, of(1, "gc_gen2_per_second").1), (Some(0.0), Some(1.0)));
        assert!(of(1, "gc_gen2_per_second").0 != Status::Ok && of(0, "gc_gen2_per_second").0 == Status::Ok);
        assert!(all.iter().all(|c| c.interpreter.is_some() && c.name.starts_with("gc_")));
    }

    #[test]
    fn one_alone_is_told_by_the_totals() {
        let mut process = recorded();
        let log = process.pauses.as_mut().unwrap();
        log.interpreters.retain(|row| row.interpreter == Some(0));
        assert!(judge_each(&process, &Objectives::default()).is_empty());
    }
}
