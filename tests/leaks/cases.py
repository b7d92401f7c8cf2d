"""Real leaks: one iteration of each, the versions that leak and those that were mended.

A case is run as `python cases.py NAME` would run it once; `m5 leaks --call cases:NAME` iterates it.
"""

import contextlib
import itertools

_numbers = itertools.count()


def structlog():
    """A lock per file that was ever logged to stays in a module's dictionary."""
    import os

    import structlog

    with open(os.devnull, "w") as out:
        structlog.WriteLogger(out).info("x")


def requests():
    """A proxy manager per proxy URL stays in its adapter."""
    import requests.adapters

    global _adapter
    if "_adapter" not in globals():
        _adapter = requests.adapters.HTTPAdapter()
    _adapter.proxy_manager_for("http://proxy-%d.invalid:3128" % next(_numbers))


def orjson():
    """An exception raised from another inside `default` is never given back: no object refers to it."""
    import orjson

    def default(_):
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise TypeError("outer") from inner

    with contextlib.suppress(TypeError):
        orjson.dumps(object(), default=default)


def cbor2():
    """A long text that is cut inside a character keeps its buffer."""
    import cbor2

    cbor2.loads(cbor2.dumps("\u00e9" * 100000))


def aiohttp():
    """A handler is kept per request to a route that does not allow the method."""
    import asyncio

    from aiohttp import web
    from aiohttp.test_utils import make_mocked_request

    @web.middleware
    async def middleware(request, handler):
        return await handler(request)

    async def get(_):
        return web.Response()

    async def once():
        global _app
        if "_app" not in globals():
            _app = web.Application(middlewares=[middleware])
            _app.router.add_get("/", get)
            _app.freeze()
        with contextlib.suppress(web.HTTPMethodNotAllowed):
            await _app._handle(make_mocked_request("POST", "/", app=_app))

    global _loop
    if "_loop" not in globals():
        _loop = asyncio.new_event_loop()
    _loop.run_until_complete(once())


def loggers():
    """A logger per request stays in the manager's dictionary."""
    import logging

    logging.getLogger("req.%d" % next(_numbers))


def prometheus_client():
    """A child per value of a label stays in the counter's dictionary."""
    import prometheus_client

    global _counter
    if "_counter" not in globals():
        _counter = prometheus_client.Counter("requests", "by user", ["user"])
    _counter.labels("user-%d" % next(_numbers)).inc()


def botocore():
    """The trap: each client fills caches of a hundred entries, and then nothing more stays."""
    import botocore.session
    from botocore.stub import Stubber

    session = botocore.session.Session()
    client = session.create_client(
        "sts", region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )
    with Stubber(client) as stub:
        stub.add_response("get_caller_identity", {})
        client.get_caller_identity()


def bounded_cache():
    """The trap: it grows for a while and then stays."""
    import functools

    global _cached
    if "_cached" not in globals():
        _cached = functools.lru_cache(maxsize=100)(lambda i: [i])
    _cached(next(_numbers))
