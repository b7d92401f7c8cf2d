"""`ManagedWSPool`: WebSocket connections that leave no task, descriptor or callback behind on any path.

What `websockets` does, it does: keepalive pings, limits, back-pressure, the closing handshake. The pool adds one
owner task a connection, a bound on connections, staleness (a peer that answers pings but sends no data), closing
with a deadline on every path, reconnecting with exponential backoff and full jitter, and counters.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
import time
from collections.abc import Awaitable
from typing import Any, Callable

from . import _registry

__all__ = ["ManagedWSPool", "PoolFull", "Slot"]

_log = logging.getLogger("m5mem.ws")
Handler = Callable[[Any], Any]
STATES = ("connecting", "open", "backoff", "closing", "closed")


class PoolFull(RuntimeError):
    """The pool has ``max_connections`` already."""


class Slot:
    """One connection of a pool, over all its reconnects."""

    def __init__(self, name: str, uri: str, handler: Handler, options: dict[str, Any]) -> None:
        self.name, self.uri, self.handler, self.options = name, uri, handler, options
        self.state = "connecting"
        self.connection: Any = None
        self.last_activity = time.monotonic()
        self.attempt = 0
        self.last_error: str | None = None
        self.task: asyncio.Task[None] | None = None
        self.counts = {
            "connects": 0,
            "failures": 0,
            "disconnects": 0,
            "stale": 0,
            "aborted": 0,
            "messages": 0,
            "handler_errors": 0,
        }

    def ended(self, _: asyncio.Task[None]) -> None:
        """The owner is gone, be it before its first step."""
        self.state = "closed"

    def stats(self) -> dict[str, Any]:
        """State and counters."""
        return {"uri": self.uri, "state": self.state, "last_error": self.last_error, **self.counts}


def _default_connect(uri: str, **options: Any) -> Awaitable[Any]:
    try:
        from websockets.asyncio.client import connect
    except ImportError as error:
        raise ImportError(
            f"{error}; install websockets (13 or later), or give connect= of your own"
        ) from error
    return connect(uri, **options)


async def _await(thing: Awaitable[Any]) -> Any:
    return await thing


def _abort(connection: Any) -> None:
    """Ends a connection at once, without a farewell."""
    transport = getattr(connection, "transport", None)
    if transport is not None:
        transport.abort()


class ManagedWSPool:
    """At most ``max_connections`` connections, each with an owner that keeps it up until it is removed.

    ``add(uri, handler)`` gives every message to ``handler`` (a function or a coroutine function); an exception in
    it is counted and logged, and the connection goes on. A connection without a message for ``stale_after``
    seconds is replaced. After a failure the owner waits a random time up to ``backoff_base * 2**attempt`` seconds,
    at most ``backoff_max``; the count starts anew only after ``min_uptime`` seconds of connection, so that a
    server that accepts and hangs up is not hammered.

    ``connect(uri, **options)`` may make any object that has ``recv()`` and ``close()``, and ``send()`` where it is
    used. Use the pool with ``async with``, or call `close`.
    """

    def __init__(
        self,
        max_connections: int = 10,
        *,
        stale_after: float = 300.0,
        ping_interval: float | None = 20.0,
        ping_timeout: float | None = 20.0,
        open_timeout: float = 10.0,
        close_timeout: float = 5.0,
        backoff_base: float = 0.5,
        backoff_max: float = 60.0,
        min_uptime: float = 30.0,
        connect: Callable[..., Awaitable[Any]] | None = None,
        name: str = "ws",
    ) -> None:
        if max_connections < 1:
            raise ValueError("max_connections must be 1 or more")
        if min(stale_after, open_timeout, close_timeout, backoff_base, backoff_max) <= 0:
            raise ValueError("times must be above 0")
        self.max_connections, self.stale_after = max_connections, stale_after
        self.open_timeout, self.close_timeout = open_timeout, close_timeout
        self.backoff_base, self.backoff_max, self.min_uptime = backoff_base, backoff_max, min_uptime
        self._connect = connect or _default_connect
        self._defaults: dict[str, Any] = {}
        if connect is None:
            self._defaults = {
                "ping_interval": ping_interval,
                "ping_timeout": ping_timeout,
                "open_timeout": open_timeout,
                "close_timeout": close_timeout,
            }
        self._slots: dict[str, Slot] = {}
        self._chores: set[asyncio.Task[Any]] = set()
        self._closed = False
        self.name = _registry.add("ws", name, self)

    def add(self, uri: str, handler: Handler, *, name: str | None = None, **options: Any) -> Slot:
        """Opens a connection and keeps it open. Call it in the running loop."""
        if self._closed:
            raise RuntimeError("this pool is closed")
        if len(self._slots) >= self.max_connections:
            raise PoolFull(f"{self.max_connections} connections already; remove one or raise max_connections")
        name = uri if name is None else name
        if name in self._slots:
            raise ValueError(f"there is a connection {name!r} already; give it another name=")
        slot = Slot(name, uri, handler, {**self._defaults, **options})
        slot.task = asyncio.get_running_loop().create_task(self._own(slot), name=f"m5mem-ws-{name}")
        slot.task.add_done_callback(slot.ended)
        self._slots[name] = slot
        return slot

    async def remove(self, name: str) -> None:
        """Closes a connection for good."""
        slot = self._slots.pop(name)
        if slot.task is not None:
            slot.task.cancel()
            await asyncio.wait([slot.task])
        await self._finish_chores()

    async def send(self, name: str, message: Any) -> None:
        """Sends over a connection that is open; `ConnectionError` where it is not."""
        connection = self._slots[name].connection
        if connection is None:
            raise ConnectionError(f"connection {name!r} is {self._slots[name].state}")
        await connection.send(message)

    async def close(self) -> None:
        """Closes everything and waits until nothing is left. A second call does nothing."""
        self._closed = True
        tasks = [slot.task for slot in self._slots.values() if slot.task is not None]
        self._slots.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._finish_chores()

    async def __aenter__(self) -> ManagedWSPool:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def cleanup_stale_connections(self) -> int:
        """Replaces the connections that are stale now (the owners do it by themselves); how many."""
        now = time.monotonic()
        stale = [
            s for s in self._slots.values() if s.state == "open" and now - s.last_activity > self.stale_after
        ]
        for slot in stale:
            self._drop_stale(slot)
        return len(stale)

    def states(self) -> dict[str, int]:
        """How many connections are in each state."""
        out = dict.fromkeys(STATES, 0)
        for slot in self._slots.values():
            out[slot.state] += 1
        return out

    @property
    def active_connections(self) -> int:
        """Connections that are open."""
        return self.states()["open"]

    def stats(self) -> dict[str, dict[str, Any]]:
        """State and counters of each connection."""
        return {name: slot.stats() for name, slot in self._slots.items()}

    # The owner of a connection.

    async def _own(self, slot: Slot) -> None:
        while True:
            slot.state = "connecting"
            connection = await self._open(slot)
            if connection is not None:
                since = time.monotonic()
                try:
                    await self._serve(slot, connection)
                finally:
                    slot.connection = None
                    slot.state = "closing"
                    slot.counts["disconnects"] += 1
                    # A task of its own: when the owner is cancelled, the farewell still runs to its deadline.
                    await asyncio.shield(self._chore(self._farewell(slot, connection)))
                if time.monotonic() - since >= self.min_uptime:
                    slot.attempt = 0
            slot.state = "backoff"
            await asyncio.sleep(self._delay(slot.attempt))
            slot.attempt += 1

    def _delay(self, attempt: int) -> float:
        return random.uniform(0, min(self.backoff_max, self.backoff_base * 2.0 ** min(attempt, 30)))

    async def _open(self, slot: Slot) -> Any:
        """A connection, or `None` where there is none. One that comes too late, or after the owner was cancelled,
        is closed."""
        task = self._chore(_await(self._connect(slot.uri, **slot.options)))
        taken = False
        try:
            # asyncio.wait, not wait_for: that can lose the result when both happen at once.
            await asyncio.wait([task], timeout=self.open_timeout * 1.1)
            if not task.done():
                slot.counts["failures"] += 1
                slot.last_error = f"not open after {self.open_timeout} s"
                return None
            if task.cancelled() or task.exception() is not None:
                error = None if task.cancelled() else task.exception()
                slot.counts["failures"] += 1
                slot.last_error = repr(error)
                return None
            slot.counts["connects"] += 1
            taken = True
            return task.result()
        except Exception as error:
            slot.counts["failures"] += 1
            slot.last_error = repr(error)
            return None
        finally:
            if not taken:
                task.add_done_callback(lambda done: self._orphan(slot, done))
                task.cancel()

    def _orphan(self, slot: Slot, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and task.exception() is None:
            self._chore(self._farewell(slot, task.result()))

    async def _serve(self, slot: Slot, connection: Any) -> None:
        loop = asyncio.get_running_loop()
        slot.connection, slot.state, slot.last_activity = connection, "open", time.monotonic()
        watch: asyncio.TimerHandle

        def look() -> None:
            nonlocal watch
            left = slot.last_activity + self.stale_after - time.monotonic()
            if left <= 0:
                self._drop_stale(slot)
            else:
                watch = loop.call_later(left, look)

        watch = loop.call_later(self.stale_after, look)
        try:
            while True:
                message = await connection.recv()
                slot.last_activity = time.monotonic()
                slot.counts["messages"] += 1
                await self._handle(slot, message)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            slot.last_error = repr(error)
        finally:
            watch.cancel()

    async def _handle(self, slot: Slot, message: Any) -> None:
        try:
            result = slot.handler(message)
            if inspect.isawaitable(result):
                await result
        except Exception:
            slot.counts["handler_errors"] += 1
            _log.exception("the handler of connection %s failed on a message; going on", slot.name)

    def _drop_stale(self, slot: Slot) -> None:
        """Ends the connection under its owner, who then makes another."""
        connection = slot.connection
        if connection is None:
            return
        slot.counts["stale"] += 1
        if getattr(connection, "transport", None) is not None:
            _abort(connection)
        else:
            self._chore(_await(connection.close()))

    async def _farewell(self, slot: Slot, connection: Any) -> None:
        """Closes with a deadline, then cuts the wire."""
        task = self._chore(_await(connection.close()))
        await asyncio.wait([task], timeout=self.close_timeout)
        if not task.done():
            slot.counts["aborted"] += 1
            _abort(connection)
            await asyncio.wait([task], timeout=1.0)
            task.cancel()
            await asyncio.wait([task], timeout=1.0)
        elif not task.cancelled() and task.exception() is not None:
            slot.last_error = repr(task.exception())
            _abort(connection)

    def _chore(self, work: Any) -> asyncio.Task[Any]:
        """A task that `close` waits for."""
        task = asyncio.get_running_loop().create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chore_done)
        return task

    def _chore_done(self, task: asyncio.Task[Any]) -> None:
        self._chores.discard(task)
        if not task.cancelled():
            task.exception()  # seen: nothing is logged as never retrieved

    async def _finish_chores(self) -> None:
        while self._chores:
            await asyncio.wait(list(self._chores))
