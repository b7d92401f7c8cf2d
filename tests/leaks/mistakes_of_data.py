"""Structures, caches and files that only grow, each beside the same code mended; one call is one request.

What is kept, and by what, is in `mistaken.py`; these were written before m5 was tried on any of them. Nothing but the
standard library.
"""

import functools
import random

from mistakes import Invoice, _tick
from services import pairs

_mended = pairs(globals())


class _Node:
    __slots__ = ("left", "payload", "price", "right")

    def __init__(self, price):
        self.price = price
        self.payload = Invoice()
        self.left = self.right = None


class PriceTree:
    """Prices in order."""

    def __init__(self):
        self.root = None

    def insert(self, price):
        made = _Node(price)
        if self.root is None:
            self.root = made
            return
        node = self.root
        while True:
            side = "left" if price < node.price else "right"
            below = getattr(node, side)
            if below is None:
                setattr(node, side, made)
                return
            node = below


price_tree = PriceTree()
_chance = random.Random(7)


@_mended
def tree_of_prices(mended=False):
    """A tree that only grows."""
    price_tree.insert(_chance.random())
    if mended:
        price_tree.root = None


search_index = {}


@_mended
def index_of_words(mended=False):
    """An index by letters: dictionaries in dictionaries."""
    for word in ("%x" % _chance.getrandbits(64), "%x" % _chance.getrandbits(64)):
        level = search_index
        for letter in word:
            level = level.setdefault(letter, {})
        level["document"] = next(_tick)
    if mended:
        search_index.clear()


class PageCache:
    """A cache whose limit nobody keeps to."""

    def __init__(self):
        self.maxsize = 128
        self.pages = {}

    def put(self, key, page, mended):
        if len(self.pages) == self.maxsize and mended:
            self.pages.pop(next(iter(self.pages)))
        self.pages[key] = page


page_cache = PageCache()


@_mended
def limit_not_kept(mended=False):
    """A cache that has a limit by its name only."""
    page_cache.put(next(_tick), Invoice(), mended)


class TokenStore:
    """Tokens that end: what has ended goes when somebody asks for it."""

    def __init__(self):
        self.ttl = 20
        self.now = 0
        self._tokens = {}

    def put(self, token, mended):
        self.now += 1
        if mended:
            for old, (end, _) in list(self._tokens.items()):
                if end < self.now:
                    del self._tokens[old]
        self._tokens[token] = (self.now + self.ttl, Invoice())


tokens = TokenStore()


@_mended
def tokens_that_ended(mended=False):
    """Nobody asks for what has ended."""
    tokens.put("token-%d" % next(_tick), mended)


class Tenant:
    """Each has a cache of its own."""

    def __init__(self):
        self.quote = functools.lru_cache(maxsize=8)(lambda number: Invoice())


tenants = {}


@_mended
def caches_of_tenants(mended=False):
    """A cache with a limit for each tenant, and no limit of tenants."""
    tenant = tenants.setdefault(next(_tick), Tenant())
    tenant.quote(1)
    if mended:
        tenants.clear()


@_mended
def shelf_with_writeback(mended=False):
    """A shelf that remembers what it gave out, to write it back one day."""
    import shelve

    if "shelf" not in globals():
        globals()["shelf"] = shelve.Shelf({}, writeback=True)
    key = str(next(_tick) % 5000)
    shelf[key] = list(range(50))  # noqa: F821
    if mended:
        del shelf[key]  # noqa: F821


archive = None


@_mended
def archive_in_memory(mended=False):
    """An archive that gets a file per request, in memory."""
    import io
    import zipfile

    if archive is None or mended:
        globals()["archive"] = zipfile.ZipFile(io.BytesIO(), "w")
    archive.writestr("invoice-%d.txt" % next(_tick), "amount %d" % next(_tick))


generators_by_user = {}


@_mended
def dice_of_users(mended=False):
    """A source of chance for each user."""
    generators_by_user[next(_tick)] = random.Random(next(_tick))
    if mended:
        generators_by_user.clear()


@_mended
def sockets_never_unregistered(mended=False):
    """A selector that knows sockets of clients that left."""
    import selectors
    import socket

    if "selector" not in globals():
        globals()["selector"] = selectors.SelectSelector()
    ours, theirs = socket.socketpair()
    selector.register(ours, selectors.EVENT_READ, Invoice())  # noqa: F821
    theirs.close()
    if mended:
        selector.unregister(ours)  # noqa: F821
        ours.close()


agenda = None


@_mended
def agenda_of_reminders(mended=False):
    """Reminders of tomorrow."""
    import sched

    if agenda is None:
        globals()["agenda"] = sched.scheduler()
    event = agenda.enter(86_400, 1, Invoice().settle)
    if mended:
        agenda.cancel(event)


frames_of_slow_requests = []


@_mended
def frames_kept(mended=False):
    """Frames of slow requests, to look into their variables one day."""
    import sys

    def handle():
        invoice = Invoice()
        frames_of_slow_requests.append(sys._getframe())
        return invoice.settle()

    handle()
    if mended:
        frames_of_slow_requests.clear()


series_by_host = {}


@_mended
def series_of_hosts(mended=False):
    """Numbers of fifty hosts, each in an array that becomes longer."""
    import array

    series = series_by_host.setdefault("host-%d" % (next(_tick) % 50), array.array("d"))
    series.extend([0.5] * 40)
    if mended:
        del series[:-40]


@_mended
def profile_left_on(mended=False):
    """A profiler that is never stopped, and code that is made for each request."""
    import cProfile

    if "profiler" not in globals():
        globals()["profiler"] = cProfile.Profile()
        if not mended:
            profiler.enable()  # noqa: F821
    exec("def f(): return %d\nf()" % next(_tick), {})


@_mended
def pools_of_requests(mended=False):
    """A pool of threads per request, which nobody shuts down."""
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(2)
    globals().setdefault("pools", []).append(pool)
    pool.submit(Invoice).result()
    if mended:
        pool.shutdown()
        pools.clear()  # noqa: F821


@_mended
def databases_in_memory(mended=False):
    """A database in memory per request, by its name."""
    import sqlite3

    databases = globals().setdefault("databases", {})
    database = sqlite3.connect(":memory:")
    database.execute("create table invoices (number integer)")
    databases[next(_tick)] = database
    if mended:
        databases.popitem()[1].close()


stacks = None


@_mended
def undo_of_an_editor(mended=False):
    """States before each step, as deep copies."""
    import copy

    if stacks is None:
        globals()["stacks"] = {"undo": [], "redo": []}
        globals()["draft"] = {"lines": ["line %d" % i for i in range(10)], "invoice": Invoice()}
    stacks["undo"].append(copy.deepcopy(draft))  # noqa: F821
    if mended:
        del stacks["undo"][:-20]


@_mended
def iterators_of_pages(mended=False):
    """A reader of pages per request that stopped at the first, in a variable of a running generator."""

    def pages():
        invoice = Invoice()
        while True:
            yield invoice

    def server():
        open_pages = []
        while True:
            reader = pages()
            next(reader)
            open_pages.append(reader)
            if mended:
                open_pages.clear()
            yield

    name = "page_server" + ("_mended" if mended else "")
    if name not in globals():
        globals()[name] = server()
    next(globals()[name])
