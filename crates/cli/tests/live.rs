//! The main job on real processes: what m5 records against what the process itself and psutil say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use m5_testkit::{Python, Target, pythons};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use support::{file, folder, json, m5, recorded, run, verdict};

/// Collects in every generation, a different number of times, until it is told to stop; then says what
/// `gc.get_stats()` has counted.
const COLLECTING: &str = "
import gc, select, sys
gc.disable()
print('ready')
while not select.select([sys.stdin], [], [], 0.005)[0]:
    for gen, times in ((0, 5), (1, 2), (2, 1)):
        for _ in range(times):
            a = []; a.append(a); del a
            gc.collect(gen)
print(*(s['collections'] for s in gc.get_stats()))
";

/// Threads, descriptors of each kind, a connection; then silence.
const STILL: &str = "
import os, select, socket, sys, threading
stop = threading.Event()
for _ in range(3):
    threading.Thread(target=stop.wait, daemon=True).start()
server = socket.create_server(('127.0.0.1', 0))
pairs = []
for _ in range(4):
    client = socket.create_connection(server.getsockname())
    pairs.append((client, server.accept()[0]))
poll = select.epoll()
files = [open('/dev/null') for _ in range(5)]
pipe = os.pipe()
block = bytearray(30 << 20)
for i in range(0, len(block), 4096): block[i] = 1
print(server.getsockname()[1])
sys.stdin.read()
";

fn one(output: &std::process::Output) -> Value {
    json(output)["processes"][0].clone()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn every_interpreter_is_recorded() {
    let all = pythons();
    std::thread::scope(|scope| {
        for python in &all {
            scope.spawn(move || record_one(python));
        }
    });
}

fn record_one(python: &Python) {
    let mut target = Target::start(python, COLLECTING);
    assert_eq!(target.line(), "ready");
    let pid = target.pid().to_string();
    let output =
        run(&["baseline", "-d", "2s", "--interval", "250ms", "--max-overhead", "100%", "--json", "-p", &pid]);
    assert!(recorded(&output), "{} {output:?}", python.name);
    target.say("stop");
    let truth: Vec<u64> = target.numbers();
    let process = one(&output);
    let version =
        process["interpreter"]["version"].as_str().unwrap_or_else(|| panic!("{} {process}", python.name));
    let (major, minor) = python.minor();
    assert!(version.starts_with(&format!("{major}.{minor}")), "{} {version}", python.name);
    let samples = &process["samples"];
    // The first and the last, and as many between as a busy machine gives time for.
    assert!(samples["t_seconds"].as_array().unwrap().len() >= 2, "{} {samples}", python.name);
    for (generation, truth) in truth.iter().enumerate() {
        let column = samples[format!("gc{generation}_collections")].as_array().unwrap();
        let counts: Vec<u64> = column.iter().map(|v| v.as_u64().unwrap()).collect();
        assert!(
            counts.windows(2).all(|w| w[0] <= w[1]) && counts.last().unwrap() <= truth,
            "{}",
            python.name
        );
        let happened = counts.last().unwrap() - counts[0];
        let said = process["derived"]["gc"]["generations"][generation]["collections"].as_u64().unwrap();
        // One count everywhere: the trace's own, which begins before the first sample and ends after the last.
        let traced = process["pauses"]["coverage"]["generations"][generation]["happened"].as_u64().unwrap();
        assert_eq!(traced, said, "{} gen {generation}", python.name);
        // One that ran when the trace began is not the trace's, though it may end after the first sample.
        let between = said <= *truth && said + 1 >= happened;
        assert!(between && said > 0, "{} gen {generation}: {said} {happened}", python.name);
    }
    let gc = &process["derived"]["gc"];
    assert!(number(&gc["seen"]) > 0.0 && number(&gc["pauses"]["max"]) > 0.0, "{} {gc}", python.name);
    assert!(number(&process["derived"]["memory"]["rss"]["last"]) > 3e6, "{}", python.name);
    println!("recorded: {} ({version}), pauses by {}", python.name, gc["source"]);
}

/// An interpreter with psutil, from PyPI, kept beside the build.
fn with_psutil() -> Option<PathBuf> {
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("psutil");
    let python = place.join("bin/python");
    let works = || {
        let check = Command::new(&python).args(["-c", "import psutil"]).stderr(Stdio::null()).status();
        check.is_ok_and(|s| s.success())
    };
    if works() {
        return Some(python);
    }
    let base = pythons().into_iter().rfind(|p| p.version >= (3, 9, 0) && !p.name.contains("chroot"))?;
    base.command().args(["-m", "venv"]).arg(&place).status().ok()?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "psutil"];
    Command::new(&python).args(install).status().ok()?;
    works().then_some(python)
}

const PSUTIL: &str = "
import psutil, sys
p = psutil.Process(int(sys.argv[1]))
m = p.memory_full_info()
c = p.cpu_times()
s = p.num_ctx_switches()
net = getattr(p, 'net_connections', None) or p.connections
established = sum(c.status == 'ESTABLISHED' for c in net('tcp'))
print(m.rss, m.vms, m.uss, m.pss, m.swap, p.num_threads(), p.num_fds(), s.voluntary, s.involuntary,
      c.user + c.system, established, p.create_time(), p.ppid(), p.uids().effective)
";

#[test]
fn figures_agree_with_psutil() {
    let Some(python) = with_psutil() else {
        eprintln!("skipped: psutil could not be installed");
        return;
    };
    let mut target = Target::start(pythons().last().unwrap(), STILL);
    let port: u16 = target.line().parse().unwrap();
    let pid = target.pid().to_string();
    let output = run(&["baseline", "-d", "100ms", "--pauses", "false", "--json", &pid]);
    let process = one(&output);
    let psutil = Command::new(python).args(["-c", PSUTIL, &pid]).output().unwrap();
    let text = String::from_utf8(psutil.stdout).unwrap();
    let truth: Vec<f64> = text.split_whitespace().map(|w| w.parse().unwrap()).collect();
    let last = |name: &str| {
        let column = process["samples"][name].as_array().unwrap();
        number(column.iter().rfind(|v| !v.is_null()).unwrap())
    };
    let same = [
        (last("rss_bytes"), truth[0], 0.0),
        (last("virtual_bytes"), truth[1], 0.0),
        (number(&process["derived"]["memory"]["uss_bytes"]), truth[2], 1.2e7),
        (number(&process["derived"]["memory"]["pss_bytes"]), truth[3], 1.2e7),
        (last("swap_bytes"), truth[4], 0.0),
        (last("threads"), truth[5], 0.0),
        (last("fds"), truth[6], 0.0),
        (last("voluntary_switches"), truth[7], 3.0),
        (last("involuntary_switches"), truth[8], 3.0),
        (last("cpu_seconds"), truth[9], 0.02),
        (last("connections"), truth[10], 0.0),
        (number(&process["started_unix_seconds"]), truth[11], 1.1),
        (number(&process["ppid"]), truth[12], 0.0),
        (number(&process["uid"]), truth[13], 0.0),
    ];
    for (i, (m5, psutil, within)) in same.into_iter().enumerate() {
        assert!((m5 - psutil).abs() <= within, "figure {i}: m5 {m5}, psutil {psutil}");
    }
    let kinds = &process["derived"]["fds_by_kind"];
    assert_eq!((kinds["eventpoll"].as_u64(), kinds["socket"].as_u64()), (Some(1), Some(9)), "{kinds}");
    // The server's side names its clients without their changing ports.
    let peers = process["derived"]["connections_by_peer"].as_array().unwrap();
    let count = |state: &str, peer: &str| {
        peers
            .iter()
            .find(|g| g["state"] == state && g["peer"] == peer)
            .map_or(0, |g| g["count"].as_u64().unwrap())
    };
    assert_eq!(count("ESTABLISHED", "127.0.0.1:*"), 4, "{peers:?}");
    assert_eq!(count("ESTABLISHED", &format!("127.0.0.1:{port}")), 4, "{peers:?}");
    assert_eq!(count("LISTEN", ""), 1, "{peers:?}");
}

#[test]
fn a_stored_recording_says_the_same_for_ever() {
    let place = folder();
    let saved = file(place.path(), "b.json");
    let mut target = Target::start(pythons().last().unwrap(), COLLECTING);
    target.line();
    let pid = target.pid().to_string();
    let output = run(&["baseline", "-d", "1s", "--interval", "100ms", "--save", &saved, "--json", &pid]);
    let shown = one(&output);
    let stored: Value = serde_json::from_slice(&fs::read(&saved).unwrap()).unwrap();
    assert_eq!(stored["schema"], "m5.baseline/1");
    assert_eq!(stored["processes"][0], shown, "the file holds what was shown");
    let check = json(&run(&["check", &saved, "--json"]));
    for criterion in check["processes"][0]["criteria"].as_array().unwrap() {
        let name = &criterion["name"];
        let criteria = shown["criteria"].as_array().unwrap();
        let before = criteria.iter().find(|c| &c["name"] == name).unwrap();
        assert_eq!(before["value"], criterion["value"], "{name}");
    }
    // Growth cannot be told in a second: a check that lacks it does not pass.
    assert_eq!(check["passed"], false);
    let output = run(&["compare", &saved, &saved, "--json"]);
    let comparison = json(&output);
    assert_eq!((verdict(&output).0, &comparison["verdict"]), (0, &Value::from("pass")));
    for metric in comparison["metrics"].as_array().unwrap() {
        assert!(metric["old"] == metric["new"] || metric["name"] == "growth_bytes_per_second", "{metric}");
    }
    assert_eq!(
        number(&comparison["metrics"][0]["new"]),
        number(&shown["derived"]["memory"]["peak_rss_bytes"])
    );
}

#[test]
fn a_regression_is_found() {
    let place = folder();
    let record = |megabytes: u32, name: &str| {
        let program = format!("import sys; b = b'x' * ({megabytes} << 20); print('ready'); sys.stdin.read()");
        let mut target = Target::start(pythons().last().unwrap(), &program);
        target.line();
        let saved = file(place.path(), name);
        let output = run(&["baseline", "-d", "200ms", "--json", "--save", &saved, &target.pid().to_string()]);
        assert!(recorded(&output), "{output:?}");
        saved
    };
    let (small, large) = (record(1, "small.json"), record(30, "large.json"));
    let output = run(&["compare", &large, &small]);
    let (code, text) = (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned());
    assert!(code == Some(1) && text.contains("regression"), "{text}");
    assert_eq!(run(&["compare", &small, &large]).status.code(), Some(0));
    assert_eq!(run(&["compare", &large, &small, "--threshold", "10000"]).status.code(), Some(0));
}

#[test]
fn stopped_early_it_keeps_what_it_saw() {
    let place = folder();
    let saved = file(place.path(), "b.json");
    let mut target = Target::start(pythons().last().unwrap(), COLLECTING);
    target.line();
    let mut recording = m5()
        .args(["-v", "baseline", "-d", "1h", "--save", &saved, "--json", &target.pid().to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(recording.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("Recording"), "{line}");
    let interrupt = Command::new("kill").args(["-INT", &recording.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let output = recording.wait_with_output().unwrap();
    assert!(recorded(&output), "{output:?}");
    let document = json(&output);
    assert_eq!(document["recorded"]["end"], "interrupted");
    assert!(document["processes"][0]["samples"]["t_seconds"].as_array().unwrap().len() >= 2);
    assert!(fs::metadata(&saved).unwrap().len() > 1000);
    // The target goes on as if nothing had been.
    target.say("stop");
    assert_eq!(target.numbers::<u64>().len(), 3);
}

#[test]
fn a_target_that_ends_ends_the_recording() {
    let place = folder();
    let saved = file(place.path(), "b.json");
    let program = "import time; time.sleep(0.7); print('to standard error')";
    let mut command = m5();
    command.args(["baseline", "-d", "1h", "--interval", "50ms", "--save", &saved, "--json", "--"]);
    let python = pythons().into_iter().rfind(|p| !p.name.contains("chroot")).unwrap();
    command.arg(&python.name).args(["-I", "-c", program]);
    let output = command.output().unwrap();
    assert!(recorded(&output), "{output:?}");
    let document = json(&output);
    assert_eq!(document["recorded"]["end"], "target_exited", "{}", document["recorded"]);
    assert_eq!(document["processes"][0]["exited"], true);
    assert!(String::from_utf8_lossy(&output.stderr).contains("to standard error"));
    assert!(fs::metadata(&saved).unwrap().len() > 1000);
}

#[test]
fn children_are_followed() {
    const PARENT: &str = "
import subprocess, sys
print('ready')
sys.stdin.readline()
child = subprocess.Popen([sys.executable, '-I', '-c', 'import sys; b = bytearray(20 << 20); print(1, flush=True); sys.stdin.read()'],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.readline()
";
    let python = pythons().into_iter().rfind(|p| !p.name.contains("chroot")).unwrap();
    let mut target = Target::start(&python, PARENT);
    target.line();
    let mut recording = m5()
        .args([
            "-v",
            "baseline",
            "-s",
            "-d",
            "1h",
            "--interval",
            "100ms",
            "--json",
            &target.pid().to_string(),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(recording.stderr.take().unwrap()).read_line(&mut line).unwrap();
    target.say("fork");
    let child = target.line();
    // A recording of the child that has begun after the parent's is what the test waits for.
    let second = run(&["baseline", "-d", "500ms", "--json", &child]);
    assert_eq!(verdict(&second).0, 0);
    Command::new("kill").args(["-INT", &recording.id().to_string()]).status().unwrap();
    let document = json(&recording.wait_with_output().unwrap());
    let processes = document["processes"].as_array().unwrap();
    let found = processes.iter().find(|p| p["identity"]["pid"].as_i64() == child.parse().ok());
    let found = found.unwrap_or_else(|| panic!("{child} is not among {}", processes.len()));
    assert!(number(&found["derived"]["memory"]["rss"]["max"]) > 2e7 && found["ppid"] == target.pid());
    assert!(found["interpreter"]["version"].is_string(), "{found}");
}

/// Connects again and again; the other side hangs up each time, and nobody closes this one.
const RECONNECTING: &str = "
import select, socket, sys
server = socket.create_server(('127.0.0.1', 0))
print(server.getsockname()[1])
kept = []
while not select.select([sys.stdin], [], [], 0.02)[0]:
    kept.append(socket.create_connection(server.getsockname()))
    server.accept()[0].close()
print(len(kept))
";

#[test]
fn a_leak_of_connections_has_a_name() {
    let mut target = Target::start(pythons().last().unwrap(), RECONNECTING);
    let port = target.line();
    let output =
        run(&["baseline", "-d", "1500ms", "--interval", "50ms", "--json", &target.pid().to_string()]);
    target.say("stop");
    let made: f64 = target.numbers()[0];
    let process = one(&output);
    let leaks = process["derived"]["leak_detection"].as_array().unwrap();
    let leak = leaks.iter().find(|l| l["type"] == "connection_growth").unwrap_or_else(|| panic!("{leaks:?}"));
    assert_eq!((&leak["what"], &leak["severity"]), (&Value::from("CLOSE_WAIT"), &Value::from("high")));
    assert_eq!(leak["peer"], format!("127.0.0.1:{port}"));
    assert!(number(&leak["gained"]) >= 5.0 && number(&leak["gained"]) <= made, "{leak} {made}");
}

#[test]
fn list_finds_it_and_health_judges_it() {
    let target = {
        let mut target = Target::start(pythons().last().unwrap(), COLLECTING);
        target.line();
        target
    };
    let list = json(&run(&["list", "--json"]));
    let listed = list["processes"].as_array().unwrap().iter().find(|p| p["pid"] == target.pid()).unwrap();
    assert!(listed["python"].is_string() && listed["unread"].is_null(), "{listed}");
    let place = folder();
    let config = file(place.path(), "m5.toml");
    fs::write(
        &config,
        "[objectives]\nopen_fds = { low = 0 }\nconnections = { low = 0 }\nrss_peak_bytes = { pass = '2GB' }\n\
         gc_gen0_per_second = { pass = 1e6 }\ngc_gen1_per_second = { pass = 1e6 }\n\
         gc_gen2_per_second = { pass = 1e6 }\ngc_pause_p95_seconds = { pass = '10s' }\n",
    )
    .unwrap();
    let pid = target.pid().to_string();
    let output = run(&["health", "--json", "-d", "500ms", "--config", &config, &pid]);
    let health = json(&output);
    assert_eq!((verdict(&output).0, &health["healthy"]), (0, &Value::Bool(true)), "{health}");
    let growth =
        health["criteria"].as_array().unwrap().iter().find(|c| c["name"] == "growth_24h_ratio").unwrap();
    assert_eq!(growth["status"], "not_measured");
    fs::write(&config, "[objectives]\nrss_peak_bytes = { pass = '1MB', alert = '2MB' }\n").unwrap();
    let output = m5()
        .args(["health", "--lang", "zh", "-d", "200ms", "-p", &pid])
        .env("M5_CONFIG", &config)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.code() == Some(1) && text.contains("❌  RSS 峰值"), "{text}");
}
