//! `m5 alloc` (by either source), `m5 stalls`, `m5 gc --stacks`, the sampling of `m5 diff` and the counting of `m5 serve` killed at
//! random moments: nothing of theirs is left in the kernel or in the target. What they do where parts of /sys are missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use m5_process::perf::{Attr, Event, Target as On};
use m5_testkit::{Python, Target, free_threaded_pythons, pythons};
use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::{clean, m5};

/// A loop that waits in epoll, allocates in each of its turns, and tells how many those were.
const PROGRAM: &str = "
import os, select, sys
class Tick:
    __slots__ = ('number',)
kept, turns = [], 0
poll = select.epoll()
poll.register(0, select.EPOLLIN)
print('ready', flush=True)
while True:
    turns += 1
    for _ in range(20):
        Tick()
    kept.append(Tick())
    if poll.poll(0.001) and not os.read(0, 100):
        break
    elif turns % 50 == 0:
        print(turns, flush=True)
";
/// The kernel gives back what a process held a moment after it ended.
const PATIENCE: Duration = Duration::from_secs(20);

fn python() -> Python {
    pythons().into_iter().find(|p| p.root().is_none() && !p.musl).unwrap()
}

/// One with a GIL, and the last of those without that are there.
fn both() -> Vec<Python> {
    let without = free_threaded_pythons().into_iter().rfind(|p| !p.musl);
    [Some(python()), without].into_iter().flatten().collect()
}

fn rounds() -> u64 {
    if std::env::var_os("M5_SLOW").is_some() { 1000 } else { 12 }
}

/// Numbers of the kernel's programs that a process holds.
fn programs(pid: u32) -> BTreeSet<u32> {
    let infos = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten();
    let texts = infos.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let number = |text: String| text.lines().find_map(|l| l.strip_prefix("prog_id:")?.trim().parse().ok());
    texts.filter_map(number).collect()
}

/// Which of these the kernel still knows; nothing where it does not tell.
fn known(python: &Python, programs: &BTreeSet<u32>) -> Option<BTreeSet<u32>> {
    const ASK: &str = "
import ctypes, platform, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
call = {'x86_64': 321, 'aarch64': 280}[platform.machine()]
for number in sys.argv[1:]:
    attr = ctypes.create_string_buffer(struct.pack('I', int(number)), 128)
    if libc.syscall(call, 13, attr, 128) >= 0:
        print(number)
    elif ctypes.get_errno() != 2:
        sys.exit(1)
";
    let numbers = programs.iter().map(ToString::to_string);
    let asked = python.command().arg("-c").arg(ASK).args(numbers).stderr(Stdio::null()).output().ok()?;
    let told = String::from_utf8_lossy(&asked.stdout).into_owned();
    asked.status.success().then(|| told.lines().filter_map(|l| l.parse().ok()).collect())
}

/// Whether all four debug registers of a thread can be had.
fn registers_are_free(tid: i32) -> bool {
    let attr = Attr::execution_watch(0x1000).disabled();
    (0..4).map(|_| Event::open(&attr, On { tid, cpu: -1 }, None)).collect::<Result<Vec<_>, _>>().is_ok()
}

/// m5 where the kernel refuses its programs.
fn without_programs() -> Command {
    if support::which("setpriv").is_none() {
        return m5();
    }
    let mut command = clean(Command::new("setpriv"));
    command.args(support::WITHOUT_BPF).arg(env!("CARGO_BIN_EXE_m5"));
    command
}

fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn number(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

#[test]
fn killed_at_any_moment_they_leave_nothing() {
    both().iter().for_each(killed_at_any_moment);
}

fn killed_at_any_moment(python: &Python) {
    let mut target = Target::start(python, PROGRAM);
    assert_eq!(target.line(), "ready");
    let pid = target.pid();
    if !registers_are_free(pid) {
        eprintln!("skipped: breakpoints are not allowed here");
        return;
    }
    let id = pid.to_string();
    let folder = support::folder();
    let config = support::file(folder.path(), "m5.toml");
    fs::write(&config, "event_loop_turns = true").unwrap();
    let commands = [
        vec!["alloc", "--survival", "-d", "1h"],
        vec!["stalls", "-d", "1h"],
        vec!["diff", "--interval", "1h"],
        vec!["serve", "--listen", "127.0.0.1:0", "--interval", "100ms", "--config", &config],
        vec!["gc", "--stacks", "1ms", "-d", "1h"],
        vec!["alloc", "-d", "1h"],
    ];
    let (mut seed, mut seen) = (0x9e37_79b9, BTreeSet::new());
    for round in 0..rounds() {
        let number_of = (round % commands.len() as u64) as usize;
        // The last one without the rights that programs of the kernel need: by the stacks of collections.
        let mut command = if number_of + 1 == commands.len() { without_programs() } else { m5() };
        command.args(&commands[number_of]).args(["-p", &id]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(number(&mut seed) % 600));
        seen.extend(programs(child.id()));
        // It may have ended by itself: where the kernel allows nothing.
        let _ended = child.kill();
        child.wait().unwrap();
    }
    soon("its debug registers are given back", || registers_are_free(pid));
    if known(python, &seen).is_some() {
        soon("its programs are gone", || known(python, &seen).is_some_and(|left| left.is_empty()));
    }
    // Whatever was in the pipe: it goes on.
    let before = m5_process::monotonic_ns();
    let turns: u64 = target.line().parse().unwrap();
    soon("the target works", || target.line().parse::<u64>().unwrap() > turns);
    assert!(m5_process::monotonic_ns() > before);
}

/// Runs m5 where these folders are empty; nothing where they cannot be made so.
fn without(folders: &[&str], args: &[&str]) -> Option<Output> {
    let mounts =
        folders.iter().map(|f| format!("if [ -d {f} ]; then mount -t tmpfs none {f} || exit 99; fi; "));
    let script = format!("{}exec \"$0\" \"$@\"", mounts.collect::<String>());
    let mut command = clean(Command::new("unshare"));
    let output =
        command.args(["-m", "sh", "-c", &script, env!("CARGO_BIN_EXE_m5")]).args(args).output().ok()?;
    output.status.code().filter(|code| *code != 99 && (*code != 1 || !output.stdout.is_empty()))?;
    Some(output)
}

#[test]
fn they_need_neither_tracing_nor_a_description_of_the_kernel() {
    let python = python();
    let mut target = Target::start(&python, PROGRAM);
    assert_eq!(target.line(), "ready");
    let id = target.pid().to_string();
    for command in ["alloc", "stalls"] {
        let args = [command, "-p", &id, "-d", "3s", "--json"];
        let folders = ["/sys/kernel/tracing", "/sys/kernel/debug", "/sys/kernel/btf"];
        let (Some(without), with) = (without(&folders, &args), support::run(&args)) else {
            eprintln!("skipped: no mounts of one's own here");
            return;
        };
        // Few samples, where the machine is busy, are told by a code of their own: one of both may have a few more.
        let [status, as_usual] = [&without, &with].map(|output| output.status.code());
        let few = [status, as_usual].iter().all(|code| [Some(0), Some(6)].contains(code));
        assert!(few || status == as_usual, "{command}: {without:?} {with:?}");
        if status == Some(0) {
            let document = support::json(&without);
            let seen =
                if command == "alloc" { &document["samples"] } else { &document["threads"][0]["turns"] };
            assert!(seen.as_u64().is_some_and(|n| n > 0), "{document}");
            assert!(document["total"]["processor_s"].is_null(), "{document}");
        }
    }
}
