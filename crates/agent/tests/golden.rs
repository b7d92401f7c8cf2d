//! Every report word for word, in both languages, from one made-up recording.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use m5_agent::compare::compare;
use m5_agent::derive::{complete, derive, judge_all, layers};
use m5_agent::record::bare_record;
use m5_cpython::{GcState, Generation};
use m5_gc::{GenerationCoverage, Pause, SourceKind};
use m5_process::{Cgroup, ConnectionGroup, Identity, Machine, MappedMemory, Rollup, Status, Throttling};
use m5_report::doc::*;
use m5_report::text::{self, Style};
use m5_report::{Lang, json};
use m5_stats::{Assessment, Forecast, GateVerdict, Objectives, Profile, Reason, Verdict};

const MIB: u64 = 1 << 20;

fn group(state: &str, peer: &str, count: u64) -> ConnectionGroup {
    ConnectionGroup { state: state.to_owned(), peer: peer.to_owned(), count }
}

fn samples() -> Samples {
    let mut samples = Samples::default();
    for i in 0..301_u64 {
        samples.push(&Sample {
            t_seconds: i as f64,
            rss_bytes: Some(90 * MIB + i * 4096),
            peak_rss_bytes: Some(92 * MIB),
            anon_bytes: Some(60 * MIB + i * 4096),
            file_bytes: Some(30 * MIB),
            shmem_bytes: Some(0),
            swap_bytes: Some(MIB),
            virtual_bytes: Some(500 * MIB),
            threads: Some(5),
            cpu_seconds: Some(i as f64 * 0.25),
            minor_faults: Some(i * 12),
            major_faults: Some(0),
            voluntary_switches: Some(i * 300),
            involuntary_switches: Some(i * 7),
            fds: Some(30 + i / 20),
            fds_file: Some(10),
            fds_socket: Some(15 + i / 20),
            fds_pipe: Some(4),
            fds_eventpoll: Some(1),
            fds_anon: Some(0),
            fds_memfd: Some(0),
            connections: Some(5),
            cgroup_current_bytes: Some(120 * MIB),
            cgroup_pressure_some_percent: Some(1.25),
            gc0_collections: Some(i * 6),
            gc1_collections: Some(i / 2),
            gc2_collections: Some(i / 50),
            gc0_collected: Some(i * 100),
            gc1_collected: Some(i * 10),
            gc2_collected: Some(i),
            gc_uncollectable: Some(0),
            gc_long_lived_objects: Some(120_000),
            gc_live_objects: None,
            python_arena_bytes: Some(40 * MIB),
            python_small_blocks: Some(410_000),
            python_small_block_bytes: Some(37 * MIB),
            python_large_blocks: Some(1_900),
        });
    }
    samples
}

fn pauses(source: SourceKind) -> PauseLog {
    let mut log = PauseLog::new(source);
    for i in 0..1956_u64 {
        let generation = if i % 326 == 325 { 2 } else { u8::from(i % 13 == 12) };
        let duration_ns = [60_000, 400_000, 58_000_000][usize::from(generation)] + i * 10;
        let start_ns = i * 150_000_000;
        log.push(
            &Pause {
                start_ns,
                duration_ns,
                generation: Some(generation),
                pid: 4711,
                interpreter: 0,
                tid: None,
                ..Pause::default()
            },
            0,
        );
    }
    let seen = [log.totals[0].count, log.totals[1].count, log.totals[2].count];
    log.coverage.generations = seen.map(|seen| GenerationCoverage { seen, happened: seen });
    log.coverage.wall_ns = 300_000_000_000;
    log.coverage.open_ns = log.coverage.wall_ns;
    log
}

fn interpreter() -> Interpreter {
    let generation = |threshold| Generation { threshold, ..Generation::default() };
    let state = GcState {
        enabled: true,
        generations: [generation(700), generation(10), generation(10)],
        ..GcState::default()
    };
    Interpreter {
        version: "3.11.7".to_owned(),
        file: "/usr/lib/libpython3.11.so.1.0".to_owned(),
        runtime_size: 166_688,
        gc_begin: state,
        gc_end: state,
    }
}

fn process() -> ProcessRecord {
    let growing =
        |n: u64| vec![group("ESTABLISHED", "10.0.0.9:443", 5), group("CLOSE_WAIT", "10.0.0.5:443", n)];
    ProcessRecord {
        ppid: 1,
        uid: Some(1000),
        started_unix_seconds: 1_700_000_000.0,
        command: vec!["python3".to_owned(), "-m".to_owned(), "trading_engine".to_owned()],
        interpreter: Some(interpreter()),
        cgroup: Some(Cgroup {
            version: 2,
            current_bytes: Some(120 * MIB),
            peak_bytes: Some(130 * MIB),
            max_bytes: Some(512 * MIB),
            pressure_some_percent: Some(1.25),
            pressure_full_percent: Some(0.5),
            throttling: Some(Throttling {
                quota_cores: 1.5,
                periods: 4000,
                throttled_periods: 480,
                throttled_seconds: 31.5,
            }),
        }),
        samples: samples(),
        rollups: vec![RollupAt { t_seconds: 0.0, pss_bytes: 80 * MIB, uss_bytes: 70 * MIB }],
        connections: (0..4)
            .map(|i| ConnectionsAt { t_seconds: i as f64 * 100.0, groups: growing(i * 4) })
            .collect(),
        pauses: Some(pauses(SourceKind::Watchpoint)),
        application: Some(said()),
        ..bare_record(Identity { pid: 4711, start_ticks: 99 })
    }
}

fn assessment(verdict: Verdict, level: f64, slope: f64) -> Assessment {
    let day = slope * 86_400.0;
    Assessment {
        verdict,
        level: Some(level),
        slope: Some(slope),
        slope_low: Some(slope * 0.5),
        slope_high: Some(slope * 1.5),
        forecast_24h: Some(Forecast { value: level + day, low: level + day * 0.5, high: level + day * 1.5 }),
        observed_seconds: 300.0,
        growth_probability: Some(if verdict == Verdict::Growing { 0.97 } else { 0.01 }),
        ..Assessment::default()
    }
}

/// The verdicts are set by hand: how they are reached is no matter of reports.
fn recording(mut process: ProcessRecord) -> Baseline {
    let recorded = Recorded {
        ended_early: false,
        started_unix_seconds: 1_700_000_100.0,
        observed_seconds: 300.0,
        requested_seconds: 300.0,
        interval_seconds: 1.0,
        rounds_due: 301,
        rounds_taken: 299,
        end: End::Complete,
        load: None,
    };
    let objectives = Objectives::of(Profile::Trading);
    let mut derived = derive(&process, &recorded, &objectives);
    let series = [
        ("rss", assessment(Verdict::Growing, 91.2 * MIB as f64, 4096.0)),
        ("anon", assessment(Verdict::Growing, 61.2 * MIB as f64, 4096.0)),
        ("after_full", assessment(Verdict::Growing, 58.0 * MIB as f64, 4096.0)),
        ("gc_objects", assessment(Verdict::Flat, 120_000.0, 0.0)),
        ("blocks", assessment(Verdict::Flat, 411_900.0, 0.0)),
        ("large_blocks", assessment(Verdict::Flat, 1_900.0, 0.0)),
        ("arenas", assessment(Verdict::Flat, 40.0 * MIB as f64, 0.0)),
        ("fds", assessment(Verdict::Growing, 45.0, 0.05)),
        ("sockets", assessment(Verdict::Growing, 30.0, 0.05)),
        ("connections", assessment(Verdict::Flat, 5.0, 0.0)),
        (
            "threads",
            Assessment {
                wait_seconds: Some(420.0),
                reason: Some(Reason::Undecided),
                ..Assessment::default()
            },
        ),
    ];
    derived.growth = series.into_iter().map(|(name, a)| (name.to_owned(), a)).collect();
    derived.layers = layers(&derived.growth);
    derived.growth_24h_ratio = Some(3.7);
    derived.leak_detection.retain(|leak| leak.kind == LeakKind::ConnectionGrowth);
    derived.leak_detection.insert(
        0,
        Leak {
            kind: LeakKind::RssGrowth,
            severity: Severity::Medium,
            growth_per_second: 4096.0,
            growth_rate_mb_per_snapshot: Some(0.003_906_25),
            gained: 1_228_800.0,
            seconds: 300.0,
            what: None,
            peer: None,
        },
    );
    process.criteria = judge_all(&process, &derived, &objectives);
    process.derived = Some(derived);
    Baseline {
        schema: BASELINE_SCHEMA.to_owned(),
        m5_version: "0.0.0".to_owned(),
        recorded,
        machine: Machine::default(),
        processes: vec![process],
        objectives_from: None,
        comparison: None,
    }
}

/// A cache and a pool, as the program itself counts them.
fn said() -> Application {
    let one = |name: &str, label: &str, value| ApplicationValue {
        name: name.to_owned(),
        labels: [(label.to_owned(), "prices".to_owned())].into(),
        value,
    };
    let values = vec![
        one("m5mem_cache_hits_total", "cache", Some(12_345.0)),
        one("m5mem_cache_misses_total", "cache", Some(1_234.0)),
        one("m5mem_pool_leased", "pool", None),
        one("m5mem_gc_pause_seconds_total", "manager", Some(0.0125)),
    ];
    Application { age_seconds: Some(0.4), values, unread: None, unreadable: 1 }
}

/// What the interpreter does not tell, and nothing but that.
fn unread() -> ProcessRecord {
    let mut samples = samples();
    for column in [&mut samples.gc0_collections, &mut samples.gc1_collections, &mut samples.gc2_collections] {
        column.fill(None);
    }
    let detail = "PID 4711 runs free-threaded CPython 3.16.0, a version that this m5 does not know";
    ProcessRecord {
        interpreter: None,
        unread: Some(Unread {
            reason: "free_threaded".to_owned(),
            detail: detail.to_owned(),
            remedies: Vec::new(),
        }),
        pauses: None,
        samples,
        cgroup: None,
        ..process()
    }
}

fn health(baseline: Baseline) -> Health {
    let process = baseline.processes.into_iter().next().unwrap();
    Health {
        schema: HEALTH_SCHEMA.to_owned(),
        pid: 4711,
        python: process.interpreter.map(|i| i.version),
        command: process.command,
        service: process.service,
        observed_seconds: 2.0,
        re_executed_seconds: None,
        stopped: false,
        healthy: false,
        criteria: process.criteria,
        objectives_from: ObjectivesFrom::default(),
        derived: process.derived.unwrap(),
        application: process.application,
        unread: process.unread,
    }
}

/// Both languages in one file: a change of one shows beside the other.
fn both(render: impl Fn(Style) -> String) -> String {
    let say = |lang| render(Style { lang, color: false });
    format!("{}\n======== 中文 ========\n{}", say(Lang::En), say(Lang::Zh))
}

#[test]
fn baseline_and_health() {
    let whole = recording(process());
    insta::assert_snapshot!("baseline", both(|s| text::baseline(&whole, s)));
    let poor = recording(unread());
    let mut family = whole.clone();
    family.processes.extend(poor.processes.clone());
    insta::assert_snapshot!("baseline_family", both(|s| text::baseline(&family, s)));
    insta::assert_snapshot!("baseline_unread", both(|s| text::baseline(&poor, s)));
    let (whole, poor) = (health(whole), health(poor));
    insta::assert_snapshot!(
        "health",
        both(|s| format!("{}\n{}", text::health(&whole, s), text::health(&poor, s)))
    );
}

#[test]
fn a_polled_recording_says_that_its_lengths_are_bounds() {
    let mut log = pauses(SourceKind::Poll);
    log.coverage.generations[0].happened *= 3;
    let polled = recording(ProcessRecord { pauses: Some(log), ..process() });
    insta::assert_snapshot!("baseline_polled", both(|s| text::baseline(&polled, s)));
}

#[test]
fn check() {
    let from = |service: Option<&str>| ObjectivesFrom {
        profile: Profile::Trading,
        file: Some("m5.toml".into()),
        service: service.map(str::to_owned),
    };
    let process = recording(process()).processes.into_iter().next().unwrap();
    let derived = process.derived.unwrap();
    let check = Check {
        schema: CHECK_SCHEMA.to_owned(),
        file: "baseline.json".to_owned(),
        passed: false,
        objectives_from: from(None),
        processes: vec![CheckedProcess {
            ended_early: false,
            objectives_from: from(Some("app*")),
            pid: 4711,
            observed_seconds: 300.0,
            re_executed_seconds: None,
            verdict: Some(Verdict::Growing),
            criteria: process.criteria,
            leak_detection: derived.leak_detection,
            layers: derived.layers,
        }],
    };
    insta::assert_snapshot!("check", both(|s| text::check(&check, s)));
}

#[test]
fn comparison() {
    let old = recording(process());
    let mut larger = process();
    larger.samples.rss_bytes.iter_mut().flatten().for_each(|v| *v += 40 * MIB);
    larger.pauses = None;
    let new = recording(larger);
    let comparison = compare(("new.json", &new), ("old.json", &old), 0.15);
    insta::assert_snapshot!("compare", both(|s| text::compare(&comparison, s)));
}

#[test]
fn what_ended_midway_proves_nothing() {
    let (old, mut cut) = (recording(process()), recording(process()));
    cut.processes[0].re_executed_seconds = Some(9.0);
    for (new, old) in [(&cut, &old), (&old, &cut)] {
        let comparison = compare(("new.json", new), ("old.json", old), 0.15);
        assert_eq!(comparison.verdict, GateVerdict::Inconclusive);
        let said = both(|s| text::compare(&comparison, s));
        assert!(said.contains("executed another program after 9 s"), "{said}");
        assert!(said.contains("Nothing is proved") && said.contains("无法得出结论"), "{said}");
    }
    assert_eq!(compare(("new", &old), ("old", &old), 0.15).verdict, GateVerdict::Pass);
}

#[test]
fn snapshot_of_a_process() {
    let mapped = |name: &str, rss: u64| MappedMemory {
        name: name.to_owned(),
        mappings: 2,
        size_bytes: 2 * rss,
        rss_bytes: rss,
        pss_bytes: rss,
        private_bytes: rss / 2,
        swap_bytes: 0,
    };
    let snapshot = ProcessSnapshot {
        schema: PROCESS_SCHEMA.to_owned(),
        taken_unix_seconds: 1_700_000_000.0,
        identity: Identity { pid: 4711, start_ticks: 99 },
        command: process().command,
        service: None,
        interpreter: Some(interpreter()),
        unread: None,
        status: Status { rss_bytes: Some(90 * MIB), threads: Some(5), ..Status::default() },
        rollup: Some(Rollup { pss_bytes: 80 * MIB, uss_bytes: 70 * MIB }),
        mapped: Some(vec![mapped("[heap]", 50 * MIB), mapped("/usr/lib/libpython3.11.so.1.0", 4 * MIB)]),
        fds: Some([("file".to_owned(), 3), ("socket".to_owned(), 1)].into()),
        fd_targets: vec![FdTarget { target: "/dev/null".to_owned(), count: 3 }],
        connections: vec![group("ESTABLISHED", "10.0.0.9:443", 1)],
        cgroup: None,
    };
    insta::assert_snapshot!("process", both(|s| text::process(&snapshot, s)));
}

#[test]
fn list() {
    let listed = |pid, unread| ListedProcess {
        pid,
        ppid: if pid == 4711 { 1 } else { 4711 },
        name: if pid == 4711 { "trading_engine" } else { "trading_engine/worker" }.to_owned(),
        uid: Some(1000),
        python: Some("3.11.7".to_owned()),
        rss_bytes: Some(90 * MIB),
        stopped: pid == 4711,
        command: process().command,
        unread,
    };
    let no = |pid, uid| ListedProcess {
        python: None,
        uid: Some(uid),
        ..listed(
            pid,
            Some(Unread {
                reason: "permission".to_owned(),
                detail: format!("no permission to read maps of PID {pid}"),
                remedies: vec![format!("PID {pid} belongs to another user (uid {uid})"), "sudo".to_owned()],
            }),
        )
    };
    // What is true of two is said once.
    let processes = vec![listed(4711, None), no(4712, 1000), no(4713, 0), no(4714, 1000)];
    let schema = LIST_SCHEMA.to_owned();
    let list = ProcessList { schema, processes, of_other_names: 0, others_hidden: false };
    let nobody = |of_other_names| ProcessList {
        schema: LIST_SCHEMA.to_owned(),
        processes: Vec::new(),
        of_other_names,
        others_hidden: of_other_names > 0,
    };
    insta::assert_snapshot!(
        "list",
        both(|s| {
            let none = [0, 3].map(|others| text::list(&nobody(others), true, s)).concat();
            format!("{}\n{none}", text::list(&list, true, s))
        })
    );
}

#[test]
fn the_document_replays() {
    let mut first = recording(process());
    complete(&mut first, &Objectives::of(Profile::Trading).into());
    let stored = json(&first).unwrap();
    let mut again = read_baseline(stored.as_bytes()).unwrap();
    assert!(again.processes[0].derived.is_none(), "stored figures are not trusted");
    complete(&mut again, &Objectives::of(Profile::Trading).into());
    assert_eq!(json(&again).unwrap(), stored);
    let derived = again.processes[0].derived.as_ref().unwrap();
    let leak = derived.leak_detection.iter().find(|l| l.kind == LeakKind::ConnectionGrowth).unwrap();
    assert_eq!((leak.what.as_deref(), leak.peer.as_deref()), (Some("CLOSE_WAIT"), Some("10.0.0.5:443")));
    assert_eq!((leak.gained, leak.severity), (12.0, Severity::High));
}
