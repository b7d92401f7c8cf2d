//! What grew and who holds it, on kinds of growth that are easily called by the wrong name: each in a program that grows
//! on demand, seen by two snapshots.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use m5_heap::{CaptureOptions, Cause, Culprit, Diff, Redaction, Snapshot, diff, take_snapshot};
use m5_process::Process;
use m5_testkit::{Python, Target, free_threaded_pythons, minor_versions};

/// Runs `before`, then for each line that it is told the function `grow`.
fn grown(python: &Python, code: &str) -> (Diff, Snapshot) {
    let program = format!(
        "{code}\nimport sys\nprint('ready', flush=True)\nfor _ in sys.stdin:\n  grow()\n  print('grown', flush=True)\n"
    );
    let mut target = Target::start(python, &program);
    assert_eq!(target.line(), "ready");
    let process = Process::open(target.pid()).unwrap();
    let take = || take_snapshot(&process, &CaptureOptions::default(), &Redaction::new(false)).unwrap();
    // Once before, so that what the first time needs is there.
    target.say("go");
    assert_eq!(target.line(), "grown");
    let before = take();
    target.say("go");
    assert_eq!(target.line(), "grown");
    let after = take();
    (diff(&before, &after), after)
}

fn worst<'a>(python: &Python, diff: &'a Diff) -> &'a Culprit {
    diff.culprits.first().unwrap_or_else(|| panic!("{}: nothing grew", python.name))
}

/// A date holds its time zone and has no support for the collector.
const UNCOLLECTABLE: &str = "
import datetime, gc
class Zone(datetime.tzinfo):
    pass
def grow():
    for _ in range(500):
        zone = Zone(); zone.payload = bytearray(100); zone.born = datetime.datetime(2024, 1, 1, tzinfo=zone)
    gc.collect()
";

#[test]
fn a_cycle_that_no_collection_frees_is_named_by_what_keeps_it() {
    for python in minor_versions() {
        let (diff, after) = grown(&python, UNCOLLECTABLE);
        let worst = worst(&python, &diff);
        assert_eq!(worst.holder.cause, Cause::Uncollectable, "{}: {worst:?}", python.name);
        assert_eq!(worst.holder.name, "datetime.datetime", "{}", python.name);
        assert!(worst.objects >= 1500, "{}: {worst:?}", python.name);
        assert_eq!(after.never_freed_through(), ["datetime.datetime"], "{}", python.name);
    }
}

const COLLECTABLE: &str = "
import gc
gc.disable()
class Node:
    pass
def grow():
    for _ in range(2000):
        a, b = Node(), Node(); a.other, b.other = b, a
";

#[test]
fn a_cycle_that_waits_for_the_collector_is_called_that() {
    for python in minor_versions() {
        let (diff, _) = grown(&python, COLLECTABLE);
        assert_eq!(worst(&python, &diff).holder.cause, Cause::Garbage, "{}", python.name);
    }
}

/// Classes per request: their bases, abstract classes that are asked about them, and the cache of names know them for a while.
const OWN_TABLES: &str = "
import collections.abc, gc, itertools
gc.disable()
serial = itertools.count()
class Base:
    pass
def grow():
    for _ in range(120):
        class Request(Base):
            pass
        class Reply:
            pass
        isinstance(Request(), collections.abc.Mapping)
        for _ in range(5):
            name = 'asked_for_%d' % next(serial)
            hasattr(Base, name)
            spacer = ['a text between, of %d' % next(serial)]
            spacer.append(spacer)
";

#[test]
fn what_the_interpreter_keeps_for_itself_is_no_growth() {
    for python in minor_versions().into_iter().chain(free_threaded_pythons()) {
        let (diff, _) = grown(&python, OWN_TABLES);
        let told: Vec<_> = diff.culprits.iter().filter(|c| c.holder.cause != Cause::Garbage).collect();
        assert!(told.is_empty() && !diff.culprits.is_empty(), "{}: {told:?}", python.name);
    }
}

const EXIT_HANDLER: &str = "
import atexit
class Session:
    pass
def grow():
    for _ in range(1000):
        atexit.register(print, Session())
";

#[test]
fn what_an_exit_handler_holds_is_no_refcount_leak() {
    for python in minor_versions() {
        let (diff, _) = grown(&python, EXIT_HANDLER);
        let worst = worst(&python, &diff);
        assert_eq!(worst.holder.cause, Cause::Held, "{}: {worst:?}", python.name);
        assert!(worst.holder.name.starts_with("atexit"), "{}: {worst:?}", python.name);
        assert!(worst.objects >= 1000, "{}: {worst:?}", python.name);
    }
}

const REGISTERED: &str = "
import codecs, os
class Session:
    def done(self, *_):
        return None
def grow():
    for _ in range(500):
        os.register_at_fork(after_in_child=Session().done)
        codecs.register(Session().done)
";

#[test]
fn what_is_registered_with_the_interpreter_is_held_by_what_registers_it() {
    for python in minor_versions() {
        let (diff, _) = grown(&python, REGISTERED);
        let holders: Vec<&str> = diff.culprits.iter().take(2).map(|c| c.holder.name.as_str()).collect();
        let both = holders.contains(&"os.register_at_fork") && holders.contains(&"codecs.register");
        assert!(both, "{}: {:?}", python.name, diff.culprits);
    }
}

const PICKLER: &str = "
import io, pickle
class Session:
    pass
PICKLER = pickle.Pickler(io.BytesIO(), 4)
def grow():
    for _ in range(1000):
        PICKLER.dump(Session())
";

#[test]
fn what_a_table_of_c_refers_to_is_held_by_the_object_that_owns_the_table() {
    for python in minor_versions() {
        let (diff, _) = grown(&python, PICKLER);
        let worst = worst(&python, &diff);
        assert_eq!(worst.holder.name, "__main__.PICKLER", "{}: {worst:?}", python.name);
        assert!(worst.objects >= 1000, "{}: {worst:?}", python.name);
    }
}

/// More texts than the interpreter itself has interned.
const TEXTS_MADE_ONE: &str = "
CANONICAL = {}
def grow():
    for i in range(len(CANONICAL), len(CANONICAL) + 20000):
        text = 'customer-%d' % i; CANONICAL.setdefault(text, text)
";

#[test]
fn a_table_that_makes_equal_texts_one_is_not_taken_for_the_interpreters_own() {
    for python in minor_versions() {
        let (diff, _) = grown(&python, TEXTS_MADE_ONE);
        let worst = worst(&python, &diff);
        let told = (worst.type_name.as_str(), worst.holder.cause, worst.holder.name.as_str());
        assert_eq!(told, ("str", Cause::Held, "__main__.CANONICAL"), "{}: {worst:?}", python.name);
    }
}

/// The first text says whether such texts live for ever: in the first releases of 3.12, and without the GIL.
const INTERNED: &str = "
import sys
COUNT = [0]
FOR_EVER = sys.getrefcount(sys.intern('a text %d' % id(COUNT))) > 1 << 24
def grow():
    for _ in range(3000):
        COUNT[0] += 1; sys.intern('customer %d of the shop' % COUNT[0])
KEPT = {}
if not FOR_EVER:
    def grow():
        for _ in range(3000):
            COUNT[0] += 1; text = sys.intern('customer %d of the shop' % COUNT[0]); KEPT[text] = None
";

#[test]
fn interned_texts_are_held_by_who_keeps_them_or_by_their_table() {
    for python in minor_versions().into_iter().chain(free_threaded_pythons().into_iter().filter(|p| !p.musl))
    {
        let (diff, _) = grown(&python, INTERNED);
        let worst = worst(&python, &diff);
        assert_eq!(worst.type_name, "str", "{}: {worst:?}", python.name);
        assert!(
            ["sys.intern", "__main__.KEPT"].contains(&worst.holder.name.as_str()),
            "{}: {worst:?}",
            python.name
        );
        assert_eq!((worst.holder.cause, worst.count), (Cause::Held, 3000), "{}: {worst:?}", python.name);
        assert!(!diff.culprits.iter().any(|c| c.holder.cause == Cause::NoReferrer), "{}", python.name);
    }
}

const OWN_CACHE: &str = "
import collections
class Cache:
    def __init__(self, maxsize):
        self.maxsize = maxsize
        self.entries = collections.OrderedDict()
CACHE = Cache(2000)
COUNT = [0]
def grow():
    for _ in range(500):
        COUNT[0] += 1; CACHE.entries[COUNT[0]] = bytearray(300)
";

#[test]
fn a_cache_of_python_that_says_its_limit_is_called_one() {
    for python in minor_versions() {
        let (diff, _) = grown(&python, OWN_CACHE);
        let holder = &worst(&python, &diff).holder;
        assert_eq!((holder.items, holder.limit), (Some(1000), Some(2000)), "{}: {holder:?}", python.name);
    }
}

const SELF_LIMITED: &str = "
import collections
class SizeLimitDict(collections.OrderedDict):
    def __init__(self, limit):
        super().__init__()
        self._size_limit = limit
class Connection:
    pass
CONNECTION = Connection()
CONNECTION.closed = SizeLimitDict(5000)
COUNT = [0]
def grow():
    for _ in range(500):
        COUNT[0] += 1; CONNECTION.closed[COUNT[0]] = bytearray(300)
";

#[test]
fn a_dictionary_that_says_its_own_limit_is_called_a_cache() {
    for python in minor_versions() {
        let (diff, _) = grown(&python, SELF_LIMITED);
        let holder = &worst(&python, &diff).holder;
        assert_eq!((holder.items, holder.limit), (Some(1000), Some(5000)), "{}: {holder:?}", python.name);
    }
}

const CACHE_IN_A_CELL: &str = "
import functools
def cacheit(function):
    cached = functools.lru_cache(maxsize=2000)(function)
    def wrapper(*args):
        return cached(*args)
    return wrapper
CACHED = [cacheit(lambda i: bytearray(300))]
COUNT = [0]
def grow():
    for _ in range(500):
        COUNT[0] += 1; CACHED[0](COUNT[0])
";

#[test]
fn a_cache_that_a_closure_hides_is_named_as_one() {
    for python in minor_versions() {
        let (diff, _) = grown(&python, CACHE_IN_A_CELL);
        let holder = &worst(&python, &diff).holder;
        let told = (holder.type_name.as_str(), holder.items, holder.limit);
        assert_eq!(told, ("lru_cache", Some(1000), Some(2000)), "{}: {holder:?}", python.name);
    }
}

/// Half of the entries go when there are too many; allocators hand out their addresses to the next.
const TURNED_OVER: &str = "
class Statement:
    def __init__(self, number):
        self.columns = {number + i: [str(number), {i}] for i in range(12)}
        self.result = {'keys': [self.columns], 'map': {i: (number, [i]) for i in range(number % 9)}}
class LRUCache:
    def __init__(self, capacity):
        self.capacity = capacity
        self._data = {}
CACHE = LRUCache(500)
COUNT = [0]
def grow():
    for _ in range(400):
        COUNT[0] += 1; CACHE._data[(COUNT[0],)] = ((COUNT[0],), Statement(COUNT[0]), [COUNT[0]])
        if len(CACHE._data) > 750:
            for key in list(CACHE._data)[:250]: del CACHE._data[key]
";

#[test]
fn what_a_cache_with_a_limit_turns_over_is_no_growth_of_its_entries() {
    for python in minor_versions() {
        let (diff, _) = grown(&python, TURNED_OVER);
        let accused: Vec<&Culprit> = diff.culprits.iter().filter(|c| c.holder.limit.is_none()).collect();
        assert!(accused.is_empty(), "{}: {accused:?}", python.name);
    }
}

/// A cache that fills while other objects of the sizes of its entries come and go: new entries lie where old objects lay.
const FILLS: &str = "
class Term:
    def __init__(self, n): self.args = (n, str(n)); self.more = [n, (n,)]
import functools
@functools.lru_cache(maxsize=5000)
def term(n): return Term(n)
COUNT, OTHERS = [0], []
def grow():
    OTHERS.clear()
    for _ in range(600):
        COUNT[0] += 1; term(Term(COUNT[0]).args)
        OTHERS.append(Term(-COUNT[0]))
    del OTHERS[::2]
";

#[test]
fn a_cache_that_fills_is_accused_and_not_its_entries() {
    for python in minor_versions() {
        let (diff, _) = grown(&python, FILLS);
        let accused: Vec<&Culprit> = diff.culprits.iter().filter(|c| c.holder.limit.is_none()).collect();
        let below = |c: &&Culprit| c.holder.name.contains("term") || c.holder.path.contains("term");
        assert!(!accused.iter().any(below), "{}: {accused:?}", python.name);
        assert_eq!(worst(&python, &diff).holder.limit, Some(5000), "{}", python.name);
    }
}

/// The items of a named tuple are called as its class calls them.
const IN_PLACE: &str = "
import collections
class Stats(collections.namedtuple('Stats', 'name hits')):
    pass
STATS = Stats('shop', [])
def grow():
    STATS.hits.extend([True] * 200000)
";

#[test]
fn a_list_that_grows_in_place_has_its_holder() {
    for python in minor_versions() {
        let (diff, _) = grown(&python, IN_PLACE);
        let worst = worst(&python, &diff);
        assert_eq!((worst.type_name.as_str(), worst.count), ("list", 0), "{}: {worst:?}", python.name);
        assert_eq!(worst.holder.name, "__main__.Stats.hits", "{}", python.name);
        assert!(worst.in_place_bytes >= 8 * 200_000, "{}: {worst:?}", python.name);
    }
}

const SERIES: &str = "
import array
SERIES = array.array('d')
def grow():
    SERIES.extend([0.5] * 20000)
";

#[test]
fn a_buffer_that_the_size_of_its_object_counts_is_counted_once() {
    for python in minor_versions() {
        let (diff, _) = grown(&python, SERIES);
        let worst = worst(&python, &diff);
        assert_eq!(worst.type_name, "array.array", "{}: {worst:?}", python.name);
        assert_eq!(
            (worst.native_bytes, worst.in_place_bytes),
            (0, worst.bytes),
            "{}: {worst:?}",
            python.name
        );
        // An array makes a little more room than it needs.
        assert!((160_000..200_000).contains(&worst.bytes), "{}: {worst:?}", python.name);
    }
}

const NATIVE: &str = "
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
AUDIT = []
def grow():
    for i in range(500):
        ctypes.memset(ctypes.c_void_p(libc.malloc(ctypes.c_size_t(8000))), 1, 8000)
        if i % 5 == 0:
            AUDIT.append((i, str(i)))
";

#[test]
fn native_blocks_that_nobody_owns_are_told_by_their_size() {
    for python in minor_versions() {
        let (diff, _) = grown(&python, NATIVE);
        let account = diff.account.unwrap();
        let block = account.blocks.iter().find(|b| !b.objects).unwrap_or_else(|| panic!("{}", python.name));
        assert!((7000..9000).contains(&block.least), "{}: {block:?}", python.name);
        assert!(
            (490..=520).contains(&block.count) && block.bytes >= 490 * 8000,
            "{}: {block:?}",
            python.name
        );
        assert!(diff.culprits.iter().all(|c| c.bytes < block.bytes), "{}", python.name);
        let parts: i64 = account.parts.iter().map(|p| p.bytes).sum();
        assert_eq!(parts, account.rss_bytes, "{}: the account adds up", python.name);
    }
}

const BOUNDED: &str = "
import functools
cached = functools.lru_cache(maxsize=100)(lambda i: bytearray(3000))
COUNT = [0]
def grow():
    for _ in range(60):
        COUNT[0] += 1; cached(COUNT[0])
";

#[test]
fn a_cache_with_a_limit_is_told_with_it() {
    for python in minor_versions() {
        let (diff, _) = grown(&python, BOUNDED);
        let worst = worst(&python, &diff);
        assert_eq!(
            (worst.holder.items, worst.holder.limit),
            (Some(100), Some(100)),
            "{}: {worst:?}",
            python.name
        );
        assert_eq!(worst.holder.type_name, "lru_cache", "{}", python.name);
    }
}

const QUIET: &str = "
def grow():
    sum(range(10000))
";

#[test]
fn where_nothing_grows_nobody_is_accused() {
    for python in minor_versions() {
        let (diff, _) = grown(&python, QUIET);
        assert!(diff.culprits.is_empty(), "{}: {:?}", python.name, diff.culprits);
        assert!(diff.account.unwrap().blocks.is_empty(), "{}", python.name);
    }
}
