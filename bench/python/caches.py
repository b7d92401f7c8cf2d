"""Caches and the decorators over them, beside their peers."""

import functools

from cases import WHY, case, have, timed

import m5mem


def caches(make, peer, needs=None):
    @case("cache hit, str key", peer, needs)
    def _():
        cache = make(1000)
        for i in range(1000):
            cache[str(i)] = i
        return timed("cache[key]", {"cache": cache, "key": "".join(["5", "00"])})

    @case("cache set with eviction", peer, needs)
    def _():
        cache, numbers = make(1000), iter(range(10**9))
        return timed("cache[step(numbers)] = 1", {"cache": cache, "numbers": numbers, "step": next})


def decorators(make, peer, needs=None):
    @case("decorated call, hit, one str", peer, needs)
    def _():
        function = make(lambda x: x)
        function("abc")
        return timed("function('abc')", {"function": function})

    @case("decorated call, hit, two arguments", peer, needs)
    def _():
        function = make(lambda x, y: x)
        function("abc", 7)
        return timed("function('abc', 7)", {"function": function})

    @case("decorated call, miss", peer, needs, 3_000)
    def _():
        function, numbers = make(lambda x: x), iter(range(10**9))
        return timed("function(step(numbers))", {"function": function, "numbers": numbers, "step": next})


caches(m5mem.LRUCache, "m5mem")
decorators(m5mem.cached(maxsize=1000), "m5mem")
decorators(functools.lru_cache(1000), "functools.lru_cache")
decorators(lambda f: f, "(plain call)")
if have("cachetools"):
    import cachetools

    caches(cachetools.LRUCache, "cachetools")
    decorators(cachetools.cached(cachetools.LRUCache(1000)), "cachetools")
if have("cachebox"):
    import cachebox

    caches(cachebox.LRUCache, "cachebox")
    decorators(cachebox.cached(cachebox.LRUCache(1000)), "cachebox")

if have("lru"):
    from lru import LRU

    caches(LRU, "lru-dict")
if have("moka_py"):
    import moka_py

    decorators(moka_py.cached(maxsize=1000), "moka-py")
if have("theine"):
    import theine

    decorators(theine.Memoize(1000, None), "theine")

WHY["cache hit, str key"] = (
    "lru-dict: its table is CPython's own dict, which compares two strings without a call; that table runs Python code "
    "of keys in the middle of a change, and its values' cycles are never collected"
)
WHY["decorated call, miss"] = (
    "functools.lru_cache: it lets every thread that misses compute, keeps a result whatever it was computed from, and "
    "a generator for its first caller alone"
)
