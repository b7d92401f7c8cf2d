"""Times and intervals as people write them, in exact nanoseconds."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_MICROSECOND = dt.timedelta(microseconds=1)
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "sec": 10**9,
    "m": 60 * 10**9,
    "min": 60 * 10**9,
}
_UNITS.update({"t": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9, "w": 7 * 86400 * 10**9})
_INTERVAL = re.compile(r"\s*(\d*)(?:\.(\d+))?\s*([a-zµ]+)\s*", re.IGNORECASE)


def unit_ns(unit: str) -> int:
    """Nanoseconds of a unit of timestamps."""
    if unit not in ("s", "ms", "us", "ns"):
        raise ValueError(f"unit must be 's', 'ms', 'us' or 'ns', not {unit!r}")
    return _UNITS[unit]


def interval_ns(interval: Any) -> int:
    """Nanoseconds of ``"1min"``, ``"250ms"``, a timedelta or a pandas Timedelta."""
    if isinstance(interval, str):
        found = _INTERVAL.fullmatch(interval)
        scale = _UNITS.get(found.group(3).lower()) if found else None
        if found is None or scale is None:
            raise ValueError(f"{interval!r} is no interval; write '1min', '250ms', '5s', '1h' or '1d'")
        whole, part = found.group(1) or "1", found.group(2) or ""
        ns, rest = divmod(int(whole + part) * scale, 10 ** len(part))
        if rest:
            raise ValueError(f"{interval!r} is no whole number of nanoseconds")
        return int(ns)
    value = getattr(interval, "value", None)  # pandas: nanoseconds
    if isinstance(value, int) and not isinstance(interval, int):
        return int(value)
    if isinstance(interval, dt.timedelta):
        return int(interval // _MICROSECOND * 1000)
    if type(interval).__name__ == "timedelta64":
        ns = int(interval.astype("timedelta64[ns]").astype("int64"))
        return ns if ns > 0 else 0
    raise TypeError(
        f"an interval is a number, a text as '1min', or a timedelta, not {type(interval).__name__}"
    )


def stamp_ns(stamp: Any) -> int:
    """Nanoseconds since 1970 of a datetime, a pandas Timestamp or a NumPy datetime64. Without a time zone it is UTC."""
    value = getattr(stamp, "value", None)  # pandas: nanoseconds since 1970, UTC
    if str(stamp) == "NaT":
        raise ValueError("NaT is no time")
    if isinstance(value, int) and isinstance(stamp, dt.datetime):
        return value
    if isinstance(stamp, dt.datetime):
        aware = stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=dt.timezone.utc)
        return int((aware - _EPOCH) // _MICROSECOND * 1000)
    if type(stamp).__name__ == "datetime64":
        return int(stamp.astype("datetime64[ns]").astype("int64"))
    raise TypeError(
        f"a time is a number, a datetime, a pandas Timestamp or a datetime64, not {type(stamp).__name__}"
    )


def stamps_ns(times: Any) -> list[int]:
    """The same of a sequence: integers are nanoseconds already."""
    kind = getattr(getattr(times, "dtype", None), "kind", None)
    if kind is None and hasattr(times, "asi8"):
        times = times.asi8
    elif kind == "M" or hasattr(times, "tz_convert"):
        import numpy as np

        plain = times.tz_convert("UTC").tz_localize(None) if getattr(times, "tz", None) is not None else times
        times = np.asarray(plain).astype("datetime64[ns]").astype("int64")
    return [int(t) if hasattr(t, "__index__") else stamp_ns(t) for t in times]
