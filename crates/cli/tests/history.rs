//! The history end to end: an exporter that is killed, the recording that comes back, disks that are full.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use m5_testkit::{Target, pythons};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{clean, file, folder, json, m5, recorded, root, run, verdict};

const PROGRAM: &str = "
import gc, time
print('ready', flush=True)
kept = []
while True:
    kept.append([[i] for i in range(20_000)])
    if len(kept) > 4:
        kept.clear()
        gc.collect()
    time.sleep(0.02)
";

fn target() -> Target {
    let python = pythons().into_iter().next_back().unwrap();
    let mut target = Target::start(&python, PROGRAM);
    assert_eq!(target.line(), "ready");
    target
}

/// An exporter that keeps a history, and where it listens.
fn serve(mut command: Command, pid: i32, history: &Path) -> (Child, String) {
    command.args(["serve", "--lang", "en", "--listen", "127.0.0.1:0", "--interval", "50ms"]);
    command.args(["-p", &pid.to_string(), "--history"]).arg(history);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap_or_else(|| panic!("{line}"));
    (child, address.split('/').next().unwrap().to_owned())
}

fn metric(address: &str, name: &str) -> Option<f64> {
    let text = support::get(address, "/metrics");
    text.lines().find(|l| l.starts_with(name))?.rsplit(' ').next()?.parse().ok()
}

fn until(what: &str, ready: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !ready() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn samples(history: &str) -> usize {
    let output = run(&["baseline", "--from-history", history, "--json"]);
    if !output.status.success() {
        return 0;
    }
    json(&output)["processes"][0]["samples"]["t_seconds"].as_array().unwrap().len()
}

#[test]
fn what_a_killed_exporter_kept_comes_back_as_a_baseline() {
    let target = target();
    let folder = folder();
    let history = file(folder.path(), "history.db");
    for run in 1..=2 {
        let (mut child, address) = serve(m5(), target.pid(), Path::new(&history));
        let before = samples(&history);
        until("it keeps samples", || samples(&history) >= before + 20);
        assert_eq!(metric(&address, "m5_history_errors_total"), Some(0.0), "run {run}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(fs::metadata(&history).unwrap().permissions().mode() & 0o777, 0o600);
    let saved = file(folder.path(), "saved.json");
    let pid = target.pid().to_string();
    let output = run(&[
        "baseline",
        "--from-history",
        &history,
        "-p",
        &pid,
        "--since",
        "1h",
        "--save",
        &saved,
        "--json",
    ]);
    assert!(recorded(&output), "{output:?}");
    let document: Value = json(&output);
    let process = &document["processes"][0];
    assert_eq!(document["schema"], "m5.baseline/1");
    assert_eq!(process["identity"]["pid"], target.pid());
    let rss = process["derived"]["memory"]["rss"]["last"].as_f64().unwrap();
    assert!(rss > 5e6 && process["samples"]["rss_bytes"].as_array().unwrap().len() >= 40, "{rss}");
    assert!(process["derived"]["gc"]["generations"][2]["collections"].as_u64().unwrap() > 0);
    assert_eq!(document["recorded"]["rounds_taken"].as_u64().unwrap(), samples(&history) as u64);
    // What was saved is an ordinary recording, and text says the same.
    assert!(run(&["compare", &saved, &saved, "--lang", "en"]).status.success());
    let text =
        String::from_utf8(run(&["baseline", "--from-history", &history, "--lang", "en"]).stdout).unwrap();
    assert!(text.contains(&format!("Baseline of PID {pid}")) && text.contains("Memory"), "{text}");
}

#[test]
fn wrong_files_and_empty_answers_say_what_to_do() {
    let folder = folder();
    let text = file(folder.path(), "text");
    fs::write(&text, "no history").unwrap();
    let (code, said) = verdict(&run(&["baseline", "--from-history", &text, "--lang", "en"]));
    assert!(code == 5 && said.contains("no history of m5") && said.contains("what to do"), "{said}");
    let (code, said) =
        verdict(&run(&["serve", "--history", &text, "--listen", "127.0.0.1:0", "--lang", "en"]));
    assert!(code == 5 && said.contains("not touched"), "{said}");
    assert_eq!(fs::read_to_string(&text).unwrap(), "no history");
    let (code, _) = verdict(&run(&["baseline", "--name", "x"]));
    assert_eq!(code, 2);
    let target = target();
    let history = file(folder.path(), "h.db");
    let (mut child, _) = serve(m5(), target.pid(), Path::new(&history));
    until("it keeps samples", || samples(&history) >= 2);
    let (code, said) =
        verdict(&run(&["serve", "--history", &history, "--listen", "127.0.0.1:0", "--lang", "en"]));
    assert!(code == 2 && said.contains("another m5 writes"), "{said}");
    let (code, said) =
        verdict(&run(&["baseline", "--from-history", &history, "--name", "nobody*", "--lang", "zh"]));
    assert!(code == 6 && said.contains("没有符合条件的样本"), "{said}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_full_disk_does_not_stop_the_exporter() {
    if !root() {
        println!("not root: no file system of its own for this test");
        return;
    }
    let target = target();
    let folder = folder();
    // A file system of 200 kB in a mount namespace of its own; the folder outside stays as it was.
    let mut command = clean(Command::new("unshare"));
    let script = "mount -t tmpfs -o size=200k m5 \"$1\" && shift && exec \"$@\"";
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(folder.path()).arg(env!("CARGO_BIN_EXE_m5"));
    let (mut child, address) = serve(command, target.pid(), &folder.path().join("h.db"));
    until("the disk is full", || metric(&address, "m5_history_errors_total") > Some(0.0));
    let lost = metric(&address, "m5_history_samples_lost_total");
    until("it goes on, and counts", || metric(&address, "m5_history_samples_lost_total") > lost);
    assert!(metric(&address, "process_memory_rss_bytes") > Some(5e6));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_watchdog_keeps_a_history_too() {
    let target = target();
    let folder = folder();
    let (history, journal) = (file(folder.path(), "w.db"), file(folder.path(), "journal"));
    let pid = target.pid().to_string();
    let words = ["watch", "-p", &pid, "--interval", "50ms", "--journal", &journal, "--history", &history];
    let mut child = m5().args(words).current_dir(folder.path()).stderr(Stdio::null()).spawn().unwrap();
    until("it keeps samples", || samples(&history) >= 5);
    child.kill().unwrap();
    child.wait().unwrap();
}
