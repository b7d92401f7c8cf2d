//! RSS accounted for: at least 99 % has a name, on every interpreter, after growth and after freeing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use m5_heap::{Accounting, Analysis, Anchor, CaptureOptions, Redaction, capture, take_snapshot};
use m5_process::{Mapping, Process, parse_maps};
use m5_testkit::{Python, Target, pythons};
use std::collections::BTreeMap;

const PROGRAM: &str = "
import ctypes, sys, threading
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def work():
    # A heap of this thread's own, of a few blocks that are touched.
    for _ in range(20): ctypes.memset(ctypes.c_void_p(libc.malloc(ctypes.c_size_t(100000))), 1, 100000)
    made.wait()
    wait.wait()
items = [(i + 1000, str(i), {i: [i]}) for i in range(60000)]
table = {str(i): bytes(i % 3000) for i in range(20000)}
del items[::3]
for key in list(table)[::2]: del table[key]
wait, made = threading.Event(), threading.Barrier(5)
for _ in range(4): threading.Thread(target=work, daemon=True).start()
made.wait()
print('ready', flush=True)
sys.stdin.read()
";

fn account(process: &Process) -> Accounting {
    let anchor = Anchor::of(process).unwrap();
    let taken = capture(process, &CaptureOptions::default()).unwrap();
    let analysis = Analysis::of(&taken.image, anchor).unwrap();
    Accounting::of(&taken.image, &analysis, &taken.pages)
}

#[test]
fn nearly_all_of_rss_has_a_name() {
    for python in pythons() {
        let mut target = Target::start(&python, PROGRAM);
        assert_eq!(target.line(), "ready");
        let process = Process::open(target.pid()).unwrap();
        let accounting = account(&process);
        let explained = accounting.explained.unwrap();
        println!("{}: {explained:.4} of {} bytes", python.name, accounting.tree.bytes);
        assert!(explained > 0.99, "{}: {:?}", python.name, accounting.tree);
        let parts: u64 = accounting.tree.children.iter().map(|c| c.bytes).sum();
        assert!(parts <= accounting.tree.bytes, "{}", python.name);
        assert!(accounting.tree.at(&["pymalloc", "pymalloc_free_blocks"]).unwrap().bytes > 1 << 20);
        let rss = process.status().unwrap().rss_bytes.unwrap();
        assert!(rss.abs_diff(accounting.tree.bytes) < rss / 100, "{}", python.name);
    }
}

/// Deep recursion: from 3.11 on frames lie in memory that no allocator knows.
const DEEP: &str = "
import sys
sys.setrecursionlimit(10**6)
def down(n):
    if n:
        down(n - 1)
    else:
        print('ready', flush=True)
        sys.stdin.read()
down(60000)
";

#[test]
fn stacks_of_python_frames_are_named() {
    for python in pythons().into_iter().filter(|p| p.minor().1 >= 11) {
        let mut target = Target::start(&python, DEEP);
        assert_eq!(target.line(), "ready");
        let process = Process::open(target.pid()).unwrap();
        let accounting = account(&process);
        let frames = accounting.tree.at(&["stacks", "python_frames"]).map_or(0, |part| part.bytes);
        // A frame has at least ten words.
        assert!(frames > 60_000 * 80, "{}: {:?}", python.name, accounting.tree);
        assert!(accounting.explained > Some(0.99), "{}: {:?}", python.name, accounting.tree);
    }
}

/// Memory that copies do not get, or get empty.
const UNCOPIED: &str = "
import mmap, sys
kept = mmap.mmap(-1, 24 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
kept.madvise(mmap.MADV_DONTFORK)
kept[:] = b'x' * len(kept)
wiped = mmap.mmap(-1, 12 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
wiped.madvise(18)
wiped[:] = b'y' * len(wiped)
print('ready', flush=True)
sys.stdin.read()
";

#[test]
fn what_a_copy_does_not_get_has_a_name_all_the_same() {
    // `mmap.madvise` is there from 3.8 on; one interpreter shows what the kernel does.
    let Some(python) = pythons().into_iter().find(|p| p.minor().1 >= 8) else { return };
    let mut target = Target::start(&python, UNCOPIED);
    assert_eq!(target.line(), "ready");
    let process = Process::open(target.pid()).unwrap();
    let anchor = Anchor::of(&process).unwrap();
    let options = CaptureOptions { method: m5_heap::Method::Fork, ..CaptureOptions::default() };
    // Where no copy may be made there is nothing to add to one.
    let Ok(taken) = capture(&process, &options) else { return };
    let analysis = Analysis::of(&taken.image, anchor).unwrap();
    let accounting = Accounting::of(&taken.image, &analysis, &taken.pages);
    assert!(accounting.explained > Some(0.97), "{:?}", accounting.tree);
    assert!(accounting.tree.bytes > 36 << 20, "{:?}", accounting.tree);
    let owned: u64 = accounting.native.objects.iter().map(|(_, bytes)| bytes).sum();
    assert!(owned >= 36 << 20, "{owned} bytes are the two mappings'");
    assert!(taken.report.notes.iter().any(|n| n.starts_with("36 MiB")), "{:?}", taken.report.notes);
}

/// A made-up page of code everywhere, and where the interpreter has a compiler of its own that, too.
const GENERATED: &str = "
import ctypes, sys
def hot(n):
    total = 0
    for i in range(n): total += i * 2
    return total
for _ in range(500): hot(2000)
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
place = libc.mmap(None, ctypes.c_size_t(1 << 20), 7, 0x22, -1, ctypes.c_long(0))
ctypes.memset(ctypes.c_void_p(place), 0x90, 1 << 20)
libc.mprotect(ctypes.c_void_p(place), ctypes.c_size_t(1 << 20), 5)
print(int(hasattr(sys, '_jit') and sys._jit.is_enabled()), flush=True)
sys.stdin.read()
";

/// It runs, and whether the interpreter has a compiler of its own.
fn generated(python: &Python) -> (Target, bool) {
    let mut command = python.command();
    command.args(["-u", "-c", GENERATED]);
    command.env("PYTHON_JIT", "1");
    let mut target = Target::spawn(command);
    let own = target.line() == "1";
    (target, own)
}

#[test]
fn code_that_is_made_at_run_time_is_named() {
    for python in pythons().into_iter().filter(|p| p.minor() == (3, 8) || p.minor() >= (3, 14)) {
        let (target, own) = generated(&python);
        let process = Process::open(target.pid()).unwrap();
        let accounting = account(&process);
        let generated = accounting.tree.at(&["generated_code"]).map_or(0, |part| part.bytes);
        println!("{}: {generated} bytes, a compiler of its own: {own}", python.name);
        let executable = smaps(target.pid());
        let made = |m: &&Mapped| m.map.executable && m.map.inode == 0 && m.map.path.is_empty();
        let truth: u64 = executable.iter().filter(made).map(|m| m.bytes).sum();
        assert!(generated >= 1 << 20 && generated == truth, "{}: {generated} of {truth}", python.name);
        assert!(accounting.explained > Some(0.99), "{}: {:?}", python.name, accounting.tree);
    }
}

#[test]
fn what_the_interpreter_compiles_is_held_by_its_code() {
    for python in pythons().into_iter().filter(|p| p.minor() >= (3, 14)) {
        let (target, own) = generated(&python);
        let process = Process::open(target.pid()).unwrap();
        let snapshot = take_snapshot(&process, &CaptureOptions::default(), &Redaction::new(false)).unwrap();
        let graph = &snapshot.graph;
        let name = |object: u32| graph.types[graph.type_id[object as usize] as usize].name.as_str();
        let made = (0..graph.len() as u32).filter(|o| name(*o) == "uop_executor");
        let holders = |object: u32| -> Vec<&str> {
            let of =
                |o: u32| graph.edge_start[o as usize] as usize..graph.edge_start[o as usize + 1] as usize;
            let holds = |o: &u32| *o != object && graph.edge_to[of(*o)].contains(&object);
            (0..graph.len() as u32).filter(holds).map(name).collect()
        };
        let all: Vec<_> = made.map(holders).collect();
        println!("{}: {all:?}, a compiler of its own: {own}", python.name);
        assert!(!own || !all.is_empty(), "{}", python.name);
        let known = |h: &Vec<&str>| h.iter().any(|name| ["code", "uop_executor"].contains(name));
        // Two that stand for exits which were not compiled belong to the interpreter itself.
        let others = all.iter().filter(|h| !known(h)).count();
        assert!(others <= 2 && others < all.len().max(1), "{}: {all:?}", python.name);
    }
}

/// The kernel's account of one mapping.
struct Mapped {
    map: Mapping,
    /// In memory or swapped out.
    bytes: u64,
}

/// `/proc/PID/smaps`, mapping by mapping; neighbours of one kind stay apart.
fn smaps(pid: i32) -> Vec<Mapped> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let mut all: Vec<Mapped> = Vec::new();
    for line in text.lines() {
        let kib = |line: &str| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10;
        match line.split_once(':') {
            Some(("Rss" | "Swap", _)) => all.last_mut().unwrap().bytes += kib(line),
            Some((field, _)) if !field.contains('-') => {}
            _ => all.extend(parse_maps(line).unwrap().into_iter().map(|map| Mapped { map, bytes: 0 })),
        }
    }
    all
}

/// Every file by itself, the stacks, and shared memory: at least and at most. Behind the data of a file lies its
/// zeroed data, with which the kernel joins whatever was mapped next to it; and what lies on a stack's top looks
/// like more of it.
fn parts(all: &[Mapped]) -> BTreeMap<String, (u64, u64)> {
    let mut parts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut last = None;
    for (i, one) in all.iter().enumerate() {
        let before = i.checked_sub(1).map(|b| &all[b].map).filter(|b| b.end == one.map.start);
        let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
        let unnamed = one.map.path.is_empty() && one.map.start % (64 << 20) != 0;
        let (part, certain) = match before {
            _ if one.map.shared => ("shared_memory".into(), true),
            _ if one.map.inode != 0 => (name(&one.map.path), true),
            _ if one.map.path == "[stack]" => ("main_stack".into(), true),
            Some(b) if b.inode != 0 && b.writable && one.map.path.is_empty() => (name(&b.path), false),
            Some(b) if !b.readable && unnamed => ("thread_stacks".into(), true),
            Some(b) if b.inode == 0 && b.writable && unnamed && last.is_some() => {
                (last.take().unwrap(), false)
            }
            _ => {
                last = None;
                continue;
            }
        };
        let entry = parts.entry(part.clone()).or_default();
        *entry = (entry.0 + if certain { one.bytes } else { 0 }, entry.1 + one.bytes);
        last = Some(part).filter(|_| one.map.inode == 0 && !one.map.shared);
    }
    parts
}

const STACKS: &str = "
import json, mmap, sys, threading, decimal, sqlite3
shared = mmap.mmap(-1, 3 << 20)
shared[:] = bytes(len(shared))
deep, wait, ready = [], threading.Event(), threading.Barrier(5)
def recurse(n):
    if n: return sorted([n], key=lambda i: recurse(n - 1))
    ready.wait()
    wait.wait()
for i in range(4): threading.Thread(target=recurse, args=(20 + 20 * i,), daemon=True).start()
ready.wait()
print('ready', flush=True)
sys.stdin.read()
";

#[test]
fn every_part_equals_the_kernels_own_figure() {
    for python in pythons() {
        let mut target = Target::start(&python, STACKS);
        assert_eq!(target.line(), "ready");
        let process = Process::open(target.pid()).unwrap();
        let anchor = Anchor::of(&process).unwrap();
        let (before, kernels) = (process.status().unwrap(), parts(&smaps(process.pid())));
        let taken = capture(&process, &CaptureOptions::default()).unwrap();
        let analysis = Analysis::of(&taken.image, anchor).unwrap();
        let after = process.status().unwrap();
        let grown = |of: fn(&m5_process::Status) -> Option<u64>| {
            of(&after).unwrap().saturating_sub(of(&before).unwrap())
        };
        // Not one page of code: the kernel maps sixteen at once.
        assert!(
            grown(|s| s.file_bytes) < 16 << 12 && grown(|s| s.anon_bytes) < 64 << 10,
            "{before:?} {after:?}"
        );
        let tree = Accounting::of(&taken.image, &analysis, &taken.pages).tree;
        let all = smaps(process.pid());
        let ours = |name: &str| {
            let paths: [&[&str]; 3] = [&["libraries", name], &["stacks", name], &[name]];
            paths.iter().find_map(|path| tree.at(path)).map_or(0, |part| part.bytes)
        };
        for (name, (least, most)) in &parts(&all) {
            let (first_least, first_most) = kernels[name];
            // A stop and a fork touch a page of a stack here and there; the kernel takes pages of files back.
            let slack = if name.contains("stack") { 8 << 12 } else { 1 << 12 };
            let range = *least.min(&first_least) - slack.min(*least)..=*most.max(&first_most) + slack;
            assert!(range.contains(&ours(name)), "{}: {name} {}, smaps {range:?}", python.name, ours(name));
        }
        assert!(ours("shared_memory") >= 3 << 20, "{}: {tree:?}", python.name);
        // Four stacks with a few pages each, and the frames of C code on them.
        println!("{}: stacks {}", python.name, ours("thread_stacks"));
        assert!(ours("thread_stacks") > 100 << 10, "{}: {tree:?}", python.name);
        let whole: u64 = all.iter().map(|m| m.bytes).sum();
        assert!(tree.bytes.abs_diff(whole) < whole / 100, "{}: {} of {whole}", python.name, tree.bytes);
    }
}

const SWAPPED: &str = "
import ctypes, sys
items = [(i + 1000, str(i) * 9) for i in range(200_000)]
libc = ctypes.CDLL(None, use_errno=True)
for line in open('/proc/self/maps'):
    start, end = (int(a, 16) for a in line.split()[0].split('-'))
    if end - start >= 1 << 18 and line.split()[1] == 'rw-p' and line.split()[4] == '0':
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), 21)
print('ready', flush=True)
sys.stdin.read()
";

#[test]
fn what_is_swapped_out_is_seen_and_said() {
    if std::fs::read_to_string("/proc/swaps").unwrap().lines().count() < 2 {
        return println!("left out: this machine has no swap");
    }
    let python = pythons().pop().unwrap();
    let mut target = Target::start(&python, SWAPPED);
    assert_eq!(target.line(), "ready");
    let process = Process::open(target.pid()).unwrap();
    let before = process.status().unwrap();
    let swapped = before.swap_bytes.unwrap();
    assert!(swapped > 10 << 20, "{swapped}");
    let snapshot = take_snapshot(&process, &CaptureOptions::default(), &Redaction::new(false)).unwrap();
    let said = snapshot.info.beside_rss.unwrap();
    assert!(said.swap_bytes.unwrap().abs_diff(swapped) < 1 << 20, "{said:?} {swapped}");
    assert!(said.page_table_bytes.unwrap() > 0);
    let tree = snapshot.memory.unwrap();
    assert_eq!(tree.name, "rss_and_swap");
    let whole = swapped + before.rss_bytes.unwrap();
    assert!(tree.bytes.abs_diff(whole) < whole / 50, "{} of {whole}", tree.bytes);
    assert!(snapshot.info.coverage.rss_explained.unwrap() > 0.98, "{tree:?}");
    let after = process.status().unwrap().swap_bytes.unwrap();
    assert!(
        after > swapped / 10 * 9,
        "reading the copy brought the target's own pages back: {after} of {swapped}"
    );
    let tuples = snapshot.graph.type_id.iter().filter(|t| snapshot.graph.types[**t as usize].name == "tuple");
    assert!(tuples.count() > 200_000);
}
