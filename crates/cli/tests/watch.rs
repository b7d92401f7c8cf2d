//! The watchdog on a real process: evidence before action, nothing twice, nothing that kills unless allowed.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/watching.rs"]
mod watching;

use m5_testkit::{Target, pythons};
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
fn a_supervised_command_comes_back_and_mistakes_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("m5.toml"), "").unwrap();
    let python = pythons().into_iter().rfind(|p| p.name.starts_with('/')).unwrap();
    let program = "import sys; sys.stdin.close(); import time; time.sleep(600)";
    let watchdog = watch(dir, &["--act", "--", &python.name, "-c", program]);
    until(dir, |lines| lines.iter().any(|l| l["event"] == "start"));
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
