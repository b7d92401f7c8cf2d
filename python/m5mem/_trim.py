"""Gives free memory of the C library back to the system, in a thread of its own, and measures what that brings.

Python's objects of more than 512 bytes, NumPy's and every C library's blocks come from malloc, which keeps what was
freed. (Without a GIL Python's objects come from mimalloc, which gives back by itself; the others still from malloc.)
``malloc_trim`` returns it. It holds the lock of one arena at a time, so another thread that allocates there
waits; that is at most as long as the call takes, which is what is measured and bounded here.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from typing import Any, Callable

_PAGE = os.sysconf("SC_PAGE_SIZE")


def rss() -> int | None:
    """Bytes of resident memory; `None` where the kernel does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return None


def _find() -> Callable[[int], int] | None:
    try:
        found = ctypes.CDLL(None).malloc_trim  # ctypes gives the GIL up while it runs
    except (OSError, AttributeError):
        return None
    found.argtypes, found.restype = [ctypes.c_size_t], ctypes.c_int
    return found


class Trimmer:
    """Trims when it is told that now is a good moment, if it is expected to fit into ``budget`` seconds."""

    def __init__(self, budget: float, interval: float) -> None:
        self.budget, self.interval = budget, interval
        self._call = _find()
        self.unavailable = None if self._call is not None else "this C library has no malloc_trim"
        self.count = self.put_off = 0
        self.freed = 0
        self.seconds = self.last_seconds = self.max_seconds = 0.0
        self._next = 0.0
        self._wait = interval
        self._thread: threading.Thread | None = None

    def look(self) -> bool:
        """Starts a trim where one is due; whether it did."""
        now = time.monotonic()
        if self._call is None or now < self._next or (self._thread is not None and self._thread.is_alive()):
            return False
        self._next = now + self._wait
        self._thread = threading.Thread(target=self.trim, name="m5mem-trim", daemon=True)
        self._thread.start()
        return True

    def trim(self) -> int | None:
        """Trims now; bytes that came back (`None`: not known). After one that took longer than the budget the next
        comes later, twice as late each time."""
        if self._call is None:
            return None
        before = rss()
        began = time.monotonic()
        self._call(0)
        took = time.monotonic() - began
        after = rss()
        self.count += 1
        self.seconds += took
        self.last_seconds, self.max_seconds = took, max(self.max_seconds, took)
        if took > self.budget:
            self.put_off += 1
            self._wait = min(self._wait * 2, 64 * self.interval)
            self._next = time.monotonic() + self._wait
        else:
            self._wait = self.interval
        if before is None or after is None:
            return None
        self.freed += max(0, before - after)
        return before - after

    def join(self) -> None:
        """Waits for a trim that is under way."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def after_fork(self) -> None:
        """In a forked child its thread is gone."""
        self._thread = None

    def snapshot(self) -> dict[str, Any]:
        """What it did."""
        return {
            "count": self.count,
            "put_off": self.put_off,
            "freed_bytes": self.freed,
            "seconds": self.seconds,
            "last_seconds": self.last_seconds,
            "max_seconds": self.max_seconds,
            "unavailable": self.unavailable,
        }
