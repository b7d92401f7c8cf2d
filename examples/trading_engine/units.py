"""Durations on the command line: `90`, `30s`, `5m`, `24h`."""

from __future__ import annotations

import math

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration(text: str) -> float:
    """Seconds in `text`; a bare number is seconds.

    Raises ValueError on anything that is not a positive, finite length.
    """
    number, scale = text.strip(), 1.0
    for suffix in sorted(_SECONDS, key=len, reverse=True):
        if number.endswith(suffix):
            number, scale = number[: -len(suffix)], _SECONDS[suffix]
            break
    value = float(number) * scale
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"not a positive duration: {text!r}")
    return value
