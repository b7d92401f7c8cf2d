"""More leaks of public packages, and of what people do with them; the versions are in `held_out.py`."""

from standard import Session, _numbers, _once


def rapidjson_end_array():
    """What an array is replaced by keeps a reference."""
    import rapidjson

    class Decoder(rapidjson.Decoder):
        def end_array(self, sequence):
            return tuple(sequence)

    _once("decoder", Decoder)('[1.5, "text of request %d", [1, 2, 3]]' % next(_numbers))


def opentelemetry_processors():
    """A processor of spans per tenant, shut down again: its handler for forks keeps it."""
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

    processor = BatchSpanProcessor(ConsoleSpanExporter())
    processor.tenant = Session()
    processor.shutdown()


def numpy_fill():
    """An array that is filled with a number keeps the number."""
    import numpy

    filled = _once("filled", lambda: numpy.zeros(10))
    for _ in range(20):
        filled.fill(float(next(_numbers)))


def pandas_to_json():
    """A frame that is written as JSON keeps its values."""
    import pandas

    pandas.DataFrame({"price": [float(next(_numbers))] * 2000, "size": [1.0] * 2000}).to_json()


def pandas_dates_to_json():
    """Each date that is written as JSON keeps its text."""
    import pandas

    frame = pandas.DataFrame({"a": range(100)}, index=pandas.date_range("2000-01-01", periods=100))
    frame.to_json(orient="split", date_format="iso")


def msgspec_decoder():
    """A decoder that is made per request keeps something."""
    import msgspec

    msgspec.json.Decoder().decode(b'{"a": [1, 2, 3], "b": "text"}')


def dateparser_relative():
    """Settings are cached by the moment that dates are relative to."""
    import datetime

    import dateparser

    moment = datetime.datetime(2024, 1, 1) + datetime.timedelta(seconds=next(_numbers))
    dateparser.parse("12 hours ago", languages=["en"], settings={"RELATIVE_BASE": moment})


def zstandard_compressors():
    """A compressor per client, with its native tables."""
    import zstandard

    compressor = zstandard.ZstdCompressor()
    compressor.compress(b"x" * 1000)
    _once("compressors", dict)[next(_numbers)] = compressor


def lz4_contexts():
    """A context per client, in a capsule."""
    import lz4.frame

    context = lz4.frame.create_compression_context()
    lz4.frame.compress_begin(context)
    lz4.frame.compress_chunk(context, b"x" * 1000)
    _once("contexts", dict)[next(_numbers)] = context


def shapely_geometries():
    """Geometries that are kept: their points are native memory."""
    import shapely

    _once("geometries", list).append(shapely.Point(next(_numbers), 0).buffer(10))


def uvloop_timers():
    """Timers that are due in an hour, in a loop of its own kind."""
    import uvloop

    _once("uv", uvloop.new_event_loop).call_later(3600, Session().done)


def zmq_sockets():
    """A socket per request, never closed."""
    import zmq

    context = _once("zmq_context", zmq.Context)
    _once("zmq_sockets_kept", list).append(context.socket(zmq.PUSH))


def duckdb_rows():
    """A database in memory that only grows, with an allocator of its own."""
    import duckdb

    def start():
        database = duckdb.connect(":memory:", config={"threads": 1})
        database.execute("create table log (number bigint, line varchar)")
        return database

    number = next(_numbers)
    database = _once("duck", start)
    database.execute(
        "insert into log select %d + i, md5(cast(%d + i as varchar)) from range(2000) t(i)" % (number, number)
    )


def lua_table():
    """A table of another language's runtime that only grows."""
    import lupa

    def start():
        runtime = lupa.LuaRuntime()
        runtime.execute("seen = {}")
        return runtime, runtime.eval("function(n) seen[n] = string.rep('x', 500) .. n end")

    _once("lua", start)[1](next(_numbers))


def pycryptodome_ciphers():
    """A cipher per client: its key schedule is native memory behind a pointer."""
    from Crypto.Cipher import AES

    _once("ciphers", dict)[next(_numbers)] = AES.new(b"0123456789abcdef", AES.MODE_CTR, nonce=b"12345678")


def loguru_sinks():
    """A sink per request is added and never removed."""
    from loguru import logger

    logger.add(Session().done)


def apscheduler_jobs():
    """A job per request in a scheduler that stays."""
    from apscheduler.schedulers.background import BackgroundScheduler

    scheduler = _once("scheduler", BackgroundScheduler)
    scheduler.add_job(Session().done, "interval", hours=1, id="job-%d" % next(_numbers))


def tornado_callbacks():
    """A periodic callback per client that nobody stops."""
    import asyncio

    import tornado.ioloop

    def start():
        asyncio.set_event_loop(asyncio.new_event_loop())
        return tornado.ioloop.IOLoop.current()

    _once("tornado_loop", start)
    tornado.ioloop.PeriodicCallback(Session().done, 3600 * 1000).start()


def django_querysets():
    """Signals of an application with strong receivers."""
    import django.dispatch

    signal = _once("request_done", django.dispatch.Signal)
    signal.connect(Session().done, weak=False)


def sqlalchemy_engines():
    """An engine per tenant."""
    import sqlalchemy

    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("select 1"))
    _once("engines", dict)["tenant-%d" % next(_numbers)] = engine


# What must raise no alarm.


def regex_patterns():
    """The trap: patterns made per request; the package keeps five hundred."""
    import regex

    regex.compile("request-%d" % next(_numbers))


def dateutil_zones():
    """The trap: time zones by name; the package keeps eight."""
    from dateutil import tz

    names = (
        "Europe/Berlin Asia/Tokyo America/Lima UTC Asia/Dubai Europe/Rome Africa/Cairo Asia/Seoul Asia/Baku"
    )
    tz.gettz(names.split()[next(_numbers) % 9])


def sqlalchemy_names():
    """A column name per request: its dialect remembers how each name is quoted."""
    import sqlalchemy

    engine = _once("engine", lambda: sqlalchemy.create_engine("sqlite://"))
    with engine.connect() as connection:
        connection.execute(sqlalchemy.select(sqlalchemy.literal(1).label("column_%d" % next(_numbers))))


def sqlalchemy_statements():
    """The trap: an engine keeps five hundred compiled statements."""
    import sqlalchemy

    engine = _once("engine", lambda: sqlalchemy.create_engine("sqlite://"))
    number = next(_numbers) + 1
    columns = [sqlalchemy.literal(1).label("column_%d" % i) for i in range(12) if number >> i & 1]
    with engine.connect() as connection:
        connection.execute(sqlalchemy.select(*columns))


def pydantic_models():
    """The trap: a model is made per request and dropped; the collector frees it."""
    import pydantic

    pydantic.create_model("Model%d" % next(_numbers), a=(int, ...))(a=1)


def numpy_arrays():
    """The trap: large arrays that come and go."""
    import numpy

    numpy.ones(20000).cumsum().sum()


def pandas_frames():
    """The trap: frames that come and go."""
    import pandas

    pandas.DataFrame({"a": range(200)}).groupby("a").sum()
