"""The pool: which connections there are, and their figures."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from functools import partial
from typing import Any, Callable

from .. import _registry
from .keeper import Keeper, Terms
from .slot import ENDS, STATES, Handler, Owner, Slot
from .wire import Chores, check, default_connect


class PoolFull(RuntimeError):
    """The pool has ``max_connections`` already."""


class ManagedWSPool:
    """At most ``max_connections`` connections, each with an owner that keeps it up until it is removed.

    ``add(uri, handler)`` gives every message to ``handler`` (a function or a coroutine function), and the `Slot` too
    where it takes two arguments; an exception in it is counted and logged, and the connection goes on.
    ``on_open(connection)`` (or ``(connection, slot)``) runs after each connect and reconnect, before the first message:
    subscribe there. A connection without a message for ``stale_after`` seconds is replaced; the time that the handler
    takes is not the peer's silence, and is counted apart (``handling``, ``handler_slow``). ``handler_timeout`` ends a
    handler that takes longer. While it runs nothing is read: ``queued`` and ``paused`` in `stats` show
    what waits. After a failure the owner waits a random time up to ``backoff_base * 2**attempt`` seconds, at most
    ``backoff_max``; the count starts anew only after ``min_uptime`` seconds of connection, so that a
    server that accepts and hangs up is not hammered.

    Nothing but `remove`, `close` and the cancellation of its task from outside (which the end of the loop is) ends a
    slot; each end is logged, and counted in ``ended`` by its reason.

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
        handler_timeout: float | None = None,
        connect: Callable[..., Awaitable[Any]] | None = None,
        name: str = "ws",
    ) -> None:
        if max_connections < 1:
            raise ValueError("max_connections must be 1 or more")
        if min(stale_after, open_timeout, close_timeout, backoff_base, backoff_max) <= 0:
            raise ValueError("times must be above 0")
        self.max_connections = max_connections
        self._terms = Terms(stale_after, open_timeout, close_timeout, backoff_base, backoff_max, min_uptime)
        self.handler_timeout = handler_timeout
        if handler_timeout is not None and handler_timeout <= 0:
            raise ValueError("handler_timeout must be above 0, or None for no limit")
        self._connect = connect or default_connect
        self._defaults: dict[str, Any] = {}
        if connect is None:
            self._defaults = {
                "ping_interval": ping_interval,
                "ping_timeout": ping_timeout,
                "open_timeout": open_timeout,
                "close_timeout": close_timeout,
            }
        self._keepers: dict[str, Keeper] = {}
        self._leaving: set[Keeper] = set()
        self._chores = Chores()
        # What the connections counted that are no longer here, and why they ended.
        self._gone: Counter[str] = Counter()
        self.ended = dict.fromkeys(ENDS, 0)
        self._closed = False
        self.name = _registry.add("ws", name, self)

    def add(
        self,
        uri: str,
        handler: Handler,
        *,
        name: str | None = None,
        on_open: Handler | None = None,
        handler_timeout: float | None = None,
        **options: Any,
    ) -> Slot:
        """Opens a connection and keeps it open. Call it in the running loop. ``options`` go to ``connect``."""
        if self._closed:
            raise RuntimeError("this pool is closed")
        if len(self._keepers) >= self.max_connections:
            raise PoolFull(f"{self.max_connections} connections already; remove one or raise max_connections")
        name = uri if name is None else name
        if name in self._keepers:
            raise ValueError(f"there is a connection {name!r} already; give it another name=")
        if not callable(handler) or not (on_open is None or callable(on_open)):
            raise TypeError(
                "handler and on_open are functions: of a message (a connection), and of the slot if they want it"
            )
        if self._connect is default_connect:
            check(uri)
        loop = asyncio.get_running_loop()  # before anything is there to undo
        timeout = self.handler_timeout if handler_timeout is None else handler_timeout
        slot = Slot(name, uri, handler, {**self._defaults, **options}, on_open, timeout)
        keeper = self._keepers[name] = Keeper(slot, self._terms, self._connect, self._chores)
        slot.task = Owner(keeper.run(), loop=loop, name=f"m5mem-ws-{name}")
        slot.task.add_done_callback(partial(self._end, slot))
        return slot

    def _end(self, slot: Slot, task: asyncio.Task[None]) -> None:
        self.ended[slot.end(task)] += 1

    async def remove(self, name: str) -> None:
        """Closes a connection for good."""
        await self._leave([self._keepers.pop(name)], "removed")

    async def send(self, name: str, message: Any) -> None:
        """Sends over a connection that is open; `ConnectionError` where it is not."""
        slot = self._keepers[name].slot
        if slot.connection is None:
            raise ConnectionError(f"connection {name!r} is {slot.state}")
        await slot.connection.send(message)

    async def close(self) -> None:
        """Closes everything and waits until nothing is left. A second call does nothing."""
        self._closed = True
        keepers = list(self._keepers.values())
        self._keepers.clear()
        await self._leave(keepers, "closed")

    async def _leave(self, keepers: list[Keeper], why: str) -> None:
        """Ends owners, waits until nothing is left, and keeps what they counted."""
        self._leaving.update(keepers)
        tasks = []
        for task in (keeper.slot.task for keeper in keepers):
            if task is not None and not task.done():
                task.leaving = why
                task.cancel()
                tasks.append(task)
        try:
            if tasks:
                await asyncio.wait(tasks)
            await self._chores.finish()
        finally:
            for keeper in keepers:
                self._gone.update(keeper.slot.counts)
                self._leaving.discard(keeper)

    def __repr__(self) -> str:
        there = ", ".join(f"{n} {state}" for state, n in self.states().items() if n)
        return f"<m5mem.ws.ManagedWSPool {self.name!r}: {there or 'no connections'}, at most {self.max_connections}>"

    async def __aenter__(self) -> ManagedWSPool:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def cleanup_stale_connections(self) -> int:
        """Replaces the connections that are stale now (the owners do it by themselves); how many."""
        stale = [keeper for keeper in self._keepers.values() if keeper.is_stale()]
        for keeper in stale:
            keeper.drop_stale()
        return len(stale)

    def states(self) -> dict[str, int]:
        """How many connections are in each state."""
        out = dict.fromkeys(STATES, 0)
        for keeper in self._keepers.values():
            out[keeper.slot.state] += 1
        return out

    @property
    def active_connections(self) -> int:
        """Connections that are open."""
        return self.states()["open"]

    def stats(self) -> dict[str, dict[str, Any]]:
        """State and counters of each connection."""
        return {name: keeper.slot.stats() for name, keeper in self._keepers.items()}

    def totals(self) -> dict[str, int]:
        """The counters of all connections together, those that were removed too: they never fall."""
        out = Counter(self._gone)
        for keeper in (*self._keepers.values(), *self._leaving):
            out.update(keeper.slot.counts)
        return dict(out)
