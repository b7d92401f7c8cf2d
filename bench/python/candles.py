"""Windows of candles: appending, and looking at the last 200."""

from collections import deque

import numpy as np
from cases import ROW, WHY, case, timed

import m5mem


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


WHY["append OHLCV"] = (
    "a deque keeps the tuple that is there already: no window, no indicator, no number is stored"
)
