"""File descriptors: how many of which kind, to which peers, how fast they grow, and what to do at the limit."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections import Counter, deque
from typing import Any, Callable

from . import _registry

__all__ = ["FdMonitor"]

_log = logging.getLogger("m5mem.fds")


def _kind(link: str) -> str:
    if link.startswith("/"):
        return "file"
    kind = link.split(":", 1)[0]
    return {"socket": "socket", "pipe": "pipe", "anon_inode": link.partition(":")[2].strip("[]")}.get(
        kind, kind
    )


def _peer(number: int) -> str | None:
    """The other end of a TCP socket."""
    try:
        duplicate = socket.socket(fileno=os.dup(number))
    except OSError:
        return None
    with duplicate:
        try:
            peer = duplicate.getpeername()
        except OSError:
            return None
    return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) and len(peer) >= 2 else None


class FdMonitor:
    """Looks at this process's descriptors every ``interval`` seconds from a thread, or when `check` is called.

    At ``warn`` (800) an episode begins: a warning is logged, ``cleanup`` and ``alert`` are called once with the
    figures. The episode ends when the count has fallen to 90 % of ``warn``.
    """

    def __init__(
        self,
        *,
        warn: int = 800,
        cleanup: Callable[[dict[str, Any]], Any] | None = None,
        alert: Callable[[dict[str, Any]], Any] | None = None,
        interval: float | None = 60.0,
        history: int = 60,
    ) -> None:
        if warn < 1 or history < 2 or (interval is not None and interval <= 0):
            raise ValueError("warn must be 1 or more, history 2 or more, interval above 0 or None")
        self.warn, self._cleanup, self._alert = warn, cleanup, alert
        self._history: deque[tuple[float, int]] = deque(maxlen=history)
        self._lock = threading.Lock()
        self.in_episode = False
        self.episodes = self.failures = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        _registry.add("fds", "fds", self)
        if interval is not None:
            self._thread = threading.Thread(target=self._run, args=(interval,), name="m5mem-fds", daemon=True)
            self._thread.start()

    def _run(self, interval: float) -> None:
        while not self._stop.wait(interval):
            try:
                self.check()
            except OSError:
                self.failures += 1

    @staticmethod
    def _numbers() -> list[int]:
        # The descriptor of the listing itself is gone when the names are looked at.
        return [int(name) for name in os.listdir("/proc/self/fd")]

    def count(self) -> int:
        """Open descriptors now."""
        return len(self._numbers()) - 1

    def kinds(self) -> dict[str, int]:
        """Open descriptors by kind: file, socket, pipe, eventpoll, …"""
        out: Counter[str] = Counter()
        for number in self._numbers():
            try:
                out[_kind(os.readlink(f"/proc/self/fd/{number}"))] += 1
            except OSError:
                continue
        return dict(out)

    def peers(self, most: int = 10) -> list[tuple[str, int]]:
        """The other ends of sockets, the most frequent first."""
        out: Counter[str] = Counter()
        for number in self._numbers():
            try:
                is_socket = os.readlink(f"/proc/self/fd/{number}").startswith("socket:")
            except OSError:
                continue
            peer = _peer(number) if is_socket else None
            if peer is not None:
                out[peer] += 1
        return out.most_common(most)

    def growth_per_minute(self) -> float | None:
        """Slope of the counts over the history (Theil–Sen: one burst does not bend it); `None` before two looks."""
        points = list(self._history)
        slopes = sorted(
            (b[1] - a[1]) / (b[0] - a[0]) * 60
            for i, a in enumerate(points)
            for b in points[i + 1 :]
            if b[0] > a[0]
        )
        return slopes[len(slopes) // 2] if slopes else None

    def check(self) -> dict[str, Any]:
        """Looks now; begins or ends an episode. Gives the figures."""
        count = self.count()
        with self._lock:
            self._history.append((time.monotonic(), count))
            begins = count >= self.warn and not self.in_episode
            if begins:
                self.in_episode = True
                self.episodes += 1
            elif count <= self.warn * 0.9:
                self.in_episode = False
        figures: dict[str, Any] = {"open": count, "growth_per_minute": self.growth_per_minute()}
        if begins:
            figures.update(kinds=self.kinds(), peers=self.peers())
            _log.warning(
                "%d file descriptors are open (warning at %d): %s", count, self.warn, figures["kinds"]
            )
            for call in (self._cleanup, self._alert):
                if call is not None:
                    try:
                        call(figures)
                    except Exception:
                        self.failures += 1
                        _log.exception("a callback of the descriptor monitor failed")
        return figures

    def stop(self) -> None:
        """Ends the thread."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> FdMonitor:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
