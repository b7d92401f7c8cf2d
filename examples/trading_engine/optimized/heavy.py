"""The naive engine's parts behind the light engine's interface, for the ablation."""

from __future__ import annotations

from trading_engine import market


class NaiveTicks:
    """An object a tick."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._store = market.TickStore([symbol])

    def append(self, seq: int, ts: int, side: int, flags: int, qty: int, price: float) -> None:
        """Stores a tick."""
        self._store.add(market.Tick(self._symbol, seq, ts, side, flags, qty, price))

    @property
    def traded(self) -> int:
        """The quantity of the ticks that are kept."""
        return self._store.traded(self._symbol)


class NaiveBook:
    """A dictionary a side."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._book = market.OrderBook()

    def apply(self, seq: int, ts: int, side: int, flags: int, qty: int, price: float) -> None:
        """Takes a trade."""
        self._book.apply(market.Tick(self._symbol, seq, ts, side, flags, qty, price))

    @property
    def spread(self) -> float:
        """Best ask less best bid."""
        return self._book.spread
