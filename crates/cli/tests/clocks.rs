//! Clocks that are not the machine's: m5 in a time namespace, and the target in one. The kernel dates its records by its own
//! clock, an interpreter by that of its namespace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use m5_testkit::{Python, Target, pythons};
use serde_json::Value;
use std::process::Command;
use support::{json, m5};

/// Collects a few times a second, so that every pause is seen whatever the budget.
const PROGRAM: &str = "
import gc, os, threading
gc.disable()
def collect():
    while True:
        gc.collect(0); wait.wait(0.05)
wait = threading.Event()
threading.Thread(target=collect, daemon=True).start()
print(os.getpid(), flush=True)
input()
";

/// The same command with a clock that is a day ahead; absent where the kernel or the user cannot.
fn ahead(command: &Command) -> Option<Command> {
    let args = ["-T", "--fork", "--kill-child", "--monotonic", "86400", "--boottime", "86400"];
    let able = Command::new("unshare").args(args).arg("true").output().is_ok_and(|o| o.status.success());
    if !able {
        eprintln!("left out: no time namespace can be made here");
    }
    let mut unshare = Command::new("unshare");
    unshare.args(args).arg(command.get_program()).args(command.get_args());
    able.then_some(unshare)
}

fn start(python: &Python) -> Command {
    let mut command = python.command();
    command.args(["-I", "-u", "-c", PROGRAM]);
    command
}

fn look(pid: i32) -> Command {
    let mut look = m5();
    look.args(["gc", "-p", &pid.to_string(), "-d", "700ms", "--json"]);
    look
}

/// All were seen, each within the time of the recording.
fn check(name: &str, report: &Value) {
    let count = |what: &str| report["gc"][what].as_u64().unwrap();
    assert!(count("happened") > 0 && count("seen") == count("happened"), "{name}: {}", report["gc"]);
    let (end, starts) = (report["recorded"]["observed_seconds"].as_f64(), &report["pauses"]["start_seconds"]);
    let within = |start: &Value| start.as_f64() <= end;
    assert!(starts.as_array().unwrap().iter().all(within), "{name}: {starts} {end:?}");
}

#[test]
fn m5_and_the_target_may_have_clocks_of_their_own() {
    let all = pythons();
    let with_records = all.iter().rfind(|p| p.version >= (3, 15, 0) && !p.free_threaded);
    let watched = all.iter().rfind(|p| p.minor() < (3, 15));
    for python in [with_records, watched].into_iter().flatten() {
        let Some(inside) = ahead(&start(python)) else { return };
        for (target, whose) in [(start(python), "m5's"), (inside, "the target's")] {
            let name = format!("{}, {whose}", python.name);
            let mut target = Target::spawn(target);
            let pid: i32 = target.line().parse().unwrap();
            let look = if whose == "m5's" { ahead(&look(pid)).unwrap() } else { look(pid) };
            let report = json(&support::clean(look).output().unwrap());
            if report["source"] == "poll" {
                println!("{name}: left out, {}", report["choice"]);
                continue;
            }
            check(&name, &report);
        }
    }
}
