"""Leaks with the standard library alone, as issue trackers tell them, each beside the same code mended.

What is kept, and by what, is in `issues.py`; these were written before m5 was tried on any of them.
"""

import collections
import itertools

from kept import keeper
from reported import Ticket
from services import pairs

_mended = pairs(globals())
_serial = itertools.count()
_kept = keeper(globals())


@_mended
def handlers_of_a_signal(mended=False):
    """A handler that calls the one before it, for each request: a chain that only the interpreter holds (marxin/cvise#316)."""
    import signal

    before, ticket = signal.getsignal(signal.SIGUSR1), Ticket()

    def handle(number, frame):
        ticket.close()
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGUSR1, handle)
    if mended:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)


@_mended
def members_of_a_stream(mended=False):
    """A stream of an archive remembers each member (python/cpython#102120)."""
    import io
    import os
    import tarfile

    archive = _kept("archive", lambda: tarfile.open(os.devnull, "w"))
    member = tarfile.TarInfo("order-%d" % next(_serial))
    member.size = 10
    archive.addfile(member, io.BytesIO(bytes(10)))
    if mended:
        archive.members = []


@_mended
def stanzas_of_a_stream(mended=False):
    """A parser that builds a tree of what it reads for ever (python/cpython#102055)."""
    from xml.etree.ElementTree import XMLPullParser

    def start():
        parser = XMLPullParser(["start", "end"])
        parser.feed("<stream>")
        return parser, next(parser.read_events())[1]

    parser, root = _kept("stream_parser", start)
    number = next(_serial)
    parser.feed("<message to='user%d'><body>%0200d</body></message>" % (number, number))
    list(parser.read_events())
    if mended:
        root.clear()


@_mended
def functions_of_a_database(mended=False):
    """A function per request stays with the connection (rogerbinns/apsw#112 tells the like)."""
    import sqlite3

    database = _kept("function_database", lambda: sqlite3.connect(":memory:"))
    name = "f" if mended else "f%d" % next(_serial)
    database.create_function(name, 1, Ticket().close)


@_mended
def importers_of_plugins(mended=False):
    """What would find modules in each folder that plugins were ever sought in."""
    import importlib.machinery
    import sys

    folder = "/nowhere/plugins-%d" % next(_serial)
    importlib.machinery.PathFinder.find_spec("plugin", [folder])
    if mended:
        sys.path_importer_cache.pop(folder, None)


@_mended
def filters_of_warnings(mended=False):
    """A filter of warnings per customer."""
    import warnings

    warnings.filterwarnings("ignore", message="customer %d is late" % next(_serial))
    if mended:
        warnings.filters.pop(0)


@_mended
def overloads_of_rules(mended=False):
    """Overloads in code that is compiled per request are registered for ever."""
    import typing

    name = "rule_%d" % (0 if mended else next(_serial))
    code = "import typing\n@typing.overload\ndef %s(a: int) -> int: ...\n" % name
    exec(code, {"__name__": "rules"})
    if mended:
        typing.clear_overloads()


@_mended
def history_of_a_console(mended=False):
    """Lines of a console are kept by its library."""
    import readline

    readline.add_history("order %0300d" % next(_serial))
    if mended:
        readline.clear_history()


@_mended
def memo_of_a_reader(mended=False):
    """One unpickler for a whole stream remembers whatever it read."""
    import io
    import pickle

    def start():
        file = io.BytesIO()
        return file, pickle.Pickler(file), pickle.Unpickler(file)

    file, pickler, unpickler = _kept("pickled_stream", start)
    file.seek(0)
    file.truncate()
    pickler.dump(Ticket())
    file.seek(0)
    unpickler.load()
    if mended:
        pickler.clear_memo()
        globals().pop("pickled_stream")


@_mended
def rounding_of_tenants(mended=False):
    """A context of decimal numbers for each tenant of an hour."""
    import decimal

    contexts = _kept("rounding", dict)
    contexts[next(_serial)] = decimal.Context(prec=9, rounding=decimal.ROUND_UP)
    if mended:
        contexts.clear()


@_mended
def positions_in_order(mended=False):
    """One ordered dictionary that becomes longer."""
    positions = _kept("positions", collections.OrderedDict)
    positions[next(_serial)] = True
    if mended and len(positions) > 100:
        positions.popitem(last=False)


@_mended
def tokens_of_variables(mended=False):
    """Tokens of a context variable that nobody resets: each has the value that was there before."""
    import contextvars

    variable, tokens = _kept("variable", lambda: (contextvars.ContextVar("ticket"), []))
    tokens.append(variable.set(Ticket()))
    if mended:
        variable.reset(tokens.pop())


@_mended
def cycles_of_errors(mended=False):
    """An error that its own frame refers to: a cycle that the collector frees (agronholm/apscheduler#235)."""
    ticket = Ticket()
    try:
        raise LookupError(ticket.number)
    except LookupError as error:
        caught = error
    if mended:
        caught.__traceback__ = None


@_mended
def decorated_again(mended=False):
    """A function that is decorated again with each request (mrijk/py-predicate#169)."""
    import functools

    before = _kept("price_of", lambda: len)

    @functools.wraps(before)
    def call(*arguments):
        return before(*arguments)

    if not mended or before is len:
        globals()["price_of"] = call


@_mended
def flags_of_rights(mended=False):
    """Rights that are combined as no one named them: a member each, for ever."""
    import enum

    rights = _kept("Rights", lambda: enum.IntFlag("Rights", ["R%d" % i for i in range(20)]))
    rights(1 if mended else next(_serial))


@_mended
def groups_of_errors(mended=False):
    """Errors of the tasks of a request, kept as one."""
    import builtins

    errors, several = _kept("error_groups", list), builtins.ExceptionGroup
    try:
        raise several("request", [ValueError(Ticket()), KeyError("order")])
    except several as group:
        errors.append(group)
    if mended:
        errors.clear()


def requests_of_a_server():
    """A thread per request, which a server forgets once it ended (python/cpython#81374: releases before did not)."""
    import socketserver

    class Server(socketserver.ThreadingMixIn):
        def finish_request(self, request, address):
            request.append(address)

        def shutdown_request(self, request):
            request.clear()

    server = _kept("thread_server", lambda: Server)
    server = _kept("order_server", server)
    server.process_request([bytes(300)], next(_serial))
