"""Results that were computed from buffers and indicators: never older than those, and one entry each."""

import asyncio
import contextlib
import gc
import threading
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import m5mem
from m5mem import SMA, CandleBuffer, LRUCache, cached


def buffer(*values):
    made = CandleBuffer(10, fields=["close"])
    for value in values:
        made.append(value)
    return made


WAYS = {
    "last": lambda b: b.last(),
    "view": lambda b: b.view(1)[0, 0] if len(b) else None,
    "len": lambda b: len(b),
    "version": lambda b: b.version,
}


@pytest.mark.parametrize("way", WAYS)
def test_however_a_function_comes_by_a_buffer(way):
    read = WAYS[way]
    b = buffer(1.0)

    class Engine:
        def __init__(self):
            self.book = {"deep": [b]}

        @cached
        def behind_self(self):
            return read(self.book["deep"][0])

        @cached(key=lambda self: "fixed")
        def by_key(self):
            return read(self.book["deep"][0])

    @cached
    def argument(buffer):
        return read(buffer)

    @cached
    def in_tuple(pair):
        return read(pair[1][0])

    @cached
    def everywhere():
        return read(b)

    @cached
    def over_another(x):
        return argument(b)

    @cached
    def keyword(*, buffer):
        return read(buffer)

    engine = Engine()
    asks = [
        engine.behind_self,
        engine.by_key,
        lambda: argument(b),
        lambda: in_tuple(("x", (b, 1))),
        everywhere,
        lambda: over_another(1),
        lambda: keyword(buffer=b),
    ]
    for value in range(5):
        b.append(float(value))
        assert [ask() for ask in asks] == [read(b)] * len(asks)
        assert [ask() for ask in asks] == [read(b)] * len(asks)
        b.update_last(value + 0.5)
        assert [ask() for ask in asks] == [read(b)] * len(asks)
    for function in (Engine.behind_self, argument, in_tuple, everywhere, over_another, keyword):
        assert function.cache_info().currsize == 1, function


def test_a_hot_buffer_does_not_evict_quiet_ones():
    quiet, hot, calls = [buffer(float(i)) for i in range(49)], buffer(0.0), []

    @cached(maxsize=50)
    def f(b):
        calls.append(b)
        return b.last()

    for b in quiet:
        f(b)
    for i in range(1000):
        hot.append(float(i))
        assert f(hot) == float(i)
    del calls[:]
    assert [f(b) for b in quiet] == [float(i) for i in range(49)] and not calls
    assert f.cache_info().currsize == 50


def test_buffers_are_not_kept_alive():
    class Result:
        pass

    @cached(maxsize=100)
    def f(b):
        return Result()

    results = []
    for i in range(20):
        b = buffer(float(i))
        results.append(weakref.ref(f(b)))
        del b
    gc.collect()
    keep = buffer(1.0)
    f(keep)  # whoever stores sweeps out what belongs to buffers that are gone
    assert [r() for r in results] == [None] * 20 and f.cache_info().currsize == 1


def test_indicators():
    b = buffer()
    sma = b.attach(SMA(2))
    calls = []

    @cached
    def by_argument(indicator):
        calls.append(1)
        return indicator.value

    @cached
    def by_closure(x):
        return float(sma)

    for i in range(6):
        b.append(float(i))
        b.append(float(i))
        assert by_argument(sma) == by_closure(0) == by_argument(sma) == float(i)
    assert len(calls) == 6 and by_argument.cache_info().currsize == 1
    sma.reset()
    assert by_argument(sma) != by_argument(sma)  # NaN


def test_coroutines_and_their_threads():
    async def main():
        b, other = buffer(1.0), buffer(5.0)

        @cached
        async def direct(x):
            await asyncio.sleep(0)
            return b.last()

        @cached
        async def in_thread(x):
            return await asyncio.get_running_loop().run_in_executor(
                None, __import__("contextvars").copy_context().run, b.last
            )

        @cached
        async def over(x):
            return [await direct(x), *(await asyncio.gather(in_thread(x), asyncio.create_task(direct(x))))]

        @cached
        async def independent(x):
            calls.append(x)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return x

        calls = []
        for value in range(5):
            b.append(float(value))
            for _ in range(2):
                task = asyncio.create_task(independent(1))
                await asyncio.sleep(0)
                other.last()  # while that one computes: what others read is not its business
                assert await over(1) == [float(value)] * 3
                await task
        assert calls == [1]
        other.append(1.0)
        assert await independent(1) == 1 and calls == [1]

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_change_in_the_middle_of_a_computation():
    b = buffer(1.0)

    @cached
    def torn(x):
        first = b.last()
        if first == 1.0:
            b.append(2.0)
        return (first, b.last())

    assert torn(1) == (1.0, 2.0) and torn(1) == (2.0, 2.0) == torn(1)


def test_mappings_of_others_do_not_keep_what_can_change():
    store, b = {}, buffer(1.0)

    @cached(store)
    def f(x):
        return b.last()

    assert f(1) == 1.0 and not store
    b.append(2.0)
    assert f(1) == 2.0


def test_what_the_cache_itself_shows():
    cache, b = LRUCache(10), buffer(1.0)

    @cached(cache, key=lambda x: x)
    def f(x):
        return b.last()

    f(1), f(2)
    assert cache[1] == 1.0 and cache.get(2) == 1.0 and list(cache.values()) == [1.0, 1.0] and 1 in cache
    assert list(cache.items()) == [(1, 1.0), (2, 1.0)] and cache.peek(1) == 1.0
    b.append(2.0)
    assert 1 not in cache and cache.get(1) is None and len(cache) == 0 and list(cache.values()) == []
    with pytest.raises(KeyError):
        cache[1]
    f(1)
    assert cache.pop(1) == 2.0
    f(1)
    assert cache.popitem() == (1, 2.0) and cache.setdefault(1, 5) == 5 and f(1) == 5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("acdur"), st.integers(0, 2)), max_size=40))
def test_never_stale_whatever_happens(steps):
    buffers = [buffer(0.0) for _ in range(3)]

    @cached(maxsize=2)
    def total(i):
        return sum(b.last() for b in buffers[: i + 1])

    @cached(maxsize=2)
    def outer(i):
        return total(i) + total(0)

    def truth(i):
        return sum(b.last() for b in buffers[: i + 1])

    for number, (op, i) in enumerate(steps):
        if op == "a":
            buffers[i].append(float(number))
        elif op == "u":
            buffers[i].update_last(float(number))
        elif op == "c":
            buffers[i].clear()
            buffers[i].append(float(-number))
        elif op == "r":
            buffers[i] = buffer(float(number))  # a global that is bound anew is not seen: the key's business
            total.cache_clear(), outer.cache_clear()
        for j in range(3):
            assert total(j) == truth(j) and outer(j) == truth(j) + truth(0)


def test_greenlets_switch_in_the_middle():
    greenlet = pytest.importorskip("greenlet")
    one, two = buffer(1.0), buffer(10.0)
    main = greenlet.getcurrent()

    @cached
    def slow(b):
        main.switch()
        return b.last()

    first, second = greenlet.greenlet(lambda: slow(one)), greenlet.greenlet(lambda: slow(two))
    first.switch()
    with contextlib.suppress(RuntimeError):
        second.switch()
    first.switch(), second.switch()
    one.append(2.0)
    main = greenlet.getcurrent()
    third = greenlet.greenlet(lambda: slow(one))
    third.switch()
    assert third.switch() == 2.0


def test_threads_that_push_and_threads_that_ask():
    b, stop, wrong = buffer(0.0), threading.Event(), []

    @cached
    def newest(buffer):
        return buffer.last()

    def ask():
        while not stop.is_set():
            before = b.last()
            if newest(b) < before:
                wrong.append(before)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i in range(20_000):
        b.append(float(i))
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong and m5mem.cached
