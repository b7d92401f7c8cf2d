"""A histogram of fixed size for times in ns: 32 steps an octave, 3 % wide."""

from __future__ import annotations

from array import array

_STEPS = 32
_OCTAVES = 40  # up to 18 minutes


class Histogram:
    """Counts times without keeping them, so that measuring does not grow."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forgets what was counted."""
        self._counts = array("Q", bytes(8 * _STEPS * _OCTAVES))
        self.count = 0
        self.total = 0
        self.max = 0

    def add(self, ns: int) -> None:
        """Counts one time."""
        if ns < 0:
            ns = 0
        if ns < _STEPS:
            index = ns
        else:
            shift = ns.bit_length() - 6
            index = min((shift + 1) * _STEPS + (ns >> shift) - _STEPS, len(self._counts) - 1)
        self._counts[index] += 1
        self.count += 1
        self.total += ns
        if ns > self.max:
            self.max = ns

    def quantile(self, q: float) -> int | None:
        """The upper edge of the step that holds quantile `q`; None when empty."""
        if not self.count:
            return None
        rank = max(1, int(q * self.count + 0.999999))
        seen = 0
        for index, count in enumerate(self._counts):
            seen += count
            if seen >= rank:
                return min(_upper_edge(index), self.max)
        return self.max

    def summary(self) -> dict[str, float | int | None]:
        """Count, total and quantiles, in seconds."""
        out: dict[str, float | int | None] = {"count": self.count, "total": self.total / 1e9}
        for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)):
            value = self.quantile(q)
            out[name] = None if value is None else value / 1e9
        out["max"] = self.max / 1e9 if self.count else None
        return out


def _upper_edge(index: int) -> int:
    if index < _STEPS:
        return index
    shift, step = divmod(index - _STEPS, _STEPS)
    return ((_STEPS + step + 1) << shift) - 1
