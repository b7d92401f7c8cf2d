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
Handler = Callable[..., Any]
STATES = ("connecting", "open", "backoff", "closing", "closed")


class PoolFull(RuntimeError):
    """The pool has ``max_connections`` already."""


class _Owner(asyncio.Task):  # type: ignore[type-arg]
    """A task that knows whether it was cancelled itself, or something that it awaits was."""

    asked = False

    def cancel(self, *args: Any, **kwargs: Any) -> bool:
        self.asked = True
        return super().cancel(*args, **kwargs)


def _positional(function: Callable[..., Any]) -> int:
    """How many positional arguments a function takes; many where that cannot be said."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 1
    return sum(
        p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty for p in parameters
    )


class Slot:
    """One connection of a pool, over all its reconnects."""

    def __init__(
        self,
        name: str,
        uri: str,
        handler: Handler,
        options: dict[str, Any],
        on_open: Handler | None = None,
        handler_timeout: float | None = None,
    ) -> None:
        self.name, self.uri, self.handler, self.options = name, uri, handler, options
        self.on_open, self.handler_timeout = on_open, handler_timeout
        self.wants_slot = _positional(handler) >= 2
        self.state = "connecting"
        self.connection: Any = None
        self.last_activity = time.monotonic()
        self.handling_since: float | None = None
        self.handler_seconds = self.handler_max_seconds = 0.0
        self.attempt = 0
        self.last_error: str | None = None
        self.task: _Owner | None = None
        self.counts = {
            "connects": 0,
            "failures": 0,
            "disconnects": 0,
            "stale": 0,
            "aborted": 0,
            "messages": 0,
            "handler_errors": 0,
            "handler_timeouts": 0,
            "handler_slow": 0,
            "open_errors": 0,
            "cancellations": 0,
            "owner_errors": 0,
        }

    @property
    def handling(self) -> float:
        """Seconds that the handler has been at the newest message; 0 where it waits for one."""
        return 0.0 if self.handling_since is None else time.monotonic() - self.handling_since

    @property
    def queued(self) -> int | None:
        """Messages that have arrived and wait for the handler; `None` where the connection does not tell."""
        frames = getattr(getattr(self.connection, "recv_messages", None), "frames", None)
        try:
            return None if frames is None else len(frames)
        except TypeError:
            return None

    @property
    def paused(self) -> bool | None:
        """Whether reading from the peer is paused because too much waits; `None` where that is not known."""
        paused = getattr(getattr(self.connection, "recv_messages", None), "paused", None)
        return paused if isinstance(paused, bool) else None

    def ended(self, task: asyncio.Task[None]) -> None:
        """The owner is gone, be it before its first step."""
        self.state = "closed"
        if not task.cancelled() and task.exception() is not None:
            self.last_error = repr(task.exception())
            _log.error("connection %s ended for good: %s", self.name, self.last_error)

    def stats(self) -> dict[str, Any]:
        """State and counters."""
        return {
            "uri": self.uri,
            "state": self.state,
            "last_error": self.last_error,
            "handling": self.handling,
            "handler_seconds": self.handler_seconds,
            "handler_max_seconds": self.handler_max_seconds,
            "queued": self.queued,
            "paused": self.paused,
            **self.counts,
        }


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


class _OpenFailed(Exception):
    """``on_open`` failed; its error is the cause."""


class _Watch:
    """Looks whether a connection is stale: no message for too long while one was waited for. A handler that takes as
    long is told of, and is no reason to part from the peer."""

    def __init__(self, pool: ManagedWSPool, slot: Slot) -> None:
        self._pool, self._slot = pool, slot
        self._told: float | None = None
        self._timer = asyncio.get_running_loop().call_later(pool.stale_after, self._look)

    def _look(self) -> None:
        pool, slot = self._pool, self._slot
        left = pool.stale_after
        since = slot.handling_since
        if since is None:
            left = slot.last_activity + pool.stale_after - time.monotonic()
            if left <= 0:
                pool._drop_stale(slot)
                return
        elif since != self._told and slot.handling >= pool.stale_after:
            self._told = since
            slot.counts["handler_slow"] += 1
            _log.warning(
                "the handler of connection %s has been at one message for %.0f s", slot.name, slot.handling
            )
        self._timer = asyncio.get_running_loop().call_later(left, self._look)

    def stop(self) -> None:
        self._timer.cancel()


class ManagedWSPool:
    """At most ``max_connections`` connections, each with an owner that keeps it up until it is removed.

    ``add(uri, handler)`` gives every message to ``handler`` (a function or a coroutine function), and the `Slot` too
    where it takes two arguments; an exception in it is counted and logged, and the connection goes on.
    ``on_open(connection)`` (or ``(connection, slot)``) runs after each connect and reconnect, before the first message:
    subscribe there. A connection without a message for ``stale_after`` seconds is replaced; the time that the handler
    takes is not the peer's silence, and is counted apart (``handling``, ``handler_slow``). ``handler_timeout`` ends a
    handler that takes longer. While it runs nothing is read: ``queued`` and ``paused`` in `stats` show
    what waits. After a failure the owner waits a random time up to ``backoff_base * 2**attempt`` seconds,
    at most
    ``backoff_max``; the count starts anew only after ``min_uptime`` seconds of connection, so that a
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
        handler_timeout: float | None = None,
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
        self.handler_timeout = handler_timeout
        if handler_timeout is not None and handler_timeout <= 0:
            raise ValueError("handler_timeout must be above 0, or None for no limit")
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
        if len(self._slots) >= self.max_connections:
            raise PoolFull(f"{self.max_connections} connections already; remove one or raise max_connections")
        name = uri if name is None else name
        if name in self._slots:
            raise ValueError(f"there is a connection {name!r} already; give it another name=")
        timeout = self.handler_timeout if handler_timeout is None else handler_timeout
        slot = Slot(name, uri, handler, {**self._defaults, **options}, on_open, timeout)
        slot.task = _Owner(self._own(slot), loop=asyncio.get_running_loop(), name=f"m5mem-ws-{name}")
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
            s
            for s in self._slots.values()
            if s.state == "open" and s.handling_since is None and now - s.last_activity > self.stale_after
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

    @staticmethod
    def _is_asked(slot: Slot) -> bool:
        """Whether the owner itself is to end. An inner cancellation is a failure like any other."""
        return slot.task is None or slot.task.asked

    async def _own(self, slot: Slot) -> None:
        """Keeps the connection up: only `remove`, `close` and the end of the loop end this."""
        while True:
            try:
                await self._round(slot)
            except asyncio.CancelledError:
                if self._is_asked(slot):
                    raise
                slot.counts["cancellations"] += 1
                slot.last_error = "CancelledError()"
                _log.warning("something that connection %s waited for was cancelled; going on", slot.name)
            except Exception as error:
                slot.counts["owner_errors"] += 1
                slot.last_error = repr(error)
                _log.exception("the owner of connection %s failed; going on", slot.name)
            slot.state = "backoff"
            delay = self._delay(slot.attempt)
            slot.attempt += 1
            try:
                await asyncio.sleep(delay)
            except asyncio.CancelledError:
                if self._is_asked(slot):
                    raise
                slot.counts["cancellations"] += 1

    async def _round(self, slot: Slot) -> None:
        """One connection, from its opening to its end."""
        slot.state = "connecting"
        connection = await self._open(slot)
        if connection is None:
            _log.info("connection %s: %s", slot.name, slot.last_error)
            return
        since = time.monotonic()
        try:
            await self._serve(slot, connection)
        finally:
            slot.connection = None
            slot.state = "closing"
            slot.counts["disconnects"] += 1
            # A task of its own: when the owner is cancelled, the farewell still runs to its deadline.
            await asyncio.shield(self._chore(self._farewell(slot, connection)))
        _log.info(
            "connection %s was lost after %.0f s: %s", slot.name, time.monotonic() - since, slot.last_error
        )
        if time.monotonic() - since >= self.min_uptime:
            slot.attempt = 0

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
        slot.connection, slot.state, slot.last_activity = connection, "open", time.monotonic()
        watch = _Watch(self, slot)
        try:
            if slot.on_open is not None:
                await self._greet(slot, slot.on_open, connection)
            while True:
                message = await connection.recv()
                slot.counts["messages"] += 1
                await self._handle(slot, message)
                slot.last_activity = time.monotonic()
        except asyncio.CancelledError:
            if self._is_asked(slot):
                raise
            slot.counts["cancellations"] += 1
            slot.last_error = "CancelledError() out of recv()"
        except _OpenFailed as error:
            slot.counts["open_errors"] += 1
            slot.last_error = repr(error.__cause__)
            _log.error("on_open of connection %s failed: %r; connecting anew", slot.name, error.__cause__)
        except Exception as error:
            slot.last_error = repr(error)
        finally:
            watch.stop()

    async def _greet(self, slot: Slot, on_open: Handler, connection: Any) -> None:
        """Runs ``on_open``. A connection that nothing was subscribed on is of no use: its failure ends it."""
        try:
            result = on_open(connection, slot) if _positional(on_open) >= 2 else on_open(connection)
            if inspect.isawaitable(result):
                await result
        except asyncio.CancelledError as error:
            if self._is_asked(slot):
                raise
            raise _OpenFailed from error
        except Exception as error:
            raise _OpenFailed from error

    async def _handle(self, slot: Slot, message: Any) -> None:
        began = slot.handling_since = time.monotonic()
        try:
            result = slot.handler(message, slot) if slot.wants_slot else slot.handler(message)
            if inspect.isawaitable(result):
                if slot.handler_timeout is None:
                    await result
                else:
                    await self._bounded(slot, result, slot.handler_timeout)
        except asyncio.CancelledError:
            if self._is_asked(slot):
                raise
            slot.counts["cancellations"] += 1
            _log.warning("the handler of connection %s was cancelled from inside; going on", slot.name)
        except Exception:
            slot.counts["handler_errors"] += 1
            _log.exception("the handler of connection %s failed on a message; going on", slot.name)
        finally:
            slot.handling_since = None
            took = time.monotonic() - began
            slot.handler_seconds += took
            slot.handler_max_seconds = max(slot.handler_max_seconds, took)

    async def _bounded(self, slot: Slot, work: Awaitable[Any], seconds: float) -> None:
        task = self._chore(_await(work))
        try:
            await asyncio.wait([task], timeout=seconds)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.done():
            task.result()
            return
        slot.counts["handler_timeouts"] += 1
        _log.error(
            "the handler of connection %s took more than %s s on a message; it is cancelled",
            slot.name,
            seconds,
        )
        task.cancel()
        await asyncio.wait([task], timeout=1.0)

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
