"""Cached coroutine functions beside their peers. Herds have a program of their own: `herd.py`."""

import asyncio

from cases import case, have

import m5mem

# All in one loop, which the peers ask for.

LOOP = asyncio.new_event_loop()


def awaited(statement, scope):
    """As `timed`, for a statement with an await in it."""
    names = ", ".join(scope)
    source = f"async def run(n, {names}):\n for _ in range(n):\n  {statement}\n"
    space = {}
    exec(source, space)
    return lambda n: LOOP.run_until_complete(space["run"](n, **scope))


def coroutines(make, peer, needs=None):
    @case("awaited call, hit, one str", peer, needs)
    def _():
        async def function(x):
            return x

        function = make(function)
        run = awaited("await function('abc')", {"function": function})
        run(1)
        return run

    @case("awaited call, miss", peer, needs, 2_000)
    def _():
        async def function(x):
            return x

        numbers = iter(range(10**9))
        return awaited(
            "await function(step(numbers))", {"function": make(function), "numbers": numbers, "step": next}
        )


coroutines(m5mem.cached(maxsize=1000), "m5mem")
coroutines(lambda f: f, "(plain coroutine)")
if have("async_lru"):
    import async_lru

    coroutines(async_lru.alru_cache(maxsize=1000), "async_lru")
if have("aiocache"):
    import aiocache

    coroutines(aiocache.cached(), "aiocache")
