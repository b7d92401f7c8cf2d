//! `m5 stalls` tells of the threads that run Python, whoever made them, and of no others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(target_arch = "x86_64")]

mod support;

use m5_testkit::{Python, Target, ends, pythons};
use serde_json::Value;
use support::{json, run, verdict};

/// Three threads wait and then take 15 ms of sleep: a loop of asyncio, one of a C library, which runs no Python (in machine code:
/// epoll_wait for 5 ms, nanosleep, and again), and one that a C library made and that calls into Python.
const PROGRAM: &str = "
import asyncio, ctypes, mmap, select, struct, threading, time
libc, one, other = ctypes.CDLL(None), select.epoll(), select.epoll()
CODE = (b'\\xb8\\xe8\\0\\0\\0\\xbf' + struct.pack('<i', one.fileno()) + b'\\x48\\x8d\\x74\\x24\\xc0\\xba\\1\\0\\0\\0\\x41\\xba\\5\\0\\0\\0\\x0f\\5'
        b'\\xb8\\x23\\0\\0\\0\\x48\\x8d\\x3d\\6\\0\\0\\0\\x31\\xf6\\x0f\\5\\xeb\\xd2' + struct.pack('<qq', 0, 15_000_000))
page = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(CODE)
code = ctypes.addressof(ctypes.c_char.from_buffer(page))
here = threading.Event()
def called(_):
    with open('/proc/thread-self/comm', 'w') as name: name.write('calls')
    here.set()
    while True:
        other.poll(0.005)
        time.sleep(0.015)
callback = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(called)
def thread(start):
    made = ctypes.c_ulong()
    libc.pthread_create(ctypes.byref(made), None, start, None)
thread(ctypes.c_void_p(code))
thread(callback)
here.wait()
async def turns():
    print('ready', flush=True)
    while True:
        await asyncio.sleep(0.005)
        time.sleep(0.015)
asyncio.run(turns())
";

/// The threads of the target: of C alone, and that calls into Python.
fn others(target: &Target) -> [i32; 2] {
    let pid = target.pid();
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let tids = tasks.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let comm = |tid: &i32| std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/comm")).unwrap();
    let (calls, native): (Vec<i32>, Vec<i32>) =
        tids.filter(|tid| *tid != pid).partition(|tid| comm(tid).trim() == "calls");
    assert_eq!((calls.len(), native.len()), (1, 1), "{calls:?} {native:?}");
    [native[0], calls[0]]
}

fn tids(document: &Value, of: &str) -> Vec<i32> {
    let mut tids: Vec<i32> = document[of]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["tid"].as_i64().unwrap().try_into().unwrap())
        .collect();
    tids.sort_unstable();
    tids.dedup();
    tids
}

fn only_threads_of_python(python: &Python) {
    let mut target = Target::start(python, PROGRAM);
    assert_eq!(target.line(), "ready", "{python:?}");
    let [native, calls] = others(&target);
    let mut wanted = vec![target.pid(), calls];
    wanted.sort_unstable();
    let pid = target.pid().to_string();
    // A machine that is busy is watched for longer.
    for span in ["2s", "5s", "15s"] {
        let watch = ["stalls", "-p", &pid, "-d", span, "--above", "10ms", "--max-overhead", "100%"];
        let output = run(&[&watch[..], &["--top", "1000", "--json"]].concat());
        let (code, said) = verdict(&output);
        if matches!(code, 4 | 5) {
            assert!(std::env::var_os("M5_TEST_BPF").is_none(), "{said}");
            eprintln!("left out: {said}");
            return;
        }
        let document = json(&output);
        let told = |of: &str| tids(&document, of);
        assert!(told("turns").iter().all(|tid| wanted.contains(tid)), "{python:?} {native}: {document}");
        if told("threads") == wanted && told("turns") == wanted {
            assert_eq!(document["without_python"], serde_json::json!([native]), "{python:?}: {document}");
            let text = run(&watch);
            let text = String::from_utf8_lossy(&text.stdout);
            assert!(text.contains(&format!("left out: {native}\n")), "{python:?}: {text}");
            return;
        }
    }
    panic!("{python:?}: not every loop was seen");
}

#[test]
fn only_threads_that_run_python_are_told_of() {
    let with_ctypes =
        |python: &Python| python.command().args(["-c", "import ctypes"]).status().is_ok_and(|s| s.success());
    let all: Vec<Python> = pythons().into_iter().filter(with_ctypes).collect();
    let free_threaded = all.iter().rfind(|p| p.free_threaded).cloned();
    let some = ends(&all).into_iter().chain(free_threaded);
    some.for_each(|python| only_threads_of_python(&python));
}
