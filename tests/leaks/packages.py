"""Leaks of public packages: one call of a function is one iteration of a service. The versions are in `expected.py`."""

import contextlib

from standard import Session, _numbers, _once


def multidict_extend():
    """What a dictionary is extended by keeps a reference too many."""
    import multidict

    multidict.CIMultiDict({"X-%d" % i: str(next(_numbers)) for i in range(10)}).extend(
        {"a-name": "a-value" * 50}
    )


def frozendict_repr():
    """The text of a mapping keeps a dictionary."""
    import frozendict

    repr(frozendict.frozendict({i: i for i in range(100)}))


def ujson_dumps():
    """Each key that is written keeps a string."""
    import ujson

    ujson.dumps({"key-%d" % next(_numbers): "value" for _ in range(20)})


def msgpack_unpacker():
    """Each end of an iteration keeps an exception (3.12)."""
    import msgpack

    unpacker = msgpack.Unpacker()
    unpacker.feed(msgpack.packb([1]))
    for _ in unpacker:
        pass


def protobuf_byte_size():
    """The size of a message that is not set makes an arena that nothing frees."""
    from google.protobuf.type_pb2 import Type

    message = _once("message", Type)
    for _ in range(20):
        message.source_context.ByteSize()


def pendulum_parse():
    """A text that is no date keeps what was parsed so far."""
    import pendulum

    with contextlib.suppress(Exception):
        pendulum.parse("2020-13-99T99:99:99")


def ijson_parse():
    """The fast backend keeps what it parses."""
    import io

    import ijson.backends.yajl2_c as backend

    for _ in backend.items(io.BytesIO(b'{"a": [1, 2, {"b": "c"}]}'), "a.item"):
        pass


def babel_patterns():
    """Patterns of dates are cached without a limit."""
    import datetime

    from babel.dates import format_datetime

    format_datetime(datetime.datetime(2024, 1, 1), "yyyy 'of request %d'" % next(_numbers), locale="en")


def gmpy2_mpfr():
    """Each number that is read from a text keeps its digits."""
    import gmpy2

    gmpy2.mpfr("84893483948848934839488489348394884893483948848934839488489348394884893483")


def pydantic_validate_call():
    """A decorated function is in a cycle that the collector does not see through."""
    import gc

    import pydantic

    session = Session()

    @pydantic.validate_call
    def handler(x: int) -> int:
        return x + len(session.payload)

    session.handler = handler
    handler(1)
    if session.number % 20 == 0:
        gc.collect()


def hiredis_reader():
    """A reader whose callback is a method of its owner: no collection frees either."""
    import hiredis

    def make():
        class Connection(Session):
            def __init__(self):
                super().__init__()
                self.reader = hiredis.Reader(replyError=self.error)

            def error(self, message):
                return Exception(message)

        return Connection

    _once("Connection", make)()


def pyrsistent_vector():
    """A persistent vector of all sessions: its nodes are no objects."""
    import pyrsistent

    class Registry:
        sessions = pyrsistent.pvector()

    registry = _once("Registry", lambda: Registry)
    registry.sessions = registry.sessions.append(Session())


def httpx_clients():
    """A client per tenant, with its TLS context."""
    import httpx

    _once("clients", dict)["tenant-%d" % next(_numbers)] = httpx.Client()


def pil_thumbnails():
    """Thumbnails that are kept: pixels are native memory."""
    from PIL import Image

    number = next(_numbers)
    _once("thumbnails", dict)[number] = Image.new("RGB", (100, 100), (number % 255, 0, 0))


def lxml_documents():
    """One element that is kept keeps its whole document."""
    from lxml import etree

    document = etree.fromstring("<log>" + "<entry>text of an entry</entry>" * 50 + "</log>")
    _once("first_entries", list).append(document[0])


def numpy_views():
    """A small view keeps the large array that it was cut from."""
    import numpy

    _once("previews", list).append(numpy.ones(2000)[:3])


def pandas_rows():
    """Frames of results that are kept."""
    import pandas

    _once("results", dict)[next(_numbers)] = pandas.DataFrame({"price": [float(i) for i in range(500)]})


def matplotlib_figures():
    """Figures that are not closed stay with pyplot."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot

    matplotlib.pyplot.rcParams["figure.max_open_warning"] = 0
    matplotlib.pyplot.figure()


def requests_hooks():
    """A hook per request on a session that stays."""
    import requests

    session = _once("http_session", requests.Session)
    session.hooks["response"].append(Session().done)


def fsspec_instances():
    """File systems are cached by their arguments without a limit."""
    import fsspec

    fsspec.filesystem("memory", tenant="tenant-%d" % next(_numbers))


def marshmallow_schemas():
    """A schema that is made per tenant is registered by name for ever."""
    import marshmallow

    name = "Tenant%dSchema" % next(_numbers)
    type(marshmallow.Schema)(name, (marshmallow.Schema,), {"number": marshmallow.fields.Integer()})


def attrs_classes():
    """The source of generated methods stays in the cache of lines."""
    import attr

    attr.make_class("Request%d" % next(_numbers), ["a", "b"])


def blinker_receivers():
    """Strong receivers of a signal."""
    import blinker

    blinker.signal("done").connect(Session().done, weak=False)


def gevent_greenlets():
    """Greenlets that wait for what never comes."""
    import gevent
    import gevent.event

    event = _once("gevent_event", gevent.event.Event)

    def serve(session):
        event.wait()
        return session

    gevent.spawn(serve, Session())
    gevent.sleep(0)


def sqlalchemy_tables():
    """Tables that are defined per tenant stay in the metadata."""
    import sqlalchemy

    metadata = _once("metadata", sqlalchemy.MetaData)
    number = next(_numbers)
    sqlalchemy.Table("tenant_%d" % number, metadata, sqlalchemy.Column("id", sqlalchemy.Integer))


def sqlalchemy_async():
    """Sessions that wait inside a greenlet for what never comes."""
    import asyncio

    from sqlalchemy.util import await_only, greenlet_spawn

    def start():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        return loop, []

    loop, tasks = _once("sqlalchemy_loop", start)
    event = _once("sqlalchemy_event", asyncio.Event)

    def query(session):
        await_only(event.wait())
        return session

    async def spawn():
        tasks.append(asyncio.ensure_future(greenlet_spawn(query, Session())))
        await asyncio.sleep(0)

    loop.run_until_complete(spawn())


def celery_tasks():
    """A task that is made per request stays with its application."""
    import celery

    app = _once("celery_app", lambda: celery.Celery("service"))
    app.task(lambda: None, name="task-%d" % next(_numbers))


def werkzeug_rules():
    """A rule per tenant in a map that stays."""
    from werkzeug.routing import Map, Rule

    _once("url_map", Map).add(Rule("/tenant/%d" % next(_numbers)))


def pyarrow_tables():
    """Columns that are kept: their memory is Arrow's."""
    import pyarrow

    _once("columns", list).append(pyarrow.array([float(i) for i in range(500)]))


def polars_frames():
    """Frames that are kept: their memory is that of a library in Rust."""
    import polars

    _once("frames", list).append(polars.DataFrame({"price": [float(i) for i in range(500)]}))


def grpc_channels():
    """A channel per call, kept open."""
    import grpc

    _once("channels", list).append(grpc.insecure_channel("localhost:%d" % (20000 + next(_numbers) % 20000)))


def cryptography_keys():
    """Keys that are kept: the numbers are in a native library."""
    from cryptography.hazmat.primitives.asymmetric import ec

    _once("keys", dict)[next(_numbers)] = ec.generate_private_key(ec.SECP256R1())


def cachetools_cache():
    """The trap: a cache of a hundred that is full."""
    import cachetools

    _once("lru", lambda: cachetools.LRUCache(maxsize=100))[next(_numbers)] = Session()


def urllib3_pools():
    """The trap: a manager keeps ten pools."""
    import urllib3

    _once("pools", lambda: urllib3.PoolManager(num_pools=10)).connection_from_url(
        "http://host-%d.invalid/" % next(_numbers)
    )


def jinja2_templates():
    """The trap: an environment keeps 400 templates made from names, and none made from text."""
    import jinja2

    _once("environment", jinja2.Environment).from_string("Hello {{ name }} %d" % next(_numbers)).render(
        name="x"
    )
