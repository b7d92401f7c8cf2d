//! `--spool`: m5's large buffers lie in a file without a name. What is said is the same; nothing is left, however m5
//! ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use m5_testkit::{Target, pythons};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::{json, m5, run};

const PROGRAM: &str = "
import sys
class Row:
    def __init__(self, i): self.number, self.text, self.more = i, str(i) * 3, [i]
rows = [Row(i) for i in range(120000)]
print('ready', flush=True)
sys.stdin.readline()
print('alive', flush=True)
";

fn target() -> Target {
    let python = pythons().into_iter().rfind(|p| p.name.starts_with('/')).unwrap();
    let mut target = Target::start(&python, PROGRAM);
    assert_eq!(target.line(), "ready");
    target
}

/// A folder on a disk; none where even the build lies in memory.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn the_same_is_said_and_nothing_is_left() {
    let (target, folder) = (target(), folder());
    let pid = target.pid().to_string();
    let path = folder.path().to_str().unwrap();
    let take = |more: &[&str]| {
        let mut words = vec!["snapshot", "--json", "--method", "fork", "--max-pause", "10s", "-p", &pid];
        words.extend(more);
        let output = run(&words);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        json(&output)
    };
    let (plain, spooled) = (take(&[]), take(&["--spool", path]));
    assert!(plain["heap"]["objects"].as_u64().unwrap() > 300_000);
    // Names are hashed anew by each run.
    let figures = |document: &serde_json::Value| -> Vec<String> {
        let types = document["heap"]["types"].as_array().unwrap().iter();
        types
            .map(|t| format!("{} {} {} {}", t["type_name"], t["count"], t["bytes"], t["retained_bytes"]))
            .collect()
    };
    assert_eq!(plain["heap"]["objects"], spooled["heap"]["objects"]);
    assert_eq!(figures(&plain), figures(&spooled));
    assert_eq!(entries(folder.path()), 0);
}

#[test]
fn a_killed_m5_leaves_nothing() {
    let (mut target, folder) = (target(), folder());
    let (pid, path) = (target.pid().to_string(), folder.path().to_str().unwrap());
    for _ in 0..3 {
        let mut words = vec!["snapshot", "--json", "--method", "fork", "--max-pause", "10s", "-p", &pid];
        words.extend(["--spool", path]);
        let mut child = m5().args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let maps = format!("/proc/{}/maps", child.id());
        let until = Instant::now() + Duration::from_secs(60);
        // A buffer of its lies in the folder; it may be done before that is seen.
        let used = || fs::read_to_string(&maps).is_ok_and(|maps| maps.contains(path));
        while !used() && child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "no buffer lies in the folder");
        }
        assert_eq!(entries(folder.path()), 0, "it has a name");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(entries(folder.path()), 0);
    }
    target.say("?");
    assert_eq!(target.line(), "alive");
}

#[test]
fn a_folder_that_does_not_do_is_refused() {
    let target = target();
    let pid = target.pid().to_string();
    for (folder, word) in [("/nowhere/at/all", "cannot be made"), ("/dev/shm", "in memory")] {
        if folder == "/dev/shm" && !Path::new(folder).is_dir() {
            continue;
        }
        let output = run(&["snapshot", "--lang", "en", "-p", &pid, "--spool", folder]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(folder) && error.contains(word) && error.contains("--spool"), "{error}");
    }
}
