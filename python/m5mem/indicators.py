"""Indicators over whole arrays, each the same as its class fed value by value."""

from ._native import (
    atr,
    bollinger,
    ema,
    macd,
    rolling_max,
    rolling_min,
    rolling_std,
    rolling_vwap,
    rsi,
    sma,
    wma,
)

__all__ = [
    "atr",
    "bollinger",
    "ema",
    "macd",
    "rolling_max",
    "rolling_min",
    "rolling_std",
    "rolling_vwap",
    "rsi",
    "sma",
    "wma",
]
