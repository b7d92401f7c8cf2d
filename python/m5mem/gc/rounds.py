"""Rounds of collections in idle time: one generation after the other, by time and not by the number of objects."""

from __future__ import annotations

import gc
import time

from .._native import GcMonitor
from .limits import Idle


class Rounds:
    """When the next round is due, and how far it is."""

    def __init__(self, monitor: GcMonitor) -> None:
        self._monitor = monitor
        self.counts = {"idle": 0, "deadline": 0, "explicit": 0, "full": 0, "put_off": 0}
        self.found = 0
        self.collecting = False
        self._last = self._last_full = time.monotonic()
        self._expected = [0.0, 0.0, 0.0]
        self._pending: list[int] = []
        self._yielded = 0

    def restart(self) -> None:
        """As if a full round were over now."""
        self._last = self._last_full = time.monotonic()

    def forget(self) -> None:
        """Gives the round up that is under way."""
        self._pending = []

    def collect(self, generation: int) -> int:
        """Collects now, and counts it as idle; how many unreachable objects were found."""
        was = self._monitor.set_idle(True)
        self.collecting = True
        try:
            found = gc.collect(generation)
        finally:
            self.collecting = False
            self._monitor.set_idle(was)
        pause = self._monitor.last_pause
        self._expected[generation] = max(pause, self._expected[generation] * 0.5)
        return found

    def seek(self, idle: Idle, load: float | None, is_ready: bool) -> tuple[float | None, bool]:
        """Collects one generation if this is the moment. How long until the next look (``None``: the usual), and
        whether a round has ended. ``is_ready``: work waits in the loop."""
        now = time.monotonic()
        late = now - self._last >= idle.deadline
        due = now - self._last >= idle.interval and load is not None and load < idle.max_load
        if not self._pending:
            if not (late or due):
                return None, False
            self.counts["deadline" if late and not due else "idle"] += 1
            self._pending = [0, 1, 2] if self._full_is_due(idle, now) else [0, 1]
            self.found = 0
        if is_ready and not late and self._yielded < 20:
            self._yielded += 1
            return 0.0, False  # work is waiting: after it
        self._yielded = 0
        self.found += self.collect(self._pending.pop(0))
        if self._pending:
            return 0.0, False
        self._last = time.monotonic()
        return None, True

    def _full_is_due(self, idle: Idle, now: float) -> bool:
        since = now - self._last_full
        if since < idle.full_interval:
            return False
        if self._expected[2] > idle.pause_budget and since < idle.full_deadline:
            self.counts["put_off"] += 1
            return False
        self.counts["full"] += 1
        self._last_full = now
        return True

    def explicit(self, full: bool) -> int:
        """A round at once; how many unreachable objects were found."""
        self.counts["explicit"] += 1
        self.found = sum(self.collect(g) for g in ((2,) if full else (0, 1)))
        self._last = time.monotonic()
        return self.found
