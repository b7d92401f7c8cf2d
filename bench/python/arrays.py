"""Indicators over whole arrays."""

import numpy as np
from cases import case, timed

import m5mem.indicators as batch


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
