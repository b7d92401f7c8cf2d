//! `m5 stalls` under loops that are not asyncio's own: each kind of stall, made on purpose, is told as what it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use m5_testkit::{Python, Target, pythons};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{json, run, verdict};

/// One kind of stall after the other, for ever, with waits of the loop between them. Two kinds run for 50 ms of their own time,
/// one sleeps for as long.
const PROGRAM: &str = "
import gc, mmap, os, random, signal, subprocess, sys, threading, time
loop, folder = sys.argv[1:]
numbers = [str(i * 7919 % 1000003) for i in range(200000)]
class Node: pass
kept = [Node() for _ in range(300000)]
for node in kept: node.me = node
def stall_collector(): gc.collect()
go = threading.Semaphore(0)
def hold():
    while True:
        go.acquire()
        sorted(numbers); sorted(numbers); sorted(numbers)
def stall_gil():
    go.release()
    end = time.monotonic() + 0.06
    while time.monotonic() < end: pass
def stall_call(): time.sleep(0.05)
def stall_lines():
    end = time.thread_time() + 0.05
    while time.thread_time() < end: sum(range(20000))
RIVAL = '''
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
os.sched_setaffinity(0, [int(sys.argv[1])])
os.write(1, b\"here\")
while os.getppid() == int(sys.argv[2]): pass
'''
allowed = os.sched_getaffinity(0)
def stall_processor():
    os.sched_setaffinity(0, [min(allowed)])
    os.kill(rival.pid, signal.SIGCONT)
    end = time.thread_time() + 0.05
    while time.thread_time() < end: sum(range(20000))
    os.kill(rival.pid, signal.SIGSTOP)
    os.sched_setaffinity(0, allowed)
SIZE = mmap.PAGESIZE
path = os.path.join(folder, 'pages')
with open(path, 'wb') as file:
    for _ in range(8192): file.write(os.urandom(SIZE))
    file.flush(); os.fsync(file.fileno())
order = random.Random(1).sample(range(8192), 2000)
def cold():
    global pages
    file = os.open(path, os.O_RDONLY)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    pages = mmap.mmap(file, 0, mmap.MAP_SHARED, mmap.PROT_READ)
    if hasattr(pages, 'madvise'): pages.madvise(mmap.MADV_RANDOM)
    os.close(file)
def stall_faults():
    for page in order: pages[page * SIZE]
kinds = [stall_collector, stall_gil, stall_call, stall_lines, stall_processor, stall_faults]
async def turns():
    while True:
        for kind in kinds:
            cold()
            await asyncio.sleep(0.005)
            kind()
            await asyncio.sleep(0.005)
def greenlet():
    while True:
        for kind in kinds:
            cold()
            gevent.sleep(0.005)
            kind()
            gevent.sleep(0.005)
gc.disable()
threading.Thread(target=hold, daemon=True).start()
rival = subprocess.Popen([sys.executable, '-I', '-c', RIVAL, str(min(allowed)), str(os.getpid())], stdout=subprocess.PIPE)
rival.stdout.read(4)
os.kill(rival.pid, signal.SIGSTOP)
print('ready', flush=True)
if loop == 'gevent':
    import gevent
    gevent.spawn(greenlet).join()
else:
    import asyncio, uvloop
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(turns())
";
const KINDS: [&str; 6] =
    ["stall_collector", "stall_gil", "stall_call", "stall_lines", "stall_processor", "stall_faults"];
/// A machine that is busy is watched for longer, seconds.
const SPANS: [u64; 4] = [5, 10, 20, 40];
/// Turns of each kind that are enough.
const ENOUGH: usize = 2;

/// An interpreter that has loops: where they are to it, and where its root is.
struct Looped {
    python: Python,
    packages: PathBuf,
    root: PathBuf,
}

impl Looped {
    /// Of those for which `tests/loops.sh` fetched them.
    fn all() -> Vec<Self> {
        let looped = |python: Python| {
            let (root, packages) = match python.root() {
                Some(root) => (root.to_owned(), PathBuf::from("/opt/loops")),
                None => {
                    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
                    let here = std::env::var_os("M5_INTERPRETERS").map(PathBuf::from);
                    let cache = here.and_then(|dir| dir.parent().map(Path::to_owned));
                    let (major, minor) = python.minor();
                    let name = format!("loops/{major}.{minor}");
                    (PathBuf::from("/"), cache.unwrap_or(home.join(".cache/m5")).join(name))
                }
            };
            let inside = packages.strip_prefix("/").unwrap_or(&packages);
            let there = root.join(inside).join(".complete").exists() && !python.musl;
            there.then_some(Self { python, packages, root })
        };
        pythons().into_iter().filter(|p| !p.free_threaded).filter_map(looped).collect()
    }

    fn command(&self) -> Command {
        let mut command = self.python.command();
        command.env("PYTHONPATH", &self.packages);
        command
    }

    fn has(&self, of: &str) -> bool {
        let mut probe = self.command();
        let probe = probe.args(["-c", &format!("import {of}")]).stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    }
}

/// A long turn: what it did, and its parts.
struct Turn<'a>(&'a Value);

impl Turn<'_> {
    fn kind(&self) -> Option<&'static str> {
        let names: Vec<&str> =
            self.0["stack"].as_array()?.iter().filter_map(|frame| frame["function"].as_str()).collect();
        KINDS.into_iter().find(|kind| names.contains(kind))
    }

    /// Whether it was seen from its begin to its end.
    fn whole(&self) -> bool {
        [&self.0["began_before"], &self.0["lasts"]].iter().all(|cut| **cut == false)
    }

    /// Seconds; `None` where the kernel does not describe it.
    fn part(&self, name: &str) -> Option<f64> {
        self.0["division"][name].as_f64()
    }

    fn of(&self, names: &[&str]) -> f64 {
        names.iter().filter_map(|name| self.part(name)).sum()
    }

    fn collector(&self) -> f64 {
        let parts = self.0["division"]["collector_s"].as_array().unwrap();
        parts.iter().filter_map(Value::as_f64).sum::<f64>() + self.of(&["collector_unknown_s"])
    }
}

/// What `m5 stalls` says of it, with enough turns of each kind in it.
fn watched(target: &Target) -> Option<Value> {
    for span in SPANS {
        let (pid, span) = (target.pid().to_string(), format!("{span}s"));
        let options = ["--above", "10ms", "--max-overhead", "50%", "--top", "1000", "--json"];
        let output = run(&[&["stalls", "-p", &pid, "-d", &span][..], &options].concat());
        let (code, said) = verdict(&output);
        if matches!(code, 4 | 5) {
            assert!(std::env::var_os("M5_TEST_BPF").is_none(), "{said}");
            eprintln!("left out: {said}");
            return None;
        }
        let document = json(&output);
        let turns = document["turns"].as_array().unwrap();
        let whole: Vec<Turn<'_>> = turns.iter().map(Turn).filter(Turn::whole).collect();
        let of = |kind: &str| whole.iter().filter(|turn| turn.kind() == Some(kind)).count();
        if KINDS.iter().all(|kind| of(kind) >= ENOUGH) {
            return Some(document);
        }
    }
    panic!("not every kind of stall was seen");
}

/// That most of such a turn is what was made.
fn is_what_it_is(turn: &Turn<'_>, kind: &str, told: &str) {
    let all = turn.of(&["seconds"]);
    // What the machine, and the thread that still sorts, add to any of them.
    let besides = turn.of(&["processor_s", "gil_s"]);
    let ran = turn.of(&["running_s"]);
    match kind {
        "stall_collector" => {
            assert!(turn.collector() + besides > 0.8 * all && turn.collector() > 0.0, "{told}")
        }
        "stall_gil" => {
            assert!(turn.of(&["gil_s"]) > 0.005 && besides + turn.of(&["locks_s"]) > 0.3 * all, "{told}")
        }
        "stall_call" => {
            let call = &turn.0["longest_call"];
            // Up to 3.10 a sleep is a select without descriptors.
            let sleeps = ["clock_nanosleep", "pselect6", "select"];
            assert!(sleeps.iter().any(|name| call["name"] == *name), "{told}");
            assert!(turn.of(&["calls_s"]) > 0.045 && turn.of(&["calls_s"]) + besides > 0.9 * all, "{told}");
        }
        // 50 ms of its own time, whatever else the machine did.
        "stall_lines" => assert!((0.045..0.065).contains(&ran) && ran + besides > 0.9 * all, "{told}"),
        "stall_processor" if turn.part("processor_s").is_some() => {
            let waited = turn.of(&["processor_s"]);
            assert!((0.045..0.065).contains(&ran) && waited > 0.01 && ran + besides > 0.9 * all, "{told}");
        }
        "stall_faults" if turn.0["major_faults"].as_u64() > Some(0) => {
            let faults = turn.of(&["faults_s"]);
            assert!(faults > 0.0 && faults + ran + besides > 0.9 * all, "{told}");
        }
        _ => {}
    }
}

fn each_kind(of: &str) {
    let looped: Vec<Looped> = Looped::all().into_iter().filter(|looped| looped.has(of)).collect();
    if looped.is_empty() {
        eprintln!("left out: {of} is installed for no interpreter (tests/loops.sh)");
    }
    looped.iter().for_each(|looped| each_kind_on(looped, of));
}

fn each_kind_on(looped: &Looped, of: &str) {
    let place = tempfile::tempdir_in(looped.root.join("tmp")).unwrap();
    let inside = Path::new("/").join(place.path().strip_prefix(&looped.root).unwrap());
    let mut command = looped.command();
    command.args(["-u", "-c", PROGRAM, of]).arg(inside);
    let mut target = Target::spawn(command);
    assert_eq!(target.line(), "ready");
    let Some(document) = watched(&target) else { return };
    for turn in document["turns"].as_array().unwrap().iter().map(Turn).filter(Turn::whole) {
        if let Some(kind) = turn.kind() {
            is_what_it_is(&turn, kind, &format!("{:?} {of} {kind}: {}", looped.python, turn.0));
        }
    }
    // Their lines are what ran.
    let lines = document["lines"].as_array().unwrap();
    let ran = |of: &str| {
        let own = lines.iter().filter(|line| line["frame"]["function"] == of);
        own.filter_map(|line| line["running_s"].as_f64()).sum::<f64>()
    };
    assert!(ran("stall_lines") > 10.0 * ran("stall_call"), "{:?} {of}: {lines:?}", looped.python);
}

#[test]
fn under_uvloop() {
    each_kind("uvloop");
}

#[test]
fn under_gevent() {
    each_kind("gevent");
}
