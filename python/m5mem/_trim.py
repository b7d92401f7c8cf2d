"""Gives free memory of the C library back to the system, in a thread of its own, and measures what that brings.

Python's objects of more than 512 bytes, NumPy's and every C library's blocks come from malloc, which keeps what was
freed. (Without a GIL Python's objects come from mimalloc, which gives back by itself; the others still from malloc.)
``malloc_trim`` returns it. It holds the lock of one arena at a time, so another thread that allocates there
waits; that is at most as long as the call takes, which is what is measured and bounded here. A call cannot be cut short:
how long it will take is told beforehand from how much is free, and from what the last one took.
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


def _find_info() -> Callable[[], Any] | None:
    names = (
        "arena",
        "ordblks",
        "smblks",
        "hblks",
        "hblkhd",
        "usmblks",
        "fsmblks",
        "uordblks",
        "fordblks",
        "keepcost",
    )
    info = type("mallinfo2", (ctypes.Structure,), {"_fields_": [(name, ctypes.c_size_t) for name in names]})
    try:
        found = ctypes.CDLL(None).mallinfo2  # glibc 2.33 and later
    except (OSError, AttributeError):
        return None
    found.argtypes, found.restype = [], info
    return found


class Trimmer:
    """Trims when it is told that now is a good moment, if it is expected to fit into ``budget`` seconds; after
    ``deadline`` seconds without one it does all the same."""

    # Seconds a free byte, before one was measured: what dropping pages takes on a slow machine.
    _FIRST_RATE = 0.1e-3 / 2**20

    def __init__(self, budget: float, interval: float, deadline: float = 3600.0) -> None:
        self.budget, self.interval, self.deadline = budget, interval, deadline
        self._call, self._info = _find(), _find_info()
        self._rate = self._FIRST_RATE
        self._last = time.monotonic()
        self.expected_seconds: float | None = None
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
        self.expected_seconds = self._expected()
        too_long = self.expected_seconds is not None and self.expected_seconds > self.budget
        if too_long and now - self._last < self.deadline:
            self.put_off += 1
            return False
        self._thread = threading.Thread(target=self.trim, name="m5mem-trim", daemon=True)
        self._thread.start()
        return True

    def _free(self) -> int | None:
        """Bytes that the C library holds free, given back before or not."""
        return int(self._info().fordblks) if self._info is not None else None

    def _expected(self) -> float | None:
        free = self._free()
        return None if free is None else free * self._rate

    def trim(self) -> int | None:
        """Trims now; bytes that came back (`None`: not known). After one that took longer than the budget the next
        comes later, twice as late each time."""
        if self._call is None:
            return None
        before, free = rss(), self._free()
        began = time.monotonic()
        self._call(0)
        self._last = time.monotonic()
        took = self._last - began
        after = rss()
        if free:
            # What was given back before counts as free and costs nothing: so it falls slowly.
            self._rate = max(took / free, self._rate / 2)
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
            "expected_seconds": self.expected_seconds,
            "freed_bytes": self.freed,
            "seconds": self.seconds,
            "last_seconds": self.last_seconds,
            "max_seconds": self.max_seconds,
            "unavailable": self.unavailable,
        }
