"""The naive engine's candles behind the light engine's interface, for the ablation."""

from __future__ import annotations

from trading_engine import frames
from trading_engine.market import Tick
from trading_engine.settings import WINDOW
from trading_engine.strategy import Indicators


class NaiveCandles:
    """A DataFrame a symbol, and indicators over a copy of its tail."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._store = frames.CandleStore([symbol])

    def add(self, seq: int, ts: int, side: int, flags: int, qty: int, price: float) -> bool:
        """Takes a trade; True when a candle closed."""
        return self._store.add(Tick(self._symbol, seq, ts, side, flags, qty, price))

    def indicators(self) -> Indicators | None:
        """What the strategy looks at."""
        return frames.indicators(self._store.window(self._symbol, WINDOW))
