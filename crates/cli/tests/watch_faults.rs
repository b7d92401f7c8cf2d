//! What goes wrong around a watchdog: it is killed while it acts, its actions are slow, the process is stopped,
//! the disk is full.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/watching.rs"]
mod watching;

use m5_testkit::{Target, pythons};
use std::path::Path;
use std::process::{Command, Stdio};
use watching::{PROGRAM, Watch, outcomes, until, watch};

/// The first rule's command ends only when somebody writes into the pipe `go`.
const SLOW: &str = r#"
[[watch.rule]]
name = "slow"
metric = "rss"
level = "60MB"
cooldown = "1h"
actions = [{ command = ["sh", "-c", "echo $$ > acting; read line < go"] }]

[[watch.rule]]
name = "later"
metric = "rss"
level = "160MB"
cooldown = "1h"
actions = []
"#;

fn target(dir: &Path, config: &str) -> Target {
    std::fs::write(dir.join("m5.toml"), config).unwrap();
    let python = pythons().into_iter().find(|p| p.minor() >= (3, 9)).unwrap();
    let mut target = Target::start(&python, PROGRAM);
    assert_eq!(target.line(), "ready");
    target
}

fn hold(target: &mut Target, mib: u32) {
    target.say(&mib.to_string());
    assert_eq!(target.line(), "held");
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn state(pid: i32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1[..1].to_owned()
}

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

#[test]
fn a_slow_action_delays_no_look_and_a_kill_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let mut target = target(dir, SLOW);
    pipe(&dir.join("go"));
    let pid = target.pid().to_string();
    let mut first = watch(dir, &["-p", &pid]);
    until(dir, |lines| lines.iter().any(|l| l["event"] == "start"));
    hold(&mut target, 100);
    until(dir, |lines| lines.iter().any(|l| l["rule"] == "slow" && l["change"] == "fired"));
    hold(&mut target, 200);
    let lines = until(dir, |lines| lines.iter().any(|l| l["rule"] == "later" && l["change"] == "fired"));
    assert!(outcomes(&lines).is_empty(), "the command still waits");

    // Killed in the middle of the action: the command goes on, the target too, and nothing begins again.
    while !dir.join("acting").exists() {
        std::thread::yield_now();
    }
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    assert!(matches!(state(target.pid()).as_str(), "S" | "R"));
    let command: u32 = std::fs::read_to_string(dir.join("acting")).unwrap().trim().parse().unwrap();
    std::fs::remove_file(dir.join("acting")).unwrap();
    let second = watch(dir, &["-p", &pid]);
    until(dir, |lines| lines.iter().filter(|l| l["event"] == "start").count() == 2);
    // A look that surely came after the restart: the level is passed anew for a rule that was not there before.
    std::fs::write(dir.join("m5.toml"), SLOW.replace("later", "latest")).unwrap();
    signal(second.0.id(), "HUP");
    let lines = until(dir, |lines| lines.iter().any(|l| l["rule"] == "latest"));
    let fired = |l: &&serde_json::Value| l["rule"] == "slow" && l["change"] == "fired";
    assert_eq!(lines.iter().filter(fired).count(), 1, "{lines:#?}");
    assert!(!dir.join("acting").exists());
    signal(command, "KILL");
}

#[test]
fn a_watchdog_that_ends_lets_its_action_end() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let mut target = target(dir, SLOW);
    pipe(&dir.join("go"));
    let mut watchdog = watch(dir, &["-p", &target.pid().to_string()]);
    until(dir, |lines| lines.iter().any(|l| l["event"] == "start"));
    hold(&mut target, 100);
    until(dir, |lines| lines.iter().any(|l| l["rule"] == "slow" && l["change"] == "fired"));
    // Opening the pipe waits for the command to read from it.
    let mut go = std::fs::OpenOptions::new().write(true).open(dir.join("go")).unwrap();
    signal(watchdog.0.id(), "TERM");
    std::io::Write::write_all(&mut go, b"now\n").unwrap();
    assert!(watchdog.0.wait().unwrap().success());
    let lines = until(dir, |lines| !outcomes(lines).is_empty());
    assert_eq!(outcomes(&lines), [("command".to_owned(), "done".to_owned())]);
}

#[test]
fn a_stopped_target_stays_stopped_and_goes_on_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let config =
        SLOW.replace("{ command = [\"sh\", \"-c\", \"echo $$ > acting; read line < go\"] }", "\"snapshot\"");
    let mut target = target(dir, &config);
    hold(&mut target, 100);
    signal(target.pid().cast_unsigned(), "STOP");
    while state(target.pid()) != "T" {
        std::thread::yield_now();
    }
    let _watchdog = watch(dir, &["-p", &target.pid().to_string()]);
    let lines = until(dir, |lines| !outcomes(lines).is_empty());
    println!("{:?}", outcomes(&lines));
    assert_eq!(state(target.pid()), "T");
    signal(target.pid().cast_unsigned(), "CONT");
    hold(&mut target, 1);
}

#[test]
fn a_full_disk_costs_the_journal_and_not_the_watch() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let config = SLOW.replace("echo $$ > acting; read line < go", "cat > event.json");
    let mut target = target(dir, &config);
    hold(&mut target, 100);
    let mut command = Command::new(env!("CARGO_BIN_EXE_m5"));
    command.args(["watch", "--lang", "en", "--interval", "100ms", "--journal", "/dev/full", "-p"]);
    command.arg(target.pid().to_string()).arg("--config").arg(dir.join("m5.toml"));
    let mut watchdog = Watch(command.current_dir(dir).stderr(Stdio::piped()).spawn().unwrap());
    while !dir.join("event.json").exists() {
        assert!(watchdog.0.try_wait().unwrap().is_none(), "a full disk does not end it");
        std::thread::yield_now();
    }
    signal(watchdog.0.id(), "TERM");
    assert!(watchdog.0.wait().unwrap().success());
    let mut told = String::new();
    std::io::Read::read_to_string(&mut watchdog.0.stderr.take().unwrap(), &mut told).unwrap();
    assert!(told.contains("lines of the journal could not be written"), "{told}");
}
