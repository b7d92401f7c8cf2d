"""Parts that keep a long-running Python service flat.

Importing this package imports neither NumPy nor pandas: they come with the first call that returns an array or a
DataFrame.
"""

from . import indicators
from ._cached import CacheInfo, cached
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
    LRUCache,
    RollingMax,
    RollingMin,
    RollingStd,
    RollingVWAP,
    TTLCache,
    __version__,
)
from ._pool import Lease, Pool, PoolTimeout
from ._sizeof import sizeof

__all__ = [
    "ATR",
    "EMA",
    "MACD",
    "RSI",
    "SMA",
    "WMA",
    "Bollinger",
    "CacheInfo",
    "CandleBuffer",
    "Indicator",
    "LRUCache",
    "Lease",
    "Pool",
    "PoolTimeout",
    "RollingMax",
    "RollingMin",
    "RollingStd",
    "RollingVWAP",
    "TTLCache",
    "__version__",
    "cached",
    "indicators",
    "sizeof",
]
