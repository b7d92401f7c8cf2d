"""Candles and indicators by m5mem: the buffer feeds its indicators in the call that stores a candle."""

from __future__ import annotations

from m5mem import SMA, CandleBuffer, RollingStd
from trading_engine.optimized.forming import FormingCandle
from trading_engine.settings import CANDLES
from trading_engine.strategy import ATR_PERIOD, BAND, FAST, MIN_CANDLES, SLOW, Indicators


class BufferCandles(FormingCandle):
    """The last closed candles of one symbol in a `CandleBuffer`, and the forming one beside it."""

    __slots__ = (
        "_buffer",
        "_fast",
        "_mean",
        "_previous",
        "_slow",
        "_std",
        "_true",
        "count",
    )

    def __init__(self) -> None:
        super().__init__()
        self._buffer = CandleBuffer(CANDLES)
        self._fast = self._buffer.attach(SMA(FAST))
        self._slow = self._buffer.attach(SMA(SLOW))
        self._mean = self._buffer.attach(SMA(BAND))
        self._std = self._buffer.attach(RollingStd(BAND, ddof=1))
        # The engine's range is a plain mean of true ranges, not Wilder's: it is fed by hand.
        self._true = SMA(ATR_PERIOD)
        self._previous = 0.0
        self.count = 0

    def _store(self) -> None:
        if self.count:
            self._true.update(max(self._high, self._previous) - min(self._low, self._previous))
        self._buffer.append(self._open, self._high, self._low, self._close, self._volume)
        self._previous = self._close
        self.count += 1

    def indicators(self) -> Indicators | None:
        """What the strategy looks at; None before there are enough candles."""
        if self.count < MIN_CANDLES:
            return None
        return Indicators(
            close=self._previous,
            fast=self._fast.value,
            slow=self._slow.value,
            mean=self._mean.value,
            std=self._std.value,
            atr=self._true.value,
        )
