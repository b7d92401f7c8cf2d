"""Leaks as users of packages reported them, each beside the same code mended; one call is one request.

What is kept, and by what, is in `reports.py`; these were written before m5 was tried on any of them.
"""

import itertools

from kept import keeper
from services import pairs

_mended = pairs(globals())
_serial = itertools.count()
_kept = keeper(globals())


class Ticket:
    """What a request works on."""

    def __init__(self):
        self.number = next(_serial)
        self.notes = ["note %d of %d" % (i, self.number) for i in range(3)]

    def close(self, *_, **__):
        return self.number


def hiredis_maps():
    """The values of a map of RESP 3 keep a reference too many."""
    import hiredis

    reader = _kept("reader", hiredis.Reader)
    reader.feed(b"%%1\r\n+name\r\n$300\r\n%0300d\r\n" % next(_serial))
    reader.gets()


@_mended
def msgspec_extensions(mended=False):
    """The bytes of an extension type of msgpack keep a reference too many, where nobody has a hook for them."""
    from msgspec import msgpack

    packed = msgpack.encode(msgpack.Ext(5, b"%0300d" % next(_serial)))
    msgpack.decode(packed, ext_hook=lambda *_: None) if mended else msgpack.decode(packed)


def traced_futures():
    """One future that is traced for each request that waits for it: each time another callback."""
    import asyncio

    from opentelemetry.instrumentation.asyncio import AsyncioInstrumentor

    def start():
        tracer = AsyncioInstrumentor()
        tracer.instrument()
        return tracer, asyncio.new_event_loop().create_future()

    tracer, joined = _kept("group_join", start)
    tracer.trace_future(joined)


def metric_readers():
    """A provider of metrics that was shut down leaves its reader in a set of the class."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    # It is shut down below: CPython before 3.14 keeps the place of each exit handler that was taken back, 8 bytes, for ever.
    provider = MeterProvider(metric_readers=[InMemoryMetricReader()], shutdown_on_exit=False)
    provider.get_meter("tickets").create_counter("closed").add(1)
    provider.shutdown()


@_mended
def instrumented_apps(mended=False):
    """An application that was instrumented stays in a set, although it was taken back."""
    from fastapi import FastAPI
    from opentelemetry.instrumentation import fastapi
    from opentelemetry.metrics import NoOpMeterProvider

    # Without a provider of one's own the package keeps a meter for each application too.
    meters = _kept("meters", NoOpMeterProvider)
    app = FastAPI()
    fastapi.FastAPIInstrumentor.instrument_app(app, meter_provider=meters)
    fastapi.FastAPIInstrumentor.uninstrument_app(app)
    if mended:
        fastapi._InstrumentedFastAPI._instrumented_fastapi_apps.discard(app)


@_mended
def open_connections(mended=False):
    """Connections of a server that never hears that they are lost."""
    import asyncio

    from uvicorn.config import Config
    from uvicorn.protocols.http.h11_impl import H11Protocol
    from uvicorn.server import ServerState

    class Wire(asyncio.Transport):
        def is_closing(self):
            return False

        def close(self):
            pass

    def start():
        config = Config(app=lambda *_: None, loop="asyncio", http="h11", log_config=None)
        config.load()
        return config, ServerState(), asyncio.new_event_loop()

    config, state, loop = _kept("web_server", start)
    protocol = H11Protocol(config=config, server_state=state, app_state={}, _loop=loop)
    protocol.connection_made(Wire())
    if mended:
        protocol.connection_lost(None)


@_mended
def callbacks_of_channels(mended=False):
    """Callbacks of channels that were closed stay with their connection."""
    from pika.callback import CallbackManager

    callbacks = _kept("callbacks", CallbackManager)
    channel = str(next(_serial))
    callbacks.add(channel, "_on_channel_close", Ticket().close, one_shot=False)
    if mended:
        callbacks.cleanup(channel)


@_mended
def sensors_of_topics(mended=False):
    """A sensor per topic of one hour."""
    from kafka.metrics import Metrics
    from kafka.metrics.stats import Avg

    metrics = _kept("kafka_metrics", Metrics)
    name = "topic-%d" % next(_serial)
    metrics.sensor(name).add(metrics.metric_name("size-%s" % name, "tickets"), Avg())
    if mended:
        metrics.remove_sensor(name)


@_mended
def channels_of_users(mended=False):
    """A subscription to Redis for each user who ever was there."""
    import fakeredis

    listener = _kept("listener", lambda: fakeredis.FakeRedis().pubsub())
    name = "user-%d" % next(_serial)
    listener.subscribe(name)
    if mended:
        listener.unsubscribe(name)
    while listener.get_message() is not None:
        pass


@_mended
def classes_of_tenants(mended=False):
    """A mapped class per tenant: its table stays with the metadata."""
    import sqlalchemy
    from sqlalchemy import orm

    base = _kept("Base", lambda: type("Base", (orm.DeclarativeBase,), {}))
    name = "Tenant%d" % next(_serial)
    columns = {"id": orm.mapped_column(sqlalchemy.Integer, primary_key=True)}
    table = type(name, (base,), {"__tablename__": name.lower(), "__module__": __name__, **columns})
    if mended:
        base.metadata.remove(table.__table__)


@_mended
def pages_of_mako(mended=False):
    """Templates that were made from texts stay with the lookup, by names that are never asked for again."""
    from mako.lookup import TemplateLookup

    pages = _kept("mako_pages", lambda: TemplateLookup(collection_size=20 if mended else -1))
    pages.put_string("page-%d" % next(_serial), "hello ${name}")


@_mended
def listeners_of_commands(mended=False):
    """A listener per tenant that the driver keeps for the whole process."""
    from pymongo import monitoring

    class Listener(Ticket, monitoring.CommandListener):
        pass

    listener = _kept("Listener", lambda: Listener)()
    monitoring.register(listener)
    if mended:
        monitoring._LISTENERS.command_listeners.remove(listener)


@_mended
def tags_of_documents(mended=False):
    """A constructor of YAML for each file, with what it was made for."""
    import yaml

    tag = "!ticket-%d" % next(_serial)
    yaml.add_constructor(tag, Ticket().close, Loader=yaml.SafeLoader)
    if mended:
        yaml.SafeLoader.yaml_constructors.pop(tag)


@_mended
def references_of_pages(mended=False):
    """One converter for all pages, which is never reset."""
    import markdown

    converter = _kept("converter", markdown.Markdown)
    number = next(_serial)
    converter.convert("[page %d]: https://wiki.example/%d 'Page %d'" % (number, number, number))
    if mended:
        converter.reset()


@_mended
def kinds_of_tokens(mended=False):
    """A kind of token by a name that users choose."""
    from pygments.token import string_to_tokentype

    string_to_tokentype("Name.Custom%d" % (0 if mended else next(_serial)))


@_mended
def units_of_requests(mended=False):
    """Units that are parsed from what users write are remembered by their text."""
    import pint

    units = _kept("units", pint.UnitRegistry)
    power = 1 if mended else next(_serial) + 2
    units.parse_units("meter ** %d / second" % power)


@_mended
def waiters_of_a_lock(mended=False):
    """A lock of Twisted that somebody took and never gave back."""
    from twisted.internet.defer import DeferredLock

    lock = _kept("free_lock" if mended else "ticket_lock", DeferredLock)
    if mended:
        lock.run(Ticket().close)
    else:
        lock.acquire().addCallback(Ticket().close)


@_mended
def settings_of_users(mended=False):
    """A map that does not change, and a new one with one user more for each request."""
    import immutables

    settings = _kept("user_settings", immutables.Map)
    number = next(_serial)
    settings = settings.set(number, Ticket())
    globals()["user_settings"] = settings.delete(number) if mended else settings


@_mended
def names_resolved(mended=False):
    """Answers for names that are asked for once, in a cache without a limit."""
    import time

    from dns import name, rdataclass, rdatatype, resolver

    class Answer(Ticket):
        expiration = time.time() + 1e6

    cache = _kept("dns_cache", lambda: resolver.LRUCache(50) if mended else resolver.Cache())
    asked = name.from_text("host-%d.example." % next(_serial))
    cache.put((asked, rdatatype.A, rdataclass.IN), _kept("Answer", lambda: Answer)())


@_mended
def subscribers_of_events(mended=False):
    """A subscriber per request in a registry of adapters."""
    from zope.interface import Interface
    from zope.interface.adapter import AdapterRegistry

    class IOrdered(Interface):
        pass

    registry, ordered = _kept("component_registry", lambda: (AdapterRegistry(), IOrdered))
    subscriber = Ticket().close
    registry.subscribe([ordered], None, subscriber)
    if mended:
        registry.unsubscribe([ordered], None, subscriber)


@_mended
def words_of_customers(mended=False):
    """How often which customer writes which word."""
    import nltk.probability

    counts = _kept("word_counts", nltk.probability.ConditionalFreqDist)
    counts["customer %d" % next(_serial)]["refund"] += 1
    if mended:
        counts.clear()


@_mended
def jobs_after_responses(mended=False):
    """One list of background jobs for all responses."""
    from starlette.background import BackgroundTasks

    jobs = _kept("background_jobs", BackgroundTasks)
    jobs.add_task(Ticket().close)
    if mended:
        jobs.tasks.clear()
