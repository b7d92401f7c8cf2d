"""Parts that keep a long-running Python service flat.

Importing this package imports neither NumPy nor pandas: they come with the first call that returns an array or a
DataFrame.
"""

from ._native import (
    ATR,
    EMA,
    MACD,
    RSI,
    SMA,
    WMA,
    Bollinger,
    CandleBuffer,
    Indicator,
    RollingMax,
    RollingMin,
    RollingStd,
    RollingVWAP,
    __version__,
)

__all__ = [
    "ATR",
    "Bollinger",
    "CandleBuffer",
    "EMA",
    "Indicator",
    "MACD",
    "RSI",
    "RollingMax",
    "RollingMin",
    "RollingStd",
    "RollingVWAP",
    "SMA",
    "WMA",
    "__version__",
]
