import array
import asyncio
import bz2
import collections
import contextvars
import csv
import ctypes
import datetime
import decimal
import enum
import fractions
import functools
import gc
import hashlib
import io
import itertools
import json
import lzma
import mmap
import operator
import queue
import random
import re
import select
import socket
import sqlite3
import ssl
import struct
import sys
import threading
import types
import uuid
import weakref
import xml.etree.ElementTree
import zlib


class Plain:
    def __init__(self, i):
        self.a = i
        self.b = str(i)
        self.c = [i]


class Slots:
    __slots__ = ("__weakref__", "x", "y")

    def __init__(self, i):
        self.x = (i, str(i))
        self.y = {i: str(i) + "y"}


class Both(Slots):
    pass


class MyList(list):
    pass


class MyDict(dict):
    pass


class MyTuple(tuple):
    pass


class MyInt(int):
    pass


class MyStr(str):
    pass


class Meta(type):
    pass


class WithMeta(metaclass=Meta):
    attr = 1


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


Point = collections.namedtuple("Point", "x y")


def make_closure(a, b):
    def inner(c=[a], *, d={b}):
        return a, b, c, d

    return inner


def generator(n):
    local = [n, object()]
    for i in range(n):
        yield i, local


async def sleeper(n):
    payload = {"n": n, "text": "t%d" % n}
    await asyncio.sleep(3600)
    return payload


@functools.lru_cache(maxsize=100)
def cached(n):
    return [n, str(n)]


keep = []
keep.append([Plain(i) for i in range(1000)])
for i, o in enumerate(keep[0][:200]):
    setattr(o, "extra%d" % (i % 40), i * 1000)
for o in keep[0][300:400]:
    o.__dict__
for o in keep[0][400:450]:
    del o.a
keep.append([Slots(i) for i in range(500)])
keep.append([Both(i) for i in range(100)])
for i, o in enumerate(keep[-1]):
    o.z = i
keep.append([MyList([i, i + 1]) for i in range(50)])
keep.append([MyDict(a=i, b=str(i)) for i in range(50)])
keep.append([MyTuple((i, str(i))) for i in range(50)])
for t in keep[-1]:
    t.attr = object()
keep.append([MyInt(2**i) for i in range(100)])
for t in keep[-1]:
    t.attr = object()
keep.append([MyStr("s%d" % i) for i in range(50)])
for t in keep[-1]:
    t.attr = object()
keep.append([{j: str(j) for j in range(i)} for i in range(60)])
keep.append([{"k%d" % j: j * 1000 for j in range(i)} for i in range(60)])
keep.append([dict.fromkeys(range(100000, 100000 + i)) for i in (300, 3000, 70000)])
# Most of their pages were never touched.
keep.append([bytes(64 << 20), bytearray(64 << 20)])
d = {str(i): i for i in range(1000)}
for i in range(0, 1000, 3):
    del d[str(i)]
keep.append(d)
keep.append([set(range(i * 1000, i * 1000 + i)) for i in range(60)])
keep.append([frozenset(str(j) for j in range(i)) for i in range(20)])
s = set(range(5000, 6000))
for i in range(5000, 5900):
    s.discard(i)
keep.append(s)
keep.append([collections.deque(range(10000, 10000 + n)) for n in (0, 1, 63, 64, 65, 1000)])
q = collections.deque(maxlen=100)
for i in range(1000):
    q.append(str(i))
keep.append(q)
keep.append([collections.OrderedDict((str(i), i * 1000) for i in range(n)) for n in (0, 1, 5, 100, 1000)])
keep.append(
    [collections.defaultdict(list, a=[1]), collections.Counter("hello"), collections.ChainMap({1: "x"})]
)
keep.append([make_closure(i, str(i)) for i in range(100)])
gens = [generator(10) for i in range(100)]
for g in gens[:50]:
    next(g)
list(gens[0])
keep.append(gens)
keep.append([2**i for i in range(0, 300, 7)] + [-(3**50), 0, 1, -1])
keep.append(
    [1.5, 2j, True, None, b"bytes" * 10, bytearray(b"x" * 100), "é" * 10, "\u20ac" * 10, "\U0001f600" * 3, ""]
)
keep.append([weakref.ref(o, print) for o in keep[0][:50]])
keep.append(weakref.WeakValueDictionary((i, o) for i, o in enumerate(keep[0][:50])))
keep.append([Point(i, str(i)) for i in range(50)])
keep.append([types.SimpleNamespace(a=i) for i in range(20)])
keep.append([functools.partial(print, i, end=str(i)) for i in range(50)])
keep.append([keep[0][i].__init__ for i in range(20)])
keep.append([iter([i, str(i)]) for i in range(20)])
keep.append([itertools.chain([i], [str(i)]) for i in range(20)])
keep.append([slice(i * 1000, str(i)) for i in range(20)])
keep.append([decimal.Decimal(i) / 3 for i in range(20)])
keep.append([datetime.datetime(2020, 1, 1) for i in range(20)])
keep.append([re.compile("a%d(b)" % i) for i in range(5)])
keep.append([memoryview(b"abc"), property(print), staticmethod(print), classmethod(print)])
keep.append([type("Made%d" % i, (Plain,), {"attr": [i]}) for i in range(20)])
keep.append([threading.Lock(), threading.Thread(target=print), threading.Condition()])
keep.append([array.array(t, range(i)) for t in "hilqd" for i in (0, 1, 7, 1000)])
keep.append([io.BytesIO(b"x" * i) for i in (0, 1, 600, 5000)] + [io.StringIO("y" * 900)])
for stream in keep[-1]:
    stream.read(1)
    stream.write("z" * 99 if isinstance(stream, io.StringIO) else b"z" * 99)
keep.append([io.BufferedReader(io.BytesIO(b"x"), n) for n in (1, 100, 8192)])
keep.append([io.BufferedWriter(io.BytesIO(), 333), io.BufferedRandom(io.BytesIO(), 77)])
keep.append([io.TextIOWrapper(io.BytesIO(b"text" * 99))])
keep.append([struct.Struct(f) for f in ("", "i", "iqd3s", "<" + "hh40sq" * 9)])
keep.append([xml.etree.ElementTree.Element("a"), xml.etree.ElementTree.Element("a", {"b": "c"})])
for n in (1, 4, 5, 50):
    parent = xml.etree.ElementTree.Element("p")
    for _ in range(n):
        xml.etree.ElementTree.SubElement(parent, "b")
    keep.append(parent)
keep.append([decimal.Decimal(1), decimal.Decimal("1" * 60), decimal.Decimal("1." + "3" * 500)])
keep.append([f(range(n), 3) for f in (itertools.combinations, itertools.permutations) for n in (3, 9)])
keep.append([itertools.combinations_with_replacement("abc", 4), itertools.product("ab", "cde", repeat=3)])
keep.append([random.Random(1), collections.Counter(range(99)), fractions.Fraction(1, 7)])
keep.append([mmap.mmap(-1, 3 * 4096), memoryview(bytearray(99)), (ctypes.c_double * 500)(), ctypes.c_int(3)])
keep.append(
    [hashlib.sha256(b"x"), zlib.compressobj(), contextvars.ContextVar("v"), contextvars.copy_context()]
)
keep.append([csv.reader(["a,b"]), csv.DictReader(["a,b"])])
keep.append([sqlite3.connect(":memory:"), socket.socket(), select.epoll(), queue.SimpleQueue()])
keep.append([queue.SimpleQueue() for _ in range(4)])
for waiting, line in zip((1, 8, 9, 300), keep[-1]):
    for i in range(waiting):
        line.put([i])
for _ in range(280):
    keep[-1][3].get()
keep.append([bytearray(), bytearray(1), bytearray(b"z" * 5000)])
keep[-1][2] += b"more"
del keep[-1][2][:100]
keep.append(bytearray(b"gone"))
keep[-1].clear()


class Header(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int), ("name", ctypes.c_char * 7)]


class Longer(Header):
    _fields_ = [("more", ctypes.c_longlong)]


class Either(ctypes.Union):
    _fields_ = [("number", ctypes.c_long), ("header", Header)]


class Abstract(ctypes.Structure):
    pass


keep.append([ctypes.POINTER(Header), Header * 5, (ctypes.c_int * 3) * 4, ctypes.CFUNCTYPE(ctypes.c_int)])
keep.append([Header(), Longer(), Either(), ctypes.pointer(Header()), (Header * 5)()])
keep.append([bz2.BZ2Compressor(), lzma.LZMACompressor(), json.JSONDecoder().scan_once, ssl.SSLContext(2)])
keep.append([uuid.uuid4(), datetime.timezone.utc, operator.attrgetter("a.b", "c"), operator.itemgetter(1, 2)])
keep.append([str.maketrans("ab", "cd"), "ab".encode("utf-16"), range(10), iter("abc"), enumerate("x")])
for i in range(150):
    cached(i)
try:
    1 / 0
except ZeroDivisionError as e:
    keep.append(e)
loop = asyncio.new_event_loop()
tasks = [loop.create_task(sleeper(i)) for i in range(100)]
keep.append(tasks)
loop.run_until_complete(asyncio.sleep(0))


def emit():
    gc.collect()
    gc.disable()
    seen = {}
    todo = gc.get_objects()
    todo = [o for o in todo if o is not todo]
    tracked = {id(o) for o in todo}
    todo.append(keep)
    own = {id(seen), id(todo), id(tracked), id(sys._getframe())}
    while todo:
        o = todo.pop()
        if id(o) in own or id(o) in seen:
            continue
        seen[id(o)] = o
        todo.extend(gc.get_referents(o))

    def name(o):
        t = type(o)
        module = t.__module__ if isinstance(t.__module__, str) else None
        heap = t.__flags__ & (1 << 9)
        if not heap:
            return None
        return t.__qualname__ if module == "builtins" else "%s.%s" % (module, t.__qualname__)

    lines = []
    for i, o in seen.items():
        refs = [id(r) for r in gc.get_referents(o)]
        try:
            size = sys.getsizeof(o)
        except Exception:
            size = -1
        lines.append((i, size, i in tracked, name(o) or "?" + type(o).__name__, refs))
    sys.stdout.write("%d\n" % len(lines))
    for i, size, t, n, refs in lines:
        sys.stdout.write("%d\t%d\t%d\t%s\t%s\n" % (i, max(size, 0), t, n, ",".join(map(str, refs))))
    sys.stdout.flush()
    sys.stdin.readline()


emit()
