//! The history against what was written: the same recording comes back, bounded, whatever happens to the file.
#![allow(clippy::unwrap_used, clippy::panic)]

mod damage;

use m5_agent::derive::complete;
use m5_agent::history::{Block, Entry, Head, HistoryError, Limits, Query, Session, Store, read};
use m5_agent::record::{RecordOptions, bare_record, record};
use m5_gc::Pause;
use m5_process::{Identity, Machine, Process};
use m5_report::doc::{Baseline, ProcessRecord, Sample, Samples};
use m5_stats::Objectives;
use m5_testkit::{Target, pythons};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_700_000_000 * SECOND;

fn session(begin_ns: i64, interval_ns: i64) -> Session {
    Session { begin_ns, interval_ns, boot: "boot".into(), machine: Machine::default() }
}

fn head(pid: i32, service: &str) -> Head {
    let started_unix_seconds = (START / SECOND) as f64 - 3600.0;
    let record =
        ProcessRecord { ppid: 1, started_unix_seconds, ..bare_record(Identity { pid, start_ticks: 7 }) };
    Head { service: service.into(), slot: 0, record }
}

fn entry(process: i64, t_ns: i64, rss: Option<u64>) -> Entry {
    let sample = Sample { rss_bytes: rss, fds: rss.map(|r| r % 7), ..Sample::default() };
    Entry { process, t_ns, sample, pauses: None, connections: None, rollup: None }
}

fn ns(seconds: f64) -> i64 {
    // In two parts: the product of the whole would be rounded to a few hundred nanoseconds.
    seconds.trunc() as i64 * 1_000_000_000 + (seconds.fract() * 1e9).round() as i64
}

/// Writes a recording into a history as the exporter would have written it.
fn store(path: &Path, recorded: &Baseline) {
    let begin = ns(recorded.recorded.started_unix_seconds);
    let mut store = Store::open(path, Limits::default()).unwrap();
    store.begin(&session(begin, ns(recorded.recorded.interval_seconds))).unwrap();
    for record in &recorded.processes {
        let bare = ProcessRecord {
            samples: Samples::default(),
            rollups: Vec::new(),
            connections: Vec::new(),
            pauses: None,
            derived: None,
            criteria: Vec::new(),
            ..record.clone()
        };
        let process = store.process(&Head { service: "s".into(), slot: 0, record: bare }).unwrap();
        let s = &record.samples;
        for (i, t) in s.t_seconds.iter().enumerate() {
            let sample = row(s, i);
            let here = |at: f64| at == *t;
            let last = i + 1 == s.len();
            store
                .append(&[Entry {
                    process,
                    t_ns: begin + ns(*t),
                    sample,
                    pauses: if last { record.pauses.as_ref().map(|log| block(log, begin)) } else { None },
                    connections: record
                        .connections
                        .iter()
                        .find(|c| here(c.t_seconds))
                        .map(|c| c.groups.clone()),
                    rollup: record
                        .rollups
                        .iter()
                        .find(|r| here(r.t_seconds))
                        .map(|r| (r.pss_bytes, r.uss_bytes)),
                }])
                .unwrap();
        }
    }
}

/// One row of the columns, by way of the document.
fn row(samples: &Samples, i: usize) -> Sample {
    let json = serde_json::to_value(samples).unwrap();
    let numbers: Vec<_> = Sample::COLUMNS
        .iter()
        .map(|name| json.get(*name).and_then(|column| column[i].as_number().cloned()))
        .map(|n| {
            n.map(|n| n.as_u64().map_or_else(|| n.as_f64().unwrap().into(), m5_report::doc::Number::from))
        })
        .collect();
    let real = |name: &str| Sample::COLUMNS.iter().position(|c| *c == name).unwrap();
    let mut numbers = numbers;
    for name in ["cpu_seconds", "cgroup_pressure_some_percent"] {
        if let Some(m5_report::doc::Number::Whole(n)) = numbers[real(name)] {
            numbers[real(name)] = Some((n as f64).into());
        }
    }
    Sample::from_numbers(samples.t_seconds[i], &numbers).unwrap()
}

fn block(log: &m5_report::doc::PauseLog, begin: i64) -> Block {
    let mut block = Block::new(log.source);
    for ((start, long), generation) in
        log.start_seconds.iter().zip(&log.duration_seconds).zip(&log.generation)
    {
        let (duration_ns, generation) = (ns(*long) as u64, *generation);
        let pause = Pause {
            start_ns: 0,
            duration_ns,
            generation,
            pid: 1,
            interpreter: 0,
            tid: None,
            ..Pause::default()
        };
        block.push(&pause, begin + ns(*start));
    }
    block.cover(log.coverage);
    block
}

/// Equal, but for the order in which a sum was made.
fn same(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (a, b) {
        (Number(a), Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
        }
        (Array(a), Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Object(a), Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

const CHURN: &str = "
import time
print('ready', flush=True)
while True:
    keep = [[i] for i in range(50_000)]
    time.sleep(0.05)
";

#[test]
fn a_live_recording_replays_into_the_same_figures() {
    let python = pythons().into_iter().next_back().unwrap();
    let mut target = Target::start(&python, CHURN);
    assert_eq!(target.line(), "ready");
    let options = RecordOptions {
        duration: Duration::from_secs(60),
        interval: Duration::from_millis(50),
        children: false,
        pauses: Some(true),
        max_overhead: None,
        stacks_above: None,
        workload: None,
    };
    let process = Process::open(target.pid()).unwrap();
    let mut live = record(&[process], &options, &mut |p| p.pauses < 20 || p.elapsed_seconds < 1.0).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("h.db");
    store(&file, &live);
    let mut replayed = read(&file, &Query::default()).unwrap();
    let objectives = Objectives::default();
    complete(&mut live, &objectives.into());
    complete(&mut replayed, &objectives.into());
    let (a, b) = (&live.processes[0], &replayed.processes[0]);
    assert_eq!(a.samples, b.samples);
    let json = |p: &ProcessRecord| serde_json::to_value(&p.derived).unwrap();
    for (name, value) in json(a).as_object().unwrap() {
        assert!(same(value, &json(b)[name]), "{name}: {value} {}", json(b)[name]);
    }
    assert_eq!(a.criteria, b.criteria);
    let (old, new) = (a.pauses.as_ref().unwrap(), b.pauses.as_ref().unwrap());
    assert_eq!(old.totals.map(|t| t.count), new.totals.map(|t| t.count));
    assert_eq!(old.duration_seconds.len(), new.duration_seconds.len());
    assert_eq!(live.recorded.rounds_taken, replayed.recorded.rounds_taken);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn absent_stays_absent_and_runs_are_joined() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), Limits::default()).unwrap();
    for run in 0..2 {
        let begin = START + run * 3600 * SECOND;
        store.begin(&session(begin, SECOND)).unwrap();
        let process = store.process(&head(7, "engine")).unwrap();
        for i in 0..10 {
            store.append(&[entry(process, begin + i * SECOND, (i != 5).then_some(i as u64))]).unwrap();
        }
    }
    let other = store.process(&head(8, "other")).unwrap();
    store.append(&[entry(other, START + 3600 * SECOND, Some(1))]).unwrap();
    drop(store);
    let all = read(dir.path(), &Query::default()).unwrap();
    assert_eq!((all.processes.len(), all.recorded.rounds_due, all.recorded.rounds_taken), (2, 20, 20));
    let engine = read(dir.path(), &Query { names: vec!["eng*".into()], ..Query::default() }).unwrap();
    assert_eq!(engine.processes.len(), 1);
    assert_eq!(engine.recorded.rounds_due, engine.recorded.rounds_taken);
    let s = &engine.processes[0].samples;
    assert_eq!((s.len(), s.rss_bytes[5], s.rss_bytes[6]), (20, None, Some(6)));
    assert!(s.anon_bytes.iter().all(Option::is_none));
    let since = Query { since: Some(Duration::from_secs(60)), pids: vec![7], ..Query::default() };
    assert_eq!(read(dir.path(), &since).unwrap().processes[0].samples.len(), 10);
    let nobody = read(dir.path(), &Query { pids: vec![9], ..Query::default() });
    assert!(matches!(nobody, Err(HistoryError::Nothing { .. })));
}

#[test]
fn a_clock_that_was_set_back_leaves_the_newer_run() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), Limits::default()).unwrap();
    for (begin, rss) in [(START, 1), (START - 5 * SECOND, 2)] {
        store.begin(&session(begin, SECOND)).unwrap();
        let process = store.process(&head(7, "engine")).unwrap();
        for i in 0..20 {
            store.append(&[entry(process, begin + i * SECOND + rss as i64, Some(rss))]).unwrap();
        }
    }
    let s = &read(dir.path(), &Query::default()).unwrap().processes[0].samples;
    assert_eq!(s.rss_bytes, vec![Some(2); 20]);
    assert!(s.t_seconds.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn foreign_newer_and_busy_files_are_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("text"), "not a history").unwrap();
    assert!(matches!(read(&at("text"), &Query::default()), Err(HistoryError::Foreign { .. })));
    assert!(matches!(Store::open(&at("text"), Limits::default()), Err(HistoryError::Foreign { .. })));
    assert_eq!(fs::read_to_string(at("text")).unwrap(), "not a history");
    let other = rusqlite::Connection::open(at("other")).unwrap();
    other.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1);").unwrap();
    drop(other);
    assert!(matches!(Store::open(&at("other"), Limits::default()), Err(HistoryError::Foreign { .. })));
    let busy = Store::open(&at("mine"), Limits::default()).unwrap();
    assert!(matches!(Store::open(&at("mine"), Limits::default()), Err(HistoryError::Busy { .. })));
    assert!(matches!(read(&at("mine"), &Query::default()), Err(HistoryError::Nothing { .. })));
    drop(busy);
    let newer = rusqlite::Connection::open(at("mine")).unwrap();
    newer.execute_batch("PRAGMA user_version = 2;").unwrap();
    drop(newer);
    let refused = read(&at("mine"), &Query::default());
    assert!(matches!(refused, Err(HistoryError::Newer { version: 2, reads: 1, .. })));
    let stranger = rusqlite::Connection::open(at("mine")).unwrap();
    stranger.execute_batch("PRAGMA user_version = 1; CREATE VIEW v AS SELECT 1;").unwrap();
    drop(stranger);
    assert!(matches!(read(&at("mine"), &Query::default()), Err(HistoryError::Damaged { .. })));
    assert!(matches!(read(&at("none"), &Query::default()), Err(HistoryError::Io { .. })));
}

#[test]
fn a_bound_that_is_reached_costs_old_samples_and_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { bytes: 1 << 20, ..Limits::default() };
    let mut store = Store::open(dir.path(), limits).unwrap();
    store.begin(&session(START, SECOND)).unwrap();
    let ids: Vec<i64> = (0..20).map(|pid| store.process(&head(pid, "engine")).unwrap()).collect();
    let rounds = 4000;
    for i in 0..rounds {
        let t = START + i * 15 * SECOND;
        let rss = |id: i64| Some((i * 1_000_003 + id * 77) as u64 % 1_000_000_007);
        store.append(&ids.iter().map(|id| entry(*id, t, rss(*id))).collect::<Vec<_>>()).unwrap();
        if i % 400 == 0 {
            store.rotate(t).unwrap();
        }
        assert!(store.used_bytes().unwrap() <= limits.bytes, "{i}");
    }
    let file = store.path().to_owned();
    assert!(fs::metadata(&file).unwrap().len() <= limits.bytes);
    drop(store);
    let kept = read(&file, &Query::default()).unwrap();
    assert_eq!(kept.processes.len(), 20);
    let newest = START as f64 / 1e9 + (rounds - 1) as f64 * 15.0;
    for process in &kept.processes {
        let last = kept.recorded.started_unix_seconds + process.samples.t_seconds.last().unwrap();
        assert!((last - newest).abs() < 1.0, "{last} {newest}");
    }
}

#[derive(Debug, Clone)]
struct Written {
    pid: i32,
    step_seconds: i64,
    rss: Option<u64>,
    rotate: bool,
}

fn written() -> impl Strategy<Value = Vec<Written>> {
    let one = (1..4i32, 1..2000i64, prop::option::weighted(0.9, 0..1000u64), prop::bool::weighted(0.05));
    let one = one.prop_map(|(pid, step_seconds, rss, rotate)| Written { pid, step_seconds, rss, rotate });
    prop::collection::vec(one, 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Floors, peaks, the last sample and the number of samples survive thinning; nothing is invented.
    #[test]
    fn rotation_keeps_extremes_counts_and_ends(rows in written()) {
        let hour = Duration::from_secs(3600);
        let limits = Limits { raw: hour, fine: hour * 10, age: hour * 10_000, bytes: 64 << 20 };
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path(), limits).unwrap();
        store.begin(&session(START, SECOND)).unwrap();
        let ids: BTreeMap<i32, i64> =
            (1..4).map(|pid| (pid, store.process(&head(pid, "engine")).unwrap())).collect();
        let mut now = START;
        let mut truth = BTreeMap::<i32, Vec<(i64, Option<u64>)>>::new();
        for one in &rows {
            now += one.step_seconds * SECOND;
            store.append(&[entry(ids[&one.pid], now, one.rss)]).unwrap();
            truth.entry(one.pid).or_default().push((now, one.rss));
            if one.rotate {
                store.rotate(now).unwrap();
            }
        }
        store.rotate(now).unwrap();
        store.rotate(now).unwrap();
        drop(store);
        let replayed = read(dir.path(), &Query::default()).unwrap();
        prop_assert_eq!(replayed.processes.len(), truth.len());
        let mut taken = 0;
        for process in &replayed.processes {
            let all = &truth[&process.identity.pid];
            let s = &process.samples;
            let origin = ns(replayed.recorded.started_unix_seconds);
            let kept: Vec<(i64, Option<u64>)> = s
                .t_seconds
                .iter()
                .zip(&s.rss_bytes)
                .map(|(t, rss)| (((origin + ns(*t)) as f64 / 1e9).round() as i64 * SECOND, *rss))
                .collect();
            prop_assert!(kept.iter().all(|row| all.contains(row)));
            prop_assert_eq!(kept.last(), all.last());
            // By stretches of an hour, the coarser of both.
            let by_hour = |rows: &[(i64, Option<u64>)]| {
                let mut out = BTreeMap::<i64, (u64, u64)>::new();
                for (t, rss) in rows {
                    if let Some(rss) = rss {
                        let cell = out.entry(t / (3600 * SECOND)).or_insert((*rss, *rss));
                        *cell = (cell.0.min(*rss), cell.1.max(*rss));
                    }
                }
                out
            };
            prop_assert_eq!(by_hour(&kept), by_hour(all));
            taken = taken.max(all.len() as u64);
        }
        let sum: u64 = truth.values().map(|rows| rows.len() as u64).sum();
        prop_assert_eq!(replayed.recorded.rounds_taken, sum);
    }
}
