"""Keeps the garbage collector's pauses out of the program's way, and measures every one of them.

``manage()`` does nothing that it does not measure:

* pauses are timed by a native entry in ``gc.callbacks`` and kept in fixed-size histograms, by generation;
* after the warm-up the heap is collected once and frozen (``gc.freeze``);
* thresholds are chosen from the rate and the pauses of the warm-up, and taken back where pauses got worse;
* in an asyncio program collections move into idle moments, generation by generation, by time and not by
  ``gc.get_count()`` (that counts *net* allocations: a bounded queue makes none). Where the loop is never idle,
  a deadline collects all the same; full collections have a schedule of their own;
* a guard goes back to normal collection when garbage or RSS grows.

``stop()`` restores what was there before.
"""

from __future__ import annotations

import asyncio
import gc as _gc
import logging
import os
import threading
import time
import weakref
from dataclasses import dataclass
from typing import Any

from . import _registry
from ._native import GcMonitor
from ._trim import Trimmer, rss

__all__ = ["Guard", "Idle", "Manager", "Trim", "current", "manage"]

_log = logging.getLogger("m5mem.gc")
# CPython 3.12 moves immortal objects to the frozen ones by itself, some hundreds of them. More than these were
# frozen by the program, which a restore must not undo.
_IMMORTAL = 2000


@dataclass(frozen=True)
class Idle:
    """When to collect in idle time. Seconds all."""

    max_load: float = 0.3
    """Share of the time that the loop's thread works; above it is no idle time."""
    interval: float = 30.0
    """At least so long between two rounds."""
    deadline: float = 120.0
    """After so long without a round one comes whatever the load is."""
    full_interval: float = 300.0
    """At least so long between two full collections."""
    full_deadline: float = 1800.0
    """After so long a full collection comes although it is expected to exceed the budget."""
    pause_budget: float = 0.005
    """A collection that is expected to take longer is put off."""

    def __post_init__(self) -> None:
        if not 0 < self.max_load <= 1:
            raise ValueError("max_load is a share: above 0, at most 1")
        if not 0 <= self.interval <= self.deadline or not 0 <= self.full_interval <= self.full_deadline:
            raise ValueError("intervals are 0 or more, and deadlines not before them")


@dataclass(frozen=True)
class Guard:
    """When to go back to normal collection."""

    max_rss_growth: int = 64 << 20
    """Bytes of RSS above the level after the warm-up."""
    max_garbage: int = 100_000
    """Unreachable objects found by one idle round."""


@dataclass(frozen=True)
class Trim:
    """When to give free native memory back."""

    budget: float = 0.05
    """Seconds that one may take; after one that took longer the next comes twice as late."""
    interval: float = 300.0
    """At least so long between two."""

    def __post_init__(self) -> None:
        if self.budget <= 0 or self.interval < 0:
            raise ValueError("budget is above 0 seconds, interval 0 or more")


# The manager of this interpreter: two would take each other's thresholds for the program's own.
_running: weakref.ReferenceType[Manager] | None = None
_claim = threading.Lock()


def current() -> Manager | None:
    """The manager that runs now."""
    manager = _running() if _running is not None else None
    return manager if manager is not None and manager.state != "stopped" else None


def _after_fork() -> None:
    global _claim
    _claim = threading.Lock()
    manager = current()
    if manager is not None:
        manager._after_fork()


os.register_at_fork(after_in_child=_after_fork)


class Manager:
    """What `manage` started. Use it as a context manager, or call `stop`."""

    def __init__(
        self,
        *,
        freeze_after_warmup: bool,
        thresholds: tuple[int, int, int] | str | None,
        idle: Idle | None,
        guard: Guard | None,
        warmup: float,
        tick: float,
        loop: asyncio.AbstractEventLoop | None,
        trimmer: Trimmer | None = None,
    ) -> None:
        global _running
        with _claim:
            other = current()
            if other is not None:
                raise RuntimeError(
                    f"the collector of this process is managed already (since {other.seconds:.0f} s): "
                    "use that manager (m5mem.gc.current()), or stop() it first"
                )
            _running = weakref.ref(self)
        self.state = "warm-up"
        self._started = time.monotonic()
        self._trimmer = trimmer
        self._freeze, self._thresholds, self._idle, self._guard = freeze_after_warmup, thresholds, idle, guard
        self._warmup, self._tick = warmup, tick
        self.monitor = GcMonitor()
        self._callback = self.monitor.callback
        self._old_threshold = _gc.get_threshold()
        self._before = {"enabled": _gc.isenabled(), "frozen": _gc.get_freeze_count()}
        self._lock = threading.RLock()
        self.load: float | None = None
        self.rounds = {"idle": 0, "deadline": 0, "explicit": 0, "full": 0, "put_off": 0}
        self.reason: str | None = None
        self._last_round = self._last_full = self._started
        self._expected = [0.0, 0.0, 0.0]
        self._rss_level: int | None = None
        self._trial: tuple[tuple[int, int, int], float, float] | None = None
        self._clocks: tuple[float, float] | None = None
        self._pending: list[int] = []
        self._yielded = self._found = 0
        self._trial_base = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop = loop
        _gc.callbacks.append(self._callback)
        if isinstance(thresholds, tuple):
            _gc.set_threshold(*thresholds)
        _registry.add("gc", "gc", self)
        if loop is not None:
            loop.call_soon_threadsafe(self._on_loop)
        else:
            self._thread = threading.Thread(target=self._in_thread, name="m5mem-gc", daemon=True)
            self._thread.start()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._started

    def _after_fork(self) -> None:
        """In a forked child: its thread and its loop are the parent's. Thresholds go back to the program's; what is
        frozen stays frozen, so that parent and child go on sharing its pages."""
        self._lock = threading.RLock()
        if self._trimmer is not None:
            self._trimmer.after_fork()
        self.state, self.reason, self._handle, self._thread = "stopped", "this process was forked", None, None
        _gc.set_threshold(*self._old_threshold)
        if self._callback in _gc.callbacks:
            _gc.callbacks.remove(self._callback)

    # What drives it: the loop's own timer, or a thread that never collects but for the warm-up and the guard.

    def _on_loop(self) -> None:
        if self.state == "stopped" or self._loop is None or self._loop.is_closed():
            return
        delay = self._tick
        try:
            self._measure_load()
            self._step()
            if self._idle is not None and self.state == "managed":
                delay = self._seek_idle(self._idle)
        except Exception:
            _log.exception("garbage collection manager: a step failed; going on")
        self._handle = self._loop.call_later(delay, self._on_loop)

    def _in_thread(self) -> None:
        while not self._wake.wait(self._tick):
            try:
                self._step()
            except Exception:
                _log.exception("garbage collection manager: a step failed; going on")

    def _measure_load(self) -> None:
        """Share of the last tick that the loop's thread worked: its own CPU time over the time that passed."""
        now = (time.monotonic(), time.thread_time())
        if self._clocks is not None and now[0] > self._clocks[0]:
            share = min(1.0, (now[1] - self._clocks[1]) / (now[0] - self._clocks[0]))
            self.load = share if self.load is None else self.load * 0.7 + share * 0.3
        self._clocks = now

    def _step(self) -> None:
        with self._lock:
            if self.state == "warm-up" and time.monotonic() - self._started >= self._warmup:
                self._end_warmup()
            elif self.state == "managed":
                self._judge_trial()
                self._check_guard()

    # The warm-up and what is chosen from it.

    def _end_warmup(self) -> None:
        if self._thresholds == "measure":
            self._choose_thresholds()
        if self._freeze:
            self._collect(2)
            _gc.freeze()
        self._rss_level = rss()
        self._last_round = self._last_full = time.monotonic()
        self.state = "managed"

    def _path(self) -> tuple[float, float, float]:
        """Rate of young collections, their P95, and all pauses in the path over the time, since the start."""
        path = self.monitor.snapshot()["path"]
        seconds = max(time.monotonic() - self._started, 1e-9)
        total = sum(g["pause_total"] for g in path)
        return path[0]["collections"] / seconds, path[0]["p95"] or 0.0, total / seconds

    def _choose_thresholds(self) -> None:
        """Room for what is allocated between two idle rounds (or for 10 young collections a second), as far as a
        young collection, which takes longer the more it has to look at, stays inside the budget."""
        rate, p95, cost = self._path()
        first, *others = _gc.get_threshold()
        if not rate or not first:
            return
        idle = self._idle
        wish = rate * first * (2 * idle.interval) if idle is not None else rate * first / 10
        budget = idle.pause_budget if idle is not None else 0.005
        limit = first * budget / p95 if p95 else wish
        chosen = int(max(first, min(wish, limit, 200_000)))
        if chosen > first:
            before = (first, others[0], others[1])
            _gc.set_threshold(chosen, *others)
            self._trial = (before, cost, time.monotonic())
            self._trial_base = sum(g["pause_total"] for g in self.monitor.snapshot()["path"])

    def _judge_trial(self) -> None:
        """Takes the thresholds back where the pauses in the path cost more than before."""
        if self._trial is None:
            return
        before, cost, since = self._trial
        seconds = time.monotonic() - since
        if seconds < max(self._warmup, 1.0):
            return
        spent = sum(g["pause_total"] for g in self.monitor.snapshot()["path"]) - self._trial_base
        if spent / seconds > cost * 1.1:
            _gc.set_threshold(*before)
            self.reason = "thresholds taken back: pauses cost more than before"
        self._trial = None

    # Idle rounds.

    def _collect(self, generation: int) -> int:
        was = self.monitor.set_idle(True)
        try:
            found = _gc.collect(generation)
        finally:
            self.monitor.set_idle(was)
        pause = self.monitor.last_pause
        self._expected[generation] = max(pause, self._expected[generation] * 0.5)
        return found

    def _seek_idle(self, idle: Idle) -> float:
        """One generation if this is the moment; how long until the next look."""
        now = time.monotonic()
        late = now - self._last_round >= idle.deadline
        due = now - self._last_round >= idle.interval and self.load is not None and self.load < idle.max_load
        if not self._pending:
            if not (late or due):
                return self._tick
            self.rounds["deadline" if late and not due else "idle"] += 1
            self._pending = [0, 1, 2] if self._full_is_due(idle, now) else [0, 1]
            self._found = 0
        ready = getattr(self._loop, "_ready", ())
        if ready and not late and self._yielded < 20:
            self._yielded += 1
            return 0.0  # work is waiting: after it
        self._yielded = 0
        self._found += self._collect(self._pending.pop(0))
        if self._pending:
            return 0.0
        self._end_round()
        return self._tick

    def _full_is_due(self, idle: Idle, now: float) -> bool:
        since = now - self._last_full
        if since < idle.full_interval:
            return False
        if self._expected[2] > idle.pause_budget and since < idle.full_deadline:
            self.rounds["put_off"] += 1
            return False
        self.rounds["full"] += 1
        self._last_full = now
        return True

    def _end_round(self) -> None:
        self._last_round = time.monotonic()
        if self._trimmer is not None and self.state == "managed":
            self._trimmer.look()
        if self._guard is not None and self._found > self._guard.max_garbage:
            self.fall_back(f"an idle round found {self._found} unreachable objects")

    def idle(self, *, full: bool = False) -> int:
        """Says that now is an idle moment: collects the young generations at once (all with ``full``), and gives
        the number of unreachable objects. For programs that know better than their loop when nothing waits."""
        with self._lock:
            if self.state == "stopped":
                return 0
            self.rounds["explicit"] += 1
            self._found = sum(self._collect(g) for g in ((2,) if full else (0, 1)))
            found = self._found
            self._end_round()
            return found

    # The guard.

    def _check_guard(self) -> None:
        guard, level = self._guard, self._rss_level
        if guard is None or level is None:
            return
        now = rss()
        if now is not None and now - level > guard.max_rss_growth:
            self.fall_back(f"RSS grew by {(now - level) / 2**20:.0f} MiB since the warm-up")

    def fall_back(self, reason: str) -> None:
        """Back to normal collection: old thresholds, nothing frozen, one full collection. Measuring goes on."""
        with self._lock:
            if self.state != "managed":
                return
            self.state, self.reason = "fallback", reason
            self._pending = []
            self._restore()
            self._collect(2)
        _log.warning("garbage collection is back to normal: %s", reason)

    def _restore(self) -> None:
        _gc.set_threshold(*self._old_threshold)
        if self._freeze and self._before["frozen"] <= _IMMORTAL:
            _gc.unfreeze()
        if self._before["enabled"]:
            _gc.enable()

    def snapshot(self) -> dict[str, Any]:
        """State, thresholds, load, rounds, and the pauses by generation, in the path and in idle time apart."""
        return {
            "state": self.state,
            "reason": self.reason,
            "threshold": _gc.get_threshold(),
            "frozen": _gc.get_freeze_count(),
            "load": self.load,
            "rounds": dict(self.rounds),
            "seconds": self.seconds,
            "trim": self._trimmer.snapshot() if self._trimmer is not None else None,
            **self.monitor.snapshot(),
        }

    def stop(self) -> None:
        """Ends it and restores thresholds, freezing and callbacks. A second call does nothing."""
        with self._lock:
            if self.state == "stopped":
                return
            managed, self.state = self.state in ("managed", "warm-up"), "stopped"
            if managed:
                self._restore()
            if self._callback in _gc.callbacks:
                _gc.callbacks.remove(self._callback)
            if self._handle is not None:
                self._handle.cancel()
        self._wake.set()
        if self._trimmer is not None:
            self._trimmer.join()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Manager:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def manage(
    *,
    freeze_after_warmup: bool = True,
    thresholds: tuple[int, int, int] | str | None = "measure",
    idle_collect: bool | Idle | None = None,
    guard: bool | Guard = True,
    warmup: float = 60.0,
    tick: float = 1.0,
    loop: asyncio.AbstractEventLoop | None = None,
    trim: bool | Trim = False,
) -> Manager:
    """Starts managing the collector of this process.

    ``thresholds``: three numbers, ``"measure"`` to choose them from the warm-up, or ``None`` to leave them.
    ``idle_collect``: ``True`` or an `Idle` with limits of your own; by default on where an asyncio loop runs or is
    given. Without a loop collections move only where `Manager.idle` says so.
    ``warmup``: seconds before freezing and choosing. ``tick``: seconds between two looks.
    ``trim``: ``True`` or a `Trim` gives memory that the C library keeps free back to the system after idle rounds, in a
    thread of its own, measured (``snapshot()["trim"]``).

    There is one manager at a time: a second call is an error until the first has stopped.
    """
    if isinstance(thresholds, str) and thresholds != "measure":
        raise ValueError("thresholds must be three numbers, 'measure' or None")
    if warmup < 0 or tick <= 0:
        raise ValueError("warmup must be 0 or more, tick above 0")
    if loop is None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            if idle_collect:
                raise ValueError(
                    "idle_collect needs an asyncio loop: call manage() in it, or give loop="
                ) from None
    if idle_collect is None:
        idle_collect = loop is not None
    limits = trim if isinstance(trim, Trim) else (Trim() if trim else None)
    return Manager(
        freeze_after_warmup=freeze_after_warmup,
        thresholds=thresholds,
        idle=idle_collect if isinstance(idle_collect, Idle) else (Idle() if idle_collect else None),
        guard=guard if isinstance(guard, Guard) else (Guard() if guard else None),
        warmup=warmup,
        tick=tick,
        loop=loop,
        trimmer=Trimmer(limits.budget, limits.interval) if limits is not None else None,
    )
