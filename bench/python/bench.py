"""Parts of m5mem beside their peers: ns an operation, all in one interleaved run, medians, ratios.

    python bench/python/bench.py [--rounds 15] [--json FILE] [--only WORD]

CPU time of the thread, so that a busy neighbour costs little. A peer that is not installed is left out. Trust the
ratios: the machine's speed cancels out in them, and every peer of a case runs in each round.
"""

import argparse
import asyncio
import functools
import gc
import importlib.util
import json
import statistics
import sys
import time
from collections import deque

import numpy as np

import m5mem
import m5mem.indicators as batch

CASES = {}
ROW = (101.0, 102.0, 100.0, 101.5, 10.0)


def have(module):
    return importlib.util.find_spec(module) is not None


def case(title, peer, needs=None, loops=20_000):
    """Registers a maker: it gives a function that runs the operation once, in code that `timed` repeats."""

    def register(make):
        if needs is None or have(needs):
            CASES.setdefault(title, {})[peer] = (make, loops)
        return make

    return register


def timed(statement, scope):
    """A function of n that runs the statement n times with the names of scope as locals: no call around it."""
    names = ", ".join(scope)
    source = f"def run(n, {names}):\n for _ in range(n):\n  {statement}\n"
    space = {}
    exec(source, space)
    return functools.partial(space["run"], **scope)


# Caches.


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


# A herd: so many wait for one call that fails. CPU time a waiter.


def herd(make, peer, needs=None):
    @case("2,000 tasks wait for a failing call, a waiter", peer, needs, 2_000)
    def _():
        @make
        async def fail(x):
            await asyncio.sleep(0)
            raise ValueError(x)

        numbers = iter(range(10**9))

        async def storm(n):
            number = next(numbers)
            await asyncio.gather(*[fail(number) for _ in range(n)], return_exceptions=True)

        return lambda n: LOOP.run_until_complete(storm(n))


# Coroutines, all in one loop, which their peers ask for.

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
herd(m5mem.cached(maxsize=1000), "m5mem")
coroutines(lambda f: f, "(plain coroutine)")
if have("async_lru"):
    import async_lru

    coroutines(async_lru.alru_cache(maxsize=1000), "async_lru")
    herd(async_lru.alru_cache(maxsize=1000), "async_lru")
if have("aiocache"):
    import aiocache

    coroutines(aiocache.cached(), "aiocache")


# Candles.


def filled(**options):
    buffer = m5mem.CandleBuffer(200, **options)
    for _ in range(300):
        buffer.append(*ROW)
    return buffer


@case("append OHLCV", "m5mem")
def _():
    return timed("append(101.0, 102.0, 100.0, 101.5, 10.0)", {"append": filled().append})


@case("append OHLCV", "deque of tuples")
def _():
    return timed("append((a, 102.0, 100.0, 101.5, 10.0))", {"append": deque(maxlen=200).append, "a": 101.0})


@case("append OHLCV + window(200)", "m5mem")
def _():
    b = filled()
    return timed("a(101.0, 102.0, 100.0, 101.5, 10.0); w(200)", {"a": b.append, "w": b.window})


@case("append OHLCV + window(200)", "m5mem, memoryview")
def _():
    b = filled()
    return timed("a(101.0, 102.0, 100.0, 101.5, 10.0); w(200)", {"a": b.append, "w": b.view})


class MirroredRing:
    """As one writes it with NumPy: each row twice, so that a window is one slice."""

    def __init__(self):
        self.data, self.at = np.zeros((400, 5)), 0

    def append(self, *row):
        self.data[self.at] = self.data[self.at + 200] = row
        self.at = (self.at + 1) % 200

    def window(self):
        return self.data[self.at : self.at + 200]


@case("append OHLCV + window(200)", "NumPy mirrored ring", loops=5_000)
def _():
    r = MirroredRing()
    return timed("a(101.0, 102.0, 100.0, 101.5, 10.0); w()", {"a": r.append, "w": r.window})


@case("append OHLCV + window(200)", "deque + np.array", loops=200)
def _():
    rows = deque([ROW] * 200, maxlen=200)
    return timed(
        "rows.append((a, 102.0, 100.0, 101.5, 10.0)); array(rows)",
        {"rows": rows, "array": np.array, "a": 101.0},
    )


@case("append OHLCV + window(200)", "pandas tail().copy() alone", "pandas", 100)
def _():
    import pandas as pd

    frame = pd.DataFrame(np.ones((400, 5)), columns=["open", "high", "low", "close", "volume"])
    return timed("frame.tail(200).copy()", {"frame": frame})


@case("append OHLCV + window(200)", "pandas loc + tail().copy()", "pandas", 20)
def _():
    import pandas as pd

    frame = pd.DataFrame(np.ones((400, 5)), columns=["open", "high", "low", "close", "volume"])
    return timed("frame.loc[7] = row; frame.tail(200).copy()", {"frame": frame, "row": ROW})


# Indicators, a value at a time. TA-Lib's stream functions take the whole history; they get what they need at least.


def stream(title, ours, talib_stream, talipp_name, arguments, values, length):
    names = ", ".join(f"v{i}" for i in range(len(values)))
    scope = {f"v{i}": v for i, v in enumerate(values)}

    @case(title, "m5mem")
    def _():
        indicator = ours(*arguments)
        return timed(f"update({names})", {"update": indicator.update, **scope})

    @case(title, f"TA-Lib stream (last {length})", "talib", 5_000)
    def _():
        from talib import stream as talib

        columns = {k: np.full(length, v) + np.arange(length) * 0.01 for k, v in scope.items()}
        return timed(f"f({names}, p)", {"f": getattr(talib, talib_stream), "p": arguments[0], **columns})

    @case(title, "TA-Lib batch (200)", "talib", 3_000)
    def _():
        import talib

        columns = {k: np.full(200, v) + np.arange(200) * 0.01 for k, v in scope.items()}
        return timed(f"f({names}, p)", {"f": getattr(talib, talib_stream), "p": arguments[0], **columns})

    @case(title, "talipp", "talipp", 3_000)
    def _():
        import talipp.indicators as talipp
        from talipp.ohlcv import OHLCV

        indicator = getattr(talipp, talipp_name)(*arguments)
        value = OHLCV(1.0, *values, 0.0) if len(values) == 3 else values[0]
        for _ in range(40):
            indicator.add(value)
        return timed(
            "add(value); purge()",
            {"add": indicator.add, "value": value, "purge": lambda: indicator.purge_oldest(1)},
        )


stream("SMA(20), a value", m5mem.SMA, "SMA", "SMA", (20,), (101.5,), 20)
stream("RSI(14), a value", m5mem.RSI, "RSI", "RSI", (14,), (101.5,), 15)
stream("ATR(14), a candle", m5mem.ATR, "ATR", "ATR", (14,), (102.0, 100.0, 101.5), 15)


@case("SMA(20), a value", "deque and sum, Python", loops=5_000)
def _():
    window = deque([1.0] * 20, maxlen=20)
    return timed(
        "append(101.5); total(window) / 20", {"append": window.append, "total": sum, "window": window}
    )


@case("ATR(14), a candle", "pandas ewm (200)", "pandas", 20)
def _():
    import pandas as pd

    ranges = pd.Series(np.ones(200))
    return timed("ranges.ewm(alpha=1 / 14, adjust=False).mean().iloc[-1]", {"ranges": ranges})


@case("append + 3 SMA + std + ATR", "m5mem, one call")
def _():
    b = filled()
    for indicator in (m5mem.SMA(5), m5mem.SMA(20), m5mem.SMA(50), m5mem.RollingStd(20), m5mem.ATR(14)):
        b.attach(indicator)
    return timed("append(101.0, 102.0, 100.0, 101.5, 10.0)", {"append": b.append})


@case("append + 3 SMA + std + ATR", "TA-Lib on a NumPy ring", "talib", 500)
def _():
    import talib

    r = MirroredRing()
    r.data += np.random.default_rng(0).random((400, 5))

    def step():
        r.append(*ROW)
        window = r.window()
        high, low, close = (np.ascontiguousarray(window[:, i]) for i in (1, 2, 3))
        for period in (5, 20, 50):
            talib.SMA(close, period)
        talib.STDDEV(close, 20)
        talib.ATR(high, low, close, 14)

    return timed("step()", {"step": step})


@case("append + 3 SMA + std + ATR", "pandas rolling", "pandas", 20)
def _():
    import pandas as pd

    frame = pd.DataFrame(
        np.random.default_rng(0).random((200, 5)), columns=["open", "high", "low", "close", "volume"]
    )

    def step():
        close = frame["close"]
        for period in (5, 20, 50):
            close.rolling(period).mean().iloc[-1]
        close.rolling(20).std().iloc[-1]
        previous = close.shift(1)
        ranges = pd.concat(
            [frame.high - frame.low, (frame.high - previous).abs(), (frame.low - previous).abs()], axis=1
        )
        ranges.max(axis=1).ewm(alpha=1 / 14, adjust=False).mean().iloc[-1]

    return timed("step()", {"step": step})


# Whole arrays.


def whole(name, ours, talib_name, columns, arguments, loops):
    data = [np.random.default_rng(i).random(10_000) + 100 for i in range(columns)]
    names = ", ".join(f"v{i}" for i in range(columns))
    scope = {f"v{i}": v for i, v in enumerate(data)}

    @case(f"{name} over 10,000 values", "m5mem", loops=loops)
    def _():
        return timed(f"f({names}, *p)", {"f": ours, "p": arguments, **scope})

    @case(f"{name} over 10,000 values", "TA-Lib batch", "talib", loops)
    def _():
        import talib

        return timed(f"f({names}, *p)", {"f": getattr(talib, talib_name), "p": arguments, **scope})

    moving = {"SMA": ("move_mean", "mean"), "STDDEV": ("move_std", "std"), "MIN": ("move_min", "min")}
    moving["MAX"] = ("move_max", "max")
    if talib_name not in moving:
        return
    in_bottleneck, in_polars = moving[talib_name]

    @case(f"{name} over 10,000 values", "bottleneck", "bottleneck", loops)
    def _():
        import bottleneck

        return timed("f(v0, 20)", {"f": getattr(bottleneck, in_bottleneck), "v0": data[0]})

    @case(f"{name} over 10,000 values", "polars", "polars", loops)
    def _():
        import polars

        function = getattr(polars.Series(data[0]), f"rolling_{in_polars}")
        return timed("f(20)", {"f": function})

    @case(f"{name} over 10,000 values", "numba", "numba", loops)
    def _():
        import numba

        if talib_name != "SMA":
            pick = {"MIN": np.min, "MAX": np.max, "STDDEV": np.std}[talib_name]

            @numba.njit
            def function(x, n):
                out = np.full(len(x), np.nan)
                for i in range(n - 1, len(x)):
                    out[i] = pick(x[i - n + 1 : i + 1])
                return out

        else:

            @numba.njit
            def function(x, n):
                out, total = np.full(len(x), np.nan), 0.0
                for i in range(len(x)):
                    total += x[i]
                    if i >= n:
                        total -= x[i - n]
                    if i >= n - 1:
                        out[i] = total / n
                return out

        function(data[0], 20)
        return timed("f(v0, 20)", {"f": function, "v0": data[0]})


whole("SMA(20)", batch.sma, "SMA", 1, (20,), 100)
whole("EMA(20)", batch.ema, "EMA", 1, (20,), 100)
whole("WMA(20)", batch.wma, "WMA", 1, (20,), 50)
whole("STDDEV(20)", batch.rolling_std, "STDDEV", 1, (20,), 50)
whole("BBANDS(20)", batch.bollinger, "BBANDS", 1, (20,), 50)
whole("MIN(20)", batch.rolling_min, "MIN", 1, (20,), 50)
whole("MAX(20)", batch.rolling_max, "MAX", 1, (20,), 50)
whole("ATR(14)", batch.atr, "ATR", 3, (14,), 50)
whole("RSI(14)", batch.rsi, "RSI", 1, (14,), 50)
whole("MACD", batch.macd, "MACD", 1, (), 50)


def measure(rounds, only):
    runs = {}
    for title, peers in CASES.items():
        if only not in title:
            continue
        for peer, (make, loops) in peers.items():
            run = make()
            run(max(1, loops // 10))
            runs[title, peer] = (run, loops, [])
    gc.collect()
    gc.disable()
    for _ in range(rounds):
        for run, loops, times in runs.values():
            start = time.thread_time_ns()
            run(loops)
            times.append((time.thread_time_ns() - start) / loops)
        gc.collect()
    gc.enable()
    out = {}
    for (title, peer), (_, _, times) in runs.items():
        out.setdefault(title, {})[peer] = statistics.median(times)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", help="write the medians (seconds an operation) here")
    parser.add_argument("--only", default="", help="cases with this word in their title")
    arguments = parser.parse_args()
    results = measure(arguments.rounds, arguments.only)
    print(
        f"Python {sys.version.split()[0]}, m5mem {m5mem.__version__}; medians of {arguments.rounds} interleaved rounds"
    )
    for title, peers in results.items():
        base = next(ns for peer, ns in peers.items() if peer.startswith("m5mem"))
        print(f"\n{title}")
        for peer, ns in sorted(peers.items(), key=lambda pair: pair[1]):
            print(f"  {peer:32} {ns:12,.0f} ns  {ns / base:9.2f}×")
    if arguments.json:
        seconds = {title: {peer: ns * 1e-9 for peer, ns in peers.items()} for title, peers in results.items()}
        with open(arguments.json, "w") as file:
            json.dump(
                {"schema": "m5.bench-python/1", "python": sys.version, "seconds": seconds}, file, indent=1
            )


if __name__ == "__main__":
    main()
