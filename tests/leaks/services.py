"""Leaks as they are found in services, each beside the same code mended: one call is one request.

What is kept, and by what, is in `held_out.py`; these were written before m5 was tried on any of them.
"""

import functools

from standard import Session, _numbers, _once


def pairs(module):
    """A decorator that puts the same case as its author mends it beside the case, into the names of `module`."""

    def _mended(function):
        @functools.wraps(function)
        def call():
            function(mended=True)

        call.__name__ = call.__qualname__ = function.__name__ + "_mended"
        module[call.__name__] = call
        return function

    return _mended


_mended = pairs(globals())


@_mended
def scheduler_listeners(mended=False):
    """A listener per request stays with the scheduler."""
    from apscheduler.schedulers.background import BackgroundScheduler

    scheduler = _once("job_scheduler", BackgroundScheduler)
    listener = Session().done
    scheduler.add_listener(listener)
    if mended:
        scheduler.remove_listener(listener)


@_mended
def log_context(mended=False):
    """What is bound to the context of a log is never taken out."""
    import structlog

    # The package has a variable for each key, for ever: keys that differ are no part of the mended one.
    number = 0 if mended else next(_numbers)
    structlog.contextvars.bind_contextvars(**{"request_%d" % number: Session()})
    if mended:
        structlog.contextvars.clear_contextvars()


@_mended
def template_cache(mended=False):
    """Templates by a name of the request, in a cache that was told to have no limit."""
    import jinja2

    loader = jinja2.FunctionLoader(lambda name: "hello {{ %s }}" % name)
    size = 50 if mended else -1
    environment = _once("pages", lambda: jinja2.Environment(loader=loader, cache_size=size))
    # CPython 3.14 keeps every name that was ever compiled (sys.getunicodeinternedsize(_only_immortal=True)): names that
    # differ without end are no part of the mended one.
    number = next(_numbers) % 100 if mended else next(_numbers)
    environment.get_template("user_%d" % number).render()


@_mended
def awaited_for_ever(mended=False):
    """Callbacks of a future that the whole service waits for."""
    import asyncio

    def start():
        loop = asyncio.new_event_loop()
        return loop, loop.create_future()

    _, shutdown = _once("shutdown", start)
    session = Session()
    shutdown.add_done_callback(session.done)
    if mended:
        shutdown.remove_done_callback(session.done)


@_mended
def queue_of_events(mended=False):
    """A consumer that is slower than its producer."""
    import asyncio

    events = _once("events", asyncio.Queue)
    events.put_nowait((next(_numbers), Session()))
    if mended:
        events.get_nowait()


@_mended
def pool_locals(mended=False):
    """A worker of a pool keeps connections in its own namespace."""
    import threading
    from concurrent.futures import ThreadPoolExecutor

    local = _once("worker_state", threading.local)

    def work():
        if not hasattr(local, "connections"):
            local.connections = {}
        local.connections[0 if mended else next(_numbers)] = Session()

    _once("workers", lambda: ThreadPoolExecutor(1)).submit(work).result()


@_mended
def weak_keys(mended=False):
    """A weak mapping whose values know their keys."""
    import weakref

    states = _once("states", weakref.WeakKeyDictionary)
    request = Session()
    states[request] = {"request": weakref.ref(request) if mended else request}


@_mended
def frame_of_objects(mended=False):
    """A frame of objects that gets a row per request."""
    import pandas

    row = pandas.DataFrame({"session": [Session()], "name": ["request-%d" % next(_numbers)]})
    before = globals().get("history_frame")
    globals()["history_frame"] = row if before is None else pandas.concat([before, row], ignore_index=True)
    if mended:
        globals()["history_frame"] = globals()["history_frame"].tail(50)


@_mended
def scopes_never_left(mended=False):
    """A context manager that is entered by hand, and kept."""
    import contextlib

    @contextlib.contextmanager
    def request_scope():
        session = Session()
        yield session

    scopes = _once("open_scopes", dict)
    number = next(_numbers)
    scopes[number] = request_scope()
    scopes[number].__enter__()
    if mended:
        scopes.pop(number).__exit__(None, None, None)


@_mended
def incremental_parser(mended=False):
    """A document without an end whose elements are never cleared: its tree is native."""
    from lxml import etree

    def start():
        parser = etree.XMLPullParser(events=("end",))
        parser.feed("<log>")
        return parser

    parser = _once("feed", start)
    parser.feed("<entry id='%d'>%s</entry>" % (next(_numbers), "x" * 1000))
    for _, element in parser.read_events():
        if mended:
            element.clear()
            parent = element.getparent()
            while element.getprevious() is not None:
                del parent[0]


@_mended
def unit_of_work(mended=False):
    """Objects that are added to a session that nobody flushes."""
    import sqlalchemy
    from sqlalchemy import orm

    def start():
        base = orm.declarative_base()
        columns = {
            "__tablename__": "orders",
            "id": sqlalchemy.Column(sqlalchemy.Integer, primary_key=True),
            "note": sqlalchemy.Column(sqlalchemy.String),
        }
        return type("Order", (base,), columns), orm.Session(sqlalchemy.create_engine("sqlite://"))

    order, session = _once("unit", start)
    session.add(order(note="order %d" % next(_numbers)))
    if mended:
        session.rollback()


@_mended
def cookie_jar(mended=False):
    """One session for all clients collects their cookies."""
    import requests

    session = _once("shared_client", requests.Session)
    session.cookies.set("session-%d" % next(_numbers), "x" * 500, domain="example.org")
    if mended:
        session.cookies.clear()


@_mended
def buffered_records(mended=False):
    """A handler that keeps records until there are a million."""
    import logging.handlers

    def start():
        logger = logging.getLogger("orders")
        logger.propagate = False
        logger.setLevel(logging.INFO)
        handler = logging.handlers.MemoryHandler(50 if mended else 1000000, target=logging.NullHandler())
        logger.addHandler(handler)
        return logger

    _once("order_log", start).info("order %d of %s", next(_numbers), Session())


@_mended
def tls_contexts(mended=False):
    """A context of TLS per host."""
    import ssl

    context = ssl.create_default_context()
    _once("tls", dict)["host" if mended else "host-%d" % next(_numbers)] = context


@_mended
def tls_buffers(mended=False):
    """What is written to a buffer of TLS that nobody reads."""
    import ssl

    buffer = _once("outgoing", ssl.MemoryBIO)
    buffer.write(bytes(5000))
    if mended:
        buffer.read()


@_mended
def prepared_statements(mended=False):
    """A connection that keeps each statement that was ever prepared."""
    import sqlite3

    kept = 20 if mended else 1000000
    database = _once("reports", lambda: sqlite3.connect(":memory:", cached_statements=kept))
    database.execute("select %d as request" % next(_numbers)).fetchall()


@_mended
def console_record(mended=False):
    """A console that records what it prints."""
    import io

    from rich.console import Console

    console = _once("console", lambda: Console(file=io.StringIO(), record=True))
    console.print("request %d" % next(_numbers), style="bold")
    console.file.seek(0)
    console.file.truncate()
    if mended:
        console.export_text()


@_mended
def unique_names(mended=False):
    """Names that are to differ: those that were given are remembered."""
    from faker import Faker

    fake = _once("fake", lambda: Faker("en_US"))
    fake.unique.sha256()
    if mended:
        fake.unique.clear()


@_mended
def graph_of_calls(mended=False):
    """A graph that gets an edge per request."""
    import networkx

    calls = _once("calls", networkx.DiGraph)
    number = 0 if mended else next(_numbers)
    calls.add_edge("service", "request-%d" % number, session=Session())


@_mended
def streams_never_reset(mended=False):
    """Streams of HTTP/2 that are opened and never ended."""
    import h2.config
    import h2.connection

    def start():
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        connection.initiate_connection()
        connection.remote_settings.max_concurrent_streams = 1000000
        return connection

    connection = _once("h2", start)
    stream = connection.get_next_available_stream_id()
    headers = [(":method", "GET"), (":path", "/"), (":scheme", "https"), (":authority", "example.org")]
    connection.send_headers(stream, headers)
    if mended:
        connection.reset_stream(stream)
        connection.open_outbound_streams
    connection.data_to_send()


@_mended
def persistent_map(mended=False):
    """A map of another language: its nodes are native memory without support for the collector."""
    import rpds

    before = globals().get("sessions_map") or rpds.HashTrieMap()
    number = next(_numbers)
    after = before.insert(number, Session())
    globals()["sessions_map"] = after.discard(number) if mended else after


@_mended
def foreign_memory(mended=False):
    """Memory for a C library, by client."""
    import cffi

    ffi = _once("ffi", cffi.FFI)
    _once("c_buffers", dict)[0 if mended else next(_numbers)] = ffi.new("char[]", 4000)


@_mended
def memory_channel(mended=False):
    """A channel between tasks without a limit, whose reader is gone."""
    import math

    import trio

    send, receive = _once("channel", lambda: trio.open_memory_channel(math.inf))
    send.send_nowait(Session())
    if mended:
        receive.receive_nowait()


@_mended
def suspended_greenlets(mended=False):
    """Greenlets that were started and are never switched to again."""
    import greenlet

    def handle(session):
        greenlet.getcurrent().parent.switch(session.number)

    handler = greenlet.greenlet(handle)
    number = handler.switch(Session())
    handlers = _once("handlers", dict)
    handlers[number] = handler
    if mended:
        handlers.pop(number).switch()


@_mended
def sorted_orders(mended=False):
    """An order book whose cancelled orders stay."""
    import sortedcontainers

    book = _once("book", sortedcontainers.SortedDict)
    number = next(_numbers)
    book[number] = Session()
    if mended:
        del book[number]


@_mended
def documents_of_pages(mended=False):
    """A tree of a page per client, of which one text is wanted: it knows its tree."""
    import bs4

    page = bs4.BeautifulSoup("<p><b>client %d</b>%s</p>" % (next(_numbers), "x" * 500), "html.parser")
    titles = _once("titles", list)
    titles.append(str(page.b.string) if mended else page.b.string)
    if mended:
        del titles[:-50]


@_mended
def events_of_a_model(mended=False):
    """Handlers of a change that each view of a model adds."""
    import param

    model = _once(
        "model",
        lambda: param.parameterized_class("Model", {"value": param.Integer(0)}, [param.Parameterized])(),
    )
    watcher = model.param.watch(Session().done, "value")
    if mended:
        model.param.unwatch(watcher)


@_mended
def arrays_of_a_file(mended=False):
    """Data sets of a file in memory that only grows."""
    import h5py
    import numpy

    file = _once("archive", lambda: h5py.File("archive.h5", "w", driver="core", backing_store=False))
    name = "set-%d" % (0 if mended else next(_numbers))
    if name in file:
        del file[name]
    file[name] = numpy.ones(500)


# What must raise no alarm.


def breadcrumbs():
    """The trap: what happened before an error, the last hundred."""
    import sentry_sdk

    sentry_sdk.add_breadcrumb(
        category="request", message="request %d" % next(_numbers), data={"s": Session()}
    )


def algebra():
    """The trap: results of a computer algebra system, whose caches have limits."""
    import sympy

    x = sympy.Symbol("x")
    (x**2 + next(_numbers) % 3000).diff(x)


def type_adapters():
    """The trap: generic types made per request; `typing` keeps the last ones."""
    import typing

    typing.Tuple[typing.TypeVar("T%d" % next(_numbers)), int]  # noqa: UP006


def grammars():
    """The trap: a parser that remembers the last hundred results."""
    import pyparsing

    pyparsing.ParserElement.enable_packrat(128)
    grammar = _once(
        "grammar",
        lambda: pyparsing.infix_notation(pyparsing.Word(pyparsing.nums), [("+", 2, pyparsing.OpAssoc.LEFT)]),
    )
    grammar.parse_string("1 + %d" % next(_numbers))
