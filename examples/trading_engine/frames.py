"""Candles and indicators as one writes them first, with pandas.

Nothing is slow on purpose: candles in a DataFrame, windows by
`tail(n).copy()`, indicators by `rolling`, as the pandas documentation shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from trading_engine import strategy
from trading_engine.market import Tick
from trading_engine.settings import BAR_NS, CANDLES

COLUMNS = ["open", "high", "low", "close", "volume"]


@dataclass
class Candle:
    """A candle that is still forming."""

    bucket: int
    open: float
    high: float
    low: float
    close: float
    volume: float

    def add(self, tick: Tick) -> None:
        """Takes one more trade into the candle."""
        self.high = max(self.high, tick.price)
        self.low = min(self.low, tick.price)
        self.close = tick.price
        self.volume += tick.qty


class CandleStore:
    """The candles of every symbol, and the ones that are forming."""

    def __init__(self, symbols: list[str]) -> None:
        self.candles: dict[str, pd.DataFrame] = {
            s: pd.DataFrame(columns=COLUMNS, dtype=float) for s in symbols
        }
        self.forming: dict[str, Candle] = {}

    def add(self, tick: Tick) -> bool:
        """Takes a tick; True when it closed the candle before it."""
        bucket = tick.ts // BAR_NS
        forming = self.forming.get(tick.symbol)
        if forming is not None and forming.bucket == bucket:
            forming.add(tick)
            return False
        self.forming[tick.symbol] = Candle(
            bucket, tick.price, tick.price, tick.price, tick.price, float(tick.qty)
        )
        if forming is None:
            return False
        self._close(tick.symbol, forming)
        return True

    def _close(self, symbol: str, candle: Candle) -> None:
        candles = self.candles[symbol]
        when = pd.Timestamp(candle.bucket * BAR_NS)
        candles.loc[when] = [candle.open, candle.high, candle.low, candle.close, candle.volume]
        if len(candles) > CANDLES:
            self.candles[symbol] = candles.tail(CANDLES).copy()

    def window(self, symbol: str, size: int) -> pd.DataFrame:
        """The last `size` candles, a copy that the caller may change."""
        return self.candles[symbol].tail(size).copy()


def compute_sma(window: pd.DataFrame, period: int) -> float:
    """Simple moving average of the close."""
    return float(window["close"].rolling(period).mean().iloc[-1])


def compute_std(window: pd.DataFrame, period: int) -> float:
    """Standard deviation of the close."""
    return float(window["close"].rolling(period).std().iloc[-1])


def compute_atr(window: pd.DataFrame, period: int) -> float:
    """Average true range."""
    previous = window["close"].shift(1)
    ranges = pd.concat(
        [
            window["high"] - window["low"],
            (window["high"] - previous).abs(),
            (window["low"] - previous).abs(),
        ],
        axis=1,
    )
    return float(ranges.max(axis=1).rolling(period).mean().iloc[-1])


def indicators(window: pd.DataFrame) -> strategy.Indicators | None:
    """What the strategy looks at; None before there are enough candles."""
    if len(window) < strategy.MIN_CANDLES:
        return None
    return strategy.Indicators(
        close=float(window["close"].iloc[-1]),
        fast=compute_sma(window, strategy.FAST),
        slow=compute_sma(window, strategy.SLOW),
        mean=compute_sma(window, strategy.BAND),
        std=compute_std(window, strategy.BAND),
        atr=compute_atr(window, strategy.ATR_PERIOD),
    )
