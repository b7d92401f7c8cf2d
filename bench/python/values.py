"""Indicators a value at a time. TA-Lib's stream functions take the whole history; they get what they need at least."""

from collections import deque

import numpy as np
from candles import MirroredRing, filled
from cases import ROW, case, timed

import m5mem


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
