"""Parts that keep a long-running Python service flat.

Importing this package imports neither NumPy nor pandas nor asyncio: they come with the first call that needs them.
The modules `gc`, `ws`, `fds`, `metrics` and `indicators`, `cached` and `Pool` are imported when they are first named.
"""

from _collections_abc import MutableMapping  # what collections.abc is, without its package

try:
    from . import _native as _native
except ImportError as _reason:
    if "interpreter" not in str(_reason):
        raise
    raise ImportError(
        "m5mem serves one interpreter of a process: import it in the main one alone, "
        f"and give subinterpreters what they need ({_reason})"
    ) from _reason
from ._native import (
    ADX,
    ATR,
    CCI,
    EMA,
    MACD,
    MFI,
    OBV,
    RSI,
    SMA,
    WMA,
    Bollinger,
    Cache,
    CandleBook,
    CandleBuffer,
    Donchian,
    Indicator,
    Keltner,
    LRUCache,
    RollingMax,
    RollingMin,
    RollingStd,
    RollingVWAP,
    Stoch,
    TTLCache,
    VWAPBands,
    WilliamsR,
    __version__,
)

TYPE_CHECKING = False  # typing itself is a third of what an import costs
if TYPE_CHECKING:
    from typing import Any

    from . import fds, gc, indicators, metrics, ws
    from ._cache import CacheInfo, cached
    from ._pool import AsyncLease, Lease, Pool, PoolTimeout
    from ._sizeof import sizeof

MutableMapping.register(Cache)

_MODULES = ("fds", "gc", "indicators", "metrics", "ws")
_ELSEWHERE = {
    "AsyncLease": "_pool",
    "CacheInfo": "_cache.info",
    "Lease": "_pool",
    "cached": "_cache",
    "Pool": "_pool",
    "PoolTimeout": "_pool",
    "sizeof": "_sizeof",
}


def __getattr__(name: str) -> "Any":
    """Imports what is asked for the first time."""
    import importlib

    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _ELSEWHERE:
        found = getattr(importlib.import_module(f"{__name__}.{_ELSEWHERE[name]}"), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> "list[str]":
    return sorted(__all__)


__all__ = [
    "ADX",
    "ATR",
    "CCI",
    "EMA",
    "MACD",
    "MFI",
    "OBV",
    "RSI",
    "SMA",
    "WMA",
    "AsyncLease",
    "Bollinger",
    "CacheInfo",
    "CandleBook",
    "CandleBuffer",
    "Donchian",
    "Indicator",
    "Keltner",
    "LRUCache",
    "Lease",
    "Pool",
    "PoolTimeout",
    "RollingMax",
    "RollingMin",
    "RollingStd",
    "RollingVWAP",
    "Stoch",
    "TTLCache",
    "VWAPBands",
    "WilliamsR",
    "__version__",
    "cached",
    "fds",
    "gc",
    "indicators",
    "metrics",
    "sizeof",
    "ws",
]
