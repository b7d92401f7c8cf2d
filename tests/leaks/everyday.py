"""What people keep by mistake, each beside the same code mended; nothing but the standard library: one call is one request.

What is kept, and by what, is in `unseen.py`; these were written before m5 was tried on any of them.
"""

from services import pairs
from standard import _numbers, _once

_mended = pairs(globals())


class Order:
    """An order as a customer places it."""

    def __init__(self, note="no note"):
        self.number = next(_numbers)
        self.lines = ["line %d of %d" % (i, self.number) for i in range(4)]
        self.note = note

    def confirm(self, *_):
        return self.number

    async def ship(self):
        return self.lines


@_mended
def tasks_never_discarded(mended=False):
    """The set that keeps tasks alive, and nobody who takes them out."""
    import asyncio

    loop = _once("shop_loop", asyncio.new_event_loop)
    running = _once("running_tasks", set)

    async def request():
        task = loop.create_task(Order().ship())
        running.add(task)
        if mended:
            task.add_done_callback(running.discard)
        await asyncio.sleep(0)

    loop.run_until_complete(request())
    if mended:
        loop.run_until_complete(asyncio.sleep(0))


@_mended
def timeouts_never_cancelled(mended=False):
    """A timeout of an hour for each request, in the request's context."""
    import asyncio
    import contextvars

    loop = _once("timer_loop", asyncio.new_event_loop)
    current = _once("current_order", lambda: contextvars.ContextVar("current_order"))

    def request():
        order = Order()
        current.set(order)
        handle = loop.call_later(3600, order.confirm)
        if mended:
            handle.cancel()

    contextvars.Context().run(request)
    loop.run_until_complete(asyncio.sleep(0))


@_mended
def weak_callbacks(mended=False):
    """A weak reference to something that stays, with a callback that holds a request."""
    import weakref

    catalogue = _once("catalogue", Order)
    watches = _once("watches", list)
    order = Order()
    watches.append(weakref.ref(catalogue, lambda _: order.confirm()))
    if mended:
        watches.clear()


@_mended
def heads_of_payloads(mended=False):
    """The first bytes of each body, as a view that keeps the body."""
    body = bytearray(b"%064d" % next(_numbers)) * 100
    head = memoryview(body)[:16]
    _once("heads", dict)[0 if mended else next(_numbers)] = head


@_mended
def chain_of_errors(mended=False):
    """The last error of a poller, raised while the one before it was handled."""
    last = globals().get("last_error")
    try:
        try:
            if last is not None:
                raise last
        finally:
            order = Order()
            raise ConnectionError("no answer for %d" % order.number)
    except ConnectionError as error:
        globals()["last_error"] = error.with_traceback(None) if mended else error
        if mended:
            error.__context__ = None


@_mended
def streams_left_open(mended=False):
    """Asynchronous generators that a `break` left suspended."""
    import asyncio

    loop = _once("stream_loop", asyncio.new_event_loop)

    async def updates(order):
        try:
            while True:
                yield order.confirm()
        finally:
            order.lines.clear()

    async def first():
        stream = updates(Order())
        opened = _once("open_streams", list)
        opened.append(stream)
        async for _ in stream:
            break
        if mended:
            await stream.aclose()
            opened.remove(stream)

    loop.run_until_complete(first())


@_mended
def threads_that_wait(mended=False):
    """A thread per request that waits for a word that nobody says."""
    import threading

    done = threading.Event()
    order = Order()

    def deliver():
        done.wait()
        order.confirm()

    thread = threading.Thread(target=deliver, daemon=True)
    thread.start()
    if mended:
        done.set()
        thread.join()


@_mended
def orders_by_customer(mended=False):
    """A list for each of ten customers, in a dictionary that makes them."""
    import collections

    orders = _once("orders_by_customer_id", lambda: collections.defaultdict(list))
    kept = orders["customer-%d" % (next(_numbers) % 10)]
    kept.append(Order())
    if mended:
        del kept[:-5]


@_mended
def latencies(mended=False):
    """Times of all requests, for a percentile: a deque that was meant to have a limit."""
    import collections
    import time

    times = _once("latency_samples", lambda: collections.deque(maxlen=100 if mended else None))
    for _ in range(10):
        times.append((time.time(), next(_numbers) / 7))


class _Connection:
    """A connection that goes back to its pool when nobody needs it any more."""

    pool = []  # noqa: RUF012 -- that is the fault
    most = None

    def __init__(self):
        self.buffer = bytearray(900)

    def __del__(self):
        if self.most is None or len(self.pool) < self.most:
            _Connection.pool.append(self)


@_mended
def resurrected(mended=False):
    """A pool that takes whatever is thrown away, and gives nothing out."""
    _Connection.most = 10 if mended else None
    _Connection()


@_mended
def compiled_searches(mended=False):
    """A cache of patterns by what users type."""
    import re

    patterns = _once("compiled_by_query", dict)
    query = "name-%d|mail-%d" % (next(_numbers), next(_numbers))
    patterns[query] = re.compile(query, re.IGNORECASE)
    if mended:
        patterns.clear()


@_mended
def digests_by_upload(mended=False):
    """A running digest per upload, of uploads that were broken off."""
    import hashlib

    digests = _once("digests", dict)
    upload = "upload-%d" % next(_numbers)
    digests[upload] = hashlib.sha512(upload.encode())
    if mended:
        del digests[upload]


@_mended
def shared_blocks(mended=False):
    """Blocks of shared memory, one a message, that nobody closes."""
    from multiprocessing import shared_memory

    block = shared_memory.SharedMemory(create=True, size=64 << 10)
    block.buf[:] = bytes(64 << 10)
    block.unlink()
    if mended:
        block.close()
    else:
        _once("messages", list).append(block)


@_mended
def uploads_in_memory(mended=False):
    """Files of users in memory, by name."""
    import io

    uploads = _once("uploads", dict)
    name = "photo-%d.png" % next(_numbers)
    uploads[name] = io.BytesIO()
    uploads[name].write(b"%05d" % next(_numbers) * 800)
    if mended:
        uploads.pop(name).close()


@_mended
def model_per_tenant(mended=False):
    """A class made for each tenant, kept by name."""
    import dataclasses

    models = _once("models", dict)
    name = "Tenant%d" % next(_numbers)
    models[name] = dataclasses.make_dataclass(name, [("name", str), ("limit", int)])
    if mended:
        models.clear()


@_mended
def search_path(mended=False):
    """A plugin's folder on the search path, again for each request."""
    import sys

    for _ in range(20):
        sys.path.append("/plugins/of/tenant/%d" % next(_numbers))
    if mended:
        del sys.path[-20:]


@_mended
def variables_of_jobs(mended=False):
    """A variable of the environment for each job."""
    import os

    for i in range(10):
        # The C library keeps each text that was ever in its environment: the mended one has the same again and again.
        name = "JOB_%d" % (i if mended else next(_numbers))
        os.environ[name] = "state of %s, as its starter left it" % name
        if mended:
            del os.environ[name]


@_mended
def reports_of_failures(mended=False):
    """Formatted tracebacks for a page that nobody opens."""
    import traceback

    reports = _once("failures", list)
    try:
        {}["order-%d" % next(_numbers)]
    except KeyError:
        reports.append(traceback.format_exc())
    if mended:
        del reports[:-10]


@_mended
def futures_of_jobs(mended=False):
    """Each job's future, in case somebody asks for it."""
    from concurrent.futures import ThreadPoolExecutor

    jobs = _once("jobs", dict)
    future = _once("job_workers", lambda: ThreadPoolExecutor(2)).submit(Order)
    future.result()
    jobs[0 if mended else next(_numbers)] = future


@_mended
def locks_by_key(mended=False):
    """A lock for each key that was ever asked for."""
    import asyncio
    import collections

    locks = _once("locks", lambda: collections.defaultdict(asyncio.Lock))
    key = "order:%d" % next(_numbers)
    locks[key].locked()
    if mended:
        del locks[key]


@_mended
def subscribers_that_left(mended=False):
    """A queue for each browser that listened once, and every event into all of them."""
    import asyncio

    subscribers = _once("subscribers", list)
    if len(subscribers) < 20:
        subscribers.append(asyncio.Queue(maxsize=50 if mended else 0))
    event = {"event": "price", "id": next(_numbers), "data": "%d EUR" % next(_numbers)}
    for queue in subscribers:
        if queue.full():
            queue.get_nowait()
        queue.put_nowait(event)


@_mended
def log_in_memory(mended=False):
    """A log that is written into a text in memory."""
    import io
    import logging

    def start():
        made = logging.getLogger("shop.requests")
        made.propagate = False
        made.setLevel(logging.INFO)
        made.addHandler(logging.StreamHandler(io.StringIO()))
        return made

    logger = _once("request_log", start)
    for _ in range(10):
        logger.info("request %d was answered in %d ms", next(_numbers), next(_numbers) % 90)
    if mended:
        logger.handlers[0].setStream(io.StringIO())


@_mended
def patches_of_tests(mended=False):
    """`mock.patch(…).start()` in code that runs, and nobody who stops it."""
    from unittest import mock

    patch = mock.patch("everyday.FEATURE", Order())
    patch.start()
    if mended:
        patch.stop()


FEATURE = None


@_mended
def queue_between_processes(mended=False):
    """A queue to another process that ended: its pipe is full, and its thread keeps what does not fit."""
    import multiprocessing

    queue = _once("outgoing_orders", multiprocessing.Queue)
    queue.put(("order", next(_numbers), "x" * 2000))
    if mended:
        queue.get()


@_mended
def hooks_of_a_class(mended=False):
    """Callbacks that are kept with the class, for all of its instances."""
    import functools

    order = Order()
    Order.hooks = getattr(Order, "hooks", [])
    Order.hooks.append(functools.partial(order.confirm, "shipped"))
    if mended:
        Order.hooks.clear()


@_mended
def documents_of_feeds(mended=False):
    """The tree of each feed, for the sake of one title."""
    from xml.dom import minidom

    feed = "<feed><entry id='%d'><title>%d</title></entry></feed>" % (next(_numbers), next(_numbers))
    document = minidom.parseString(feed)
    title = document.getElementsByTagName("title")[0]
    _once("titles_of_feeds", dict)[0 if mended else next(_numbers)] = title
    if mended:
        document.unlink()
