"""What people keep by mistake with the packages that they use, each beside the same code mended: one call is one request."""

from everyday import Order
from services import pairs
from standard import _numbers, _once

_mended = pairs(globals())


@_mended
def frames_in_a_cache(mended=False):
    """A cache without a limit around a function that makes tables."""
    import functools

    import numpy
    import pandas

    def report(customer):
        return pandas.DataFrame({"price": numpy.full(2000, 1.5), "customer": [customer] * 2000})

    cached = _once("cached_report", lambda: functools.lru_cache(2 if mended else None)(report))
    cached(next(_numbers)).price.sum()


@_mended
def one_row_of_a_table(mended=False):
    """One row of each table, which keeps the table."""
    import numpy
    import pandas

    table = pandas.DataFrame(numpy.full((300, 8), float(next(_numbers))))
    last = table.iloc[-1]
    rows = _once("last_rows", list)
    rows.append(last.copy() if mended else last)
    if mended:
        del rows[:-50]


@_mended
def http_sessions(mended=False):
    """A session per request that nobody closes, by the request's number."""
    import asyncio

    import aiohttp

    loop = _once("http_loop", asyncio.new_event_loop)

    async def request():
        session = aiohttp.ClientSession(loop=loop)
        sessions = _once("http_sessions_by_request", dict)
        sessions[next(_numbers)] = session
        if mended:
            await session.close()
            sessions.clear()

    loop.run_until_complete(request())


@_mended
def results_of_tasks(mended=False):
    """Results of Celery's tasks in memory, which nobody reads."""
    import celery

    app = _once("tasks_app", lambda: celery.Celery("shop", backend="cache+memory://"))
    task = "task-%d" % next(_numbers)
    app.backend.store_result(task, {"order": next(_numbers), "note": "n" * 300}, "SUCCESS")
    if mended:
        app.backend.forget(task)


@_mended
def messages_in_memory(mended=False):
    """A queue of kombu in memory that has lost its consumer."""
    import kombu

    queue = _once("kombu_queue", lambda: kombu.Connection("memory://").SimpleQueue("orders"))
    queue.put({"order": next(_numbers), "lines": ["a", "b"]})
    if mended:
        queue.get().ack()


@_mended
def counts_by_user(mended=False):
    """A counter of OpenTelemetry by user, with nobody who ever exports it."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    def start():
        provider = MeterProvider([InMemoryMetricReader()])
        return provider, provider.get_meter("shop").create_counter("orders")

    _, counter = _once("meters", start)
    counter.add(1, {"user": "shop" if mended else "user-%d" % next(_numbers)})


@_mended
def frames_of_sockets(mended=False):
    """What a connection has to send, and a peer that does not read."""
    from websockets.protocol import OPEN
    from websockets.server import ServerProtocol

    socket = _once("websocket", lambda: ServerProtocol(state=OPEN))
    socket.send_text(b"price of %d" % next(_numbers) * 20)
    if mended:
        socket.data_to_send()


@_mended
def observers_of_settings(mended=False):
    """An observer per request on settings that stay."""
    import traitlets

    class Settings(traitlets.HasTraits):
        volume = traitlets.Int()

    settings = _once("settings", Settings)
    order = Order()
    settings.observe(order.confirm, "volume")
    if mended:
        settings.unobserve(order.confirm, "volume")


@_mended
def cells_of_a_workbook(mended=False):
    """A workbook that is written to and never saved."""
    import openpyxl

    book = _once("workbook", openpyxl.Workbook)
    book.active.append([next(_numbers), "customer-%d" % next(_numbers), 1.5])
    if mended:
        book.active.delete_rows(1)


@_mended
def routes_added_late(mended=False):
    """A route per tenant, again for each request."""
    import fastapi

    app = _once("api", fastapi.FastAPI)
    order = Order()
    app.add_api_route("/orders/%d" % order.number, order.ship)
    if mended:
        app.router.routes.pop()


@_mended
def listeners_of_an_engine(mended=False):
    """A listener per request on an engine that stays."""
    import sqlalchemy

    engine = _once("listened_engine", lambda: sqlalchemy.create_engine("sqlite://"))
    confirm = Order().confirm
    sqlalchemy.event.listen(engine, "checkout", confirm)
    if mended:
        sqlalchemy.event.remove(engine, "checkout", confirm)


@_mended
def objects_of_a_session(mended=False):
    """Rows of a session that lives as long as the service, in a list for later."""
    import sqlalchemy
    from sqlalchemy import orm

    def start():
        base = orm.declarative_base()
        columns = {"id": sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)}
        columns["name"] = sqlalchemy.Column(sqlalchemy.String)
        row = type("Customer", (base,), {"__tablename__": "customers", **columns})
        engine = sqlalchemy.create_engine("sqlite://")
        base.metadata.create_all(engine)
        return orm.Session(engine), row, []

    session, row, seen = _once("customers", start)
    customer = row(name="customer-%d" % next(_numbers))
    session.add(customer)
    session.flush()
    seen.append(customer)
    if mended:
        session.rollback()
        seen.clear()


@_mended
def jobs_of_greenlets(mended=False):
    """Jobs that wait for an event of gevent, in a group that is never left."""
    import gevent.event
    import gevent.pool

    group = _once("job_group", gevent.pool.Group)
    go = _once("go_event", gevent.event.Event)
    group.spawn(go.wait)
    gevent.sleep(0)
    if mended:
        group.kill()


@_mended
def thumbnails_by_product(mended=False):
    """Pictures as arrays beside their pictures."""
    import numpy
    from PIL import Image

    picture = Image.new("RGB", (60, 60), (next(_numbers) % 255, 3, 4))
    _once("thumbnails", dict)[0 if mended else next(_numbers)] = (picture, numpy.asarray(picture))
