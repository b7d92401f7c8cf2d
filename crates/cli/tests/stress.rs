//! `m5 stress` on programs that tell an event time of their own, hundreds of times as fast as the wall's.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use assert_cmd::Command;
use m5_testkit::{Target, pythons};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// Keeps its event time in a file, an hour in about a second, and leaks what it is told to each minute.
fn program(clock: &Path, leak: &str) -> String {
    format!(
        "import os, time\n\
         fd = os.open({clock:?}, os.O_WRONLY | os.O_CREAT)\n\
         kept, minute = [], 0\n\
         print('ready', flush=True)\n\
         while True:\n\
         \x20   os.pwrite(fd, b'%020.6f\\n' % (minute * 60.0), 0)\n\
         \x20   minute += 1\n\
         \x20   {leak}\n\
         \x20   time.sleep(0.015)\n"
    )
}

fn start(dir: &Path, leak: &str) -> Target {
    // Not one in a chroot: it would not find the clock.
    let python = pythons().into_iter().rfind(|p| p.executable().is_some()).expect("an interpreter");
    let mut target = Target::start(&python, &program(&dir.join("clock"), leak));
    assert_eq!(target.line(), "ready");
    target
}

fn stress(dir: &Path, pid: i32, more: &[&str]) -> Command {
    let mut m5 = Command::new(env!("CARGO_BIN_EXE_m5"));
    m5.args(["stress", "--lang", "en", "--duration", "6h", "--json", "-p", &pid.to_string()]);
    m5.arg("--save").arg(dir.join("stress.json")).arg("--clock").arg(dir.join("clock")).args(more);
    m5.timeout(Duration::from_secs(120));
    m5
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn a_flat_process_passes_every_check() {
    let dir = tempfile::tempdir().unwrap();
    let target = start(dir.path(), "pass");
    let out = stress(dir.path(), target.pid(), &[]).output().unwrap();
    let report = json(&out.stdout);
    assert_eq!(report["end"], "complete", "{report:#}");
    assert!(report["checks"].as_array().unwrap().iter().all(|c| c["anomalies"] == Value::Array(vec![])));
    assert_eq!(out.status.code(), Some(0), "{report:#}");
    assert_eq!(json(&std::fs::read(dir.path().join("stress.json")).unwrap()), report);
}

#[test]
fn a_leak_ends_it_with_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let target = start(dir.path(), "kept.append(bytearray(b'x' * 200_000))");
    let out = stress(dir.path(), target.pid(), &[]).output().unwrap();
    let report = json(&out.stdout);
    assert_eq!(out.status.code(), Some(1), "{report:#}");
    let last = report["checks"].as_array().unwrap().last().unwrap();
    assert!(last["anomalies"].as_array().unwrap().contains(&Value::from("growth")), "{report:#}");
    let mut load = Command::new(env!("CARGO_BIN_EXE_m5"));
    let loaded =
        load.args(["snapshot", "--lang", "en", "--load", report["snapshot"].as_str().unwrap()]).output();
    let loaded = String::from_utf8_lossy(&loaded.unwrap().stdout).into_owned();
    assert!(loaded.contains("bytearray"), "{loaded}");
}

#[test]
fn an_interrupted_test_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let target = start(dir.path(), "pass");
    let mut first = std::process::Command::new(env!("CARGO_BIN_EXE_m5"));
    first.args(["stress", "--lang", "en", "--duration", "6h", "--json", "-p", &target.pid().to_string()]);
    first.arg("--save").arg(dir.path().join("stress.json")).arg("--clock").arg(dir.path().join("clock"));
    first.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = first.spawn().unwrap();
    // Its first check says that an hour is done.
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    let interrupt = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    let interrupted = child.wait_with_output().unwrap();
    assert_eq!(interrupted.status.code(), Some(6));
    let before = json(&interrupted.stdout);
    assert_eq!(before["end"], "interrupted");

    let other = stress(dir.path(), target.pid(), &["--hours-per-check", "2"]).output().unwrap();
    assert_eq!(other.status.code(), Some(2), "another plan does not go on with it");

    let out = stress(dir.path(), target.pid(), &[]).output().unwrap();
    let report = json(&out.stdout);
    assert_eq!(report["end"], "complete", "{report:#}");
    assert_eq!(report["segments"].as_array().unwrap().len(), 1, "the same process, one segment");
    assert_eq!(report["checks"][0], before["checks"][0]);
}

#[test]
fn a_target_that_ends_is_said_to_be_gone() {
    let dir = tempfile::tempdir().unwrap();
    let target = start(dir.path(), "if minute > 90: raise SystemExit");
    let out = stress(dir.path(), target.pid(), &[]).output().unwrap();
    assert_eq!(out.status.code(), Some(3));
    assert_eq!(json(&out.stdout)["end"], "target_exited");
}

#[test]
fn what_is_wrong_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let m5 = |args: &[&str]| {
        let mut m5 = Command::new(env!("CARGO_BIN_EXE_m5"));
        m5.arg("stress").args(args).args(["--save"]).arg(dir.path().join("s.json"));
        m5.current_dir(dir.path()).output().unwrap()
    };
    for (args, code, word) in [
        (&["--engine"][..], 2, "reference engine"),
        (&["--accelerate", "-p", "1"], 2, "--pid"),
        (&["--accelerate"], 2, "--engine"),
        (&["-p", "1", "--hours-per-check", "0"], 2, "above zero"),
        (&["-p", "2147483646"], 3, "2147483646"),
    ] {
        let out = m5(args);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(word), "{args:?}: {said}");
    }
    std::fs::write(dir.path().join("s.json"), "{\"schema\": \"m5.baseline/1\"}").unwrap();
    assert_eq!(m5(&["-p", "1"]).status.code(), Some(5));
}
