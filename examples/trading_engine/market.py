"""Ticks and order book as one writes them first: an object a tick, a dictionary a side."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from trading_engine.settings import BOOK_DEPTH, TICK_HISTORY
from trading_engine.wire import SIDE_BUY


@dataclass
class Tick:
    """One trade on the exchange."""

    symbol: str
    seq: int
    ts: int
    side: int
    flags: int
    qty: int
    price: float


class OrderBook:
    """The price levels that trades have shown, best ones first."""

    def __init__(self, depth: int = BOOK_DEPTH) -> None:
        self.depth = depth
        self.bids: dict[float, int] = {}
        self.asks: dict[float, int] = {}

    def apply(self, tick: Tick) -> None:
        """A buyer trades at the best ask, a seller at the best bid."""
        if tick.side == SIDE_BUY:
            self.asks = {p: q for p, q in self.asks.items() if p >= tick.price}
            self.asks[tick.price] = tick.qty
            self.bids = {p: q for p, q in self.bids.items() if p < tick.price}
            self.asks = dict(sorted(self.asks.items())[: self.depth])
        else:
            self.bids = {p: q for p, q in self.bids.items() if p <= tick.price}
            self.bids[tick.price] = tick.qty
            self.asks = {p: q for p, q in self.asks.items() if p > tick.price}
            self.bids = dict(sorted(self.bids.items(), reverse=True)[: self.depth])

    @property
    def spread(self) -> float:
        """Best ask less best bid; infinite while a side is empty."""
        if not self.bids or not self.asks:
            return float("inf")
        return min(self.asks) - max(self.bids)


class TickStore:
    """The recent ticks of every symbol."""

    def __init__(self, symbols: list[str]) -> None:
        self.ticks: dict[str, deque[Tick]] = {s: deque(maxlen=TICK_HISTORY) for s in symbols}

    def add(self, tick: Tick) -> None:
        """Stores a tick."""
        self.ticks[tick.symbol].append(tick)

    def traded(self, symbol: str) -> int:
        """The quantity of the ticks that are kept."""
        return sum(tick.qty for tick in self.ticks[symbol])
