"""The caches as mappings in cachetools' shape: the same operations on both, by chance, and classes made of them."""

import copy
import gc
import pickle
import weakref
from collections.abc import MutableMapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import m5mem
from m5mem import LRUCache, TTLCache, cached

KEYS = st.sampled_from([0, 1, 2, 3, "a", (1, 2), 1.0, None, True])
NAMES = (
    *(
        "set",
        "get",
        "getitem",
        "getdefault",
        "in",
        "del",
        "pop",
        "popdefault",
        "popitem",
        "setdefault",
        "update",
    ),
    *("updatenames", "clear", "len", "list", "keys", "values", "items", "currsize", "eq", "copy", "deepcopy"),
    *("pickle", "wait"),
)
OPS = st.lists(st.tuples(st.sampled_from(NAMES), KEYS), max_size=60)


class Clock:
    """A clock that stands until it is told to go on. It pickles by what it shows."""

    def __init__(self, now=0.0):
        self.now = now

    def __call__(self):
        return self.now


def own(cache):
    return isinstance(cache, m5mem._native.Cache)


def apply(cache, op, key, value, clock):
    """What an operation gives, and the cache to go on with."""
    calls = {
        "set": lambda: cache.__setitem__(key, value),
        "get": lambda: cache.get(key),
        "getitem": lambda: cache[key],
        "getdefault": lambda: cache.get(key, default="d"),
        "in": lambda: key in cache,
        "del": lambda: cache.__delitem__(key),
        "pop": lambda: cache.pop(key),
        "popdefault": lambda: cache.pop(key, "d"),
        "popitem": lambda: cache.popitem(),
        "setdefault": lambda: cache.setdefault(key, value),
        "update": lambda: cache.update([(key, value), ("z", value)]),
        "updatenames": lambda: cache.update({key: value}, y=value),
        "clear": lambda: cache.clear(),
        "len": lambda: (len(cache), bool(cache)),
        "list": lambda: {repr(k) for k in cache},
        "keys": lambda: (cache.keys() & {0, "a"}, cache.keys() >= {key}, len(cache.keys())),
        "values": lambda: sorted(cache.values()),
        "items": lambda: ({repr(i) for i in cache.items()}, (key, value) in cache.items()),
        "currsize": lambda: (cache.currsize, cache.maxsize),
        "eq": lambda: (
            cache == dict(cache.items()),
            cache != {"other": 1},
            cache == 5,
            {k: cache.peek(k) if own(cache) else cache._Cache__data[k] for k in cache} == cache,
        ),
    }
    try:
        return calls[op]()
    except (KeyError, ValueError) as error:
        return type(error)


def both(ours, theirs, clock, ops):
    for value, (op, key) in enumerate(ops):
        if op == "wait":
            clock.now += 1.0
        elif op in ("copy", "deepcopy", "pickle"):
            # cachetools' own copies share state; ours go on by themselves, with the same in them.
            how = {"copy": copy.copy, "deepcopy": copy.deepcopy}.get(
                op, lambda c: pickle.loads(pickle.dumps(c))
            )
            before, made = list(ours.items()), how(ours)
            assert type(made) is type(ours) and list(made.items()) == before and made == ours
            assert (made.maxsize, made.currsize, made.ttl) == (ours.maxsize, ours.currsize, ours.ttl)
            made.clear()
            assert list(ours.items()) == before
        else:
            assert apply(ours, op, key, value, clock) == apply(theirs, op, key, value, clock), (op, key)
        assert len(ours) == len(theirs) and {repr(k) for k in ours} == {repr(k) for k in theirs}


@settings(max_examples=150, deadline=None)
@given(OPS, st.integers(0, 4))
def test_lru_is_a_mapping_as_cachetools_has_it(ops, maxsize):
    cachetools = pytest.importorskip("cachetools")
    both(LRUCache(maxsize), cachetools.LRUCache(maxsize), Clock(), ops)


@settings(max_examples=150, deadline=None)
@given(OPS, st.integers(1, 4), st.integers(1, 5))
def test_ttl_is_a_mapping_as_cachetools_has_it(ops, maxsize, ttl):
    cachetools = pytest.importorskip("cachetools")
    clock = Clock()
    both(TTLCache(maxsize, ttl, timer=clock), cachetools.TTLCache(maxsize, ttl, timer=clock), clock, ops)


def hooked(base):
    """Classes that change what a cache does, and what they saw."""
    seen = []

    class Missing(base):
        def __missing__(self, key):
            self[key] = value = (key, "made")
            return value

    class Popped(base):
        def popitem(self):
            pair = super().popitem()
            seen.append(("popitem", pair))
            return pair

    class Sized(base):
        def getsizeof(self, value):
            return 2

    class Logged(base):
        def __getitem__(self, key):
            seen.append(("get", key))
            return super().__getitem__(key)

        def __setitem__(self, key, value):
            seen.append(("set", key))
            super().__setitem__(key, value)

        def __delitem__(self, key):
            seen.append(("del", key))
            super().__delitem__(key)

    class Named(base):
        def __init__(self, maxsize, name, **more):
            super().__init__(maxsize, **more)
            self.name = name

    return seen, [Missing, Popped, Sized, Logged, Named]


@pytest.mark.parametrize("number", range(5))
def test_classes_made_of_a_cache(number):
    cachetools = pytest.importorskip("cachetools")

    def run(base):
        seen, classes = hooked(base)
        cache = classes[number](3, "name") if number == 4 else classes[number](3)
        said = []
        for step in (
            lambda: cache["x"],
            lambda: cache.__setitem__("a", 1),
            lambda: cache.update(b=2),
            lambda: cache.setdefault("c", 3),
            lambda: cache.setdefault("c", 4),
            lambda: cache.update({"d": 4, "e": 5}),
            lambda: cache.get("d"),
            lambda: cache.get("nope"),
            lambda: cache.pop("d"),
            lambda: cache.pop("nope", 7),
            lambda: "y" in cache,
            lambda: cache["y"],
            lambda: (cache.currsize, len(cache)),
            lambda: cache.popitem(),
            lambda: cache.clear(),
            lambda: (cache.currsize, len(cache), cache.maxsize),
            lambda: cache.name,
        ):
            try:
                said.append(step())
            except (KeyError, AttributeError) as error:
                said.append(type(error))
        return said, seen

    (said, seen), (their_words, they_saw) = run(LRUCache), run(cachetools.LRUCache)
    assert said == their_words
    if int(cachetools.__version__.partition(".")[0]) >= 8:  # older ones go other ways to the same end
        assert seen == they_saw


class Kept(TTLCache):
    """A class with a state of its own, for pickle."""

    def __init__(self, name, clock):
        super().__init__(3, 10, timer=clock)
        self.name = name


def test_a_copy_keeps_order_time_and_what_a_class_knows():
    clock = Clock(100.0)
    cache = Kept("prices", clock)
    cache["a"] = [1]
    clock.now += 4
    cache["b"] = [2]
    assert cache["a"] == [1]  # used last, and older
    for made in (copy.copy(cache), copy.deepcopy(cache), pickle.loads(pickle.dumps(cache))):
        assert type(made) is Kept and made.name == "prices" and list(made) == ["b", "a"] and made.ttl == 10
        assert (made["a"] is cache["a"]) == (made.timer is clock and made.get("a") is cache.get("a"))
        made.timer.now += 7
        assert list(made) == ["b"] and made.expire() == [] and made.expire(time=1e9) == [("b", [2])]
        clock.now = 104.0
        list(map(cache.__getitem__, "ba"))
    assert cache.stats()["hits"] > 0

    # What depends on a buffer is no use elsewhere: it is left out.
    buffer, store = m5mem.CandleBuffer(5), LRUCache(5)
    f = cached(store)(lambda x: (x, len(buffer)))
    g = cached(store, key=lambda x: ("g", x))(lambda x: x)
    f(1), g(2)
    assert list(store) == [1, ("g", 2)] and list(copy.copy(store)) == [("g", 2)]


def test_views_are_live_and_looking_is_no_use():
    cache = LRUCache(2)
    keys, values, items = cache.keys(), cache.values(), cache.items()
    cache.update(a=1, b=2)
    assert (
        keys & {"a", "z"} == {"a"} and list(values) == [1, 2] and ("b", 2) in items and ("b", 3) not in items
    )
    assert "a" in keys and len(items) == 2 and items == {"a": 1, "b": 2}.items()
    for key in cache:
        cache[key + "x"] = 0  # what changes meanwhile is another moment's
    assert list(cache) == ["ax", "bx"]
    assert cache.stats()["hits"] == 0
    with pytest.raises(TypeError):
        hash(cache)
    assert isinstance(cache, MutableMapping)


def test_a_class_without_bounds_says_so():
    class Forgets(LRUCache):
        def __init__(self, name):
            self.name = name

    cache = Forgets("x")
    with pytest.raises(RuntimeError, match=r"super\(\).__init__"):
        cache["a"] = 1
    assert cache.get("a") is None and len(cache) == 0
    assert pickle.loads(pickle.dumps(LRUCache(3))).maxsize == 3

    class Stuck(LRUCache):
        def popitem(self):
            return None

    stuck = Stuck(1)
    stuck["a"] = 1
    with pytest.raises(RuntimeError, match="no room"):
        stuck["b"] = 2
    with pytest.raises(ValueError, match="0 or more"):
        LRUCache(3, getsizeof=lambda value: -1)["a"] = 1


def test_cached_goes_through_what_a_class_has_of_its_own():
    popped = []

    class Popped(LRUCache):
        def popitem(self):
            pair = super().popitem()
            popped.append(pair[1])
            return pair

    cache = Popped(2)
    double = cached(cache)(lambda x: x * 2)
    assert [double(x) for x in (1, 2, 3, 3)] == [2, 4, 6, 6] and popped == [2]
    assert double.cache is cache and double.cache_info().hits == 1
    shared = LRUCache(10)
    f, g = cached(shared)(lambda x: ("f", x)), cached(shared)(lambda x: ("g", x))
    assert f(1) == ("f", 1) and g(1) == ("g", 1) and len(shared) == 2


def test_cycles_through_a_class_are_collected():
    class Node(LRUCache):
        pass

    node = Node(3)
    node["me"] = node
    node.me = node
    gone = weakref.ref(node)
    del node
    gc.collect()
    assert gone() is None
