"""Faults that are injected on request, to see whether a monitor finds them.

Each happens `rate` times a second of event time, as a bug in an engine would.

list        a list that is only ever appended to
cache       a cache without a bound, under keys that never come again
cycle       garbage in reference cycles, with automatic collection switched off
            (as latency-minded developers do): only a collection frees it
fd          files that are opened and not closed
connection  WebSocket connections that are opened again and not closed
native      memory from malloc that is never freed: no Python object knows it
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
from dataclasses import dataclass
from typing import Any

KINDS = ("list", "cache", "cycle", "fd", "connection", "native")
_NS = 1_000_000_000


@dataclass(frozen=True)
class Fault:
    """What leaks, how often a second of event time, and how large each is."""

    kind: str
    rate: float = 10.0
    size: int = 4096


class Order:
    """A parent and a child that know each other: a bracket order's cycle."""

    def __init__(self, size: int) -> None:
        self.payload = bytearray(size)
        self.child = _Child(self)


class _Child:
    def __init__(self, parent: Order) -> None:
        self.parent = parent


class Injector:
    """Leaks on schedule. `address` is where `connection` connects to."""

    def __init__(self, fault: Fault, address: str | None = None) -> None:
        if fault.kind not in KINDS:
            raise ValueError(f"no such fault: {fault.kind}")
        if fault.kind == "connection" and address is None:
            raise ValueError("connections can only leak in a live run")
        self._fault = fault
        self._address = address
        self._first: int | None = None
        self._collecting = gc.isenabled()
        self._tasks: set[asyncio.Task[None]] = set()
        self.count = 0
        self.list: list[bytearray] = []
        self.cache: dict[str, bytearray] = {}
        self.fds: list[int] = []
        self.connections: list[Any] = []
        self.blocks: list[int] = []
        self._libc = ctypes.CDLL(None)
        self._libc.malloc.restype = ctypes.c_void_p
        self._libc.malloc.argtypes = [ctypes.c_size_t]
        self._libc.free.argtypes = [ctypes.c_void_p]
        self._leak = getattr(self, f"_leak_{fault.kind}")
        if fault.kind == "cycle":
            gc.disable()

    def advance(self, ts: int) -> None:
        """Catches up with event time `ts`."""
        if self._first is None:
            self._first = ts
        due = int((ts - self._first) * self._fault.rate / _NS)
        while self.count < due:
            self._leak()
            self.count += 1

    async def close(self) -> None:
        """Gives back what a process's end would not (tests share a process)."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for ws in self.connections:
            ws.transport.abort()
        await asyncio.gather(*(ws.wait_closed() for ws in self.connections))
        for fd in self.fds:
            os.close(fd)
        for block in self.blocks:
            self._libc.free(block)
        if self._collecting:
            gc.enable()
        self.connections, self.fds, self.blocks = [], [], []
        self.list, self.cache = [], {}

    def _leak_list(self) -> None:
        self.list.append(bytearray(self._fault.size))

    def _leak_cache(self) -> None:
        self.cache[f"atr:{self.count}"] = bytearray(self._fault.size)

    def _leak_cycle(self) -> None:
        Order(self._fault.size)

    def _leak_fd(self) -> None:
        self.fds.append(os.open(os.devnull, os.O_RDONLY))

    def _leak_native(self) -> None:
        block = self._libc.malloc(self._fault.size)
        if not block:
            raise MemoryError("malloc gave nothing")
        ctypes.memset(block, 1, self._fault.size)
        self.blocks.append(block)

    def _leak_connection(self) -> None:
        task = asyncio.ensure_future(self._connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        from websockets.asyncio.client import connect

        with contextlib.suppress(OSError):
            self.connections.append(await connect(self._address, compression=None))
