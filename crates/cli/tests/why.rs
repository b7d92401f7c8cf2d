//! `m5 why` of targets that are not as they should be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use m5_testkit::{Target, pythons};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use support::{json, m5, run, verdict};

const WAITS: &str = "import sys\nprint('ready', flush=True)\nsys.stdin.read()";

fn waits() -> Target {
    let python = pythons().into_iter().find(|p| p.root().is_none() && !p.musl).unwrap();
    let mut target = Target::start(&python, WAITS);
    assert_eq!(target.line(), "ready");
    target
}

#[test]
fn a_process_that_somebody_stopped_is_called_stopped() {
    let target = waits();
    let pid = target.pid().to_string();
    assert!(
        std::process::Command::new("kill").args(["-STOP", &pid]).status().unwrap().success(),
        "it is stopped"
    );
    let output = run(&["why", "-d", "1s", "-j", "-p", &pid]);
    let found = json(&output)["findings"].clone();
    assert_eq!(verdict(&output).0, 1, "{output:?}");
    let first = (found[0]["kind"].as_str(), found[0]["next"].as_str());
    assert_eq!(first, (Some("stopped"), Some(format!("kill -CONT {pid}").as_str())));
}

#[test]
fn of_one_that_ends_meanwhile_what_was_seen_is_told() {
    let target = waits();
    let pid = target.pid().to_string();
    let mut command = m5();
    command.args(["why", "-d", "60s", "-p", &pid]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut looking = command.spawn().unwrap();
    let mut notes = BufReader::new(looking.stderr.take().unwrap());
    let mut line = String::new();
    notes.read_line(&mut line).unwrap();
    assert!(line.starts_with("Looking"), "{line}");
    drop(target);
    let mut report = String::new();
    looking.stdout.take().unwrap().read_to_string(&mut report).unwrap();
    assert_eq!(looking.wait().unwrap().code(), Some(3), "{report}");
    let mut rest = String::new();
    notes.read_to_string(&mut rest).unwrap();
    // It may have ended before the first sample.
    assert!(report.contains("Not seen: the objects") || rest.contains("has ended"), "{report}{rest}");
}
