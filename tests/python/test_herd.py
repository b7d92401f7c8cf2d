"""`cached` where many wait for one: herds, circles, and what is a thread's own."""

import asyncio
import contextlib
import sys
import threading

import pytest

from m5mem import cached

HERD = 2000


def in_threads(work, number):
    """Results (or errors) of ``work(i)`` in so many threads, which all have begun before any is let go."""
    out, threads = [None] * number, []

    def run(i):
        try:
            out[i] = work(i)
        except BaseException as error:
            out[i] = error

    for i in range(number):
        threads.append(threading.Thread(target=run, args=(i,), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a thread hangs"
    return out


def waiting(count, function):
    """Blocks until so many threads wait inside ``function`` (a lock of the waiter)."""
    while (
        sum(
            1
            for f in sys._current_frames().values()
            if f.f_code.co_name == "wait" and "waiter" in f.f_code.co_filename
        )
        < count
    ):
        pass


@pytest.mark.parametrize("errors", ["share", "retry"])
def test_a_herd_of_tasks_costs_one_call(errors):
    calls = []

    async def main():
        go = asyncio.Event()

        @cached(maxsize=8, errors=errors)
        async def fail(x):
            calls.append(x)
            await go.wait()
            raise ValueError(x)

        tasks = [asyncio.create_task(fail(1)) for _ in range(HERD)]
        for _ in range(3):
            await asyncio.sleep(0)
        go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(r) for r in results} == {ValueError} and len(results) == HERD
        depth = 0
        trace = results[-1].__traceback__
        while trace is not None:
            depth, trace = depth + 1, trace.tb_next
        assert depth < 20  # no waiter's frames on top of another's

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        asyncio.run(main())
    finally:
        sys.setrecursionlimit(limit)
    assert len(calls) == {"share": 1, "retry": 2}[errors]


@pytest.mark.parametrize("errors", ["share", "retry"])
def test_a_herd_of_threads_costs_one_call(errors):
    calls, number = [], 200
    first = threading.Event()

    @cached(maxsize=8, errors=errors)
    def fail(x):
        calls.append(x)
        first.set()
        if len(calls) == 1:
            waiting(number - 1, fail)
        raise ValueError(x)

    def work(i):
        if i:
            first.wait(60)
        return fail(1)

    results = in_threads(work, number)
    assert {type(r) for r in results} == {ValueError}
    assert len(calls) == {"share": 1, "retry": 2}[errors]


def test_what_is_a_threads_own_is_not_shared():
    calls, first = [], threading.Event()

    @cached
    def f(x):
        calls.append(x)
        if len(calls) == 1:
            first.set()
            waiting(3, f)
            raise KeyboardInterrupt
        return x

    def work(i):
        if i:
            first.wait(60)
        return f(1)

    results = in_threads(work, 4)
    assert sorted(map(repr, results)) == ["1", "1", "1", "KeyboardInterrupt()"] and len(calls) == 2


def test_a_computation_that_needs_itself():
    @cached
    def f(x):
        return f(x)

    with pytest.raises(RuntimeError, match="needs its own result"):
        f(1)

    @cached
    async def g(x):
        return await asyncio.gather(g(x))

    @cached
    async def ping(x):
        await asyncio.sleep(0)
        return await pong(x)

    @cached
    async def pong(x):
        await asyncio.sleep(0)
        return await ping(x)

    async def main():
        before = asyncio.all_tasks()
        with pytest.raises(RuntimeError, match="needs its own result"):
            await g(1)
        with pytest.raises(RuntimeError, match="needs its own result"):
            await ping(1)
        both = await asyncio.gather(ping(2), pong(2), return_exceptions=True)
        assert all(isinstance(r, RuntimeError) for r in both)
        assert asyncio.all_tasks() == before

    asyncio.run(asyncio.wait_for(main(), 30))


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="3.12 and later")
def test_tasks_that_begin_at_once():
    calls = []

    @cached
    async def inner(x):
        calls.append(x)
        if x < 0:
            await asyncio.sleep(0)
        if x == 3:
            raise LookupError
        return x

    @cached
    async def outer(x):
        return await inner(x) + await inner(-1)

    @cached
    async def circle(x):
        return await asyncio.gather(circle(x))

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        before = asyncio.all_tasks()
        assert await asyncio.gather(*[outer(1) for _ in range(20)]) == [0] * 20
        assert await asyncio.gather(*[inner(2) for _ in range(20)]) == [2] * 20 and calls == [1, -1, 2]
        errors = await asyncio.gather(*[inner(3) for _ in range(5)], return_exceptions=True)
        assert {type(e) for e in errors} == {LookupError}
        with pytest.raises(RuntimeError, match="needs its own result"):
            await circle(1)
        assert asyncio.all_tasks() == before

    asyncio.run(asyncio.wait_for(main(), 30))


@pytest.mark.parametrize("length", [2, 3, 5])
def test_threads_that_need_each_other(length):
    barrier = threading.Barrier(length)

    @cached
    def ring(i):
        if not barrier.broken:
            with contextlib.suppress(threading.BrokenBarrierError):
                barrier.wait(20)
            barrier.abort()
        return ring((i + 1) % length)

    # All but the first pass wait at the barrier; then each asks for its neighbour's.
    results = in_threads(ring, length)
    assert all(isinstance(r, RuntimeError) for r in results), results
    assert any("circle" in str(r) or "own result" in str(r) for r in results)
