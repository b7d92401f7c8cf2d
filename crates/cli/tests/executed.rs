//! The target executes another program, or its own anew, while a command looks at it: what is told is what came before,
//! the report says so, and the code is that of an incomplete look.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/harm.rs"]
mod harm;
mod support;

use harm::{descriptors, ends, until, waits};
use m5_testkit::{Python, Target};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::{folder, m5};

/// Each would go on for much longer.
const COMMANDS: [&[&str]; 10] = [
    &["gc", "-d", "300s"],
    &["baseline", "-d", "300s", "--interval", "20ms"],
    &["diff", "--interval", "300s"],
    &["alloc", "-d", "300s"],
    &["stalls", "-d", "300s"],
    &["why", "-d", "300s"],
    &["trim", "--min", "1MB", "--recheck", "300s"],
    &["health", "-d", "300s"],
    &["init", "-d", "300s", "--save", "-"],
    &["snapshot", "--continuous", "5", "--interval", "300s"],
];
/// What is executed: the same file anew, another script, another program, and that by a thread.
const KINDS: [&str; 4] = ["same", "script", "sleep", "thread"];

/// Runs an event loop, allocates, frees, and executes what it is told.
const PROGRAM: &str = "
import asyncio, os, sys, threading
kept = [[i] for i in range(20000)]
hole = [bytes(600) for _ in range(20000)]
last = bytes(600)
del hole
python = [sys.executable, '-I', '-u', '-c']
def execute(kind):
    if kind == 'same': os.execv(python[0], python + [sys.argv[1], sys.argv[1]])
    if kind == 'script': os.execv(python[0], python + ['import time; time.sleep(600)'])
    os.execv('/bin/sleep', ['sleep', '600'])
def obey(reader):
    kind = sys.stdin.readline().strip()
    if kind == 'thread': threading.Thread(target=execute, args=('sleep',), daemon=True).start()
    else: execute(kind)
async def work():
    asyncio.get_running_loop().add_reader(0, obey, None)
    while True:
        some = [[i] for i in range(2000)]
        await asyncio.sleep(0.001)
print('ready', flush=True)
asyncio.new_event_loop().run_until_complete(work())
";

fn start(python: &Python) -> Target {
    let mut command = python.command();
    command.args(["-I", "-u", "-W", "ignore", "-c", PROGRAM, PROGRAM]);
    let mut target = Target::spawn(command);
    assert_eq!(target.line(), "ready");
    target
}

fn look(args: &[&str], pid: i32) -> Child {
    let mut command = m5();
    command.args(args).args(["-p", &pid.to_string(), "--lang", "en"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Whether a process holds the memory of another one: it has chosen what it looks at.
fn holds(m5: u32, target: i32) -> bool {
    let memory = format!("/proc/{target}/mem");
    descriptors(m5).any(|link| link.to_str() == Some(&memory))
}

/// Executes that while m5 looks: right after it chose the process, or when it has looked for a while.
fn executes(python: &Python, args: &[&str], kind: &str, midway: bool) {
    const LONG: Duration = Duration::from_secs(120);
    let name = format!("{}: {args:?}, {kind}, midway: {midway}", python.name);
    let mut target = start(python);
    let mut m5 = look(args, target.pid());
    let over = |m5: &mut Child| m5.try_wait().unwrap().is_some();
    let chosen = until(LONG, || holds(m5.id(), target.pid()) || over(&mut m5));
    assert!(chosen, "{name}");
    // It waits all the time, but not often before it has begun, and in the first second there is nothing to tell; some then
    // only once a second.
    let often = matches!(args[0], "gc" | "alloc" | "stalls" | "diff");
    let begun = if often { 120 } else { 20 };
    assert!(!midway || until(LONG, || waits(m5.id()) > begun || over(&mut m5)), "{name}");
    if !over(&mut m5) {
        target.say(kind);
    }
    let output = m5.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let all = format!("{name}: {:?}\n{told}\n{said}", output.status.code());
    if matches!((args[0], output.status.code()), ("alloc" | "stalls", Some(4 | 5)))
        && !said.contains("executed")
    {
        println!("left out, not allowed or not there: {all}");
        return;
    }
    // Objectives that were missed until then are told first.
    let objectives = matches!(args[0], "gc" | "baseline" | "why" | "health");
    assert!(output.status.code() == Some(6) || objectives && output.status.code() == Some(1), "{all}");
    assert!(said.contains("executed another program after "), "{all}");
    if midway && ["gc", "baseline", "alloc", "stalls", "health"].contains(&args[0]) {
        assert!(told.contains("executed another program after "), "{all}");
    }
}

#[test]
fn every_command_says_so() {
    let slow = std::env::var_os("M5_SLOW").is_some();
    for (which, python) in ends().iter().enumerate() {
        for (number, args) in COMMANDS.iter().enumerate() {
            for (kind, what) in KINDS.iter().enumerate() {
                for midway in [false, true] {
                    // Each command once for each interpreter, each kind of execution with several commands.
                    let turn = (number + which) % KINDS.len() == kind && midway == (number % 3 != which);
                    if turn || slow {
                        executes(python, args, what, midway);
                    }
                }
            }
        }
    }
}

/// A recording of five minutes that ends as the target does something else; its code.
fn cut_short(file: &str, end: impl FnOnce(&mut Target)) -> Option<i32> {
    const LONG: Duration = Duration::from_secs(120);
    let mut target = start(&ends().pop().unwrap());
    let mut baseline = look(&["baseline", "-d", "300s", "--interval", "20ms", "--save", file], target.pid());
    let over = |m5: &mut Child| m5.try_wait().unwrap().is_some();
    assert!(until(LONG, || waits(baseline.id()) > 60 || over(&mut baseline)));
    end(&mut target);
    baseline.wait_with_output().unwrap().status.code()
}

#[test]
fn a_recording_that_was_cut_passes_no_gate() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (executed, killed) = (path("executed.json"), path("killed.json"));
    let codes = [
        cut_short(&executed, |target| target.say("sleep")),
        cut_short(&killed, |target| target.child().kill().unwrap()),
    ];
    // A criterion that was missed until then is told first.
    assert!(codes.iter().all(|code| matches!(code, Some(1 | 6))), "{codes:?}");
    for (file, why) in [(&executed, "executed another program after "), (&killed, "the target ended during")]
    {
        for (words, codes) in [(vec!["check", file], vec![1, 6]), (vec!["compare", file, file], vec![6])] {
            let output = m5().args(&words).args(["--lang", "en"]).output().unwrap();
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.code().is_some_and(|c| codes.contains(&c)), "{words:?}: {output:?}");
            assert!(told.contains(why), "{words:?}: {told}");
        }
    }
}

#[test]
fn a_workload_that_executes_something_else_is_no_measurement() {
    let python = ends().pop().unwrap();
    let program = "import os; os.execv('/bin/sleep', ['sleep', '0'])";
    let mut command: Command = m5();
    command.args(["leaks", "-n", "2", "--processes", "1", "--"]).arg(python.executable().unwrap());
    let output = command.args(["-c", program]).output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{output:?}");
}
