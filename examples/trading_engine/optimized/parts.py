"""Which parts are light and which are the naive engine's: the ablation's switches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from trading_engine.settings import ORDER_HISTORY
from trading_engine.strategy import Indicators
from trading_engine.wire import symbol_name

PARTS = ("ticks", "book", "candles", "orders", "gc")


class Ticks(Protocol):
    """Keeps recent ticks."""

    traded: int

    def append(self, seq: int, ts: int, side: int, flags: int, qty: int, price: float) -> None:
        """Stores a tick."""


class Book(Protocol):
    """Keeps price levels."""

    spread: float

    def apply(self, seq: int, ts: int, side: int, flags: int, qty: int, price: float) -> None:
        """Takes a trade."""


class Candles(Protocol):
    """Keeps candles and knows the indicators."""

    def add(self, seq: int, ts: int, side: int, flags: int, qty: int, price: float) -> bool:
        """Takes a trade; True when a candle closed."""

    def indicators(self) -> Indicators | None:
        """What the strategy looks at; None before there are enough candles."""


@dataclass(frozen=True)
class Factories:
    """How the parts of one symbol are made, by its index."""

    ticks: Callable[[int], Ticks]
    book: Callable[[int], Book]
    candles: Callable[[int], Candles]
    history: Callable[[], Any]


def factories(light: frozenset[str], m5mem: bool = False) -> Factories:
    """The factories for the parts named in `light`; the naive ones for the others.

    With `m5mem`, light candles are those of the package.
    """
    from trading_engine.optimized.book import ArrayBook
    from trading_engine.optimized.ticks import TickRing

    return Factories(
        ticks=TickRing if "ticks" in light else _naive("NaiveTicks"),
        book=(lambda _: ArrayBook()) if "book" in light else _naive("NaiveBook"),
        candles=_light_candles(m5mem) if "candles" in light else _naive("NaiveCandles"),
        history=(lambda: None) if "orders" in light else (lambda: deque(maxlen=ORDER_HISTORY)),
    )


def _light_candles(m5mem: bool) -> Callable[[int], Candles]:
    if m5mem:
        from trading_engine.optimized.m5mem_candles import BufferCandles

        return lambda _: BufferCandles()
    from trading_engine.optimized.candles import CandleRing

    return lambda _: CandleRing()


def _naive(name: str) -> Callable[[int], Any]:
    """A part of the naive engine; pandas comes with the candles alone."""
    if name == "NaiveCandles":
        from trading_engine.optimized import heavy_candles as heavy
    else:
        from trading_engine.optimized import heavy
    made = getattr(heavy, name)
    return lambda index: made(symbol_name(index))
