"""Mistakes with packages that services use, each beside the same code mended; one call is one request.

What is kept, and by what, is in `mistaken.py`; these were written before m5 was tried on any of them.
"""

from mistakes import Invoice, _tick
from services import pairs

_mended = pairs(globals())


def _first(name, make):
    """The value of that name of this module, made by whoever asks first."""
    return globals()[name] if name in globals() else globals().setdefault(name, make())


@_mended
def templates_not_found(mended=False):
    """Django's loader remembers the names of templates that do not exist."""
    import contextlib

    from django.template import Engine, TemplateDoesNotExist

    def start():
        memory = ("django.template.loaders.locmem.Loader", {})
        return Engine(loaders=[("django.template.loaders.cached.Loader", [memory])])

    engine = _first("template_engine", start)
    with contextlib.suppress(TemplateDoesNotExist):
        engine.get_template("theme-of-%d.html" % (1 if mended else next(_tick)))


@_mended
def overrides_of_dependencies(mended=False):
    """A dependency per request is put in place of another, as in a test."""
    import fastapi

    app = _first("fast_app", fastapi.FastAPI)

    def depends(invoice=Invoice()):  # noqa: B008
        return invoice

    app.dependency_overrides[depends] = lambda: None
    if mended:
        app.dependency_overrides.clear()


@_mended
def adapters_of_a_session(mended=False):
    """An adapter per customer is mounted on one session."""
    import requests
    from requests.adapters import HTTPAdapter

    session = _first("web_session", requests.Session)
    prefix = "https://customer-%d.example" % next(_tick)
    session.mount(prefix, HTTPAdapter())
    if mended:
        session.adapters.pop(prefix).close()


@_mended
def responses_kept(mended=False):
    """Responses of a client, for a report."""
    import httpx

    def start():
        return httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, content=b"x" * 900)))

    client = _first("http_client", start)
    responses = _first("responses", list)
    responses.append(client.get("https://shop.example/%d" % next(_tick)))
    if mended:
        responses.clear()


@_mended
def sockets_of_an_app(mended=False):
    """Sockets of an application's state, which nobody discards."""
    from aiohttp import web

    def start():
        app = web.Application()
        app["sockets"] = set()
        return app

    app = _first("web_app", start)
    socket = web.WebSocketResponse()
    app["sockets"].add(socket)
    if mended:
        app["sockets"].discard(socket)


@_mended
def adapters_of_types(mended=False):
    """A validator is built for each request and kept by its name."""
    from pydantic import TypeAdapter

    adapters = _first("adapters", dict)
    adapters[next(_tick)] = TypeAdapter(dict[str, list[int]])
    if mended:
        adapters.clear()


@_mended
def collectors_of_requests(mended=False):
    """A metric per request in a registry of one's own."""
    import prometheus_client

    registry = _first("metrics_registry", prometheus_client.CollectorRegistry)
    gauge = prometheus_client.Gauge("queue_%d" % next(_tick), "Length of a queue", registry=registry)
    gauge.set(1)
    if mended:
        registry.unregister(gauge)


@_mended
def sessions_never_removed(mended=False):
    """A scoped session by the number of the request."""
    import sqlalchemy
    from sqlalchemy import orm

    def start():
        current = [0]
        maker = orm.sessionmaker(sqlalchemy.create_engine("sqlite://"))
        return current, orm.scoped_session(maker, scopefunc=lambda: current[0])

    current, scoped = _first("scoped", start)
    current[0] = next(_tick)
    scoped().autoflush = False
    if mended:
        scoped.remove()


@_mended
def lines_of_a_plot(mended=False):
    """One picture that gets another line for each request."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    def start():
        figure = Figure()
        FigureCanvasAgg(figure)
        return figure.add_subplot()

    axes = _first("dashboard", start)
    (line,) = axes.plot([1, 2, 3], [next(_tick) % 5] * 3)
    if mended:
        line.remove()


@_mended
def rows_of_a_book(mended=False):
    """A frame that gets a row after another: each time another array."""
    import pandas

    found = globals()
    if "order_book" not in found:
        found["order_book"] = pandas.DataFrame({c: [0.0] * 200 for c in "abcdefgh"})
    book = found["order_book"]
    row = pandas.DataFrame({c: [float(next(_tick))] * 20 for c in "abcdefgh"})
    found["order_book"] = pandas.concat([book, row], ignore_index=True)
    if mended:
        # The names of columns stay with what was made of them: pandas clears its list of that every 500 times.
        found["order_book"] = pandas.DataFrame(found["order_book"].tail(200).to_dict("list"))


@_mended
def array_appended(mended=False):
    """An array of prices that `append` makes anew, one longer."""
    import numpy

    found = globals()
    before = found.get("prices", numpy.zeros(100))
    found["prices"] = numpy.append(before, [float(next(_tick))] * 100)
    if mended:
        found["prices"] = found["prices"][-100:].copy()


@_mended
def messages_unread(mended=False):
    """A queue of ZeroMQ without a limit whose reader does not read."""
    import zmq

    def start():
        context = zmq.Context()
        reader, writer = context.socket(zmq.PULL), context.socket(zmq.PUSH)
        for socket in (reader, writer):
            socket.set_hwm(0)
        reader.bind("inproc://orders")
        writer.connect("inproc://orders")
        return context, reader, writer

    _, reader, writer = _first("wires", start)
    writer.send(b"%08d" % next(_tick) * 100)
    if mended:
        reader.recv()


@_mended
def values_of_a_message(mended=False):
    """A message that gets another value for each request and is never sent."""
    from google.protobuf.struct_pb2 import ListValue

    batch = _first("batch", ListValue)
    batch.values.add().string_value = "customer %d" % next(_tick) * 10
    if mended:
        # `Clear` keeps the memory of all values that ever were.
        globals().pop("batch")


@_mended
def datasets_in_memory(mended=False):
    """A file of HDF5 in memory that gets a set of data per request."""
    import h5py
    import numpy

    name = "measurements" + ("_mended" if mended else "")
    file = _first(name, lambda: h5py.File(name, "w", driver="core", backing_store=False))
    file["run-%d" % (0 if mended else next(_tick))] = numpy.full(500, 1.5)
    if mended:
        del file["run-0"]


@_mended
def paths_of_queries(mended=False):
    """Compiled paths of XPath by what users ask."""
    from lxml import etree

    compiled = _first("compiled_paths", dict)
    compiled[next(_tick)] = etree.XPath("//order[@id='%d']/line[price > %d]" % (next(_tick), next(_tick)))
    if mended:
        compiled.clear()


@_mended
def images_opened(mended=False):
    """Pictures that were opened for their size only."""
    import io

    from PIL import Image

    opened = _first("opened_images", dict)
    if "picture_bytes" not in globals():
        file = io.BytesIO()
        Image.new("RGB", (40, 40), (1, 2, 3)).save(file, "BMP")
        globals()["picture_bytes"] = file.getvalue()
    number = next(_tick)
    # Each upload has bytes of its own.
    content = picture_bytes[:-4] + b"%04d" % (number % 10_000)  # noqa: F821
    opened[number] = Image.open(io.BytesIO(content))
    if mended:
        opened.clear()


@_mended
def handles_of_callbacks(mended=False):
    """Handles for the C side that keep what they are handles of."""
    import cffi

    ffi = _first("ffi", cffi.FFI)
    handles = _first("handles", set)
    handles.add(ffi.new_handle(Invoice()))
    if mended:
        handles.clear()


@_mended
def spans_in_memory(mended=False):
    """An exporter for tests, in production."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    def start():
        provider, exporter = TracerProvider(), InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        return provider.get_tracer("shop"), exporter

    tracer, exporter = _first("tracing", start)
    with tracer.start_as_current_span("request %d" % next(_tick)) as span:
        span.set_attribute("customer", next(_tick))
    if mended:
        exporter.clear()


@_mended
def tasks_of_progress(mended=False):
    """A bar for each download, and nobody who takes it away."""
    from rich.progress import Progress

    progress = _first("progress", lambda: Progress(disable=True))
    task = progress.add_task("download %d" % next(_tick), total=10)
    if mended:
        progress.remove_task(task)


@_mended
def receivers_of_tasks(mended=False):
    """A receiver per request of a signal of Celery."""
    from celery.signals import task_success

    # Celery knows receivers by their functions: a method of another object is none of another kind.
    def settled(invoice=Invoice(), **_):  # noqa: B008
        return invoice.settle()

    task_success.connect(settled, weak=False)
    if mended:
        task_success.disconnect(settled)


@_mended
def titles_of_soups(mended=False):
    """The title of a page, which knows the whole page."""
    from bs4 import BeautifulSoup

    number = next(_tick)
    page = "<html><title>page %d</title>%s</html>" % (number, "<p>a paragraph</p>" * 10)
    title = BeautifulSoup(page, "html.parser").title.string
    titles = _first("titles", list)
    titles.append(str(title) if mended else title)
    if mended:
        titles.clear()


@_mended
def items_of_a_queue(mended=False):
    """A queue of gevent that nobody reads."""
    from gevent.queue import Queue

    queue = _first("outgoing", Queue)
    queue.put(Invoice())
    if mended:
        queue.get()


@_mended
def fonts_of_cells(mended=False):
    """A font of its own for each cell of a workbook that is written for ever."""
    import openpyxl
    from openpyxl.styles import Font

    book = _first("styled_book", openpyxl.Workbook)
    size = 10 if mended else 10 + next(_tick) / 1000
    book.active["A1"].font = Font(name="Arial", size=size)


@_mended
def connections_in_use(mended=False):
    """Connections of Redis that are taken from their pool and not given back."""
    import fakeredis

    client = _first("redis_client", fakeredis.FakeRedis)
    connection = client.connection_pool.get_connection("PING")
    if mended:
        client.connection_pool.release(connection)


@_mended
def models_of_customers(mended=False):
    """A model for each customer: its trees are memory of Cython."""
    import numpy
    from sklearn.tree import DecisionTreeRegressor

    models = _first("models_by_customer", dict)
    x = numpy.linspace(0, 1, 200).reshape(-1, 1)
    models[next(_tick)] = DecisionTreeRegressor().fit(x, x.ravel())
    if mended:
        models.clear()


@_mended
def handlers_of_events(mended=False):
    """A handler per request with the events of boto."""
    from botocore.hooks import HierarchicalEmitter

    events = _first("aws_events", HierarchicalEmitter)
    handler = Invoice().settle
    events.register("before-call.s3", handler)
    if mended:
        events.unregister("before-call.s3", handler)


@_mended
def spans_of_graph(mended=False):
    """Shortest paths that a graph remembers as attributes of its edges."""
    import networkx

    graph = _first("streets", networkx.MultiDiGraph)
    graph.graph.setdefault("routes", {})[next(_tick)] = [next(_tick) for _ in range(30)]
    if mended:
        graph.graph["routes"].clear()


@_mended
def frames_joined(mended=False):
    """A frame of Polars that becomes longer with each request."""
    import polars

    found = globals()
    row = polars.DataFrame({"price": [float(next(_tick))] * 200})
    before = found.get("prices_frame")
    found["prices_frame"] = row if before is None or mended else polars.concat([before, row], rechunk=True)


@_mended
def batches_of_arrow(mended=False):
    """Batches that wait for a writer."""
    import pyarrow

    batches = _first("batches", list)
    batches.append(pyarrow.record_batch({"price": [float(next(_tick))] * 500}))
    if mended:
        batches.clear()


@_mended
def scopes_of_trio(mended=False):
    """Channels without a limit, and nobody who receives."""
    import trio

    def start():
        return trio.open_memory_channel(float("inf"))

    sender, receiver = _first("channel", start)
    sender.send_nowait(Invoice())
    if mended:
        receiver.receive_nowait()
