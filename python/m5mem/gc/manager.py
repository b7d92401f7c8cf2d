"""The manager: its life from the warm-up to the end, and what drives it."""

from __future__ import annotations

import asyncio
import gc as _gc
import logging
import math
import os
import threading
import time
import weakref
from typing import Any

from .. import _registry
from .._native import GcMonitor
from .._trim import Trimmer, rss
from .limits import IMMORTAL, Guard, Idle, Trim
from .rounds import Rounds
from .thresholds import Ladder

_log = logging.getLogger("m5mem.gc")


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
        self._rounds = Rounds(self.monitor)
        self.reason: str | None = None
        self._rss_level: int | None = None
        self._ladder: Ladder | None = None
        self._clocks: tuple[float, float] | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop = loop
        _gc.callbacks.append(self._callback)
        if isinstance(thresholds, tuple):
            _gc.set_threshold(*thresholds)
        _registry.add("gc", "gc", self)
        if warmup == 0:
            self._step()
        if loop is not None:
            loop.call_soon_threadsafe(self._on_loop)
        else:
            self._thread = threading.Thread(target=self._in_thread, name="m5mem-gc", daemon=True)
            self._thread.start()

    @property
    def rounds(self) -> dict[str, int]:
        """How many there were, by what brought them."""
        return self._rounds.counts

    @property
    def collecting(self) -> bool:
        """Whether a collection of the manager's own runs now: for callbacks in ``gc.callbacks`` that want to know."""
        return self._rounds.collecting

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
                ready = bool(getattr(self._loop, "_ready", ()))
                wanted, ended = self._rounds.seek(self._idle, self.load, ready)
                delay = self._tick if wanted is None else wanted
                if ended:
                    self._end_round()
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
                self._judge_thresholds()
                self._check_guard()

    # The warm-up and what is chosen from it.

    def _end_warmup(self) -> None:
        if self._thresholds == "measure":
            self._choose_thresholds()
        if self._freeze:
            self._rounds.collect(2)
            _gc.freeze()
        self._rss_level = rss()
        self._rounds.restart()
        self.state = "managed"

    def _young_rate(self) -> float:
        """Young collections in the path a second, since the start."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        return float(self.monitor.snapshot()["path"][0]["collections"]) / seconds

    def _choose_thresholds(self) -> None:
        """Room for what is allocated between two idle rounds, or for 10 young collections a second."""
        rate = self._young_rate()
        first = _gc.get_threshold()[0]
        if not rate or not first:
            return
        idle = self._idle
        goal = rate * first * (2 * idle.interval) if idle is not None else rate * first / 10
        budget = idle.pause_budget if idle is not None else 0.005
        self._ladder = Ladder(self.monitor, self._started, time.monotonic(), goal, budget)

    def _judge_thresholds(self) -> None:
        if self._ladder is not None:
            self._ladder.look(time.monotonic())
            self.reason = self._ladder.reason
            if self._ladder.done:
                self._ladder = None

    # Idle rounds.

    def _end_round(self) -> None:
        if self._trimmer is not None and self.state == "managed":
            self._trimmer.look()
        if self._guard is not None and self._rounds.found > self._guard.max_garbage:
            self.fall_back(f"an idle round found {self._rounds.found} unreachable objects")

    def idle(self, *, full: bool = False) -> int:
        """Says that now is an idle moment: collects the young generations at once (all with ``full``), and gives
        the number of unreachable objects. For programs that know better than their loop when nothing waits."""
        with self._lock:
            if self.state == "stopped":
                return 0
            found = self._rounds.explicit(full)
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
            self._rounds.forget()
            self._restore()
            self._rounds.collect(2)
        _log.warning("garbage collection is back to normal: %s", reason)

    def _restore(self) -> None:
        _gc.set_threshold(*self._old_threshold)
        if self._freeze and self._before["frozen"] <= IMMORTAL:
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


def _three(given: Any) -> tuple[int, int, int]:
    """Thresholds that `gc.set_threshold` takes."""
    numbers = tuple(given) if isinstance(given, (tuple, list)) else ()
    if len(numbers) != 3 or not all(isinstance(n, int) and 0 <= n < 2**31 for n in numbers):
        raise ValueError("thresholds must be three numbers of 0 or more, 'measure' or None")
    return numbers


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
    ``warmup``: seconds before freezing and choosing; with 0 the heap is frozen in this call, and thresholds stay.
    ``tick``: seconds between two looks.
    ``trim``: ``True`` or a `Trim` gives memory that the C library keeps free back to the system after idle rounds, in a
    thread of its own, measured (``snapshot()["trim"]``).

    There is one manager at a time: a second call is an error until the first has stopped.
    """
    if thresholds is not None and thresholds != "measure":
        thresholds = _three(thresholds)
    if not 0 <= warmup < math.inf or not 0 < tick < math.inf:
        raise ValueError("warmup must be 0 or more, tick above 0")
    for name, given, limits in (
        ("idle_collect", idle_collect, Idle),
        ("guard", guard, Guard),
        ("trim", trim, Trim),
    ):
        if not isinstance(given, (bool, limits)) and not (name == "idle_collect" and given is None):
            raise TypeError(f"{name} is True, False or {limits.__name__}(...), not {given!r:.60}")
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
    trims = trim if isinstance(trim, Trim) else (Trim() if trim else None)
    return Manager(
        freeze_after_warmup=freeze_after_warmup,
        thresholds=thresholds,
        idle=idle_collect if isinstance(idle_collect, Idle) else (Idle() if idle_collect else None),
        guard=guard if isinstance(guard, Guard) else (Guard() if guard else None),
        warmup=warmup,
        tick=tick,
        loop=loop,
        trimmer=Trimmer(trims.budget, trims.interval, trims.deadline) if trims is not None else None,
    )
