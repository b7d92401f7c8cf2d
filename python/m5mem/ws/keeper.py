"""The owner of a connection: keeps it up, hands its messages over, and ends it when it is told to."""

from __future__ import annotations

import asyncio
import inspect
import random
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Callable

from .slot import Handler, Slot, log, positional
from .wire import Chores, abort, awaited


@dataclass(frozen=True)
class Terms:
    """What holds for all connections of a pool. Seconds all."""

    stale_after: float
    open_timeout: float
    close_timeout: float
    backoff_base: float
    backoff_max: float
    min_uptime: float

    def delay(self, attempt: int) -> float:
        """How long to wait after so many failures: by chance, so that not all come back at once."""
        return random.uniform(0, min(self.backoff_max, self.backoff_base * 2.0 ** min(attempt, 30)))


class _OpenFailed(Exception):
    """``on_open`` failed; its error is the cause."""


class Keeper:
    """Keeps the connection of a slot up."""

    def __init__(
        self, slot: Slot, terms: Terms, connect: Callable[..., Awaitable[Any]], chores: Chores
    ) -> None:
        self.slot, self.terms, self._connect, self._chores = slot, terms, connect, chores

    @property
    def _is_asked(self) -> bool:
        """Whether the owner itself is to end. An inner cancellation is a failure like any other."""
        return self.slot.task is None or self.slot.task.asked

    def _settle(self) -> None:
        if self.slot.task is not None:
            self.slot.task.settle()

    async def run(self) -> None:
        """Keeps the connection up: only `remove`, `close` and the end of the loop end this."""
        slot = self.slot
        while True:
            try:
                await self._round()
            except asyncio.CancelledError:
                if self._is_asked:
                    raise
                slot.counts["cancellations"] += 1
                slot.last_error = "CancelledError()"
                log.warning("something that connection %s waited for was cancelled; going on", slot.name)
            except Exception as error:
                slot.counts["owner_errors"] += 1
                slot.last_error = repr(error)
                log.exception("the owner of connection %s failed; going on", slot.name)
            slot.state = "backoff"
            delay = self.terms.delay(slot.attempt)
            slot.attempt += 1
            try:
                await asyncio.sleep(delay)
            except asyncio.CancelledError:
                if self._is_asked:
                    raise
                slot.counts["cancellations"] += 1

    async def _round(self) -> None:
        """One connection, from its opening to its end."""
        slot = self.slot
        slot.state = "connecting"
        connection = await self._open()
        if connection is None:
            log.info("connection %s: %s", slot.name, slot.last_error)
            return
        since = time.monotonic()
        try:
            await self._serve(connection)
        finally:
            slot.connection = None
            slot.state = "closing"
            slot.counts["disconnects"] += 1
            # A task of its own: when the owner is cancelled, the farewell still runs to its deadline.
            farewell = self._chores.farewell(slot, connection, self.terms.close_timeout)
            await asyncio.shield(self._chores.add(farewell))
        log.info(
            "connection %s was lost after %.0f s: %s", slot.name, time.monotonic() - since, slot.last_error
        )
        if time.monotonic() - since >= self.terms.min_uptime:
            slot.attempt = 0

    async def _open(self) -> Any:
        """A connection, or `None` where there is none. One that comes too late, or after the owner was cancelled,
        is closed."""
        slot = self.slot
        task = self._chores.add(awaited(self._connect(slot.uri, **slot.options)))
        taken = False
        try:
            # asyncio.wait, not wait_for: that can lose the result when both happen at once.
            await asyncio.wait([task], timeout=self.terms.open_timeout * 1.1)
            if not task.done():
                slot.counts["failures"] += 1
                slot.last_error = f"not open after {self.terms.open_timeout} s"
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
                task.add_done_callback(self._orphan)
                task.cancel()

    def _orphan(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and task.exception() is None:
            farewell = self._chores.farewell(self.slot, task.result(), self.terms.close_timeout)
            self._chores.add(farewell)

    async def _serve(self, connection: Any) -> None:
        slot = self.slot
        slot.connection, slot.state, slot.last_activity = connection, "open", time.monotonic()
        watch = _Watch(self)
        try:
            if slot.on_open is not None:
                await self._greet(slot.on_open, connection)
            receive, clock = connection.recv, time.monotonic
            while True:
                message = await receive()
                slot.counts["messages"] += 1
                # A handler that awaits nothing costs no coroutine of its own.
                slot.handling_since = clock()
                pending = self._begin(message)
                if pending is not None:
                    await self._finish(pending)
                slot.handled(clock())
        except asyncio.CancelledError:
            if self._is_asked:
                raise
            slot.counts["cancellations"] += 1
            slot.last_error = "CancelledError() out of recv()"
        except _OpenFailed as error:
            slot.counts["open_errors"] += 1
            slot.last_error = repr(error.__cause__)
            log.error("on_open of connection %s failed: %r; connecting anew", slot.name, error.__cause__)
        except Exception as error:
            slot.last_error = repr(error)
        finally:
            watch.stop()
            if slot.handling_since is not None:
                slot.handled(time.monotonic())

    async def _greet(self, on_open: Handler, connection: Any) -> None:
        """Runs ``on_open``. A connection that nothing was subscribed on is of no use: its failure ends it."""
        try:
            result = on_open(connection, self.slot) if positional(on_open) >= 2 else on_open(connection)
            if inspect.isawaitable(result):
                await result
        except asyncio.CancelledError as error:
            if self._is_asked:
                raise
            raise _OpenFailed from error
        except Exception as error:
            raise _OpenFailed from error
        self._settle()

    def _begin(self, message: Any) -> Any:
        """Calls the handler: what it returned for somebody to await, or `None`."""
        slot = self.slot
        try:
            result = slot.handler(message, slot) if slot.wants_slot else slot.handler(message)
        except (Exception, asyncio.CancelledError) as error:
            self._failed(error)
            return None
        return result if result is not None and inspect.isawaitable(result) else None

    async def _finish(self, pending: Awaitable[Any]) -> None:
        """Awaits what the handler returned."""
        slot = self.slot
        try:
            if slot.handler_timeout is None:
                await pending
                self._settle()
            else:
                await self._bounded(pending, slot.handler_timeout)
        except (Exception, asyncio.CancelledError) as error:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        """A handler failed, or was cancelled: the connection lives on, unless its owner itself is to end."""
        slot = self.slot
        if isinstance(error, asyncio.CancelledError):
            if self._is_asked:
                raise error
            slot.counts["cancellations"] += 1
            log.warning("the handler of connection %s was cancelled from inside; going on", slot.name)
            return
        slot.counts["handler_errors"] += 1
        log.error("the handler of connection %s failed on a message; going on", slot.name, exc_info=error)
        self._settle()

    async def _bounded(self, work: Awaitable[Any], seconds: float) -> None:
        task = self._chores.add(awaited(work))
        try:
            await asyncio.wait([task], timeout=seconds)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.done():
            task.result()
            return
        self.slot.counts["handler_timeouts"] += 1
        log.error(
            "the handler of connection %s took more than %s s on a message; it is cancelled",
            self.slot.name,
            seconds,
        )
        task.cancel()
        await asyncio.wait([task], timeout=1.0)

    def drop_stale(self) -> None:
        """Ends the connection under its owner, who then makes another."""
        connection = self.slot.connection
        if connection is None:
            return
        self.slot.counts["stale"] += 1
        if getattr(connection, "transport", None) is not None:
            abort(connection)
        else:
            self._chores.add(awaited(connection.close()))

    def is_stale(self) -> bool:
        """Whether no message came for too long while one was waited for."""
        slot = self.slot
        silent = time.monotonic() - slot.last_activity
        return slot.state == "open" and slot.handling_since is None and silent > self.terms.stale_after


class _Watch:
    """Looks whether a connection is stale: no message for too long while one was waited for. A handler that takes as
    long is told of, and is no reason to part from the peer."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper, self._slot, self._after = keeper, keeper.slot, keeper.terms.stale_after
        self._told: float | None = None
        self._timer = asyncio.get_running_loop().call_later(self._after, self._look)

    def _look(self) -> None:
        slot, left = self._slot, self._after
        since = slot.handling_since
        if since is None:
            left = slot.last_activity + self._after - time.monotonic()
            if left <= 0:
                self._keeper.drop_stale()
                return
        elif since != self._told and slot.handling >= self._after:
            self._told = since
            slot.counts["handler_slow"] += 1
            log.warning(
                "the handler of connection %s has been at one message for %.0f s", slot.name, slot.handling
            )
        self._timer = asyncio.get_running_loop().call_later(left, self._look)

    def stop(self) -> None:
        self._timer.cancel()
