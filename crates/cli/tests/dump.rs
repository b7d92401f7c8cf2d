//! `m5 dump` against `faulthandler`, and of targets in every condition.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use m5_testkit::{Python, Target, pythons};
use serde_json::Value;
use support::{json, run, verdict};

/// Three threads that stand still; each is told as `faulthandler` sees it.
const PROGRAM: &str = "
import faulthandler, os, sys, threading, time
lock = threading.Lock(); lock.acquire()
def waits(depth):
    if depth: waits(depth - 1)
    else:
        with lock: pass
def reads(): os.read(pipe[0], 1)
pipe = os.pipe()
for name, target, args in (('waits', waits, (7,)), ('读取', reads, ())):
    threading.Thread(target=target, args=args, name=name, daemon=True).start()
def told():
    with open(os.memfd_create('x') if hasattr(os, 'memfd_create') else os.open('/tmp', os.O_TMPFILE | os.O_RDWR), 'w+') as f:
        faulthandler.dump_traceback(f, all_threads=True)
        f.seek(0)
        return f.read()
def depth(): return [len(part.splitlines()) for part in told().split('\\n\\n')]
while sorted(depth())[:2] != [5, 5] and max(depth()) < 12: time.sleep(0.001)
def main():
    rows = [line.rsplit(' in ', 1) for line in told().splitlines() if line.startswith('  File')]
    print(repr([(where.rsplit(' ', 1)[1], function) for where, function in rows]), flush=True)
    sys.stdin.readline()
main()
";

fn dump(target: &Target, more: &[&str]) -> Value {
    let pid = target.pid().to_string();
    let output = run(&[&["dump", "-j", "-p", &pid], more].concat());
    assert_eq!(verdict(&output), (0, String::new()));
    json(&output)
}

fn check(python: &Python) {
    let mut target = Target::start(python, PROGRAM);
    let truth = target.line();
    let seen = dump(&target, &[]);
    let threads = seen["threads"].as_array().unwrap();
    assert_eq!(threads.len(), 3, "{}: {seen}", python.name);
    for thread in threads {
        assert_eq!((&thread["torn"], &thread["deeper"]), (&false.into(), &false.into()), "{}", python.name);
        let stack = thread["stack"].as_array().unwrap();
        let plain = |f: &Value| {
            let function = f["function"].as_str().unwrap();
            let function = function.rsplit('.').next().unwrap();
            format!("('{}', '{function}')", f["line"])
        };
        // The main thread went on within its innermost function.
        let skip = usize::from(thread["tid"] == seen["pid"]);
        for frame in stack.iter().skip(skip).map(plain) {
            assert!(truth.contains(&frame), "{}: {frame} is not in {truth}", python.name);
        }
    }
    let named = |name: &str| threads.iter().find(|t| t["name"] == name).unwrap_or_else(|| panic!("{seen}"));
    assert_eq!(named("MainThread")["call"], "read", "{}", python.name);
    assert_eq!(named("读取")["call"], "read", "{}", python.name);
    assert_eq!(named("waits")["call"], "futex", "{}", python.name);
    assert_eq!(named("waits")["stack"].as_array().unwrap().len(), 11, "{}", python.name);
    assert_eq!((&seen["tasks"], &seen["stopped"]), (&Value::Null, &false.into()), "{}", python.name);
    let shallow = dump(&target, &["--frames", "3"]);
    let waits = shallow["threads"].as_array().unwrap().iter().find(|t| t["name"] == "waits").unwrap();
    assert_eq!((waits["stack"].as_array().unwrap().len(), &waits["deeper"]), (3, &true.into()));
}

#[test]
fn every_thread_is_where_faulthandler_sees_it() {
    for python in pythons() {
        check(&python);
    }
}

#[test]
fn a_stopped_target_is_called_stopped_and_stays_so() {
    let python = pythons().into_iter().find(|p| p.executable().is_some()).unwrap();
    let mut target =
        Target::start(&python, "import sys; print(1, flush=True); sys.stdin.readline(); print(2)");
    target.line();
    let pid = target.pid();
    let signal = |name: &str| {
        std::process::Command::new("kill").args([name, &pid.to_string()]).status().unwrap();
    };
    let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") T ");
    signal("-STOP");
    while !state() {
        std::thread::yield_now();
    }
    let output = run(&["dump", "-j", "-p", &pid.to_string()]);
    let (code, said) = verdict(&output);
    assert!(code == 0 && said.contains("is stopped: kill -CONT"), "{said}");
    let seen = json(&output);
    assert_eq!((&seen["stopped"], &seen["threads"][0]["state"]), (&true.into(), &"T".into()));
    for (lang, word) in [("en", "the process is stopped (kill -CONT"), ("zh", "进程已被暂停")] {
        let output = run(&["dump", &pid.to_string(), "--lang", lang]);
        assert!(String::from_utf8_lossy(&output.stdout).contains(word), "{output:?}");
    }
    assert!(state());
    signal("-CONT");
    target.say("");
    assert_eq!(target.line(), "2");
}
