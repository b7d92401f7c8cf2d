//! Builds without the GIL, by the program that users start: settings, freezing, stacks of long pauses, trials, and every
//! way to the heap, with eight threads that allocate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use m5_testkit::{Python, Target, free_threaded_pythons, write_core};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use support::{folder, json, m5, verdict};

/// Eight threads allocate, one collects; the main thread wakes often, and answers lines.
const PROGRAM: &str = "
import gc, queue, sys, threading
gc.set_threshold(701, 11, 13)
class Kept: pass
class Node: pass
kept = [Kept() for _ in range(20000)]
for i, k in enumerate(kept): k.number, k.text = i, ['text %d' % i]
wait, lines = threading.Event(), queue.Queue()
def work():
    while True:
        for _ in range(100):
            n = Node(); n.me = n
        wait.wait(0.005)
def collects_often():
    while True:
        gc.collect()
        wait.wait(0.01)
def read():
    for line in sys.stdin: lines.put(line)
for what in [work] * 8 + [collects_often, read]: threading.Thread(target=what, daemon=True).start()
print('ready', flush=True)
while True:
    try: lines.get(timeout=0.01)
    except queue.Empty: continue
    print(*gc.get_threshold(), gc.get_freeze_count(), flush=True)
";

struct Live {
    name: String,
    python: Python,
    target: Target,
    pid: String,
    state: tempfile::TempDir,
}

/// One of each version; musl is the same here.
fn each() -> impl Iterator<Item = Live> {
    free_threaded_pythons().into_iter().filter(|p| !p.musl).map(|python| {
        let mut command = python.command();
        command.args(["-I", "-u", "-c", PROGRAM]);
        let mut target = Target::spawn(command);
        assert_eq!(target.line(), "ready");
        let pid = target.pid().to_string();
        Live { name: python.name.clone(), python, target, pid, state: folder() }
    })
}

impl Live {
    fn m5(&self, command: &str, args: &[&str]) -> Output {
        let mut run = m5();
        run.env("XDG_STATE_HOME", self.state.path()).args([command, "-p", &self.pid]).args(args);
        run.output().unwrap()
    }

    /// Thresholds, and how many objects are frozen.
    fn settings(&mut self) -> Vec<u64> {
        self.target.say("");
        self.target.numbers()
    }
}

#[test]
fn settings_are_set_obeyed_and_put_back() {
    for mut live in each() {
        let (code, said) = verdict(&live.m5("gc", &["--set", "50000,20,100"]));
        assert!(code == 0 && said.contains("(were (701, 11, 13))"), "{}: {said}", live.name);
        assert_eq!(live.settings()[..2], [50_000, 20], "{}", live.name);
        let shown = json(&live.m5("gc", &["--show", "--json"]));
        assert_eq!(shown["changed_by_m5"][0]["before"]["thresholds"][0], 701, "{}", live.name);
        assert_eq!(live.m5("gc", &["--undo"]).status.code(), Some(0), "{}", live.name);
        assert_eq!(live.settings()[..2], [701, 11], "{}", live.name);
    }
}

#[test]
fn freezing_works_from_314_on_and_is_taken_back() {
    for mut live in each() {
        let frozen = live.m5("gc", &["--freeze"]);
        let (code, said) = verdict(&frozen);
        if live.python.minor() < (3, 14) {
            assert!(code == 5 && said.contains("3.14") && said.contains("m5mem"), "{}: {said}", live.name);
            continue;
        }
        assert_eq!(code, 0, "{}: {said}", live.name);
        assert!(live.settings()[3] > 20_000, "{}", live.name);
        let (code, said) = verdict(&live.m5("gc", &["--undo"]));
        assert_eq!((code, live.settings()[3]), (0, 0), "{}: {said}", live.name);
    }
}

#[test]
fn long_pauses_name_who_collected_and_what_others_paid() {
    for live in each() {
        let args = ["-d", "1500ms", "--max-overhead", "100%", "--stacks", "1ms", "--json"];
        let stacks = |report: &Value| -> Vec<String> {
            let all = report["long_pauses"]["longest"].as_array().cloned().unwrap_or_default();
            all.iter().filter_map(|p| p["stack"][0]["function"].as_str().map(str::to_owned)).collect()
        };
        // A stack is read while the pause lasts: a busy machine may give m5 no processor then.
        let report = (0..5).map(|_| json(&live.m5("gc", &args))).find(|r| !stacks(r).is_empty());
        let report = report.unwrap_or_else(|| panic!("{}: no stack of any long pause", live.name));
        // Others collect too, where they allocate.
        let right = |f: &String| f.ends_with("collects_often") || f.ends_with("work");
        assert!(stacks(&report).iter().all(right), "{}: {:?}", live.name, stacks(&report));
        println!("{}: {} stacks", live.name, stacks(&report).len());
    }
}

#[test]
fn a_trial_that_is_interrupted_leaves_the_settings_as_they_were() {
    for mut live in each() {
        let mut command = m5();
        command.env("XDG_STATE_HOME", live.state.path());
        command.args(["gc", "--optimize", "-d", "3s", "-p", &live.pid]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|l| l.starts_with("Measuring for")), "{}: a trial begins", live.name);
        let rest = std::thread::spawn(move || lines.for_each(drop));
        let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let code = child.wait().unwrap().code();
        rest.join().unwrap();
        assert!(matches!(code, Some(1 | 6)), "{}: {code:?}", live.name);
        assert_eq!(live.settings()[..2], [701, 11], "{}", live.name);
    }
}

/// Objects of the class that stands still, by the report.
fn kept(report: &Value) -> Option<u64> {
    let types = report["heap"]["types"].as_array()?;
    types.iter().find(|t| t["type_name"] == "__main__.Kept").and_then(|t| t["count"].as_u64())
}

#[test]
fn every_way_to_the_heap_finds_what_stands_still() {
    for live in each() {
        for method in ["fork", "freeze", "live"] {
            // A target that never rests may not stand still within what a freeze may take.
            let args = ["--method", method, "--max-pause", "5s", "--json"];
            let out = live.m5("snapshot", &args);
            let report = json(&out);
            assert_eq!(out.status.code(), Some(0), "{} by {method}: {out:?}", live.name);
            assert_eq!(kept(&report), Some(20_000), "{} by {method}", live.name);
        }
        let core = live.state.path().join("core");
        write_core(live.target.pid(), &core);
        let out = m5().arg("snapshot").arg("--core").arg(&core).arg("--json").output().unwrap();
        assert_eq!(out.status.code(), Some(0), "{}: {out:?}", live.name);
        assert_eq!(kept(&json(&out)), Some(20_000), "{} by core file", live.name);
        std::fs::remove_file(&core).unwrap();
    }
}

#[test]
fn lines_that_allocate_are_told_in_every_form() {
    for live in each() {
        let args = |format: &'static str| ["-d", "2s", "--max-overhead", "5%", "--format", format];
        // A machine that is busy may see no allocation in two seconds.
        let named = |report: &Value| {
            let sites = report["sites"].as_array().into_iter().flatten();
            sites.filter_map(|s| s["frame"]["function"].as_str()).any(|function| function.ends_with("work"))
        };
        let refused =
            |out: &Output| out.status.code() == Some(4) && std::env::var_os("M5_TEST_BPF").is_none();
        let mut tries = (0..10).map(|_| live.m5("alloc", &args("json")));
        let told = tries.find(|out| refused(out) || out.status.success() && named(&json(out)));
        let told = told.unwrap_or_else(|| panic!("{}: no line of the program's is told", live.name));
        if refused(&told) {
            // Its collections are no second source.
            let (_, said) = verdict(&told);
            assert!(said.contains("CAP_BPF"), "{}: {said}", live.name);
            continue;
        }
        let report = json(&told);
        assert!(report["objects_only"] == true && report["source"] == "kernel", "{}: {report}", live.name);
        for format in ["text", "folded", "speedscope", "pprof", "html"] {
            let told = (0..10).map(|_| live.m5("alloc", &args(format))).find(|told| told.status.success());
            assert!(told.is_some_and(|told| !told.stdout.is_empty()), "{} as {format}", live.name);
        }
    }
}

#[test]
fn a_command_is_sampled_from_its_start() {
    const ENDS: &str = "
import threading, time
class Node: pass
def work():
    # Threads are looked for ten times a second.
    until = time.monotonic() + 2
    while time.monotonic() < until:
        for _ in range(1000): Node()
threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
";
    for python in free_threaded_pythons() {
        let command = python.command();
        let mut run = m5();
        run.args(["alloc", "--json", "--max-overhead", "5%", "-d", "1m", "--"]).arg(command.get_program());
        let out = run.args(command.get_args()).args(["-I", "-c", ENDS]).output().unwrap();
        let (code, said) = verdict(&out);
        if code == 4 && std::env::var_os("M5_TEST_BPF").is_none() {
            eprintln!("skipped: {said}");
            return;
        }
        let report = json(&out);
        let seen = report["samples"].as_u64();
        assert!(code == 0 && seen > Some(0), "{}: {code} {said} {report}", python.name);
    }
}

#[test]
fn what_the_interpreters_allocator_holds_free_is_told_with_its_setting() {
    for live in each() {
        let report = json(&live.m5("trim", &["--dry-run", "--pinned", "--json"]));
        let others = report["others"].as_array().unwrap();
        assert_eq!(others.len(), 1, "{}: {report}", live.name);
        let told = |word: &str| others[0][word].as_str().unwrap().to_owned();
        assert_eq!(told("name"), "mimalloc", "{}: {report}", live.name);
        assert!(told("setting").contains("MIMALLOC_PURGE_DELAY"), "{}: {report}", live.name);
        assert!(report["pinned"]["free_of_others"].as_u64() > Some(0), "{}: {report}", live.name);
    }
}

#[test]
fn why_says_what_is_wrong_and_what_runs() {
    for live in each() {
        let (code, said) = verdict(&live.m5("why", &["-d", "3s"]));
        assert!(matches!(code, 0 | 1), "{}: {code} {said}", live.name);
        let out = live.m5("why", &["-d", "3s"]);
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(text.contains("free-threaded"), "{}: {text}", live.name);
        assert!(!text.contains("could not"), "{}: {text}", live.name);
    }
}
