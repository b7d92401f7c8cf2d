"""The candle that is being formed from trades, until a trade of the next one closes it."""

from __future__ import annotations

from trading_engine.settings import BAR_NS


class FormingCandle:
    """Open, high, low, close and volume of one symbol so far; a subclass keeps what is closed."""

    __slots__ = ("_bucket", "_close", "_high", "_low", "_open", "_volume")

    def __init__(self) -> None:
        self._bucket = -1
        self._open = self._high = self._low = self._close = self._volume = 0.0

    def add(self, seq: int, ts: int, side: int, flags: int, qty: int, price: float) -> bool:
        """Takes a trade; True when it closed the candle before it."""
        bucket = ts // BAR_NS
        if bucket == self._bucket:
            if price > self._high:
                self._high = price
            elif price < self._low:
                self._low = price
            self._close = price
            self._volume += qty
            return False
        closed = self._bucket >= 0
        if closed:
            self._store()
        self._bucket = bucket
        self._open = self._high = self._low = self._close = price
        self._volume = qty
        return closed

    def _store(self) -> None:
        raise NotImplementedError
