//! `m5 gc`, `alloc`, `stalls`, `dump` and `trim` while m5 is killed or stopped, the target executes another program or
//! forks, and where there is no memory: the target lives on, untraced, with the code that its files hold.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/harm.rs"]
mod harm;
mod support;

use harm::{Group, children, ends, has_ended, lives, newest, signal, signal_if_alive, states, until};
use m5_testkit::{Python, Target};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::m5;

/// Each would go on for a minute, but `dump`, which is done at once.
const COMMANDS: [&[&str]; 5] = [
    &["gc", "-d", "60s"],
    &["alloc", "-d", "60s"],
    &["stalls", "-d", "60s"],
    &["dump"],
    &["trim", "--min", "1MB", "--recheck", "60s"],
];

/// Runs an event loop, allocates, frees, and obeys: another program for a signal, a child that stays for a line.
const PROGRAM: &str = "
import asyncio, os, signal, sys, threading
def again(*_): os.execv(sys.executable, [sys.executable, '-I', '-u', '-c', sys.argv[1], sys.argv[1]])
signal.signal(signal.SIGUSR1, again)
kept = [[i] for i in range(60000)]
hole = [bytes(600) for _ in range(20000)]
last = bytes(600)
del hole
def obey():
    for line in sys.stdin:
        if line.strip() == 'fork':
            child = os.fork()
            if child == 0:
                ok = sum([i][0] for i in range(50000)) == 1249975000
                os._exit(3 if ok else 4)
            stays = os.fork()
            if stays == 0:
                while True: sum([[i][0] for i in range(1000)])
            print(stays if os.waitpid(child, 0)[1] == 3 << 8 else 0, flush=True)
        else:
            print('alive', flush=True)
threading.Thread(target=obey, daemon=True).start()
async def work():
    while True:
        some = [[i] for i in range(2000)]
        assert len(some) == 2000
        await asyncio.sleep(0.001)
print('ready', flush=True)
asyncio.new_event_loop().run_until_complete(work())
";

fn command(python: &Python) -> Command {
    let mut command = python.command();
    command.args(["-I", "-u", "-W", "ignore", "-c", PROGRAM, PROGRAM]);
    command
}

fn start(command: Command) -> Target {
    let mut target = Target::spawn(command);
    assert_eq!(target.line(), "ready");
    target
}

fn watching(pid: i32, args: &[&str]) -> Command {
    let mut command = m5();
    command.args(args).args(["-p", &pid.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Moments that come again with each run of the test.
struct Moments(u64);

impl Moments {
    fn pass(&mut self) {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros(1_000 + (self.0 >> 33) % 300_000));
    }
}

fn rounds(few: u32) -> u32 {
    if std::env::var_os("M5_SLOW").is_some() { few * 20 } else { few }
}

/// Whether every page of code of a process is what its file holds: no breakpoint was left in it.
fn code_is_as_in_its_files(pid: i32) -> bool {
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let executable = maps.lines().filter(|l| l.contains(" r-xp ") && l.contains(" /"));
    executable.map(|line| line.split_whitespace().collect::<Vec<_>>()).all(|fields| {
        let (from, to) = fields[0].split_once('-').unwrap();
        let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
        let (from, to, offset) = (hex(from), hex(to), hex(fields[2]));
        let Ok(file) = File::open(fields[5]) else { return true };
        let mut mapped = vec![0; (to - from) as usize];
        let mut held = mapped.clone();
        memory.read_exact_at(&mut mapped, from).unwrap();
        // The last page may end behind the file.
        let length = (file.metadata().unwrap().len().saturating_sub(offset) as usize).min(held.len());
        file.read_exact_at(&mut held[..length], offset).unwrap();
        mapped[..length] == held[..length]
    })
}

fn untouched(target: &mut Target, what: &str) {
    let pid = target.pid();
    lives(target);
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("TracerPid:\t0\n"), "{what}: traced still");
    assert!(!states(pid).contains(&'t'), "{what}: stopped still");
    // The kernel takes breakpoints out when the last of m5's descriptors is closed.
    assert!(until(Duration::from_secs(20), || code_is_as_in_its_files(pid)), "{what}: its code is another");
}

fn end(mut m5: Child) {
    let _ = m5.kill();
    m5.wait().unwrap();
}

fn each(check: impl Fn(&Python, &mut Target, &[&str], &mut Moments)) {
    for python in ends() {
        let mut target = start(command(&python));
        let mut moments = Moments(0x9e37_79b9);
        for args in COMMANDS {
            check(&python, &mut target, args, &mut moments);
        }
    }
}

#[test]
fn m5_is_killed() {
    each(|python, target, args, moments| {
        for _ in 0..rounds(3) {
            let m5 = watching(target.pid(), args).spawn().unwrap();
            moments.pass();
            end(m5);
            untouched(target, &format!("{}, {args:?}", python.name));
            // The helper of a killed `trim` ends with it; the next one reaps it.
            let gone =
                until(Duration::from_secs(20), || children(target.pid()).iter().all(|c| has_ended(*c)));
            assert!(gone, "{}, {args:?}: something of m5's is left", python.name);
        }
    });
}

#[test]
fn m5_is_stopped() {
    each(|python, target, args, moments| {
        for _ in 0..rounds(2) {
            let m5 = watching(target.pid(), args).spawn().unwrap();
            moments.pass();
            signal_if_alive(&m5, libc::SIGSTOP);
            let pid = target.pid();
            let runs = until(Duration::from_secs(30), || !states(pid).contains(&'t'));
            assert!(runs, "{}, {args:?}: the target stands as long as m5 does", python.name);
            for _ in 0..3 {
                lives(target);
            }
            end(m5);
            untouched(target, &format!("{}, {args:?}", python.name));
        }
    });
}

#[test]
fn the_target_executes_another_program() {
    each(|python, target, args, moments| {
        for _ in 0..rounds(2) {
            let m5 = watching(target.pid(), args).spawn().unwrap();
            moments.pass();
            signal(target.pid(), libc::SIGUSR1);
            assert_eq!(target.line(), "ready", "{}, {args:?}", python.name);
            lives(target);
            end(m5);
            untouched(target, &format!("{}, {args:?}", python.name));
        }
    });
}

#[test]
fn the_target_forks() {
    each(|python, target, args, moments| {
        let m5 = watching(target.pid(), args).spawn().unwrap();
        moments.pass();
        target.say("fork");
        let child: i32 = target.line().parse().unwrap();
        assert!(child > 0, "{}, {args:?}: a child went wrong", python.name);
        end(m5);
        untouched(target, &format!("{}, {args:?}", python.name));
        assert!(
            until(Duration::from_secs(20), || code_is_as_in_its_files(child)),
            "{args:?}: a child's code"
        );
        assert!(!states(child).contains(&'Z'), "{}, {args:?}: a child died", python.name);
        signal(child, libc::SIGKILL);
    });
}

#[test]
fn m5_has_no_room_in_the_targets_group() {
    let Some(group) = Group::new("watching") else { return };
    let mut target = start(group.inside(&command(&newest())));
    for args in COMMANDS {
        // With less than two, programs of this size take it before their first instruction.
        for mebibytes in [3, 6, 12] {
            group.limit(u64::MAX >> 2);
            group.limit(group.used() + (mebibytes << 20));
            let mut m5 = group.inside(&watching(target.pid(), args)).stderr(Stdio::null()).spawn().unwrap();
            until(Duration::from_millis(500), || m5.try_wait().unwrap().is_some());
            end(m5);
            untouched(&mut target, &format!("{args:?}, {mebibytes} MiB"));
        }
    }
}
