"""Candles in a ring of arrays, and indicators that a new candle only updates.

Prices are multiples of 1/64, so the running sums below are exact: adding the
new and taking away the old gives the very bits that a sum over the window does.
"""

from __future__ import annotations

from array import array
from math import sqrt

from trading_engine.optimized.forming import FormingCandle
from trading_engine.settings import CANDLES
from trading_engine.strategy import ATR_PERIOD, BAND, FAST, MIN_CANDLES, SLOW, Indicators


class CandleRing(FormingCandle):
    """The last closed candles of one symbol, the forming one, and the indicators."""

    __slots__ = (
        "_capacity",
        "_closes",
        "_fast",
        "_highs",
        "_lows",
        "_mean",
        "_opens",
        "_place",
        "_ranges",
        "_slow",
        "_square",
        "_true",
        "_volumes",
        "count",
    )  # fmt: skip

    def __init__(self, capacity: int = CANDLES) -> None:
        super().__init__()
        zeros = bytes(8 * capacity)
        self._capacity = capacity
        self._opens, self._highs = array("d", zeros), array("d", zeros)
        self._lows, self._closes = array("d", zeros), array("d", zeros)
        self._volumes = array("d", zeros)
        self._ranges = array("d", bytes(8 * ATR_PERIOD))
        self._place = 0
        self._fast = self._slow = self._mean = self._square = self._true = 0.0
        self.count = 0

    def _store(self) -> None:
        closes, place, count, close = self._closes, self._place, self.count, self._close
        capacity = self._capacity
        if count:
            previous = closes[place - 1]
            spread = max(self._high, previous) - min(self._low, previous)
            slot = count % ATR_PERIOD
            self._true += spread - self._ranges[slot]
            self._ranges[slot] = spread
        # Before the candle is stored, so that a window as long as the ring works too.
        self._fast += close - (closes[place - FAST] if count >= FAST else 0.0)
        self._slow += close - (closes[place - SLOW] if count >= SLOW else 0.0)
        old = closes[place - BAND] if count >= BAND else 0.0
        self._mean += close - old
        self._square += close * close - old * old
        self._opens[place], self._highs[place] = self._open, self._high
        self._lows[place], closes[place] = self._low, close
        self._volumes[place] = self._volume
        self._place = (place + 1) % capacity
        self.count = count + 1

    def indicators(self) -> Indicators | None:
        """What the strategy looks at; None before there are enough candles."""
        if self.count < MIN_CANDLES:
            return None
        mean, square = self._mean, self._square
        variance = (BAND * square - mean * mean) / (BAND * (BAND - 1))
        return Indicators(
            close=self._closes[self._place - 1],
            fast=self._fast / FAST,
            slow=self._slow / SLOW,
            mean=mean / BAND,
            std=sqrt(variance),
            atr=self._true / ATR_PERIOD,
        )

    def window(self, size: int) -> list[tuple[float, float, float, float, float]]:
        """The last `size` candles, oldest first."""
        size = min(size, self.count, self._capacity)
        columns = (self._opens, self._highs, self._lows, self._closes, self._volumes)
        return [tuple(column[self._place - back] for column in columns) for back in range(size, 0, -1)]
