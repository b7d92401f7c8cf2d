//! The survey against a real Prometheus (Debian's packages `prometheus`), filled with a fleet of 200 instances
//! of which one version leaks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use m5_agent::fleet::{Client, FleetError, SurveyOptions, survey};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const START: i64 = 1_700_000_000;
const SECONDS: i64 = 6 * 3600;
const STEP: i64 = 60;

struct Prometheus {
    child: Child,
    dir: PathBuf,
    port: u16,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A small, fixed source of noise in 0..1.
fn noise(seed: u64) -> f64 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bf0_3635;
    x = (x ^ (x >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 29)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Service, version, and what its memory does after `t` seconds, in MiB.
fn member(i: u64, t: f64) -> (&'static str, &'static str, f64) {
    let wobble = noise(i * 100_000 + t as u64);
    match i {
        0..80 => ("engine", "1.0", 60.0 + 2.0 * wobble),
        80..140 => ("engine", "1.1", 60.0 + 2.0 * wobble + 4.0 * t / 3600.0),
        140..170 => ("web", "7", 100.0 + 20.0 * (1.0 - (-t / 900.0).exp()) + wobble),
        _ => ("jobs", "2", 80.0 + 15.0 * ((t + 60.0 * i as f64) / 1200.0).fract() + wobble),
    }
}

fn fleet() -> String {
    let mut out = String::from("# TYPE process_resident_memory_bytes gauge\n");
    for i in 0..200 {
        for t in (0..SECONDS).step_by(STEP as usize) {
            let (service, version, mib) = member(i, t as f64);
            let bytes = (mib * 1024.0 * 1024.0) as u64 / 4096 * 4096;
            writeln!(
                out,
                "process_resident_memory_bytes{{service=\"{service}\",version=\"{version}\",instance=\"host-{i}:9464\"}} {bytes} {}",
                START + t
            )
            .unwrap();
        }
    }
    out + "# EOF\n"
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn start() -> Prometheus {
    let dir = std::env::temp_dir().join(format!("m5-fleet-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("in.om"), fleet()).unwrap();
    run("promtool", &["tsdb", "create-blocks-from", "openmetrics"], &[&dir.join("in.om"), &dir.join("data")]);
    fs::write(dir.join("prometheus.yml"), "global: {}\n").unwrap();
    let port = free_port();
    let mut child = Command::new("prometheus")
        .arg(format!("--config.file={}", dir.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
        .arg("--storage.tsdb.retention.time=100y")
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    let mut lines = log.lines().map_while(Result::ok);
    let ready = lines.any(|l| l.contains("Server is ready to receive web requests"));
    assert!(ready, "prometheus did not start");
    // Whoever writes the log must find a reader for as long as it runs.
    std::thread::spawn(move || lines.for_each(drop));
    Prometheus { child, dir, port }
}

fn run(program: &str, args: &[&str], paths: &[&Path]) {
    let out = Command::new(program).args(args).args(paths).output().unwrap();
    assert!(out.status.success(), "{program}: {}", String::from_utf8_lossy(&out.stderr));
}

fn installed() -> bool {
    let found = |name: &str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    let there = found("prometheus") && found("promtool");
    assert!(there || std::env::var_os("CI").is_none(), "CI must have Debian's package prometheus");
    there
}

#[test]
fn the_leaking_version_ranks_first_and_no_healthy_one_is_named() {
    if !installed() {
        println!("not run: Debian's package prometheus is not installed");
        return;
    }
    let prometheus = start();
    let client = Client::new(&format!("http://127.0.0.1:{}", prometheus.port), None, Duration::from_secs(30));
    let options = SurveyOptions {
        by: vec!["service".into(), "version".into()],
        matcher: String::new(),
        window: SECONDS as f64 - 900.0,
        at: (START + SECONDS - STEP) as f64,
        groups: 4,
        instances: 5,
    };
    let found = survey(&client, &options).unwrap().groups;
    assert_eq!(found.len(), 4);
    let worst = &found[0];
    assert_eq!(worst.labels, [("service".into(), "engine".into()), ("version".into(), "1.1".into())]);
    assert_eq!((worst.instances, worst.growing_share), (60, Some(1.0)));
    assert!(worst.named(), "{:?}", worst.judged);
    for healthy in &found[1..] {
        assert!(!healthy.named(), "{:?} {:?}", healthy.labels, healthy.judged);
    }
    assert!(matches!(client.instant("sum(", None), Err(FleetError::Refused { .. })));
}

#[test]
fn an_absent_prometheus_is_said_to_be_absent() {
    let client = Client::new(&format!("http://127.0.0.1:{}", free_port()), None, Duration::from_secs(2));
    assert!(matches!(client.instant("up", None), Err(FleetError::Unreachable { .. })));
}
