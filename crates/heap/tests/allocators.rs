//! Allocators against their own figures, and objects under every allocator that Python can be told to use.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use m5_heap::{Accounting, Analysis, Anchor, CaptureOptions, Redaction, capture, take_snapshot};
use m5_process::Process;
use m5_testkit::{Python, Target, pythons, static_pythons};

const PROGRAM: &str = "
import ctypes, sys
class Order:
    def __init__(self, i): self.number, self.text = i, str(i) * 9
ORDERS = [Order(i) for i in range(30000)]
BIG = [bytes(700 + i) for i in range(2000)]
del ORDERS[::3], BIG[::2]
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
def figures():
    sys._debugmallocstats()
    sys.stderr.flush()
    out = ctypes.c_void_p(libc.fdopen(2, b'a'))
    libc.malloc_info(0, out)
    libc.fflush(out)
figures()
sys.stderr.write('\\n<end>\\n')
sys.stderr.flush()
print('ready', flush=True)
sys.stdin.read()
";

struct Taken {
    analysis: Analysis,
    accounting: Accounting,
    said: String,
}

fn take(python: &Python, allocator: Option<&str>, program: &str) -> Taken {
    take_with(python, allocator, None, program)
}

fn take_with(python: &Python, allocator: Option<&str>, preload: Option<&str>, program: &str) -> Taken {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("said");
    let mut command = python.command();
    command.args(["-u", "-c", program]).stderr(std::fs::File::create(&path).unwrap());
    command.env_remove("PYTHONMALLOC");
    command.envs(allocator.map(|a| ("PYTHONMALLOC", a))).envs(preload.map(|lib| ("LD_PRELOAD", lib)));
    let mut target = Target::spawn(command);
    assert_eq!(target.line(), "ready", "{}", python.name);
    let process = Process::open(target.pid()).unwrap();
    let anchor = Anchor::of(&process).unwrap();
    let taken = capture(&process, &CaptureOptions::default()).unwrap();
    let analysis = Analysis::of(&taken.image, anchor).unwrap();
    let accounting = Accounting::of(&taken.image, &analysis, &taken.pages);
    Taken { analysis, accounting, said: std::fs::read_to_string(path).unwrap() }
}

impl Taken {
    fn count(&self, name: &str) -> usize {
        let graph = &self.analysis.graph;
        graph.type_id.iter().filter(|t| graph.types[**t as usize].name == name).count()
    }

    fn bytes(&self, path: &[&str]) -> u64 {
        self.accounting.tree.at(path).map_or(0, |t| t.bytes)
    }

    /// `# bytes in allocated blocks        =            1,234`
    fn pymalloc(&self, name: &str) -> u64 {
        let line = self.said.lines().find(|l| l.contains(name)).unwrap_or_else(|| panic!("no {name}"));
        line.rsplit('=').next().unwrap().trim().replace(',', "").parse().unwrap()
    }

    /// The last `<system type="current" size="…"/>` is that of all heaps together.
    fn malloc(&self, start: &str) -> u64 {
        let line = self.said.lines().rfind(|l| l.starts_with(start)).unwrap_or_else(|| panic!("no {start}"));
        line.rsplit("size=\"").next().unwrap().split('"').next().unwrap().parse().unwrap()
    }
}

fn near(a: u64, b: u64, slack: u64) -> bool {
    a.abs_diff(b) <= b / 50 + slack
}

#[test]
fn pymallocs_and_mallocs_own_figures_agree() {
    for python in pythons() {
        let taken = take(&python, None, PROGRAM);
        let stats = taken.analysis.census.pools;
        let used = taken.pymalloc("# bytes in allocated blocks");
        let free = taken.pymalloc("# bytes in available blocks");
        let heap = taken.malloc("<system type=\"current\"");
        let regions: u64 = taken
            .analysis
            .census
            .heaps
            .regions
            .iter()
            .filter(|r| r.chunks.len() > 1)
            .map(|r| r.end - r.start)
            .sum();
        println!(
            "{}: used {} of {used}, free {} of {free}, heaps {regions} of {heap}",
            python.name, stats.used_bytes, stats.free_bytes
        );
        // Writing the figures itself allocates a little.
        assert!(near(stats.used_bytes, used, 16 << 10), "{}", python.name);
        assert!(near(stats.free_bytes, free, 32 << 10), "{}", python.name);
        assert!(near(regions, heap, 256 << 10), "{}", python.name);
    }
}

/// mimalloc of CPython's own, whose books are read: 2.1.2 and 2.5.2.
#[test]
fn mimalloc_is_walked() {
    for python in pythons().iter().filter(|p| p.minor() >= (3, 13)) {
        let taken = take(python, Some("mimalloc"), PROGRAM);
        let check = taken.analysis.check;
        println!("{}: {check:?}, {:?}", python.name, taken.accounting.explained);
        assert_eq!(taken.count("__main__.Order"), 20_000, "{}", python.name);
        assert_eq!((check.nowhere, check.broken_heaps), (0, 0), "{}", python.name);
        assert!(check.refcounts_explained() > Some(0.99), "{}", python.name);
        assert!(taken.accounting.explained > Some(0.98), "{}", python.name);
        // Two thirds of the objects are left, so that free blocks lie between them.
        assert!(taken.bytes(&["native_heap", "native_free"]) > 1 << 20, "{}", python.name);
    }
}

#[test]
fn every_allocator_shows_the_same_objects() {
    for python in pythons() {
        let [plain, malloc, debug] = [None, Some("malloc"), Some("debug")].map(|a| take(&python, a, PROGRAM));
        let counts = [&plain, &malloc, &debug].map(|t| t.count("__main__.Order"));
        println!(
            "{}: {counts:?} of 20000; {:?}; explained {:?}",
            python.name,
            [&plain, &malloc, &debug].map(|t| t.analysis.graph.len()),
            [&plain, &malloc, &debug]
                .map(|t| (t.analysis.check.refcounts_explained(), t.accounting.explained)),
        );
        assert_eq!(counts, [20_000; 3], "{}", python.name);
        for other in [&malloc, &debug] {
            let (a, b) = (other.analysis.graph.len(), plain.analysis.graph.len());
            assert!(a.abs_diff(b) < b / 1000, "{}: {a} {b}", python.name);
            assert!(
                other.accounting.explained.unwrap() > 0.98,
                "{}: {:?}",
                python.name,
                other.accounting.tree
            );
            assert!(other.bytes(&["python_objects"]) > 3 << 20, "{}", python.name);
        }
        assert!(malloc.accounting.tree.at(&["pymalloc"]).is_none(), "{}", python.name);
    }
}

/// Mallocs that services are often started with.
const OTHERS: [&str; 3] = ["libjemalloc.so.2", "libtcmalloc_minimal.so.4", "libmimalloc.so.2"];

#[test]
fn another_malloc_hides_no_object() {
    const ORDERS: &str = "
import asyncio, sys
class Order:
    def __init__(self, i): self.number, self.text, self.legs = i, str(i) * 9, [i] * 3
ORDERS = [Order(i) for i in range(20000)]
BIG = [bytes(700 + i) for i in range(2000)]
# Tables of these hold a hash, a type and a hash one after the other: a count, a type and a length, as in an object.
TYPES = [({bytes, str, tuple, int, i}, {bytes: i, str: i, tuple: i}) for i in range(300)]
LATER = [Order(i) for i in range(20000)]
TABLE = {i: str(i) for i in range(50000)}
# Blocks of every kind of size, and what a burst left behind.
BODIES = [b'x' * (40 + i % 9000) for i in range(16000)]
BURST = [bytes(2_000_000) for i in range(20)]
del BODIES[::2], BURST
print('ready', flush=True)
sys.stdin.read()
";
    let libraries: Vec<String> =
        OTHERS.iter().map(|lib| format!("/usr/lib/x86_64-linux-gnu/{lib}")).collect();
    let libraries = libraries.iter().filter(|lib| std::path::Path::new(lib).exists());
    for (python, library) in pythons().iter().flat_map(|p| libraries.clone().map(move |l| (p, l))) {
        // Inside of another root there is none of them.
        if python.name.contains("chroot") {
            continue;
        }
        let plain = take(python, None, ORDERS);
        // Every object from the other malloc; on the machine's own interpreter large ones alone, too.
        let allocators: &[Option<&str>] =
            if python.name.starts_with("/usr") { &[None, Some("malloc")] } else { &[Some("malloc")] };
        for allocator in allocators.iter().copied() {
            let other = take_with(python, allocator, Some(library), ORDERS);
            let name = format!("{} {library} {allocator:?}", python.name);
            let (a, b) = (other.analysis.graph.len(), plain.analysis.graph.len());
            println!("{name}: {a} objects of {b}, {:?}", other.analysis.check);
            assert_eq!(other.count("__main__.Order"), 40_000, "{name}");
            assert!(a.abs_diff(b) < b / 1000, "{name}: {a} {b}");
            assert!(other.analysis.check.refcounts_explained().unwrap() > 0.99, "{name}");
            assert!(other.accounting.explained.unwrap() > 0.99, "{name}");
            let objects = other.bytes(&["python_objects"]).abs_diff(plain.bytes(&["python_objects"]));
            assert!(objects < plain.bytes(&["python_objects"]) / 10, "{name}: {objects}");
            // What m5 reads the books of is told from what is in use.
            let heap = |part: &str| other.bytes(&["native_heap", part]);
            let (free, overhead) = (heap("native_free"), heap("native_overhead"));
            assert!(free > 16 << 20 && overhead < 8 << 20, "{name}: {free} free, {overhead} beside it");
        }
    }
}

/// tcmalloc's own figures; what its caches hold free is not told from what is in use.
#[test]
fn the_page_heap_of_tcmalloc_is_read() {
    const PROGRAM: &str = "
import ctypes, sys
kept = [bytes(9000 + i % 7000) for i in range(4000)][::40]
large = [bytes(3_000_000) for i in range(9)][::3]
libc, value = ctypes.CDLL(None), ctypes.c_size_t()
libc.MallocExtension_ReleaseToSystem(ctypes.c_size_t(1 << 20))
for name in (b'free', b'unmapped'):
    libc.MallocExtension_GetNumericProperty(b'tcmalloc.pageheap_%s_bytes' % name, ctypes.byref(value))
    print(name.decode(), '=', value.value, file=sys.stderr)
sys.stderr.flush()
print('ready', flush=True)
sys.stdin.read()
";
    let library = "/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4";
    if !std::path::Path::new(library).exists() {
        return;
    }
    let python = pythons().into_iter().rfind(|p| p.root().is_none()).unwrap();
    let taken = take_with(&python, None, Some(library), PROGRAM);
    let (free, unmapped) = (taken.pymalloc("free"), taken.pymalloc("unmapped"));
    assert!(free > 32 << 20 && unmapped >= 1 << 20, "{free} {unmapped}");
    let spans = taken.analysis.census.heaps.regions.iter().flat_map(|r| &r.chunks).filter(|c| c.free());
    let spans: u64 = spans.map(|c| c.usable()).sum();
    // Saying so itself takes a span or two.
    assert!(spans.abs_diff(free + unmapped) < 1 << 20, "{spans} {free} {unmapped}");
    let accounting = &taken.accounting;
    // Of what it has from the system some was never touched.
    let in_memory = accounting.free_of_others.unwrap();
    assert!(in_memory > free / 2 && in_memory < free + (2 << 20), "{in_memory} of {free}");
    assert!(accounting.unread_of_others, "its caches");
}

#[test]
fn the_absence_of_pymalloc_has_a_reason() {
    let python = pythons().pop().unwrap();
    let mut command = python.command();
    command.args(["-c", "import sys; print(1, flush=True); sys.stdin.read()"]).env("PYTHONMALLOC", "malloc");
    let mut target = Target::spawn(command);
    target.line();
    let process = Process::open(target.pid()).unwrap();
    let taken = take_snapshot(&process, &CaptureOptions::default(), &Redaction::new(false)).unwrap();
    assert!(taken.info.notes.iter().any(|n| n.contains("PYTHONMALLOC=malloc")), "{:?}", taken.info.notes);
}

/// From 3.12 on an interpreter may have an allocator and a lock of its own.
const SUBINTERPRETER: &str = r#"
import sys
try: import _interpreters as interpreters
except ImportError: import _xxsubinterpreters as interpreters
other = interpreters.create()
interpreters.run_string(other, """class Inner:
    def __init__(self, i): self.number = i
INNER = [Inner(i) for i in range(20000)]
""")
print("ready", flush=True)
sys.stdin.read()
"#;

#[test]
fn subinterpreters_are_seen_whole() {
    for python in pythons().iter().filter(|p| p.minor() >= (3, 12)) {
        let taken = take(python, None, SUBINTERPRETER);
        let explained = taken.accounting.explained.unwrap();
        println!("{}: {} inner, {explained:.4} named", python.name, taken.count("__main__.Inner"));
        assert_eq!(taken.count("__main__.Inner"), 20_000, "{}", python.name);
        assert!(explained > 0.98, "{}", python.name);
        assert_eq!(taken.analysis.check.bad_pools, 0, "{}", python.name);
    }
}

/// What the C library holds free there is not told from what is in use, but nothing is made up of it.
#[test]
fn the_heap_of_musl_is_not_known_and_nothing_in_it_is_invented() {
    let program = "
import sys
big = [bytes(3000) for i in range(5000)]
del big[::2]
print('ready', flush=True)
sys.stdin.read()
";
    for python in static_pythons().into_iter().filter(|p| p.musl) {
        let mut target = Target::start(&python, program);
        assert_eq!(target.line(), "ready", "{}", python.name);
        let process = Process::open(target.pid()).unwrap();
        let taken = take_snapshot(&process, &CaptureOptions::default(), &Redaction::new(false)).unwrap();
        let (graph, coverage) = (&taken.graph, &taken.info.coverage);
        let count = |name: &str| {
            let is = |t: &&u32| graph.types[**t as usize].name == name;
            graph.type_id.iter().filter(is).count()
        };
        println!("{}: {coverage:?}", python.name);
        // There are two; a freed text of zeros was taken for one more each.
        assert!(count("bool") < 10 && count("bytes") >= 2500, "{}: {}", python.name, count("bool"));
        assert_eq!(coverage.inconsistencies, Some(0), "{}", python.name);
        assert!(coverage.refcounts_explained > Some(0.99), "{}: {coverage:?}", python.name);
        assert!(taken.info.notes.iter().any(|n| n.contains("in use or free")), "{}", python.name);
    }
}
