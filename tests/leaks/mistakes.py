"""Mistakes of services that keep what they should let go, each beside the same code mended; one call is one request.

What is kept, and by what, is in `mistaken.py`; these were written before m5 was tried on any of them. Nothing but the
standard library.
"""

import collections
import functools
import itertools

from services import pairs

_mended = pairs(globals())
_tick = itertools.count()


class Invoice:
    """What a request works on."""

    def __init__(self):
        self.number = next(_tick)
        self.positions = {"position %d of %d" % (i, self.number): i for i in range(3)}

    def settle(self, *_, **__):
        return self.number


class Bus:
    """Events and who listens to them."""

    def __init__(self):
        self._listeners = collections.defaultdict(list)

    def listen(self, event, listener):
        self._listeners[event].append(listener)


bus = Bus()


@_mended
def listeners_of_a_bus(mended=False):
    """A bound method per request on a bus that stays."""
    listener = Invoice().settle
    bus.listen("settled", listener)
    if mended:
        bus._listeners["settled"].remove(listener)


class Plugin:
    """Each class below it is written down."""

    known = []  # noqa: RUF012 -- that is the fault

    def __init_subclass__(cls, **words):
        super().__init_subclass__(**words)
        Plugin.known.append(cls)


@_mended
def classes_by_base(mended=False):
    """A class per request, made by `type`, in the list of its base."""
    type("Plugin%d" % next(_tick), (Plugin,), {"number": next(_tick)})
    if mended:
        Plugin.known.clear()


def _memoize(function, limit=None):
    memory = {}

    @functools.wraps(function)
    def remembered(*key):
        if key not in memory:
            if limit is not None and len(memory) >= limit:
                memory.clear()
            memory[key] = function(*key)
        return memory[key]

    return remembered


price_of = _memoize(lambda number: Invoice())
price_of_mended = _memoize(lambda number: Invoice(), limit=20)


@_mended
def memory_of_a_decorator(mended=False):
    """A decorator of one's own that remembers all answers in a variable of a closure."""
    (price_of_mended if mended else price_of)(next(_tick))


class Cart:
    """All carts share one list."""

    goods = []  # noqa: RUF012 -- that is the fault

    def add(self, *goods):
        self.goods += goods


@_mended
def list_of_a_class(mended=False):
    """A list of the class that was meant to be one of each instance."""
    cart = Cart()
    if mended:
        cart.goods = []
    cart.add(Invoice(), Invoice())


@_mended
def warnings_recorded(mended=False):
    """Warnings are recorded for a report, and nobody leaves the block."""
    import warnings

    if "recording" not in globals():
        recorder = warnings.catch_warnings(record=True)
        globals()["recording"] = (recorder, recorder.__enter__())
        warnings.simplefilter("always")
    warnings.warn("invoice %d has no address" % next(_tick), stacklevel=1)
    if mended:
        recording[1].clear()  # noqa: F821


@_mended
def filters_of_a_logger(mended=False):
    """A filter per request on a logger that stays."""
    import logging

    class WithInvoice(logging.Filter):
        def __init__(self, invoice):
            super().__init__()
            self.invoice = invoice

    logger = logging.getLogger("shop.invoices")
    added = WithInvoice(Invoice())
    logger.addFilter(added)
    if mended:
        logger.removeFilter(added)


@_mended
def audit_hooks(mended=False):
    """A hook of the audit per request: nothing takes one away again."""
    import sys

    if not mended or "hooked" not in globals():
        globals()["hooked"] = True
        sys.addaudithook(Invoice().settle)


@_mended
def condition_waiters(mended=False):
    """Tasks that wait for a turn that one of them never gave back."""
    import asyncio

    found = globals()
    if "turn_loop" not in found:
        found["turn_loop"] = asyncio.new_event_loop()
        found["turn"] = asyncio.Semaphore(1)
        found["turn_loop"].run_until_complete(found["turn"].acquire())

    async def settle(invoice):
        async with found["turn"]:
            return invoice.settle()

    task = found["turn_loop"].create_task(settle(Invoice()))
    found["turn_loop"].run_until_complete(asyncio.sleep(0))
    if mended:
        task.cancel()
        found["turn_loop"].run_until_complete(asyncio.sleep(0))


@functools.singledispatch
def render(value):
    """How a value is shown."""
    return str(value)


@_mended
def shown_by_type(mended=False):
    """A way to show a type that is made for each request."""
    made = type("Report%d" % next(_tick), (), {})
    if not mended:
        render.register(made, lambda report: report.__class__.__name__)


children = []


@_mended
def children_kept(mended=False):
    """A process per request, in a list."""
    import subprocess

    child = subprocess.Popen(["true"])
    child.wait()
    children.append(child)
    if mended:
        children.clear()


spooled = {}


@_mended
def spooled_uploads(mended=False):
    """Uploads in temporary files that are small enough to stay in memory."""
    import tempfile

    upload = tempfile.SpooledTemporaryFile(max_size=1 << 20)
    upload.write(b"%07d" % next(_tick) * 500)
    spooled[next(_tick)] = upload
    if mended:
        for kept in spooled.values():
            kept.close()
        spooled.clear()


rules = {}


@_mended
def rules_of_users(mended=False):
    """What users type as a rule, compiled."""
    text = "row['amount'] > %d and row['state'] == 'open-%d'" % (next(_tick), next(_tick))
    rules[text] = eval("lambda row: " + text)
    if mended:
        rules.clear()


@_mended
def interned_keys(mended=False):
    """Keys that are interned, to compare them faster."""
    import sys

    for _ in range(20):
        key = "customer-%d-of-shop" % next(_tick)
        if not mended:
            sys.intern(key)


canonical = {}


@_mended
def texts_made_one(mended=False):
    """A table of one's own that gives the same text for the same text."""
    for _ in range(20):
        key = "sku-%d-of-shop" % next(_tick)
        canonical.setdefault(key, key)
    if mended:
        canonical.clear()


contexts = []


@_mended
def contexts_kept(mended=False):
    """A copy of the context per request, to go on in later."""
    import contextvars

    if "current_invoice" not in globals():
        globals()["current_invoice"] = contextvars.ContextVar("current_invoice")
    context = contextvars.copy_context()
    context.run(current_invoice.set, Invoice())  # noqa: F821
    contexts.append(context)
    if mended:
        contexts.clear()


class Conversation:
    """A text that is written on."""

    def __init__(self):
        self.transcript = ""


conversation = Conversation()


@_mended
def transcript_grows(mended=False):
    """A text that becomes longer with each answer: always another object."""
    conversation.transcript += "customer %d: %s\n" % (next(_tick), "where is my order? " * 20)
    if mended:
        conversation.transcript = conversation.transcript[-1000:]


failure = RuntimeError("not delivered")


@_mended
def notes_of_an_error(mended=False):
    """One error that is raised again and again, with a note each time."""
    failure.add_note("attempt %d at %s" % (next(_tick), "the depot " * 20))
    if mended:
        failure.__notes__.clear()


@_mended
def timers_of_requests(mended=False):
    """A thread that would end a request in an hour, if it were not done long ago."""
    import threading

    timer = threading.Timer(3600, Invoice().settle)
    timer.daemon = True
    timer.start()
    if mended:
        timer.cancel()
        timer.join()
