//! What objects of the interpreter's own types keep outside themselves has an owner: a hole here would be told as native
//! memory that somebody lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use m5_heap::{CaptureOptions, MemoryTree, Redaction, diff, take_snapshot};
use m5_process::Process;
use m5_testkit::{Target, free_threaded_pythons, pythons};

/// So many of each kind, grown and shrunk in all the ways that lead to another block.
const PROGRAM: &str = "
import array, collections, io, itertools, sys
N = 250
class Sub(list): pass
class SubDict(dict): pass
class Plain:
    def __init__(self, i): self.number, self.text = i, str(i)
class Wide:
    def __init__(self, i):
        for k in range(40): setattr(self, 'a%d' % k, i)
def appended(i):
    made = []
    for k in range(i % 40): made.append(k)
    return made
def shrunk(i):
    made = list(range(60))
    while len(made) > 5: made.pop()
    return made
def thinned(i):
    made = {k: k for k in range(30)}
    for k in range(25): del made[k]
    return made
KINDS = [
    lambda i: [k for k in range(3)], lambda i: [i] * 7, appended, shrunk, lambda i: list(range(50))[5:9],
    lambda i: sorted(range(20)), lambda i: Sub(range(9)), lambda i: {'a': i, 'b': 2}, lambda i: {1: i},
    lambda i: {k: k for k in range(50)}, thinned, lambda i: SubDict(a=1),
    lambda i: collections.OrderedDict((k, k) for k in range(20)), lambda i: collections.defaultdict(list, {i: [1]}),
    lambda i: collections.Counter('abcabc'), lambda i: set(range(40)), lambda i: frozenset(range(40)),
    lambda i: collections.deque(range(200)), lambda i: bytearray(100), lambda i: array.array('d', range(30)),
    Plain, Wide, lambda i: io.BytesIO(b'x' * 100), lambda i: itertools.permutations(range(6), 3),
    lambda i: 10 ** 200 + i, lambda i: bytes(700),
]
KEPT = []
def grow():
    for kind in KINDS: KEPT.append([kind(i) for i in range(N)])
# Once before, so that what the first time needs is there.
grow()
print('ready', flush=True)
for _ in sys.stdin:
    grow()
    print('grown', flush=True)
";

#[test]
fn what_containers_keep_outside_themselves_is_theirs() {
    // One musl stands for all: the objects are the same there.
    let free = free_threaded_pythons().into_iter().filter(|p| !p.musl || p.minor() == (3, 14));
    for python in pythons().into_iter().chain(free) {
        let mut target = Target::start(&python, PROGRAM);
        assert_eq!(target.line(), "ready");
        let process = Process::open(target.pid()).unwrap();
        let take = || take_snapshot(&process, &CaptureOptions::default(), &Redaction::new(false)).unwrap();
        let before = take();
        target.say("go");
        assert_eq!(target.line(), "grown");
        let after = take();
        let account = diff(&before, &after).account.unwrap();
        let lost: Vec<_> = account.blocks.iter().filter(|b| b.owner.is_none() && b.count >= 100).collect();
        assert!(lost.is_empty(), "{}: {lost:?}", python.name);
        // Some 3,300 lists of 250 of each kind, twice.
        let lists = after.memory.as_ref().and_then(|tree| buffers(tree, "list_items"));
        assert!(lists > Some(200 << 10), "{}: {lists:?}", python.name);
    }
}

/// Ten threads, each with a block that only its own descriptor leads to.
const PER_THREAD: &str = "
import ctypes, sys, threading
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.pthread_setspecific.argtypes = [ctypes.c_uint, ctypes.c_void_p]
key = ctypes.c_uint()
libc.pthread_key_create(ctypes.byref(key), None)
stay, there = threading.Event(), threading.Semaphore(0)
def work():
    block = libc.malloc(30000)
    ctypes.memset(block, 1, 30000)
    libc.pthread_setspecific(key, block)
    del block
    there.release()
    stay.wait()
def start(n):
    for _ in range(n): threading.Thread(target=work, daemon=True).start()
    for _ in range(n): there.acquire()
start(2)
print('ready', flush=True)
for _ in sys.stdin:
    start(10)
    print('grown', flush=True)
";

#[test]
fn what_a_library_keeps_for_each_thread_is_the_threads() {
    // An interpreter with ctypes.
    let python = pythons().into_iter().rfind(|p| p.executable().is_some() && !p.musl).unwrap();
    let mut target = Target::start(&python, PER_THREAD);
    assert_eq!(target.line(), "ready");
    let process = Process::open(target.pid()).unwrap();
    let take = || take_snapshot(&process, &CaptureOptions::default(), &Redaction::new(false)).unwrap();
    let before = take();
    target.say("go");
    assert_eq!(target.line(), "grown");
    let account = diff(&before, &take()).account.unwrap();
    let of_threads = |b: &&m5_heap::BlockGrowth| b.owner.as_deref() == Some("threads") && b.least <= 30_100;
    let bytes: i64 =
        account.blocks.iter().filter(of_threads).filter(|b| b.most >= 30_000).map(|b| b.bytes).sum();
    // Thread arenas and caches may hold one or the other back.
    assert!(bytes >= 8 * 30_000, "{}: {:?}", python.name, account.blocks);
}

fn buffers(tree: &MemoryTree, name: &str) -> Option<u64> {
    tree.at(&["python_buffers", name]).map(|part| part.bytes)
}
