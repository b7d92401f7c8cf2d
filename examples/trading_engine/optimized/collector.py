"""Collections moved out of the ticks' way: freeze after warm-up, collect when idle.

Automatic collection is off while this manages. Idle time is used generation
by generation: young often, full seldom. When no idle time comes, a deadline
collects anyway, and so does a heap that grows faster than idle time allows:
the engine makes no cycles, but nothing here depends on that.
"""

from __future__ import annotations

import gc

from trading_engine.pauses import PauseMeter

IDLE_CHECK_NS = 100_000_000  # how often to ask for idle time
ROOM_NS = 1_000_000  # idle time that a collection must find
_SECOND = 1_000_000_000
_WARM_UP = 30 * _SECOND  # the rings are filling; their objects will stay
_PERIODS = (1 * _SECOND, 10 * _SECOND, 60 * _SECOND)  # between collections, by generation
_LATEST = 4  # periods after which idle time is waited for no longer
_MANY = 50_000  # net new objects that end the waiting


class IdleCollector:
    """Told of idle time, in event time or real time alike; `start` and `stop` bracket it."""

    def __init__(self, meter: PauseMeter | None = None) -> None:
        self._meter = meter
        self._enabled = gc.isenabled()
        self._began = 0
        self._frozen = False
        self._last = [0, 0, 0]
        self.collections = [0, 0, 0]

    def start(self) -> None:
        """Takes over from automatic collection."""
        self._enabled = gc.isenabled()
        gc.collect()
        gc.freeze()
        gc.disable()

    def stop(self) -> None:
        """Gives collection back as it was found."""
        gc.unfreeze()
        if self._enabled:
            gc.enable()

    def idle(self, now: int, room: int) -> None:
        """At time `now` nothing is due for `room` ns (0: unknown, or none at all)."""
        if not self._began:
            self._began = now
            self._last = [now, now, now]
            return
        if self._meter is not None:
            self._meter.idle = room >= ROOM_NS
        self._collect_if_due(now, room)
        if self._meter is not None:
            self._meter.idle = False

    def _collect_if_due(self, now: int, room: int) -> None:
        if not self._frozen and now - self._began > _WARM_UP and room >= ROOM_NS:
            gc.collect()
            gc.freeze()
            self._frozen = True
            self._ran(2, now)
            return
        for generation in (2, 1, 0):
            late = now - self._last[generation]
            period = _PERIODS[generation]
            if late >= period and (room >= ROOM_NS or late >= _LATEST * period):
                gc.collect(generation)
                self._ran(generation, now)
                return
        if gc.get_count()[0] > _MANY:
            gc.collect(1)
            self._ran(1, now)

    def _ran(self, generation: int, now: int) -> None:
        self.collections[generation] += 1
        for younger in range(generation + 1):
            self._last[younger] = now
