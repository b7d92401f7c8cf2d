"""Leaks that need nothing but the standard library: one call of a function is one iteration of a service.

Each is a kind that people meet: a registry that only grows, a reference that outlives its use, memory that is no object.
"""

import itertools

_numbers = itertools.count()


class Session:
    """What a request brings along."""

    def __init__(self):
        self.number = next(_numbers)
        self.payload = bytes(500)

    def done(self, *_):
        return None


def _once(name, make):
    """A global of this module, made by the first call."""
    found = globals()
    if name not in found:
        found[name] = make()
    return found[name]


def exceptions_kept():
    """An exception that is kept for a report keeps its frames, and they their locals."""
    errors = _once("recent_errors", list)
    session = Session()
    try:
        raise ValueError(session.number)
    except ValueError as error:
        errors.append(error)


def exit_handlers():
    """An exit handler per request."""
    import atexit

    atexit.register(Session().done)


def finalizers():
    """A finalizer of something that lives on holds its arguments."""
    import weakref

    server = _once("server", Session)
    weakref.finalize(server, Session().done, Session())


def log_handlers():
    """A handler per request on a logger that stays."""
    import logging

    logging.getLogger("service").addHandler(logging.StreamHandler())


def pending_tasks():
    """Tasks that wait for what never comes."""
    import asyncio

    def start():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        return loop, asyncio.Event()

    loop, event = _once("waiting", start)
    tasks = _once("background_tasks", set)

    async def wait(session):
        await event.wait()
        return session

    async def spawn():
        task = asyncio.ensure_future(wait(Session()))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await asyncio.sleep(0)

    loop.run_until_complete(spawn())


def method_cache():
    """An unbounded cache on a method holds every instance."""
    import functools

    def make():
        class Report(Session):
            @functools.lru_cache(maxsize=None)  # noqa: B019, UP033 - the fault that is shown, on 3.8 too
            def total(self):
                return len(self.payload)

        return Report

    _once("Report", make)().total()


def context_variables():
    """A context variable per request keeps its value in the context of the thread."""
    import contextvars

    contextvars.ContextVar("request").set(Session())


def thread_locals():
    """A list in a thread's own namespace."""
    import threading

    local = _once("per_thread", threading.local)
    if not hasattr(local, "seen"):
        local.seen = []
    local.seen.append(Session())


def running_thread():
    """What a thread that runs for ever has in a local of its frame."""
    import queue
    import threading

    def start():
        requests = queue.Queue()

        def consume():
            history = []
            while True:
                history.append(requests.get())
                requests.task_done()

        threading.Thread(target=consume, daemon=True).start()
        return requests

    requests = _once("requests_of_thread", start)
    requests.put(Session())
    requests.join()


def suspended_generator():
    """What a generator that is never finished has in its locals."""

    def collect():
        collected = {}
        while True:
            session = yield
            collected[session.number] = session

    def start():
        generator = collect()
        next(generator)
        return generator

    _once("collector", start).send(Session())


def closures():
    """Callbacks that close over a request."""
    session = Session()
    _once("callbacks", list).append(lambda: session)


def class_per_request():
    """A class made per request stays among the subclasses that a registry holds."""
    registry = _once("registry", dict)
    number = next(_numbers)
    registry["Form%d" % number] = type("Form%d" % number, (Session,), {"field": number})


def default_argument():
    """The default argument that is a list."""

    def make():
        def remember(session, seen=[]):
            seen.append(session)

        return remember

    _once("remember", make)(Session())


def queue_without_consumer():
    """A queue that nobody reads."""
    import queue

    _once("outbox", queue.Queue).put(Session())


def buffer_in_place():
    """A buffer that is appended to and never emptied."""
    import io

    _once("audit_log", io.BytesIO).write(bytes(5000))


def bytearray_in_place():
    """The same in a bytearray that an object owns."""

    class Connection:
        def __init__(self):
            self.received = bytearray()

    _once("connection", Connection).received.extend(bytes(5000))


def set_of_keys():
    """Keys that were seen, so that none is done twice."""
    _once("seen_keys", set).add("request-%d" % next(_numbers))


def counters():
    """A counter per address."""
    import collections

    _once("hits", collections.Counter)["10.0.%d" % next(_numbers)] += 1


def warnings_registry():
    """A warning whose text differs each time is remembered by the module that gives it."""
    import warnings

    def quiet():
        warnings.simplefilter("default")
        warnings.showwarning = lambda *_, **__: None
        return warnings

    _once("warned", quiet)
    warnings.warn("request %d is slow" % next(_numbers), stacklevel=1)


def module_per_request():
    """A module per plugin that is loaded, and never taken out of `sys.modules`."""
    import sys
    import types

    name = "plugin_%d" % next(_numbers)
    module = types.ModuleType(name)
    module.session = Session()
    sys.modules[name] = module


def line_cache():
    """Source of generated code, kept so that tracebacks can show it."""
    import linecache

    name = "<template %d>" % next(_numbers)
    linecache.cache[name] = (1000, None, ["x" * 500], name)


def interned_attributes():
    """An object that gets an attribute per request."""
    holder = _once("state", Session)
    setattr(holder, "request_%d" % next(_numbers), Session())


def parser_cycles():
    """A cycle through an object without support for the collector: nothing frees it."""
    import datetime

    class Zone(datetime.tzinfo):
        pass

    zone = Zone()
    zone.payload = bytes(500)
    zone.born = datetime.datetime(2024, 1, 1, tzinfo=zone)


def native_malloc():
    """Native memory that nobody gives back."""
    import ctypes

    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    ctypes.memset(ctypes.c_void_p(libc.malloc(ctypes.c_size_t(3000))), 1, 3000)


def native_beside_ids():
    """A large native leak beside small growth of objects."""
    native_malloc()
    _once("audit_ids", list).append(str(next(_numbers)))


def mapped_memory():
    """Mappings that are never closed."""
    import mmap

    area = mmap.mmap(-1, 32768)
    area.write(b"x" * 32768)
    _once("areas", list).append(area)


def callbacks_kept():
    """Callbacks for C that are made anew for each call, and kept."""
    import ctypes

    prototype = _once("prototype", lambda: ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int))
    _once("c_callbacks", list).append(prototype(lambda i: i))


def lost_reference():
    """A reference that C code took and never gave back."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(Session()))


def sqlite_rows():
    """A database in memory that only grows."""
    import sqlite3

    def start():
        database = sqlite3.connect(":memory:")
        database.execute("create table log (line text)")
        return database

    _once("database", start).execute("insert into log values (?)", ("x" * 2000,))


def decompressors():
    """Streams that are never finished, by client."""
    import zlib

    compressor = zlib.compressobj()
    compressor.compress(b"hello")
    _once("streams", dict)[next(_numbers)] = compressor


def trees():
    """Elements of a tree that is built for ever."""
    import xml.etree.ElementTree as etree

    root = _once("document", lambda: etree.Element("log"))
    etree.SubElement(root, "entry", number=str(next(_numbers))).text = "x" * 200


# What must raise no alarm.


def bounded_cache():
    """A cache that is full."""
    import functools

    _once("cached", lambda: functools.lru_cache(maxsize=100)(lambda i: bytes(2000)))(next(_numbers))


def ring():
    """The last hundred requests."""
    import collections

    _once("last", lambda: collections.deque(maxlen=100)).append(Session())


def cycles():
    """Garbage that the collector frees."""
    one, other = Session(), Session()
    one.other, other.other = other, one


def finished_tasks():
    """Tasks that end."""
    import asyncio

    loop = _once("loop", asyncio.new_event_loop)

    async def work():
        await asyncio.gather(*(asyncio.sleep(0, Session()) for _ in range(10)))

    loop.run_until_complete(work())


def patterns():
    """Regular expressions made per request: their cache has a limit."""
    import re

    re.compile("request-%d" % next(_numbers))


def churn():
    """A dictionary that takes in and gives back."""
    table = _once("table", dict)
    number = next(_numbers)
    table[number] = Session()
    table.pop(number - 200, None)


def threads():
    """Threads that end."""
    import threading

    thread = threading.Thread(target=Session)
    thread.start()
    thread.join()
