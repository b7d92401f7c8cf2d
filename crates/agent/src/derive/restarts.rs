//! Lives of one service in a recording, joined: what happens in each of them, where none is long enough alone.

use m5_report::doc::ProcessRecord;
use m5_stats::{BetweenRestarts, Life, Point, between_restarts, life};

/// For every process, what it and the lives before it say together: processes of the same command of which one began
/// when the other had ended. Only the latest of such a row has an answer.
pub(super) fn join(processes: &[ProcessRecord], began_unix_seconds: f64) -> Vec<Option<BetweenRestarts>> {
    let span = |p: &ProcessRecord| Some((*p.samples.t_seconds.first()?, *p.samples.t_seconds.last()?));
    let mut order: Vec<(usize, (f64, f64))> =
        processes.iter().enumerate().filter_map(|(i, p)| Some((i, span(p)?))).collect();
    order.sort_by(|a, b| a.1.0.total_cmp(&b.1.0));
    let mut rows: Vec<Vec<usize>> = Vec::new();
    let mut ends: Vec<f64> = Vec::new();
    for (i, (first, last)) in order {
        let follows = |row: &[usize], end: f64| {
            let before = row.last().and_then(|j| processes.get(*j));
            end <= first && before.is_some_and(|b| processes.get(i).is_some_and(|p| b.command == p.command))
        };
        let row = rows.iter().zip(&ends).position(|(row, end)| follows(row, *end));
        match row.and_then(|at| Some((rows.get_mut(at)?, ends.get_mut(at)?))) {
            Some((row, end)) => {
                row.push(i);
                *end = last;
            }
            None => {
                rows.push(vec![i]);
                ends.push(last);
            }
        }
    }
    let mut joined = vec![None; processes.len()];
    for row in rows {
        let lives: Vec<Life> =
            row.iter().filter_map(|i| lived(processes.get(*i)?, began_unix_seconds)).collect();
        if let Some(slot) = row.last().and_then(|i| joined.get_mut(*i)) {
            *slot = between_restarts(&lives);
        }
    }
    joined
}

/// A life by its anonymous memory, by its resident memory where that is not known.
fn lived(process: &ProcessRecord, began_unix_seconds: f64) -> Option<Life> {
    let s = &process.samples;
    let points = |column: &[Option<u64>]| -> Vec<Point> {
        s.t_seconds.iter().zip(column).filter_map(|(t, v)| Some(Point { t: *t, v: (*v)? as f64 })).collect()
    };
    let started = process.started_unix_seconds - began_unix_seconds;
    life(&points(&s.anon_bytes), started).or_else(|| life(&points(&s.rss_bytes), started))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::bare_record;
    use m5_process::Identity;
    use m5_report::doc::Sample;

    /// A life of an hour of `command`, from a moment of the recording, whose memory gains a part of 100 MB.
    fn hour(pid: i32, command: &str, from: f64, gains: f64) -> ProcessRecord {
        let mut process = bare_record(Identity { pid, start_ticks: pid as u64 });
        process.command = vec!["python".to_owned(), command.to_owned()];
        process.started_unix_seconds = 1e9 + from;
        for i in 0..240 {
            let t = f64::from(i) * 15.0;
            let noise = ((f64::from(i + pid) * 12.9898).sin() * 43_758.547).fract();
            let bytes = Some((1e8 * (1.0 + gains * t / 3600.0 + 0.003 * noise)) as u64);
            process.samples.push(&Sample { t_seconds: from + t, anon_bytes: bytes, ..Sample::default() });
        }
        process
    }

    #[test]
    fn lives_of_one_service_are_joined_and_no_others() {
        // A service that is restarted every hour, beside another one that lives on.
        let mut processes: Vec<ProcessRecord> =
            (0..5).map(|i| hour(100 + i, "leaky.py", 3700.0 * f64::from(i), 0.05)).collect();
        processes.push(hour(900, "other.py", 3700.0, 0.05));
        processes.reverse();
        let joined = join(&processes, 1e9);
        let found: Vec<usize> = (0..6).filter(|i| joined[*i].is_some()).collect();
        assert_eq!(found, [1], "the latest life of the service that was restarted");
        let said = joined[1].unwrap();
        assert!(said.growing && said.lives == 5, "{said:?}");
        assert!((said.per_second * 3600.0 - 0.048).abs() < 0.006, "{said:?}");
        // Workers that run at the same time are no lives of each other.
        let workers: Vec<ProcessRecord> =
            (0..5).map(|i| hour(200 + i, "worker.py", f64::from(i), 0.05)).collect();
        assert_eq!(join(&workers, 1e9), [None; 5]);
    }
}
