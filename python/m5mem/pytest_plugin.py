"""``@pytest.mark.m5(...)``: a test that fails when its objects, its RSS or its pauses grow beyond a bound.

The test runs ``warmup`` times, then ``iterations`` times; fixtures are set up once for all of them.

* ``max_growth_objects``: tracked objects that may stay a run, as the median of all slopes (one odd run is not a leak);
* ``max_rss``: highest RSS of the process during the runs, such as ``"40MB"``;
* ``gc_pause_p95``: 95th percentile of collections that happened during the runs, such as ``"50ms"``.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Generator
from typing import Any

import pytest

from ._native import GcMonitor

_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_TIMES = {"": 1.0, "S": 1.0, "MS": 1e-3, "US": 1e-6, "µS": 1e-6, "NS": 1e-9}
_KNOWN = {"max_growth_objects", "max_rss", "gc_pause_p95", "iterations", "warmup"}


def parse(text: Any, units: dict[str, float], what: str) -> float:
    """A number with a unit."""
    if isinstance(text, (int, float)):
        return float(text)
    match = re.fullmatch(r"\s*([0-9.]+)\s*([a-zA-Zµ]*)\s*", str(text))
    unit = match and units.get(match[2].upper().replace("Μ", "µ"))
    if not match or unit is None:
        raise pytest.UsageError(
            f"m5: {what}={text!r}: a number with one of the units {', '.join(filter(None, units))}"
        )
    return float(match[1]) * unit


def slope(values: list[int]) -> float:
    """Median of the slopes of all pairs."""
    slopes = sorted((b - a) / (j - i) for i, a in enumerate(values) for j, b in enumerate(values) if j > i)
    middle = len(slopes) // 2
    return slopes[middle] if len(slopes) % 2 else (slopes[middle - 1] + slopes[middle]) / 2


def _peak(reset: bool) -> int | None:
    """Highest RSS since the last reset, in bytes."""
    try:
        if reset:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration, ValueError):
        return None


class _Watch:
    def __init__(self, options: dict[str, Any]) -> None:
        if unknown := set(options) - _KNOWN:
            raise pytest.UsageError(f"m5: unknown {sorted(unknown)}; there are {sorted(_KNOWN)}")
        growth = options.get("max_growth_objects")
        self.growth = None if growth is None else float(growth)
        self.rss = parse(options["max_rss"], _SIZES, "max_rss") if "max_rss" in options else None  # type: ignore[arg-type]
        self.pause = (
            parse(options["gc_pause_p95"], _TIMES, "gc_pause_p95") if "gc_pause_p95" in options else None
        )
        self.iterations = int(options.get("iterations", 10 if self.growth is not None else 1))
        self.warmup = int(options.get("warmup", 3 if self.growth is not None else 0))
        if self.iterations < (4 if self.growth is not None else 1) or self.warmup < 0:
            raise pytest.UsageError("m5: iterations must be 4 or more to judge growth, warmup 0 or more")
        self.monitor = GcMonitor()
        self.levels: list[int] = []

    def level(self) -> None:
        """Notes how many objects are left after a collection, which is not one of the test's own."""
        if self.growth is None:
            return
        self.monitor.set_idle(True)
        gc.collect()
        self.monitor.set_idle(False)
        self.levels.append(len(gc.get_objects()))

    def verdict(self) -> list[str]:
        out = []
        if self.growth is not None and (found := slope(self.levels)) > self.growth:
            out.append(f"{found:g} objects stay a run, at most {self.growth:g} may: counts {self.levels}")
        peak = _peak(reset=False)
        if self.rss is not None and peak is not None and peak > self.rss:
            out.append(f"RSS reached {peak / 1e6:.1f} MB, at most {self.rss / 1e6:.1f} MB may be used")
        p95 = self.monitor.snapshot()["path_p95"]
        if self.pause is not None and p95 is not None and p95 > self.pause:
            out.append(
                f"95 % of the collections took up to {p95 * 1e3:.2f} ms, at most {self.pause * 1e3:g} ms may"
            )
        return out


def pytest_configure(config: pytest.Config) -> None:
    """Declares the marker."""
    config.addinivalue_line(
        "markers",
        "m5(max_growth_objects, max_rss, gc_pause_p95, iterations, warmup): bounds of memory and pauses",
    )


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Runs a marked test as often as its bounds need, and judges."""
    marker = item.get_closest_marker("m5")
    if marker is None:
        return (yield)
    watch = _Watch(dict(marker.kwargs))
    for _ in range(watch.warmup):
        item.runtest()
    _peak(reset=True)
    callback = watch.monitor.callback
    gc.callbacks.append(callback)
    try:
        watch.level()
        for _ in range(watch.iterations - 1):
            item.runtest()
            watch.level()
        result = yield  # the last run, by pytest itself
        watch.level()
    finally:
        gc.callbacks.remove(callback)
    if failures := watch.verdict():
        pytest.fail("m5: " + "; ".join(failures), pytrace=False)
    return result
