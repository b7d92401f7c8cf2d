"""The strategy: a pure function from indicators to the position that it wants.

A breakout in the direction of the trend, sized by volatility, left when the
price falls back to its mean or through a stop. It sees nothing but the
numbers handed in, so every mode of the engine decides alike.
"""

from __future__ import annotations

from typing import NamedTuple

FAST, SLOW, BAND, ATR_PERIOD = 5, 20, 20, 14
MIN_CANDLES = 21  # SLOW and BAND, and one close before the first true range
BREAKOUT = 0.7  # standard deviations beyond the mean
RISK = 50.0  # money at stake in one average true range
STOP_ATRS = 2.0
MAX_SPREAD = 0.5  # wider than this, nothing new is opened
MIN_STD = 0.01  # below this the series stands still
MAX_QTY = 500
SHARE = 10  # an order takes at most one part in ten of what traded lately


class Indicators(NamedTuple):
    """What the strategy looks at when a candle closes."""

    close: float
    fast: float
    slow: float
    mean: float
    std: float
    atr: float


def target(held: int, seen: Indicators, spread: float, traded: int) -> int:
    """The position wanted after a close; `held` itself means leave it alone.

    `traded` is the quantity in the recent ticks.
    """
    if held > 0:
        return held if seen.close >= seen.mean else 0
    if held < 0:
        return held if seen.close <= seen.mean else 0
    if spread > MAX_SPREAD or seen.std < MIN_STD or seen.atr <= 0.0:
        return 0
    qty = max(1, min(MAX_QTY, int(RISK / seen.atr), traded // SHARE))
    reach = BREAKOUT * seen.std
    if seen.fast > seen.slow and seen.close > seen.mean + reach:
        return qty
    if seen.fast < seen.slow and seen.close < seen.mean - reach:
        return -qty
    return 0


def stop_price(held: int, entry: float, atr: float) -> float:
    """Where a position that was entered at `entry` is given up."""
    return entry - STOP_ATRS * atr if held > 0 else entry + STOP_ATRS * atr


def stop_hit(held: int, stop: float, price: float) -> bool:
    """Whether `price` goes through the stop of the position `held`."""
    return price <= stop if held > 0 else held < 0 and price >= stop


def margin(held: int, seen: Indicators) -> float:
    """How far the close was from the only line that is not exact: the band.

    Sums of prices are exact in binary, a standard deviation is not: two ways
    to compute it may differ in the last bits. A margin far above those bits
    says that the decision could not have gone the other way.
    """
    if held or seen.std < MIN_STD:
        return float("inf")
    reach = BREAKOUT * seen.std
    away = min(abs(seen.close - seen.mean - reach), abs(seen.close - seen.mean + reach))
    return min(away, abs(seen.std - MIN_STD))
