"""`cached` in an outage: herds of waiters, errors, circles, stale results, forks."""

import asyncio
import gc
import os
import sys
import threading
import weakref

import pytest

from m5mem import LRUCache, TTLCache, cached


def test_generators_are_refused():
    def generator():
        yield 1

    async def stream():
        yield 1

    for function in (generator, stream):
        with pytest.raises(TypeError, match="only once"):
            cached(function)

    @cached
    def hidden(kind):
        return {"g": generator, "s": stream}[kind]()

    for kind in "gs":
        with pytest.raises(TypeError, match="only once"):
            hidden(kind)
    assert hidden.cache_info().currsize == 0

    async def coroutine():
        return 1

    @cached
    def forgot():
        return coroutine()

    with pytest.raises(TypeError, match="async def"):
        forgot()

    @cached
    async def inner():
        return generator()

    with pytest.raises(TypeError, match="only once"):
        asyncio.run(inner())


def test_errors_are_kept_for_a_while():
    calls = []

    class Local:
        pass

    gone = []

    @cached(maxsize=8, error_ttl=1000)
    def f(x):
        calls.append(x)
        local = Local()
        gone.append(weakref.ref(local))
        raise LookupError(x, len(calls))

    errors = []
    for _ in range(3):
        with pytest.raises(LookupError) as error:
            f(1)
        errors.append(error.value)
        del error
    assert calls == [1] and [e.args for e in errors] == [(1, 1)] * 3
    del errors[:]
    gc.collect()
    assert gone[0]() is None  # an error that is kept keeps no variables alive
    assert not f.invalidate(1)
    with pytest.raises(LookupError):
        f(1)
    assert len(calls) == 2
    f.cache_clear()
    with pytest.raises(LookupError):
        f(1)
    assert len(calls) == 3

    @cached(maxsize=8, error_ttl=1000)
    async def g(x):
        calls.append(x)
        raise LookupError(x)

    async def main():
        for _ in range(3):
            with pytest.raises(LookupError):
                await g("a")

    asyncio.run(main())
    assert calls.count("a") == 1


def test_stale_results_while_one_computes():
    done, calls = threading.Event(), []
    broken = [False]

    @cached(maxsize=8, ttl=0.0, stale_ttl=1000)
    def f(x):
        calls.append(x)
        if broken[0]:
            broken[0] = False
            done.set()
            raise ConnectionError
        if len(calls) > 1:
            done.set()
        return len(calls)

    assert f(1) == 1
    assert f(1) == 1 and done.wait(20)  # the old one, and another is computed in the background
    while f.cache_stats()["refreshes"] != 1 or f.__wrapped__ is None:
        pass
    for _ in range(2000):
        if f(1) != 1:
            break
        done.wait(0.01)
    assert f(1) >= 2
    # A backend that fails leaves the stale result in place.
    broken[0] = True
    done.clear()
    before = f(1)
    assert done.wait(20) and f(1) >= before
    f.cache_clear()
    count = len(calls)
    f(1)
    assert len(calls) > count
    with pytest.raises(ValueError, match="ttl"):
        cached(stale_ttl=5)


def test_stale_results_of_coroutines():
    async def main():
        before = asyncio.all_tasks()
        calls, go = [], asyncio.Event()

        @cached(maxsize=8, ttl=0.0, stale_ttl=1000, error_ttl=1000)
        async def f(x):
            calls.append(x)
            if len(calls) > 1:
                await go.wait()
            if len(calls) > 2:
                raise ConnectionError
            return len(calls)

        assert await f(1) == 1
        assert await asyncio.gather(*[f(1) for _ in range(50)]) == [1] * 50
        await asyncio.sleep(0)
        assert calls == [1, 1]
        go.set()
        while await f(1) == 1:
            await asyncio.sleep(0)
        for _ in range(20):
            assert await f(1) == 2
            await asyncio.sleep(0)
        # The failing refresh is not tried again at once.
        assert len(calls) == 3 and f.cache_stats()["refresh_errors"] == 1
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before

    asyncio.run(asyncio.wait_for(main(), 30))


def test_jitter_spreads_what_was_stored_together():
    now = [0.0]
    cache = TTLCache(None, 100, timer=lambda: now[0], jitter=0.5)
    for i in range(1000):
        cache[i] = i
    sizes = []
    for now[0] in (49, 62.5, 75, 87.5, 100):
        sizes.append(len(cache))
    assert sizes[0] == 1000 and sizes[-1] == 0
    for size, expected in zip(sizes[1:4], (750, 500, 250)):
        assert abs(size - expected) < 100
    with pytest.raises(ValueError, match="jitter"):
        TTLCache(1, 1, jitter=2)


def test_mappings_of_all_kinds():
    cachetools = pytest.importorskip("cachetools")
    for cache in (LRUCache(50), TTLCache(50, 100), cachetools.LRUCache(50), {}):
        calls = []

        @cached(cache, key=lambda symbol, window: f"{symbol}_{window}")
        def f(symbol, window, calls=calls):
            calls.append(symbol)
            return [symbol, window]

        assert f("BTC", 5) is f("BTC", window=5) and calls == ["BTC"]
        assert f.cache_info()[:2] == (1, 1) and f.cache is cache
        assert cache["BTC_5"] == ["BTC", 5] and f.cache_info().currsize == 1
        assert f.invalidate("BTC", 5) and not f.invalidate("BTC", 5) and len(cache) == 0
        assert f.cache_parameters()["errors"] == "share"

        # Two functions without keys of their own do not see each other's results.
        @cached(cache)
        def one(x):
            return ("one", x)

        @cached(cache)
        def two(x):
            return ("two", x)

        assert one(1) == ("one", 1) and two(1) == ("two", 1) and one(1) == ("one", 1)
        two.cache_clear()
        assert len(cache) == 0

        @cached(cache)
        async def three(x):
            return ("three", x)

        assert asyncio.run(three(1)) == asyncio.run(three(1)) == ("three", 1) and len(cache) == 1
    small = cachetools.LRUCache(2, getsizeof=len)

    @cached(small)
    def large(n):
        return "x" * n

    assert large(5) == "xxxxx" and len(small) == 0
    with pytest.raises(TypeError, match="mapping"):
        cached("words")
    with pytest.raises(ValueError, match="own"):
        cached({}, ttl=5)
    with pytest.raises(ValueError, match="share"):
        cached(errors="maybe")


def test_typed():
    @cached(typed=True)
    def f(x, y=0):
        return (x, y)

    assert [type(f(x)[0]) for x in (1, 1.0, True)] == [int, float, bool] and f.cache_info().currsize == 3
    assert type(f(1, y=1.0)[1]) is float and type(f(1, y=1)[1]) is int


@cached(maxsize=4)
def of_the_module(x):
    return x


def test_pickle_copy_repr():
    import copy
    import pickle

    of_the_module.cache_clear()
    assert pickle.loads(pickle.dumps(of_the_module)) is of_the_module
    assert copy.copy(of_the_module) is copy.deepcopy(of_the_module) is of_the_module
    of_the_module(1), of_the_module(1)
    assert "of_the_module: 1/4 entries" in repr(of_the_module) and "%" in repr(of_the_module)
    assert LRUCache[str, int] and isinstance(LRUCache(1), __import__("collections").abc.MutableMapping)


@pytest.mark.skipif(sys.platform != "linux", reason="fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_while_a_thread_computes():
    started, go = threading.Event(), threading.Event()

    @cached(error_ttl=1)
    def guarded(x):
        return slow(x)

    @cached
    def slow(x):
        if threading.current_thread() is not threading.main_thread():
            started.set()
            go.wait(60)
        return x

    thread = threading.Thread(target=guarded, args=(1,))
    thread.start()
    started.wait(60)
    child = os.fork()
    if child == 0:
        import signal

        signal.alarm(20)
        os._exit(0 if slow(1) == 1 and guarded(1) == 1 else 1)
    go.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 and guarded(1) == 1


IMPORT = """
import sys
def rss():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
rss(), rss()
before = rss()
import m5mem
print(rss() - before, *(m in sys.modules for m in ("asyncio", "inspect", "numpy", "logging", "typing", "functools")))
m5mem.metrics.publish, m5mem.gc.manage, m5mem.ws.ManagedWSPool, m5mem.fds, m5mem.indicators.sma, m5mem.CacheInfo
"""


def test_what_the_import_brings(tmp_path):
    import subprocess

    import m5mem._native

    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    for _ in range(2):  # the first compiles
        out = subprocess.run(
            [sys.executable, "-c", IMPORT], capture_output=True, text=True, timeout=60, env=environment
        )
        assert out.returncode == 0, out.stderr
    grown, *modules = out.stdout.split()
    built_for_release = os.path.getsize(m5mem._native.__file__) < 2_000_000
    assert modules[:4] == ["False"] * 4 and int(grown) < (2_000_000 if built_for_release else 8_000_000)
