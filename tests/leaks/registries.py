"""Leaks through what the interpreter and the standard library keep for good. One call is one iteration of a service."""

import contextlib

from standard import Session, _numbers, _once


def fork_handlers():
    """A handler for forks per connection: nothing can take it back."""
    import os

    os.register_at_fork(after_in_child=Session().done)


def codec_searches():
    """A search function for codecs per plugin."""
    import codecs

    session = Session()
    codecs.register(lambda name: session.done(name))


def csv_dialects():
    """A dialect per customer, registered by name."""
    import csv

    csv.register_dialect("customer-%d" % next(_numbers), delimiter=";")


def collector_callbacks():
    """A callback of the collector per monitor."""
    import gc

    gc.callbacks.append(Session().done)


def pickler_memo():
    """A pickler that is kept remembers whatever it wrote."""
    import io
    import pickle

    _once("pickler", lambda: pickle.Pickler(io.BytesIO(), 4)).dump(Session())


def mock_calls():
    """A mock that stayed in production records its calls."""
    from unittest import mock

    _once("metrics", mock.Mock).observe(Session())


def exit_stack():
    """A stack of contexts that is never left."""
    _once("stack", contextlib.ExitStack).callback(Session().done)


def slow_reader():
    """One of two readers of a stream stands still: what the other one has read is kept for it."""
    import itertools

    def start():
        return itertools.tee(iter(Session, None))

    fast, _ = _once("readers", start)
    next(fast)


def pointer_types():
    """A type of arrays per length, and one of pointers to it, kept in a cache of ctypes."""
    import ctypes

    ctypes.POINTER(ctypes.c_char * (1000 + next(_numbers)))


def far_timers():
    """Timers that are due in an hour."""
    import asyncio

    loop = _once("timer_loop", asyncio.new_event_loop)
    loop.call_later(3600, Session().done)


def busy_executor():
    """Work is handed to a thread that never gets to it."""
    import concurrent.futures
    import threading

    def start():
        pool = concurrent.futures.ThreadPoolExecutor(1)
        pool.submit(threading.Event().wait)
        return pool

    _once("executor", start).submit(Session().done)


def traced_allocations():
    """Allocations are traced since the start, and the table of traces grows with a cache that does."""
    import tracemalloc

    def start():
        tracemalloc.start(10)
        return {}

    _once("traced", start)[next(_numbers)] = Session()


def nested_scopes():
    """A chain of contexts, one per request, that is never unwound."""
    import collections

    found = globals()
    outer = found.get("scopes") or collections.ChainMap()
    found["scopes"] = outer.new_child({next(_numbers): Session()})


def linked_requests():
    """Each request refers to the one before."""
    session = Session()
    session.before = globals().get("latest")
    globals()["latest"] = session


def heap_of_deadlines():
    """A heap of deadlines that are never taken out."""
    import heapq

    number = next(_numbers)
    heapq.heappush(_once("deadlines", list), (number * 7919 % 10007, number, Session()))


def values_of_enum():
    """Members that are added to a class, as attributes."""
    setattr(_once("Settings", lambda: type("Settings", (), {})), "option_%d" % next(_numbers), Session())


def frozen_frames():
    """Asynchronous generators that nobody finishes, kept by name."""

    async def stream(session):
        while True:
            yield session

    def step(generator):
        with contextlib.suppress(StopIteration):
            generator.asend(None).send(None)
        return generator

    _once("streams_by_client", dict)[next(_numbers)] = step(stream(Session()))


def array_in_place():
    """Samples in an array that is only added to."""
    import array

    _once("samples", lambda: array.array("d")).extend([0.5] * 600)


# What must raise no alarm.


def rebuilt_table():
    """A table that is built anew each time, as large as before."""
    globals()["rates"] = {"pair-%d" % i: [float(next(_numbers))] for i in range(500)}


def weak_registry():
    """A registry of weak references."""
    import weakref

    session = Session()
    _once("alive", weakref.WeakValueDictionary)[session.number] = session


def bounded_queue():
    """A queue with a limit whose consumer keeps up."""
    import queue

    pending = _once("pending", lambda: queue.Queue(50))
    if pending.full():
        pending.get()
    pending.put(Session())


def least_recently_used():
    """A cache by hand, of a thousand."""
    import collections

    cache = _once("recent", collections.OrderedDict)
    cache[next(_numbers)] = Session()
    if len(cache) > 200:
        cache.popitem(last=False)


def growing_batches():
    """A batch that fills and is sent."""
    batch = _once("batch", list)
    batch.append(Session())
    if len(batch) >= 40:
        batch.clear()


def closed_streams():
    """Files and sockets that are closed."""
    import socket

    one, other = socket.socketpair()
    with one, other:
        one.send(b"x")
        other.recv(1)


def texts():
    """Texts and numbers that are made and dropped."""
    import json

    json.loads(json.dumps([{"number": next(_numbers), "text": "x" * 100} for _ in range(200)]))


def expiring():
    """What is kept for the last two hundred iterations, by time."""
    kept = _once("kept", dict)
    now = next(_numbers)
    kept[now] = Session()
    for old in [number for number in kept if number < now - 200]:
        del kept[old]
