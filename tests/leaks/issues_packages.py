"""Leaks of packages as issue trackers tell them, each beside the same code mended; one call is one request.

What is kept, and by what, is in `issues.py`; these were written before m5 was tried on any of them.
"""

import itertools

from kept import keeper
from reported import Ticket
from services import pairs

_mended = pairs(globals())
_serial = itertools.count()
_kept = keeper(globals())


@_mended
def validated_specifications(mended=False):
    """A cache without a limit on a method keeps each validator and its document (python-openapi/openapi-spec-validator#523)."""
    from openapi_spec_validator import OpenAPIV30SpecValidator

    title = "Tickets %d" % next(_serial)
    document = {
        "openapi": "3.0.0",
        "info": {"title": title, "version": "1"},
        "paths": {},
        "x-note": "%0500d" % 0,
    }
    list(OpenAPIV30SpecValidator(document).iter_errors())
    if mended:
        OpenAPIV30SpecValidator.iter_errors.__wrapped__.cache_clear()


@_mended
def wrapped_again(mended=False):
    """A function that is wrapped again with each request: a chain of wrappers (GrahamDumpleton/wrapt#299)."""
    import wrapt

    def start():
        return {"price": lambda order: order}

    def wrapper(wrapped, instance, args, kwargs):
        return wrapped(*args, **kwargs)

    prices = _kept("prices", start)
    if not mended or not isinstance(prices["price"], wrapt.FunctionWrapper):
        prices["price"] = wrapt.FunctionWrapper(prices["price"], wrapper)


@_mended
def messages_to_nowhere(mended=False):
    """Messages for a broker that is not there (confluentinc/confluent-kafka-python#810)."""
    from confluent_kafka import Producer

    settings = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0, "queue.buffering.max.messages": 1000000}
    producer = _kept("producer", lambda: Producer(settings))
    producer.produce("orders", b"%0500d" % next(_serial))
    if mended:
        producer.purge()
        producer.poll(0)


@_mended
def words_to_find(mended=False):
    """Words of users in a trie of C, with what was found for them (WojciechMula/pyahocorasick#135)."""
    import ahocorasick

    trie = _kept("word_trie", ahocorasick.Automaton)
    word = "word-%d" % next(_serial)
    trie.add_word(word, Ticket())
    if mended:
        trie.remove_word(word)


@_mended
def instances_of_a_store(mended=False):
    """A store of WebAssembly keeps each instance that was ever made in it (paritytech/smoldot#168)."""
    import wasmtime

    def start():
        engine = wasmtime.Engine()
        text = '(module (memory 1) (func (export "f") (result i32) i32.const 1))'
        return engine, wasmtime.Store(engine), wasmtime.Module(engine, text)

    engine, store, module = _kept("wasm", start)
    if mended:
        store = wasmtime.Store(engine)
    wasmtime.Instance(store, module, []).exports(store)["f"](store)


@_mended
def errors_of_a_directory(mended=False):
    """A strategy remembers each error with its traceback (cannatag/ldap3#529)."""
    from ldap3 import RESTARTABLE, Connection, Server

    connection = _kept("directory", lambda: Connection(Server("127.0.0.1"), client_strategy=RESTARTABLE))
    ticket = Ticket()
    try:
        raise ConnectionResetError(ticket.number)
    except ConnectionResetError:
        connection.strategy._add_exception_to_history(ticket)
    if mended:
        connection.strategy.exception_history.clear()


@_mended
def subscriptions_of_a_connection(mended=False):
    """Subscriptions that are dropped stay with the connection that calls them back (redis/redis-py#555)."""
    from redis.client import PubSub
    from redis.connection import Connection, ConnectionPool

    pool, connection = _kept("redis_connection", lambda: (ConnectionPool(), Connection()))
    subscription = PubSub(pool)
    # As redis did until it referred to them weakly.
    connection._connect_callbacks.append(subscription.on_connect)
    if mended:
        connection._connect_callbacks.clear()


@_mended
def parsed_buffers(mended=False):
    """Trees of what an editor shows, by the name of a file that is asked for once (davidhalter/jedi#1723)."""
    import parso

    grammar = _kept("grammar", parso.load_grammar)
    path = "buffer-%d.py" % next(_serial)
    grammar.parse("def order(a, b):\n    return a + b[%d]\n" % next(_serial), cache=not mended, path=path)


@_mended
def recent_pages(mended=False):
    """A cache in C whose limit is never reached; mended it is small."""
    import lru

    pages = _kept("recent", lambda: lru.LRU(50 if mended else 10**8))
    pages[next(_serial)] = Ticket()


@_mended
def friends_of_users(mended=False):
    """A graph in C that becomes larger with each request."""
    import igraph

    graph = _kept("friends", igraph.Graph)
    graph.add_vertices(20)
    graph.add_edges([(graph.vcount() - 2, graph.vcount() - 1)] * 20)
    if mended:
        graph.delete_vertices()


@_mended
def scripts_of_users(mended=False):
    """An engine of JavaScript whose global object grows."""
    import quickjs

    context = _kept("script_context", quickjs.Context)
    context.eval("globalThis.orders = globalThis.orders || []; orders.push('%0300d')" % next(_serial))
    if mended:
        context.eval("orders = []")


@_mended
def sum_of_measurements(mended=False):
    """A sum with its uncertainty refers to each number that was ever added."""
    from uncertainties import ufloat

    total = _kept("total", lambda: ufloat(0, 1)) + ufloat(next(_serial), 0.1)
    globals()["total"] = ufloat(total.nominal_value, 1) if mended else total


@_mended
def calls_of_plugins(mended=False):
    """Calls that are repeated for each plugin that comes later."""
    import pluggy

    def start():
        mark = pluggy.HookspecMarker("shop")
        specification = type("Specification", (), {"ordered": mark(historic=True)(lambda self, order: None)})
        manager = pluggy.PluginManager("shop")
        manager.add_hookspecs(specification)
        return manager

    hook = _kept("plugins", start).hook.ordered
    hook.call_historic(kwargs={"order": Ticket()})
    if mended:
        hook._call_history.clear()
