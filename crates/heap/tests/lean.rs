//! What is left out of an image changes nothing that is said of it: the same process with all of its memory and
//! without the insides of large blocks that refer to nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use m5_heap::{
    CaptureOptions, Method, Redaction, Snapshot, capture, pack_images_from, take_snapshot, take_tree,
};
use m5_process::Process;
use m5_testkit::{Target, pythons};
use std::time::Duration;

/// Plain data of every size; tables that are large, sparse, emptied, or hold references late or at odd places.
const PROGRAM: &str = "
import array, collections, ctypes, gc, sys
class Row:
    def __init__(self, i): self.number, self.text = i, str(i)
class Packed(ctypes.Structure):
    _pack_ = 1
    _fields_ = [('a', ctypes.c_int32), ('held', ctypes.py_object), ('b', ctypes.c_int32)]
rows = [Row(i) for i in range(20000)]
texts = {'k%d' % i: 'x' * (500 + i * 7 % 60000) for i in range(1500)}
wide = ['\\u4e2d' * (900 + i) for i in range(300)]
blobs = [bytes(bytearray(range(256)) * n) for n in range(1, 700)]
numbers = [array.array('d', [1.5 * i for i in range(n)]) for n in (100, 5000, 90000, 700000)]
counts = array.array('q', range(900000))
grown = bytearray(b'y' * 3000000)
late = [None] * 400000 + rows
emptied = dict.fromkeys(range(200000)); emptied.clear()
removed = dict.fromkeys(range(100000))
for key in range(99999): del removed[key]
sparse = set(range(150000))
for key in range(10, 149990): sparse.discard(key)
queue = collections.deque(range(100000))
packed = (Packed * 30000)()
for i in range(0, 30000, 3): packed[i].held = rows[i % 20000]
names = {'n' * 990: 1, '\\u6587' * 700: 2}
gc.collect()
gc.disable()
print('ready', flush=True)
sys.stdin.read()
";

fn same(whole: &Snapshot, lean: &Snapshot, what: &str) {
    let (a, b) = (&whole.graph, &lean.graph);
    assert_eq!(a.address, b.address, "{what}: objects");
    assert_eq!(a.size, b.size, "{what}: sizes");
    assert_eq!((&a.edge_start, &a.edge_to), (&b.edge_start, &b.edge_to), "{what}: references");
    assert_eq!(a.roots, b.roots, "{what}: roots");
    assert_eq!(a.types, b.types, "{what}: types");
    assert_eq!(whole.names, lean.names, "{what}: names");
    assert_eq!(whole.native, lean.native, "{what}: native memory");
    let (a, b) = (whole.info.coverage, lean.info.coverage);
    assert_eq!((a.refcounts_explained, a.reachable), (b.refcounts_explained, b.reachable), "{what}");
    assert_eq!(a.inconsistencies, b.inconsistencies, "{what}");
    // A page more or less of the process's own is there at each look.
    let explained = |c: m5_heap::Coverage| c.rss_explained.unwrap_or(0.0);
    assert!((explained(a) - explained(b)).abs() < 1e-4, "{what}: {a:?}, {b:?}");
}

#[test]
fn nothing_that_is_said_changes() {
    let redaction = Redaction::new(true);
    let pythons = pythons();
    let last = pythons.len() - 1;
    for (i, python) in pythons.iter().enumerate() {
        let methods: &[Method] = match i {
            _ if i == 0 || i == last => &[Method::Fork, Method::Freeze, Method::Live],
            _ => &[Method::Fork],
        };
        let mut target = Target::start(python, PROGRAM);
        assert_eq!(target.line(), "ready");
        let process = Process::open(target.pid()).unwrap();
        for method in methods {
            let options = CaptureOptions { method: *method, max_pause: Duration::from_secs(10) };
            let (whole, _) = take_tree(&process, &options, &redaction).unwrap();
            let lean = take_snapshot(&process, &options, &redaction).unwrap();
            same(&whole, &lean, &format!("{}, {method:?}", python.name));
            if methods.len() == 1 {
                continue;
            }
            // Compressed, where the kernel lets us, and unpacked where it is looked at.
            pack_images_from(0);
            let packed = take_snapshot(&process, &options, &redaction).unwrap();
            pack_images_from(u64::MAX);
            same(&whole, &packed, &format!("{}, {method:?}, compressed", python.name));
        }
        let max_pause = Duration::from_secs(10);
        let options = CaptureOptions { method: Method::Fork, max_pause };
        let taken = capture(&process, &options).unwrap();
        assert!(taken.image.bytes() < taken.report.bytes * 2 / 3, "{}: {:?}", python.name, taken.report);
    }
}
