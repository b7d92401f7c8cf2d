//! A watchdog that may restart never restarts for ever: cooldown and count are the service's, and a level below what
//! the program starts with is told.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/watching.rs"]
mod watching;

use m5_testkit::{Python, pythons};
use std::path::Path;
use std::process::{Command, Stdio};
use watching::{Watch, outcomes, until};

fn python() -> Python {
    pythons().into_iter().rfind(|p| p.name.starts_with('/')).unwrap()
}

/// The watchdog over a command that it starts; what it says comes back at its end.
fn supervise(dir: &Path, program: &str) -> Watch {
    let mut command = Command::new(env!("CARGO_BIN_EXE_m5"));
    command.args(["watch", "--lang", "en", "--act", "--interval", "100ms", "--journal"]);
    command.arg(dir.join("journal.jsonl")).arg("--config").arg(dir.join("m5.toml"));
    command.args(["--", &python().name, "-c", program]).current_dir(dir);
    Watch(command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

fn end(mut watchdog: Watch) -> (Option<i32>, String) {
    let pid = watchdog.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let mut told = String::new();
    std::io::Read::read_to_string(&mut watchdog.0.stderr.take().unwrap(), &mut told).unwrap();
    (watchdog.0.wait().unwrap().code(), told)
}

#[test]
fn a_level_below_the_start_is_told_and_restarts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let rule = "[[watch.rule]]\nname = \"low\"\nmetric = \"rss\"\nlevel = \"1MB\"\ncooldown = \"1ms\"\n\
                actions = [\"restart\"]\n";
    std::fs::write(dir.join("m5.toml"), rule).unwrap();
    let watchdog = supervise(dir, "import time; time.sleep(600)");
    let lines = until(dir, |lines| !outcomes(lines).is_empty());
    assert_eq!(outcomes(&lines), [("restart".to_owned(), "level_below_start".to_owned())]);
    assert!(lines.iter().any(|l| l["event"] == "level_below_start" && l["value"].as_f64().unwrap() > 1e6));
    let (code, told) = end(watchdog);
    assert!(told.contains("lies below what") && told.contains("raise the level"), "{told}");
    assert_eq!(code, Some(1));
}

#[test]
fn restarts_are_counted_by_service_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let rule = "[watch]\nmax_restarts = 2\n[[watch.rule]]\nname = \"fds\"\nmetric = \"fds\"\nlevel = 40\n\
                cooldown = \"1ms\"\nactions = [\"restart\"]\n";
    std::fs::write(dir.join("m5.toml"), rule).unwrap();
    // Six seconds after its start it is beyond the level: it leaks, it does not need that to start.
    let program =
        "import time; time.sleep(6); held = [open('/dev/null') for _ in range(60)]; time.sleep(600)";
    let watchdog = supervise(dir, program);
    let lines = until(dir, |lines| lines.iter().any(|l| l["event"] == "gave_up" && l["rule"] == "fds"));
    let counted: Vec<u64> =
        lines.iter().filter(|l| l["event"] == "restart").map(|l| l["restarts"].as_u64().unwrap()).collect();
    assert_eq!(counted, [1, 2], "{lines:#?}");
    let lines = until(dir, |lines| outcomes(lines).len() == 3);
    let results: Vec<String> = outcomes(&lines).into_iter().map(|(_, result)| result).collect();
    assert_eq!(results, ["done", "done", "gave_up"]);
    let pids: std::collections::BTreeSet<i64> =
        lines.iter().filter(|l| l["change"] == "fired").filter_map(|l| l["pid"].as_i64()).collect();
    assert_eq!(pids.len(), 3, "each restart is another process");
    let (code, told) = end(watchdog);
    assert!(told.contains("gave up on") && told.contains("2 restarts"), "{told}");
    assert_eq!(code, Some(1));

    // Another watchdog counts on, also where the journal was rotated away meanwhile.
    std::fs::rename(dir.join("journal.jsonl"), dir.join("journal.1")).unwrap();
    let watchdog = supervise(dir, program);
    let lines = until(dir, |lines| lines.iter().any(|l| l["event"] == "gave_up"));
    assert_eq!(lines.iter().filter(|l| l["event"] == "restart").count(), 0);
    drop(end(watchdog));
}

#[test]
fn a_restart_does_not_end_the_cooldown() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let rule = "[[watch.rule]]\nname = \"fds\"\nmetric = \"fds\"\nlevel = 40\ncooldown = \"1h\"\n\
                actions = [\"restart\"]\n[[watch.rule]]\nname = \"seen\"\nmetric = \"fds\"\nlevel = 100\n\
                cooldown = \"1ms\"\nactions = []\n";
    std::fs::write(dir.join("m5.toml"), rule).unwrap();
    let program = "import time; time.sleep(6); held = [open('/dev/null') for _ in range(60)]; time.sleep(1)
held += [open('/dev/null') for _ in range(60)]; time.sleep(600)";
    let watchdog = supervise(dir, program);
    // The successor is beyond both levels; only the rule without a cooldown says so.
    let lines = until(dir, |lines| {
        let restarted = lines.iter().position(|l| l["event"] == "started");
        restarted.is_some_and(|at| lines[at..].iter().any(|l| l["rule"] == "seen" && l["change"] == "fired"))
    });
    let fired = lines.iter().filter(|l| l["rule"] == "fds" && l["change"] == "fired").count();
    assert_eq!(fired, 1, "{lines:#?}");
    drop(end(watchdog));
}
