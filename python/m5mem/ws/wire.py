"""Opening and closing connections, with tasks that are waited for and none that is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Callable

from .slot import Slot


def _library() -> Callable[..., Awaitable[Any]]:
    try:
        from websockets.asyncio.client import connect
    except ImportError as error:
        raise ImportError(
            f"{error}; install websockets (13 or later), or give connect= of your own"
        ) from error
    return connect


def default_connect(uri: str, **options: Any) -> Awaitable[Any]:
    return _library()(uri, **options)


def check(uri: str) -> None:
    """What no later attempt would mend is told at once: an address that is none, a library that is missing."""
    if not str(uri).lower().startswith(("ws://", "wss://")):
        raise ValueError(f"{uri!r} is no address of a WebSocket: ws://… or wss://…")
    _library()


async def awaited(thing: Awaitable[Any]) -> Any:
    return await thing


def abort(connection: Any) -> None:
    """Ends a connection at once, without a farewell."""
    transport = getattr(connection, "transport", None)
    if transport is not None:
        transport.abort()


class Chores:
    """Tasks beside the owners, which the end of the pool waits for."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # seen: nothing is logged as never retrieved

    async def finish(self) -> None:
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    async def farewell(self, slot: Slot, connection: Any, deadline: float) -> None:
        """Closes with a deadline, then cuts the wire."""
        task = self.add(awaited(connection.close()))
        await asyncio.wait([task], timeout=deadline)
        if not task.done():
            slot.counts["aborted"] += 1
            abort(connection)
            await asyncio.wait([task], timeout=1.0)
            task.cancel()
            await asyncio.wait([task], timeout=1.0)
        elif not task.cancelled() and task.exception() is not None:
            slot.last_error = repr(task.exception())
            abort(connection)
