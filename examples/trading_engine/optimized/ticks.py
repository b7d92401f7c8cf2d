"""Recent ticks as records in one block of bytes: nothing for the collector to visit."""

from __future__ import annotations

from collections.abc import Iterator

from trading_engine.settings import TICK_HISTORY
from trading_engine.wire import RECORD, Record

_SIZE = RECORD.size


class TickRing:
    """The last ticks of one symbol, 32 bytes each, and the quantity in them."""

    __slots__ = ("_block", "_end", "_pack", "_place", "_sizes", "_symbol", "count", "traded")

    def __init__(self, symbol: int, capacity: int = TICK_HISTORY) -> None:
        self._block = bytearray(capacity * _SIZE)
        self._end = len(self._block)
        self._place = 0
        self._pack = RECORD.pack_into
        self._sizes = RECORD.unpack_from
        self._symbol = symbol
        self.count = 0
        self.traded = 0

    def append(self, seq: int, ts: int, side: int, flags: int, qty: int, price: float) -> None:
        """Stores a tick over the oldest one."""
        block, place = self._block, self._place
        if self.count * _SIZE == self._end:
            self.traded += qty - self._sizes(block, place)[5]
        else:
            self.count += 1
            self.traded += qty
        self._pack(block, place, seq, ts, self._symbol, side, flags, qty, price)
        place += _SIZE
        self._place = 0 if place == self._end else place

    def __iter__(self) -> Iterator[Record]:
        """The ticks, oldest first."""
        start = self._place if self.count * _SIZE == self._end else 0
        for index in range(self.count):
            yield RECORD.unpack_from(self._block, (start + index * _SIZE) % self._end)
