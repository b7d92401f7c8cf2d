//! A core file gives what the running process gave: the same objects, references, roots and bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use m5_heap::{CaptureOptions, CorePlaces, Redaction, Snapshot, take_core, take_snapshot};
use m5_process::Process;
use m5_testkit::{Target, pythons, write_core};
use std::collections::BTreeMap;
use std::path::Path;

const PROGRAM: &str = "
import os, sys, threading, collections
class Order:
    def __init__(self, i): self.number, self.tags = i, {str(i): [i]}
class Slotted:
    __slots__ = 'a', 'b'
    def __init__(self, i): self.a, self.b = i, (i,)
ORDERS = [Order(i) for i in range(3000)]
SLOTTED = collections.OrderedDict((i, Slotted(i)) for i in range(2000))
BIG = [bytes([i % 250 + 1]) * 300000 for i in range(4)]
wait = threading.Event()
for _ in range(2): threading.Thread(target=wait.wait, daemon=True).start()
print('ready', flush=True)
sys.stdin.readline()
os.abort()
";

fn by_type(snapshot: &Snapshot) -> BTreeMap<&str, (u64, u64)> {
    let mut out: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (number, size) in snapshot.graph.type_id.iter().zip(&snapshot.graph.size) {
        let entry = out.entry(&snapshot.graph.types[*number as usize].name).or_default();
        *entry = (entry.0 + 1, entry.1 + size);
    }
    out
}

fn part(snapshot: &Snapshot, path: &[&str]) -> u64 {
    snapshot.memory.as_ref().unwrap().at(path).map_or(0, |t| t.bytes)
}

fn live(target: &Target) -> Snapshot {
    let process = Process::open(target.pid()).unwrap();
    take_snapshot(&process, &CaptureOptions::default(), &Redaction::new(false)).unwrap()
}

#[test]
fn a_core_file_holds_the_same_as_the_process() {
    let dir = tempfile::tempdir().unwrap();
    for python in pythons() {
        let mut target = Target::start(&python, PROGRAM);
        assert_eq!(target.line(), "ready");
        let path = dir.path().join("core");
        let live = live(&target);
        write_core(target.pid(), &path);
        let places = CorePlaces { exe: None, root: python.root() };
        let core = take_core(&path, places, &Redaction::new(false)).unwrap();
        assert_eq!(core.info.method, "core");
        assert_eq!((core.info.identity.pid, core.info.rss_bytes), (target.pid(), None));
        assert_eq!(core.info.python, live.info.python, "{}", python.name);
        let (now, then) = (by_type(&core), by_type(&live));
        let other: Vec<_> = now.iter().filter(|(t, n)| then.get(*t) != Some(n)).collect();
        assert!(now.len() == then.len() && other.is_empty(), "{}: {other:?}", python.name);
        assert_eq!(core.graph.edge_to, live.graph.edge_to, "{}", python.name);
        assert_eq!(core.graph.roots, live.graph.roots, "{}", python.name);
        for path in [&["python_objects"][..], &["pymalloc"], &["native_heap"], &["stacks"]] {
            let (a, b) = (part(&core, path), part(&live, path));
            assert!(a.abs_diff(b) <= b / 20 + (128 << 10), "{}: {path:?} {a} {b}", python.name);
        }
        println!("{}: {} objects, explained {:?}", python.name, core.graph.len(), core.info.coverage);
        assert!(core.info.coverage.rss_explained.unwrap() > 0.985, "{}", python.name);
    }
}

/// Only where the kernel writes cores into the directory of the process.
#[test]
fn the_kernels_own_core_file_is_read() {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if pattern.starts_with('|') || pattern.contains('/') {
        println!("skipped: core_pattern is {pattern}");
        return;
    }
    for python in pythons().iter().filter(|p| p.executable().is_some()) {
        let dir = tempfile::tempdir().unwrap();
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "ulimit -c unlimited && exec \"$0\" \"$@\""]).current_dir(dir.path());
        command.arg(python.executable().unwrap()).args(["-I", "-u", "-c", PROGRAM]);
        let mut target = Target::spawn(command);
        assert_eq!(target.line(), "ready");
        let live = live(&target);
        target.say("end");
        target.child().wait().unwrap();
        let written = std::fs::read_dir(dir.path()).unwrap().next();
        let Some(path) = written.map(|e| e.unwrap().path()) else {
            println!("skipped: the kernel wrote no core file");
            return;
        };
        let core = take_core(&path, CorePlaces::default(), &Redaction::new(false)).unwrap();
        let (now, then) = (by_type(&core), by_type(&live));
        for name in ["__main__.Order", "__main__.Slotted", "function", "type"] {
            assert_eq!(now[name], then[name], "{}: {name}", python.name);
        }
        let (now, then) = (core.graph.len(), live.graph.len());
        assert!(now.abs_diff(then) < then / 500, "{}: {now} {then}", python.name);
        let coverage = core.info.coverage;
        assert!(coverage.rss_explained.unwrap() > 0.985, "{}: {coverage:?}", python.name);
        assert!(core.info.notes.iter().any(|n| n.contains("signal 6")), "{:?}", core.info.notes);
        let held: u64 = part(&core, &[]);
        println!("{}: {now} objects, {held} bytes, {coverage:?}", python.name);
    }
}

#[test]
fn what_is_no_whole_core_file_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("core");
    let refused = |path: &Path, exe: Option<&Path>| {
        let places = CorePlaces { exe, root: None };
        take_core(path, places, &Redaction::new(false)).unwrap_err().to_string()
    };
    assert!(refused(&path, None).contains("core"));
    std::fs::write(&path, b"\x28\xb5\x2f\xfd and so on".repeat(9)).unwrap();
    assert!(refused(&path, None).contains("zstd"));
    std::fs::write(&path, b"short").unwrap();
    refused(&path, None);
    assert!(refused(Path::new("/bin/sh"), None).contains("not a core file"));
    let python = pythons().into_iter().rfind(|p| p.executable().is_some()).unwrap();
    let mut target = Target::start(&python, PROGRAM);
    assert_eq!(target.line(), "ready");
    write_core(target.pid(), &path);
    assert!(refused(&path, Some(Path::new("/bin/sh"))).contains("is not the program"));
    let length = std::fs::metadata(&path).unwrap().len();
    for cut in [length / 2, 4096, 70] {
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(cut).unwrap();
        assert!(refused(&path, None).contains("truncated"), "{cut}");
    }
}
