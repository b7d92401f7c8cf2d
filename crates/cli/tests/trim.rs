//! `m5 trim` as its user types it: memory that is free goes back, and the report says what happened.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;
#[path = "support/watching.rs"]
mod watching;

use m5_testkit::{Target, pythons};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::{json, run, verdict};
use watching::{Watch, outcomes, until};

/// Holds 70 MiB free between blocks that live, and checks those when asked.
const PROGRAM: &str = "
import sys, threading
def work():
    global keep
    keep = [b'x' * 9000 for i in range(8000)][::40]
thread = threading.Thread(target=work); thread.start(); thread.join()
print('ready', flush=True)
for line in sys.stdin:
    print('right' if all(k == b'x' * 9000 for k in keep) else 'wrong', flush=True)
";

fn start() -> Target {
    let python = pythons().into_iter().find(|p| p.minor() == (3, 12)).unwrap_or_else(|| pythons().remove(0));
    let mut target = Target::start(&python, PROGRAM);
    assert_eq!(target.line(), "ready");
    target
}

fn right(target: &mut Target) {
    target.say("?");
    assert_eq!(target.line(), "right");
}

#[test]
fn what_is_free_is_said_then_given_then_gone() {
    let mut target = start();
    let pid = target.pid().to_string();
    let dry = json(&run(&["trim", "-p", &pid, "--dry-run", "--json"]));
    let free = dry["free_bytes"].as_u64().unwrap();
    assert!(free > 32 << 20 && dry["ended"] == "looked" && dry["stops"] == 0, "{dry}");
    assert!(dry["rss_after_bytes"].is_null() && dry["later"].is_null(), "absent is not zero: {dry}");
    assert!(dry["pinned"]["types"].is_array() && dry["pinned"]["scattered_bytes"].is_u64(), "{dry}");

    let out = run(&["trim", "-p", &pid, "--max-pause", "2s", "--recheck", "100ms", "--json"]);
    let done = json(&out);
    assert_eq!((verdict(&out).0, &done["ended"]), (0, &"done".into()), "{done}");
    let went = done["rss_before_bytes"].as_u64().unwrap() - done["rss_after_bytes"].as_u64().unwrap();
    let given = done["given_bytes"].as_u64().unwrap();
    assert!(given.abs_diff(free) < 4 << 20 && went.abs_diff(given) < 4 << 20, "{done}");
    assert!(done["later"]["rss_bytes"].as_u64().unwrap() > 0);
    right(&mut target);

    let again = run(&["trim", "-p", &pid, "--recheck", "0"]);
    let text = String::from_utf8(again.stdout.clone()).unwrap();
    assert!(verdict(&again).0 == 0 && text.contains("not worth a stop"), "{text}");
}

#[test]
fn what_cannot_be_trimmed_is_an_error_that_says_why() {
    assert_eq!(verdict(&run(&["trim", "-p", "999999999"])).0, 3);
    assert_eq!(verdict(&run(&["trim", "-p", "1", "--max-pause", "soon"])).0, 2);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "echo ready; read line"]).env("MALLOC_PERTURB_", "7");
    let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Before that its C library may not be there yet.
    BufReader::new(shell.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
    let (code, said) = verdict(&run(&["trim", "-p", &shell.id().to_string()]));
    shell.kill().unwrap();
    shell.wait().unwrap();
    assert!(code == 5 && said.contains("MALLOC_PERTURB_"), "{code} {said}");
}

/// Where libraries of allocators lie; those that are there.
fn allocators() -> Vec<(&'static str, String)> {
    let places = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let files = [
        ("jemalloc", "libjemalloc.so.2"),
        ("mimalloc", "libmimalloc.so.2"),
        ("tcmalloc", "libtcmalloc_minimal.so.4"),
    ];
    let there = |(name, file): &(&'static str, &str)| {
        let paths = places.map(|place| format!("{place}/{file}"));
        Some((*name, paths.into_iter().find(|path| std::path::Path::new(path).exists())?))
    };
    files.iter().filter_map(there).collect()
}

fn start_under(library: &str, settings: &str) -> Target {
    let python = pythons().into_iter().rfind(|p| p.root().is_none()).unwrap();
    let mut command = python.command();
    let pairs = settings.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    command.args(["-u", "-c", PROGRAM]).env("LD_PRELOAD", library).envs(pairs);
    let mut target = Target::spawn(command);
    assert_eq!(target.line(), "ready");
    target
}

#[test]
fn of_another_allocator_it_says_what_is_free_and_the_setting_that_returns_it() {
    for (name, library) in allocators() {
        let mut target = start_under(&library, "");
        let pid = target.pid().to_string();
        let out = run(&["trim", "-p", &pid, "--dry-run", "--json"]);
        let said = json(&out);
        assert_eq!((verdict(&out).0, &said["others"][0]["name"]), (0, &name.into()), "{said}");
        let free = said["pinned"]["free_of_others"].as_u64().unwrap();
        // jemalloc gives back by and by, too.
        assert!(free > 16 << 20 || name == "jemalloc", "{said}");
        assert_eq!(verdict(&run(&["trim", "-p", &pid, "--recheck", "0"])).0, 0);
        right(&mut target);

        let mut returns = start_under(&library, said["others"][0]["setting"].as_str().unwrap());
        let process = m5_process::Process::open(returns.pid()).unwrap();
        let patience = Instant::now() + Duration::from_secs(60);
        while process.status().unwrap().rss_bytes.unwrap() > 48 << 20 {
            assert!(Instant::now() < patience, "{name} returns nothing: {said}");
            std::thread::sleep(Duration::from_millis(50));
        }
        right(&mut returns);
    }
}

#[test]
fn what_no_python_runs_in_is_looked_at_without_its_objects() {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "echo ready; read line"]);
    let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    BufReader::new(shell.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
    let out = run(&["trim", "-p", &shell.id().to_string(), "--dry-run", "--json"]);
    shell.kill().unwrap();
    shell.wait().unwrap();
    let said = json(&out);
    assert!(verdict(&out).0 == 0 && said["pinned"].is_null() && said["pinned_unknown"].is_string(), "{said}");
}

/// Where it answers; what else it says is read by nobody and stops nobody.
fn listens(watch: &mut Watch) -> String {
    let mut said = BufReader::new(watch.0.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("http://") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "it ended");
    }
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    line.split("http://").nth(1).unwrap().split('/').next().unwrap().trim().to_owned()
}

#[test]
fn the_watchdog_gives_back_before_it_restarts() {
    const CONFIG: &str = r#"
[[watch.rule]]
name = "high"
metric = "rss"
level = "50MB"
clear = "45MB"
cooldown = "1h"
actions = [{ signal = "TERM" }, "trim"]
"#;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    std::fs::write(dir.join("m5.toml"), CONFIG).unwrap();
    let mut target = start();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_m5"));
    // A stop may last here: the machine is busy with other tests.
    command.env("M5_MAX_PAUSE", "2s").current_dir(dir).stderr(Stdio::piped());
    command.args(["watch", "--interval", "100ms", "--journal", "journal.jsonl", "--config", "m5.toml"]);
    command.args(["--evidence", "evidence", "--act", "-p", &target.pid().to_string()]);
    command.args(["--lang", "en", "--listen", "127.0.0.1:0"]);
    let mut watch = Watch(command.spawn().unwrap());
    let address = listens(&mut watch);
    let lines = until(dir, |lines| outcomes(lines).len() == 2);
    let words: Vec<_> = outcomes(&lines).iter().map(|(a, r)| format!("{a} {r}")).collect();
    assert_eq!(words, ["trim done", "signal trim_first"]);
    let detail = lines.iter().find_map(|l| l["outcome"]["detail"].as_str()).unwrap();
    assert!(detail.contains("MiB went back"), "{detail}");
    assert!(lines.iter().any(|l| l["event"] == "trim_first"));
    assert!(!lines.iter().any(|l| l["event"] == "restart"), "nothing was counted");
    let given = lines.iter().find_map(|l| l["outcome"]["given_bytes"].as_u64()).unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        // It is published with the next round.
        let text = support::get(&address, "/metrics");
        let line = text.lines().find(|l| l.starts_with("m5_trimmed_bytes_total{"));
        if let Some(value) = line.and_then(|l| l.rsplit(' ').next()?.parse::<f64>().ok()) {
            assert_eq!(value, given as f64, "{text}");
            let done = |l: &&str| l.starts_with("m5_watch_actions_total{") && l.contains("action=\"trim\"");
            assert!(text.lines().find(done).unwrap().ends_with(" 1"), "{text}");
            support::checked_by_promtool(&text);
            break;
        }
        assert!(Instant::now() < patience, "{text}");
        std::thread::sleep(Duration::from_millis(20));
    }
    right(&mut target);
}

#[test]
fn who_has_ended_and_is_still_listed_has_nothing_to_give_back() {
    let mut target = start();
    let pid = target.pid().to_string();
    target.child().kill().unwrap();
    let ended = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('Z')
    };
    while !ended() {
        std::thread::yield_now();
    }
    for more in [&[][..], &["--dry-run"]] {
        let output = run(&[&["trim", "--lang", "en", "-p", &pid], more].concat());
        assert_eq!(output.status.code(), Some(3), "{output:?}");
    }
}
