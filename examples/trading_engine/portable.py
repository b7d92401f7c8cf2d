"""Logarithm and exponential that give the same bits on every machine.

NumPy's own differ in the last bit between processors and versions, and one
such bit can move a price by a tick. These use only operations that IEEE 754
rounds exactly, so one seed is one file everywhere.
"""

from __future__ import annotations

import numpy as np

_LN2 = 0.6931471805599453
_SQRT_HALF = 0.7071067811865476


def ln(x: np.ndarray) -> np.ndarray:
    """Natural logarithm of positive floats, within a few units in the last place."""
    mantissa, exponent = np.frexp(np.asarray(x, dtype=np.float64))
    low = mantissa < _SQRT_HALF
    mantissa = np.where(low, mantissa * 2.0, mantissa)
    exponent = np.where(low, exponent - 1, exponent)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    s2 = s * s
    total = np.full_like(s, 1.0 / 23.0)
    for odd in range(21, 0, -2):
        total = total * s2 + 1.0 / odd
    return 2.0 * s * total + exponent * _LN2


def exp(x: np.ndarray) -> np.ndarray:
    """e to the power of `x`, for |x| below about 700."""
    x = np.asarray(x, dtype=np.float64)
    whole = np.rint(x / _LN2)
    rest = x - whole * _LN2
    total = np.ones_like(rest)
    for n in range(15, 0, -1):
        total = total * rest / n + 1.0
    return np.ldexp(total, whole.astype(np.int32))
