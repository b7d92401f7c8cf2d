//! The watchdog on a real process: evidence before action, nothing twice, nothing that kills unless allowed.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/watching.rs"]
mod watching;

use m5_testkit::{Target, pythons};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use watching::{PROGRAM, outcomes, until, watch};

const CONFIG: &str = r#"
[[watch.rule]]
name = "ballast"
metric = "rss"
level = "60MB"
clear = "50MB"
cooldown = "1h"
actions = [{ signal = "TERM" }, { command = ["sh", "-c", "cat > seen.json"] }, "snapshot"]
"#;

#[test]
fn evidence_first_nothing_twice_and_kills_only_where_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("m5.toml"), CONFIG).unwrap();
    let python = pythons().into_iter().find(|p| p.minor() >= (3, 9)).unwrap();
    let mut target = Target::start(&python, PROGRAM);
    assert_eq!(target.line(), "ready");
    let pid = target.pid().to_string();

    let first = watch(dir, &["-p", &pid]);
    until(dir, |lines| lines.iter().any(|l| l["event"] == "start"));
    target.say("100");
    assert_eq!(target.line(), "held");
    let lines = until(dir, |lines| outcomes(lines).len() == 3);
    let words = ["snapshot done", "command done", "signal dry_run"];
    assert_eq!(outcomes(&lines).iter().map(|(a, r)| format!("{a} {r}")).collect::<Vec<_>>(), words);
    let snapshot = std::fs::read_dir(dir.join("evidence")).unwrap().next().unwrap().unwrap();
    assert!(snapshot.metadata().unwrap().len() > 10_000);
    assert!(std::fs::read_to_string(dir.join("seen.json")).unwrap().contains("\"rule\":\"ballast\""));
    assert!(target.child().try_wait().unwrap().is_none(), "a dry run leaves the target alone");
    drop(first);

    // A killed watchdog that comes back remembers: the level is still passed, and nothing is done again.
    let second = watch(dir, &["-p", &pid, "--act"]);
    until(dir, |lines| lines.iter().filter(|l| l["event"] == "start").count() == 2);
    target.say("1");
    assert_eq!(target.line(), "held");
    let lines = until(dir, |lines| lines.iter().any(|l| l["change"] == "cleared"));
    assert_eq!(outcomes(&lines).len(), 3, "nothing twice");
    drop(second);

    // With another rule name there is nothing to remember, and with --act the signal is sent.
    std::fs::write(dir.join("m5.toml"), CONFIG.replace("ballast", "again")).unwrap();
    let _third = watch(dir, &["-p", &pid, "--act"]);
    target.say("100");
    assert_eq!(target.line(), "held");
    let lines = until(dir, |lines| outcomes(lines).contains(&("signal".into(), "done".into())));
    assert_eq!(outcomes(&lines).len(), 6);
    target.child().wait().unwrap();
}

#[test]
fn old_evidence_makes_room_and_nothing_else_does() {
    const BOUNDED: &str = r#"
[watch]
keep_evidence = 2
[[watch.rule]]
name = "ballast"
metric = "rss"
level = "60MB"
clear = "50MB"
cooldown = "1ms"
actions = ["snapshot"]
"#;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    std::fs::write(dir.join("m5.toml"), BOUNDED).unwrap();
    let evidence = dir.join("evidence");
    std::fs::create_dir(&evidence).unwrap();
    let others = ["notes.txt", "python-1-ballast-1.m5snap"];
    others.iter().for_each(|name| std::fs::write(evidence.join(name), "kept").unwrap());
    let python = pythons().into_iter().find(|p| p.minor() >= (3, 9)).unwrap();
    let mut target = Target::start(&python, PROGRAM);
    assert_eq!(target.line(), "ready");
    let watchdog = watch(dir, &["-p", &target.pid().to_string()]);
    let mut incident = |number: usize, pruned: usize| {
        target.say("100");
        assert_eq!(target.line(), "held");
        let count = |lines: &[Value], word: &str| {
            outcomes(lines).iter().filter(|(action, result)| action == word && result == "done").count()
        };
        let lines = until(dir, |l| count(l, "snapshot") == number && count(l, "prune") == pruned);
        target.say("1");
        assert_eq!(target.line(), "held");
        until(dir, |lines| lines.iter().filter(|l| l["change"] == "cleared").count() == number);
        lines
    };
    let files = |lines: &[Value], word: &str| -> Vec<PathBuf> {
        let about = lines.iter().filter(|l| l["outcome"]["action"] == word);
        about.map(|l| PathBuf::from(l["outcome"]["detail"].as_str().unwrap())).collect()
    };
    until(dir, |lines| lines.iter().any(|l| l["event"] == "start"));
    for number in 1..=4 {
        let lines = incident(number, number.saturating_sub(2));
        let (written, gone) = (files(&lines, "snapshot"), files(&lines, "prune"));
        assert_eq!(gone, written[..number.saturating_sub(2)], "the oldest go");
        assert!(written[number.saturating_sub(2)..].iter().all(|f| f.exists()));
        assert!(gone.iter().all(|f| !f.exists()));
    }
    // One that is larger than all that may be kept stays nevertheless: it is the one that matters now.
    let small = BOUNDED.replace("keep_evidence = 2", "evidence_size = \"1KB\"");
    std::fs::write(dir.join("m5.toml"), small).unwrap();
    assert!(Command::new("kill").args(["-HUP", &watchdog.0.id().to_string()]).status().unwrap().success());
    until(dir, |lines| lines.iter().any(|l| l["event"] == "reload"));
    let lines = incident(5, 4);
    let mut left: Vec<PathBuf> = std::fs::read_dir(&evidence).unwrap().map(|e| e.unwrap().path()).collect();
    left.sort();
    let mut expected: Vec<PathBuf> = others.iter().map(|name| evidence.join(name)).collect();
    expected.extend(files(&lines, "snapshot").pop());
    expected.sort();
    assert_eq!(left, expected);
    let name = expected.iter().find_map(|f| f.file_name()?.to_str().filter(|n| n.contains('@'))).unwrap();
    assert!(name.starts_with(&format!("python@0-{}-ballast-", target.pid())), "{name}");
}

#[test]
fn a_supervised_command_comes_back_and_mistakes_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("m5.toml"), "[watch]\nkeep_evidence = 3\n").unwrap();
    let python = pythons().into_iter().rfind(|p| p.name.starts_with('/')).unwrap();
    // It ends with the watchdog that is killed at the end.
    let program = "import os, sys, time; sys.stdin.close(); parent = os.getppid()
while os.getppid() == parent: time.sleep(0.2)";
    let watchdog = watch(dir, &["--act", "--", &python.name, "-c", program]);
    let lines = until(dir, |lines| lines.iter().any(|l| l["event"] == "start"));
    assert_eq!(lines[0]["rules"], serde_json::json!(["limit-near"]), "no rules of its own");
    let child = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", watchdog.0.id())).unwrap();
    assert!(Command::new("kill").args(["-9", child.trim()]).status().unwrap().success());
    let lines = until(dir, |lines| lines.iter().any(|l| l["event"] == "started"));
    assert!(lines.iter().any(|l| l["event"] == "ended"));

    std::fs::write(dir.join("m5.toml"), "[[watch.rule]]\nname = \"x\"\nmetric = \"rsss\"\n").unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_m5"))
        .args(["watch", "-p", "1", "--config"])
        .arg(dir.join("m5.toml"))
        .output()
        .unwrap();
    let text = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.code() == Some(2) && text.contains("line 3"), "{text}");
}
