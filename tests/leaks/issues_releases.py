"""Leaks that releases of packages had, as their issue trackers tell them; the same call on a mended release leaks nothing.

What is kept, and by what, is in `issues.py`; these were written before m5 was tried on any of them.
"""

import itertools

from kept import keeper

_serial = itertools.count()
_kept = keeper(globals())


def cookies_of_paths():
    """An empty cookie for each path that was asked for (aio-libs/aiohttp#11052)."""
    import aiohttp
    from yarl import URL

    async def make():
        return aiohttp.CookieJar()

    def start():
        import asyncio

        loop = asyncio.new_event_loop()
        jar = loop.run_until_complete(make())
        jar.update_cookies({"session": "value; Path=/"}, URL("http://shop.example/"))
        return loop, jar

    _, jar = _kept("cookie_jar", start)
    jar.filter_cookies(URL("http://shop.example/orders/%d" % next(_serial)))


def cached_headers():
    """A cached property keeps its object (aio-libs/propcache#159)."""
    from propcache.api import under_cached_property

    def start():
        class Reply:
            def __init__(self):
                self._cache = {}
                self.number = next(_serial)

            @under_cached_property
            def headers(self):
                return {"number": str(self.number), "body": "%0200d" % self.number}

        return Reply

    reply = _kept("Reply", start)()
    reply.headers
    reply.headers


def cleaned_comments():
    """A text that is cleaned is kept by Rust (messense/nh3#49)."""
    import nh3

    nh3.clean("<p>comment %d</p><b class=x onclick='y()'>%0300d</b>" % (next(_serial), 0))


def validated_iterables():
    """An iterator of each list that is validated as an iterable (pydantic/pydantic#9243)."""
    from collections.abc import Iterable

    from pydantic import BaseModel

    def start():
        class Trace(BaseModel):
            elements: Iterable[int]

        return Trace

    _kept("Trace", start)(elements=[next(_serial), 2, 3])


def generic_models():
    """A generic model per class of a request stays in a cache (pydantic/pydantic#3829)."""
    from typing import Generic, TypeVar

    from pydantic import create_model
    from pydantic.generics import GenericModel

    def start():
        value = TypeVar("value")

        class Page(GenericModel, Generic[value]):
            item: value

        return Page

    _kept("Page", start)[create_model("Model%d" % next(_serial))]


def attributes_of_files():
    """Weak references to identifiers that are gone stay in a registry (h5py/h5py#2771)."""
    import h5py

    file = _kept("measured", lambda: h5py.File("unused", "w", driver="core", backing_store=False))
    file.attrs["number"] = next(_serial)


def spans_of_requests():
    """Each propagated span adds a processor of events (getsentry/sentry-python#6267)."""
    import sentry_sdk
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace.propagation import set_span_in_context
    from sentry_sdk.integrations.opentelemetry import SentryPropagator

    def start():
        sentry_sdk.init(dsn=None, instrumenter="otel", default_integrations=False)
        trace.set_tracer_provider(TracerProvider())
        return trace.get_tracer("shop"), SentryPropagator()

    tracer, propagator = _kept("propagation", start)
    with tracer.start_as_current_span("order") as span:
        propagator.inject({}, set_span_in_context(span))


def hashed_dates():
    """The hash of a date keeps memory (numpy/numpy#29397)."""
    import numpy

    for _ in range(20):
        hash(numpy.datetime64(next(_serial), "Y"))


def modules_of_a_linter():
    """Modules that were parsed stay in caches that are never emptied (pylint-dev/astroid#1780)."""
    import astroid

    code = "class Order:\n    def total(self):\n        return self.lines[%d]\n" % next(_serial)
    module = astroid.parse(code)
    module.body[0].mro()
    list(module.body[0].instantiate_class().getattr("total"))
    module.body[0].slots()
    astroid.MANAGER.clear_cache()


def pushed_messages():
    """Messages of RESP 3 that are pushed keep what they hold (redis/hiredis-py#250)."""
    import hiredis

    reader = _kept("push_reader", hiredis.Reader)
    reader.feed(b">3\r\n+message\r\n$7\r\nchannel\r\n%%1\r\n+id\r\n$300\r\n%0300d\r\n" % next(_serial))
    reader.gets()
