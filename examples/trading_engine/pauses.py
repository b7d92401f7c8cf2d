"""Every collection of this process, timed from inside: for benchmarks, on request."""

from __future__ import annotations

import gc
import time
from typing import Any

from trading_engine.latency import Histogram


class PauseMeter:
    """Counts pauses by generation; `in_path` tells those that a tick had to wait for."""

    def __init__(self) -> None:
        self.generations = [Histogram(), Histogram(), Histogram()]
        self.in_path = Histogram()
        self.idle = False  # set while a collection is run in idle time
        self.manager: Any = None  # m5mem's, where it collects: it knows which are its own
        self._started = 0

    def start(self) -> None:
        """Begins to count."""
        gc.callbacks.append(self._called)

    def stop(self) -> None:
        """Ends counting."""
        gc.callbacks.remove(self._called)

    def clear(self) -> None:
        """Forgets what was counted."""
        for histogram in (*self.generations, self.in_path):
            histogram.clear()

    def _called(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._started = time.perf_counter_ns()
            return
        pause = time.perf_counter_ns() - self._started
        self.generations[info["generation"]].add(pause)
        if not self.idle and not (self.manager is not None and self.manager.collecting):
            self.in_path.add(pause)

    def summary(self) -> dict[str, Any]:
        """By generation, and those in the ticks' path."""
        return {
            "generations": [histogram.summary() for histogram in self.generations],
            "in_path": self.in_path.summary(),
        }
