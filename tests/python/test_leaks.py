"""The package itself stays flat: 10⁶ operations of each part with M5_SLOW=1, fewer in an ordinary run."""

import asyncio
import contextlib
import logging
import socket
import threading

import pytest
from levels import flat, flat_in_loop, operations

import m5mem
import m5mem.gc
from m5mem import LRUCache, Pool, TTLCache, cached
from m5mem._native import GcMonitor, SharedPage
from m5mem.fds import FdMonitor

ROW = (101.0, 102.0, 100.0, 101.5, 10.0)


@pytest.fixture(autouse=True)
def silent():
    """pytest keeps log records until the test is over."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("order", ["C", "F"])
def test_buffer(order):
    buffer = m5mem.CandleBuffer(200, order=order)
    buffer.attach(m5mem.SMA(20)), buffer.attach(m5mem.ATR(14))
    try:
        import numpy  # noqa: F401

        look = buffer.window
    except ImportError:
        look = buffer.view

    def work(n):
        kept = None
        for i in range(n):
            buffer.append(*ROW)
            kept = (kept, look(50)) if i % 7 == 0 else None  # now and then a view lives through a move
            buffer.view(20, "close")
            buffer.update_last(*ROW)
            if i % 100 == 0:
                buffer.extend([ROW, ROW])
                with pytest.raises(TypeError):
                    buffer.append(1.0)
            if i % 1000 == 0:
                buffer.clear()

    flat(work, operations())


def test_ticks():
    buffer = m5mem.CandleBuffer(100, interval=1.0, gaps="fill")
    buffer.attach(m5mem.EMA(5), on="close")
    ts = 0.0

    def work(n):
        nonlocal ts
        for i in range(n):
            ts += 0.3 if i % 100 else 5.0
            buffer.push_tick(ts, 100.0 + i % 7, 1.0)

    flat(work, operations())


KINDS = [
    m5mem.SMA,
    m5mem.EMA,
    m5mem.WMA,
    m5mem.RSI,
    m5mem.RollingMin,
    m5mem.RollingMax,
    m5mem.RollingStd,
    m5mem.Bollinger,
    m5mem.MACD,
    m5mem.ATR,
    m5mem.RollingVWAP,
]


@pytest.mark.parametrize("kind", KINDS)
def test_indicators(kind):
    indicator = kind()
    values = {m5mem.ATR: (3.0, 1.0, 2.0), m5mem.RollingVWAP: (2.0, 1.0)}.get(kind, (2.0,))

    def work(n):
        for i in range(n):
            indicator.update(*values)
            indicator.replace(*values)
            if i % 1000 == 0:
                indicator.reset(), indicator.value, repr(indicator), kind()

    flat(work, operations(short=20_000))


def test_whole_arrays(np):
    x = np.random.default_rng(0).random(500) + 100

    def work(n):
        for _ in range(n // 10):
            for f in (m5mem.indicators.sma, m5mem.indicators.bollinger, m5mem.indicators.macd):
                f(x)
            m5mem.indicators.atr(x, x, x)
            with pytest.raises(ValueError):
                m5mem.indicators.atr(x, x[1:], x)

    flat(work, operations(short=10_000))


@pytest.mark.parametrize(
    "make",
    [
        lambda: LRUCache(100),
        lambda: LRUCache(None),
        lambda: TTLCache(100, 0.001),
        lambda: LRUCache(100, max_bytes=5000),
        lambda: TTLCache(100, 1000, getsizeof=len),
    ],
    ids=["lru", "unbounded", "ttl", "bytes", "sizes"],
)
def test_caches(make):
    cache = make()

    class Odd:
        """A key that only Python can compare."""

        def __init__(self, n):
            self.n = n

        def __hash__(self):
            return self.n % 50

        def __eq__(self, other):
            return isinstance(other, Odd) and self.n == other.n

    def work(n):
        for i in range(n):
            cache[i] = "x" * (i % 50)
            cache.get(i - 50)
            cache.pop(i - 90, None)
            cache[i % 30, "tuple"] = "y"
            i in cache
            if i % 100 == 0:
                cache[Odd(i)] = "odd"
                cache.get(Odd(i + 50))
                cache.update({"a": "b"}, c="d")
                list(cache.items()), cache.stats(), repr(cache)
                with pytest.raises(KeyError):
                    cache["nope"]
                cache.setdefault("z", "z")
                cache.popitem()
            if i % 1000 == 0:
                cache.clear()
        cache.clear()

    flat(work, operations(short=20_000))


def test_caches_that_come_and_go():
    def work(n):
        for i in range(n // 20):
            cache = LRUCache(10)
            cache["me"] = cache  # a cycle
            cache[i] = TTLCache(5, 10)
            f = cached(maxsize=3, name="f")(lambda x: x)
            f(i), f.cache_info()

    flat(work, operations())


def test_cached_functions():
    @cached(maxsize=50)
    def f(x, y=0):
        if x == "bad":
            raise ValueError
        return [x]

    class Engine:
        @cached(maxsize=50, ttl=0.0005, key=lambda self, x: x)
        def method(self, x):
            return x

    engine = Engine()

    def work(n):
        for i in range(n):
            f(i), f(i), f(i, y=1), f("text", i), f(x=i)
            engine.method(i % 60)
            if i % 100 == 0:
                with pytest.raises(ValueError):
                    f("bad")
                with pytest.raises(TypeError):
                    f([])
                f.invalidate(i)

    flat(work, operations(short=20_000))


def test_cached_functions_in_threads():
    @cached(maxsize=8)
    def f(x):
        if x % 5 == 0:
            raise ValueError
        return [x]

    def ask(n):
        for i in range(n):
            with contextlib.suppress(ValueError):
                f(i // 3)

    def work(n):
        threads = [threading.Thread(target=ask, args=(n // 4,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    flat(work, operations())


def test_cached_coroutines():
    @cached(maxsize=8)
    async def f(x):
        await asyncio.sleep(0)
        if x == "bad":
            raise ValueError
        return [x]

    async def work(n):
        for i in range(n // 50):
            for _ in range(20):
                await f(1)
            f(1).close()  # one that nobody awaits
            await asyncio.gather(f(i), f(i), f(i + 1))
            await asyncio.gather(f("bad"), f("bad"), return_exceptions=True)
            tasks = [asyncio.ensure_future(f(("cancelled", i))) for _ in range(3)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            if i % 2:
                await asyncio.sleep(0)
                tasks[1].cancel(), tasks[2].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(flat_in_loop(work, operations()))


def test_pool_of_objects():
    pool = Pool(bytearray, bytearray.clear, max_size=3)
    failing = Pool(lambda: 1 / 0, max_size=1)

    def work(n):
        for i in range(n):
            with pool.lease():
                pass
            if i % 50 == 0:
                pool.lease().release(broken=True)
                pool.lease()  # forgotten
                with pytest.raises(ZeroDivisionError):
                    failing.lease()
                leases = [pool.lease() for _ in range(3)]
                with pytest.raises(m5mem.PoolTimeout):
                    pool.lease(timeout=0)
                for lease in leases:
                    lease.release()

    flat(work, operations())


def test_collector_callbacks():
    monitor = GcMonitor()
    callback, info = monitor.callback, {"generation": 1, "collected": 3, "uncollectable": 0}

    def work(n):
        for i in range(n):
            callback("start", info)
            callback("stop", info)
            if i % 1000 == 0:
                monitor.snapshot(), monitor.buckets(1)

    flat(work, operations())


def test_managers_that_come_and_go():
    def work(n):
        for _ in range(n // 1000):
            with m5mem.gc.manage(warmup=1000, tick=1000) as manager:
                manager.idle(), manager.snapshot()

    flat(work, operations())


def test_descriptor_monitor():
    monitor = FdMonitor(warn=1, interval=None, cleanup=lambda figures: 1 / 0)
    one, two = socket.socketpair()

    def work(n):
        for _ in range(n // 100):
            monitor.check(), monitor.kinds(), monitor.peers()
            monitor.in_episode = False
            with FdMonitor(interval=1000):
                pass

    with one, two:
        flat(work, operations(100_000))


def test_metrics_and_page():
    pytest.importorskip("prometheus_client")
    from prometheus_client import CollectorRegistry, generate_latest

    import m5mem.metrics

    page, registry = SharedPage(), CollectorRegistry()
    registry.register(m5mem.metrics.Collector())
    cache = LRUCache(3)
    m5mem._registry.add("cache", "leaktest", cache)

    def work(n):
        for i in range(n):
            page.update({"a": float(i), "b": 2.0})
            if i % 1000 == 0:
                page.read(), generate_latest(registry)

    flat(work, operations())


def test_the_test_sees_a_leak():
    kept = []
    with pytest.raises(AssertionError, match="objects rose"):
        flat(lambda n: kept.extend([] for _ in range(n)), 1000)
    with pytest.raises(AssertionError, match="rss rose"):
        flat(lambda n: kept.append(b"x" * n), 20 << 20)
