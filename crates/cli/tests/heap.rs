//! Snapshots and diffs of real processes: known leaks are named with their holder, at once and by number; and
//! nothing secret leaves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use m5_testkit::{Python, Target, pythons};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;

/// Grows what it is told to by 300, and answers when that is done.
const LEAKS: &str = r#"
import ctypes, functools, gc, sys
class Tick:
    def __init__(self, i): self.price = float(i)
class Feed:
    def __init__(self): self.history = []
class Session: pass
class Result: pass
class Lost(bytes): pass
FEED, SESSIONS = Feed(), {}
@functools.lru_cache(maxsize=None)
def build(i): return Result()
def grow(what, numbers):
    for i in numbers:
        if what == "list": FEED.history.append(Tick(i))
        elif what == "dict": SESSIONS["user %d" % i] = Session()
        elif what == "cache": build(i)
        elif what == "lost": ctypes.pythonapi.Py_IncRef(ctypes.py_object(Lost(200)))
for what in "list", "dict", "cache", "lost": grow(what, range(20))
gc.collect()
print("ready", flush=True)
for n, line in enumerate(sys.stdin, 1):
    grow(line.strip(), range(n * 1000, n * 1000 + 300))
    print("grown", flush=True)
"#;

const CASES: [(&str, &str, &str); 4] = [
    ("list", "__main__.Tick", "held by __main__.Feed.history (list, 320 items)"),
    ("dict", "__main__.Session", "held by __main__.SESSIONS (dict, 320 items)"),
    ("cache", "__main__.Result", "held by __main__.build (lru_cache, 320 items)"),
    ("lost", "__main__.Lost", "no referrer: native or refcount leak"),
];

fn m5(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_m5"));
    command.args(args).env("LC_ALL", "C").env_remove("M5_FORMAT").env_remove("M5_LANG");
    command.output().expect("m5 starts")
}

fn fine(args: &[&str]) -> String {
    let out = m5(args);
    let error = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "m5 {args:?}: {:?} {error}", out.status);
    String::from_utf8(out.stdout).expect("text")
}

fn save(target: &Target, path: &Path) {
    let (pid, path) = (target.pid().to_string(), path.to_str().unwrap());
    fine(&["snapshot", "-p", &pid, "--save", path, "--top", "1", "--format", "folded"]);
}

/// Runs `check` for every interpreter, two at a time.
fn everywhere(check: impl Fn(&Python) + Sync) {
    let queue = Mutex::new(pythons());
    let next = || queue.lock().unwrap().pop();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(python) = next() {
                    check(&python);
                }
            });
        }
    });
}

#[test]
fn the_culprit_and_its_holder_come_first() {
    everywhere(|python| {
        let dir = tempfile::tempdir().unwrap();
        let mut target = Target::start(python, LEAKS);
        assert_eq!(target.line(), "ready");
        let file = |i: usize| dir.path().join(format!("{i}.m5snap"));
        save(&target, &file(0));
        for (i, (what, type_name, holder)) in CASES.into_iter().enumerate() {
            target.say(what);
            assert_eq!(target.line(), "grown");
            save(&target, &file(i + 1));
            let (before, after) = (file(i), file(i + 1));
            let files = [before.to_str().unwrap(), after.to_str().unwrap()];
            let text = fine(&["diff", files[0], files[1]]);
            let first: Vec<&str> = text.lines().take(3).collect();
            let told = first.join("\n");
            assert!(told.contains(type_name) && told.contains(holder), "{}: {what}:\n{text}", python.name);
            let json: Value = serde_json::from_str(&fine(&["diff", "--json", files[0], files[1]])).unwrap();
            let worst = &json["diff"]["culprits"][0];
            let count = worst["count"].as_i64().unwrap();
            assert!((297..=300).contains(&count), "{}: {what}: {count} of 300", python.name);
        }
    });
}

/// Tuples that Python keeps for reuse, some hundred of each size, until the next full collection.
const KEPT_FOR_REUSE: &str = r#"
import gc, sys
def make(n): return [[tuple([i] * size) for i in range(n)] for size in (5, 9, 14)] and None
make(10)
gc.collect()
print("ready", flush=True)
for line in sys.stdin:
    make(1500)
    print("made", flush=True)
"#;

#[test]
fn what_python_keeps_for_reuse_is_nobodys_growth() {
    everywhere(|python| {
        let dir = tempfile::tempdir().unwrap();
        let mut target = Target::start(python, KEPT_FOR_REUSE);
        assert_eq!(target.line(), "ready");
        let [before, after] = ["0.m5snap", "1.m5snap"].map(|name| dir.path().join(name));
        save(&target, &before);
        target.say("more");
        assert_eq!(target.line(), "made");
        save(&target, &after);
        let files = [before.to_str().unwrap(), after.to_str().unwrap()];
        let json: Value = serde_json::from_str(&fine(&["diff", "--json", files[0], files[1]])).unwrap();
        let told = &json["diff"]["culprits"];
        assert_eq!(told.as_array().map(Vec::len), Some(0), "{}: {told}", python.name);
        let blocks = &json["diff"]["account"]["blocks"];
        assert_eq!(blocks.as_array().map(Vec::len), Some(0), "{}: {blocks}", python.name);
    });
}

const SECRETS: &str = r#"
import socket, sys
KEYS = {"sk_live_4eC39HqLyjWDarjtT1zdp7dc": ["hunter2-hunter2"] * 40, "alice@example.com": [1] * 40}
class Account:
    def __init__(self):
        self.token = "s3cr3t-t0k3n-value"
        setattr(self, "bob@example.com", [2] * 40)
ACCOUNT = Account()
class Pool: pass
POOL = Pool()
POOL.idle = socket.socket()
POOL.idle.bind(("127.0.0.1", 0)); POOL.idle.listen()
print(POOL.idle.fileno(), flush=True)
sys.stdin.readline()
"#;

const HIDDEN: [&str; 5] = ["sk_live", "alice@", "bob@", "hunter2", "s3cr3t"];

#[test]
fn every_form_is_whole_and_nothing_secret_leaves() {
    let python = pythons().pop().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut target = Target::start(&python, SECRETS);
    let fd = target.numbers::<u64>()[0];
    let path = dir.path().join("a.m5snap");
    save(&target, &path);
    let path = path.to_str().unwrap();
    let text = fine(&["snapshot", "--load", path, "--top", "400"]);
    let held = format!("fd {fd} socket LISTEN owned by socket.socket, held by __main__.Pool.idle");
    assert!(text.contains(&held), "{text}");
    let json = fine(&["snapshot", "--load", path, "--json", "--top", "400"]);
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["schema"], "m5.snapshot/1");
    assert!(value["heap"]["objects"].as_u64().unwrap() > 1000);
    let heap = fine(&["snapshot", "--load", path, "--format", "heapsnapshot"]);
    serde_json::from_str::<Value>(&heap).unwrap();
    let forms = [text, json, heap, fine(&["snapshot", "--load", path, "--format", "html"])];
    for word in HIDDEN {
        assert!(forms.iter().all(|form| !form.contains(word)), "{word} left");
    }
    let pprof = dir.path().join("a.pprof");
    fine(&["snapshot", "--load", path, "--format", "pprof", "-o", pprof.to_str().unwrap()]);
    assert_eq!(std::fs::read(&pprof).unwrap()[..2], [0x1f, 0x8b]);
    let shown = dir.path().join("b.m5snap");
    let (pid, shown) = (target.pid().to_string(), shown.to_str().unwrap());
    fine(&["snapshot", "-p", &pid, "--contents", "--save", shown, "--format", "folded"]);
    assert!(fine(&["snapshot", "--load", shown, "--format", "heapsnapshot"]).contains("alice@example.com"));
}

#[test]
fn a_series_has_the_shape_of_the_guide() {
    let python = pythons().pop().unwrap();
    let mut target = Target::start(&python, LEAKS);
    assert_eq!(target.line(), "ready");
    let pid = target.pid().to_string();
    let text = fine(&["snapshot", "-p", &pid, "--continuous", "400ms", "--interval", "100ms", "--json"]);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["samples"].as_array().unwrap().len(), 5);
    let stats = &json["summary"]["memory_stats"];
    assert!(stats["max_rss_mb"].as_f64().unwrap() > 1.0);
    assert!(stats["total_growth_mb"].is_number() && json["summary"]["leak_detection"].is_array());
    assert!(json["growth"]["culprits"].is_array());
}

#[test]
fn a_core_file_takes_the_place_of_a_process() {
    let python = pythons().into_iter().rfind(|p| p.executable().is_some()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut target = Target::start(&python, LEAKS);
    assert_eq!(target.line(), "ready");
    let (core, file) = (dir.path().join("core"), |n: &str| dir.path().join(n).to_str().unwrap().to_owned());
    let exe = python.executable().unwrap().to_str().unwrap();
    m5_testkit::write_core(target.pid(), &core);
    let core = core.to_str().unwrap();
    fine(&["snapshot", "--core", core, "--exe", exe, "--save", &file("a.m5snap"), "--format", "folded"]);
    target.say("list");
    assert_eq!(target.line(), "grown");
    save(&target, Path::new(&file("b.m5snap")));
    let text = fine(&["diff", &file("a.m5snap"), &file("b.m5snap")]);
    assert!(text.contains("__main__.Tick") && text.contains(CASES[0].2), "{text}");
    let json: Value = serde_json::from_str(&fine(&["snapshot", "--core", core, "--json"])).unwrap();
    assert_eq!((&json["info"]["method"], &json["info"]["rss_bytes"]), (&"core".into(), &Value::Null));
    assert!(json["memory"]["bytes"].as_u64().unwrap() > 1 << 20);
    assert!(fine(&["snapshot", "--core", core]).contains("Read from a core file"));
    std::fs::OpenOptions::new().write(true).open(core).unwrap().set_len(100_000).unwrap();
    let cut = m5(&["snapshot", "--core", core]);
    assert_eq!(cut.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&cut.stderr).contains("truncated"));
    assert_eq!(m5(&["snapshot", "--core", core, "--exe", "/nowhere"]).status.code(), Some(5));
    assert_eq!(m5(&["snapshot", "--exe", exe]).status.code(), Some(2));
}

const WORKERS: &str = r#"
import gc, os, sys
gc.disable()
ROWS = [[i] for i in range(60000)]
if sys.argv[1:] == ["frozen"]: gc.freeze()
workers, (mine, yours) = [], os.pipe()
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        gc.collect()
        os.write(yours, b".")
        sys.stdin.read()
        os._exit(0)
    workers.append(pid)
for _ in workers: os.read(mine, 1)
print("ready", flush=True)
sys.stdin.read()
"#;

#[test]
fn a_prefork_tree_says_what_to_do() {
    let python = pythons().pop().unwrap();
    let told = |mode: &[&str]| {
        let mut command = python.command();
        command.args(["-I", "-u", "-c", WORKERS]).args(mode);
        let mut target = Target::spawn(command);
        assert_eq!(target.line(), "ready");
        let pid = target.pid().to_string();
        let text = fine(&["snapshot", "-s", "-p", &pid, "--top", "1"]);
        let json: Value = serde_json::from_str(&fine(&["snapshot", "-s", &pid, "--json"])).unwrap();
        (text, json)
    };
    let (text, json) = told(&[]);
    assert!(text.contains("gc.freeze() right before it forks"), "{text}");
    let workers = json["tree"]["workers"].as_array().unwrap();
    assert_eq!(workers.len(), 2);
    assert!(workers[0]["inherited"]["collector_bytes"].as_u64().unwrap() > 3 << 20, "{json}");
    let (text, json) = told(&["frozen"]);
    assert!(text.contains("still shared with their parent") && !text.contains("gc.freeze()"), "{text}");
    assert!(json["tree"]["frozen_objects"].as_u64().unwrap() > 60_000);
}

#[test]
fn wrong_files_and_targets_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let foreign = dir.path().join("x.m5snap");
    std::fs::write(&foreign, "PK").unwrap();
    let foreign = foreign.to_str().unwrap();
    let code = |args: &[&str]| m5(args).status.code().unwrap();
    assert_eq!(code(&["diff", foreign, foreign]), 5);
    assert_eq!(code(&["diff", foreign]), 2);
    assert_eq!(code(&["diff", "/nowhere/a.m5snap", foreign]), 5);
    assert_eq!(code(&["snapshot", "-p", "2147483647"]), 3);
    let own = std::process::id().to_string();
    assert_eq!(code(&["snapshot", "-p", &own]), 5);
}
