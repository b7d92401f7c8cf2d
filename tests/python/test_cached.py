"""`cached`: keys, single-flight, coroutines, and what is kept for how long."""

import asyncio
import inspect
import threading

import pytest

import m5mem
from m5mem import LRUCache, TTLCache, cached


def test_cached():
    calls = []

    @cached(maxsize=2)
    def f(a, b=0, *, c=0):
        "doc"
        calls.append((a, b, c))
        return (a, b, c)

    assert f.__name__ == "f" and f.__doc__ == "doc" and f.__wrapped__ and inspect.signature(f).parameters["c"]
    assert f(1) == f(1) == (1, 0, 0) and f(1, c=2) == f(1, c=2) and len(calls) == 2
    assert f("x", 2) == f("x", 2) and len(calls) == 3
    assert f.cache_info() == (3, 3, 2, 2)
    assert f(*("x", 2), **{}) == ("x", 2, 0)
    assert f.invalidate("x", 2) and not f.invalidate("x", 2)
    f.cache_clear()
    assert f.cache_info().currsize == 0
    with pytest.raises(TypeError, match="unhashable"):
        f([])
    with pytest.raises(ValueError):
        cached(sizeof=len)

    @cached
    def bare(x):
        return x

    assert bare(3) == bare(3) == 3 and bare.cache_info().hits == 1


def test_cached_on_methods():
    class Engine:
        def __init__(self):
            self.calls = 0

        @cached(maxsize=8, key=lambda self, symbol: symbol)
        def price(self, symbol):
            self.calls += 1
            return symbol.upper()

    engine = Engine()
    bound = engine.price
    assert [engine.price("x"), bound("x"), Engine.price(engine, "x")] == ["X"] * 3 and engine.calls == 1


def test_a_buffer_is_never_stale():
    buffer, calls = m5mem.CandleBuffer(10, fields=["close"]), []

    @cached(maxsize=8)
    def mean(buffer, n):
        calls.append(n)
        return buffer.window(n, "close").mean()

    pytest.importorskip("numpy")
    buffer.append(1.0)
    assert mean(buffer, 5) == mean(buffer, 5) == 1.0 and len(calls) == 1
    buffer.append(3.0)
    assert mean(buffer, 5) == 2.0 and mean(buffer, n=5) == mean(buffer, n=5) == 2.0 and len(calls) == 3

    @cached(maxsize=8, key=lambda buffer: buffer.version)
    def last(buffer):
        return buffer.last()

    assert last(buffer) == 3.0
    buffer.update_last(4.0)
    assert last(buffer) == 4.0


def test_single_flight_of_threads():
    started, go, calls = threading.Event(), threading.Event(), []

    @cached(maxsize=8, errors="retry")
    def slow(x):
        calls.append(x)
        started.set()
        go.wait(10)
        if len(calls) == 1:
            raise RuntimeError("first fails")
        return x

    results = []

    def run():
        try:
            results.append(slow(1))
        except RuntimeError:
            results.append("error")

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    started.wait(10)
    go.set()
    for thread in threads:
        thread.join()
    assert sorted(map(str, results)) == ["1"] * 7 + ["error"] and len(calls) == 2

    @cached
    def recursive(x):
        return x if x < 2 else recursive(x - 1) + recursive(x - 2)

    assert recursive(30) == 832040


def test_what_was_computed_before_a_clear_is_not_kept():
    @cached
    def f(x):
        f.cache_clear()
        return x

    assert f(1) == 1 and f.cache_info().currsize == 0


def test_coroutines():
    async def main():
        calls, go = [], asyncio.Event()

        @cached(maxsize=8)
        async def slow(x):
            calls.append(x)
            await go.wait()
            if x == "bad":
                raise RuntimeError
            return x

        assert inspect.iscoroutinefunction(slow)
        tasks = [asyncio.create_task(slow(1)) for _ in range(5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks[0].cancel()  # the others still get their answer
        await asyncio.sleep(0)
        go.set()
        assert await asyncio.gather(*tasks[1:]) == [1] * 4 and calls == [1]
        assert await slow(1) == 1 and slow.cache_info().hits == 1
        outcomes = await asyncio.gather(*[slow("bad") for _ in range(3)], return_exceptions=True)
        assert all(isinstance(o, RuntimeError) for o in outcomes) and slow.cache_info().currsize == 1
        go.clear()
        alone = asyncio.create_task(slow(2))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        alone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await alone
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1  # the computation that nobody waits for is gone too

    asyncio.run(main())


def test_what_a_cached_coroutine_function_gives():
    async def main():
        calls = []

        @cached(maxsize=8)
        async def f(x, y=0):
            calls.append(x)
            return (x, y)

        class Engine:
            @cached(maxsize=8, key=lambda self, x: x)
            async def method(self, x):
                return x

        engine = Engine()
        for _ in range(2):  # computed, then kept: coroutines both, wherever asyncio wants one
            one = f(1)
            assert inspect.iscoroutine(one) and await one == (1, 0)
            assert await asyncio.create_task(f(1, y=2)) == (1, 2)
            assert await asyncio.wait_for(f(x="z"), 5) == ("z", 0)
            assert await engine.method(7) == await Engine.method(engine, 7) == 7
        assert calls == [1, 1, "z"]
        late = f(9), f(9)  # both were called before there was a value
        assert [await c for c in late] == [(9, 0)] * 2 and calls[-1] == 9 and calls.count(9) == 1
        assert inspect.iscoroutinefunction(f) and inspect.iscoroutinefunction(engine.method)
        unused = f(1)
        assert asyncio.iscoroutine(unused)
        unused.close()
        with pytest.raises(TypeError, match="unhashable"):
            await f([])

    asyncio.run(main())


def test_the_leader_is_cancelled_while_others_wait():
    async def main():
        started, go, ended, before = asyncio.Event(), asyncio.Event(), [], asyncio.all_tasks()

        @cached(maxsize=8)
        async def slow(x):
            started.set()
            try:
                await go.wait()
            finally:
                ended.append(x)
            return x

        leader = asyncio.create_task(slow(1))
        await started.wait()
        follower = asyncio.create_task(slow(1))
        await asyncio.sleep(0)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        assert not ended  # the computation was not hers alone
        go.set()
        assert await follower == 1 and ended == [1] and slow.cache_info().currsize == 1
        # The last who waits takes it along, and the next begins anew.
        go.clear(), started.clear()
        tasks = [asyncio.create_task(slow(2)) for _ in range(2)]
        await started.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        again = asyncio.create_task(slow(2))
        await asyncio.sleep(0)
        go.set()
        assert await again == 2 and ended == [1, 2, 2]
        assert asyncio.all_tasks() == before

    asyncio.run(asyncio.wait_for(main(), 30))


def test_keys_of_missing_entries():
    cache = LRUCache(2)
    for key in ("a", (1, 2), None, 2**70):
        for ask in (cache.__getitem__, cache.pop, cache.__delitem__):
            with pytest.raises(KeyError) as error:
                ask(key)
            assert error.value.args == (key,)
    cache[2**70] = cache[2**70 + 2**61 - 1] = 1  # the same hash, not the same number
    assert len(cache) == 2 and 2**70 + 2**61 not in cache
    with pytest.raises(TypeError, match=r"LRUCache\(\)"):
        LRUCache()
    with pytest.raises(TypeError):
        LRUCache(1, ttl=5)
    assert LRUCache.__doc__ and TTLCache(1, 2).ttl == 2


def test_ttl_of_results():
    calls = []

    @cached(maxsize=8, ttl=0.0)
    def f(x):
        calls.append(x)
        return x

    assert f(1) == f(1) == 1 and len(calls) == 2
    assert f.cache.ttl == 0.0
