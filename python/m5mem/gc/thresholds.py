"""Raises the first threshold step by step, and takes back what did not pay."""

from __future__ import annotations

import gc
import logging
from typing import Any, Protocol

log = logging.getLogger("m5mem.gc")
# A step is so many times the threshold before: the pauses of a young collection grow at most with it.
STEP = 4
# So many young collections have to be seen before a step is judged.
ENOUGH = 3
# Above this a threshold saves nothing more.
MOST = 200_000


class Monitor(Protocol):
    def snapshot(self) -> dict[str, Any]: ...


class _Figures:
    """What the collector cost in the program's path until now."""

    def __init__(self, monitor: Monitor, now: float) -> None:
        path = monitor.snapshot()["path"]
        young = path[0]
        self.now = now
        self.count: int = young["collections"]
        self.young: float = young["pause_total"]
        self.longest: float = young["max"] or 0.0
        self.usual: float = young["p95"] or 0.0
        self.all: float = sum(g["pause_total"] for g in path)


class Ladder:
    """Steps towards ``goal``. A step is kept where, over `ENOUGH` young collections, pauses cost no more than before it;
    the next is taken where a young collection is then expected to stay inside the budget. What is longer than the
    budget, and longer than any before, takes the last step back at once."""

    def __init__(self, monitor: Monitor, began: float, now: float, goal: float, budget: float) -> None:
        self._monitor, self._budget = monitor, budget
        self._goal = int(min(goal, MOST))
        self._seen = _Figures(monitor, now)
        self._cost = self._seen.all / max(now - began, 1e-9)
        self._young = max(self._seen.young / max(self._seen.count, 1), self._seen.usual)
        self._before: tuple[int, int, int] | None = None
        self.reason: str | None = None
        self._climb()

    @property
    def done(self) -> bool:
        """Whether the threshold stays as it is now."""
        return self._before is None

    def _climb(self) -> None:
        first, second, third = gc.get_threshold()
        wanted = min(self._goal, first * STEP)
        self._before = None
        if not first or wanted <= first or self._young * wanted / first > self._budget:
            return
        self._before = (first, second, third)
        gc.set_threshold(wanted, second, third)

    def look(self, now: float) -> None:
        """Judges the last step."""
        if self._before is None:
            return
        figures, seen = _Figures(self._monitor, now), self._seen
        if figures.longest > max(seen.longest, self._budget):
            self._take_back(f"a young collection took {figures.longest * 1e3:.1f} ms")
            return
        count = figures.count - seen.count
        if count < ENOUGH:
            return
        cost = (figures.all - seen.all) / max(now - seen.now, 1e-9)
        if cost > self._cost * 1.1:
            self._take_back("pauses cost more than before")
            return
        self._cost, self._young = (
            min(cost, self._cost),
            max((figures.young - seen.young) / count, figures.usual),
        )
        self._seen = figures
        self._climb()

    def _take_back(self, why: str) -> None:
        if self._before is not None:
            gc.set_threshold(*self._before)
        self._before = None
        self.reason = f"the last thresholds were taken back: {why}"
        log.info("%s", self.reason)
