"""Computations of coroutine functions: each in a task of its own, one for all who wait.

A caller that is cancelled does not take the others along, and the computation ends with the last who waits. Its error
is everybody's; with ``errors="retry"`` those who waited compute once more, together. A computation that waits for
itself, over however many others, is an error at once.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import sys
import weakref
from collections.abc import Awaitable, Hashable
from typing import Any, Callable

from .._native import Cache, Reads, cached_function, task_reads
from .source import MISSING, Source
from .waiter import Waiter

# The computations that the running code belongs to, the innermost last.
_inside: contextvars.ContextVar[tuple[Flight, ...]] = contextvars.ContextVar("m5mem_inside", default=())


class Flight:
    """One computation, and who waits for it."""

    __slots__ = ("flights", "key", "reads", "task", "trace", "waiters", "waits_for")

    def __init__(self, flights: dict[Hashable, Flight], key: Hashable) -> None:
        # None until it is made: with an eager task factory the computation begins before.
        self.task: asyncio.Task[Any] | None = None
        self.flights, self.key = flights, key
        self.waiters: set[asyncio.Future[None]] = set()
        self.waits_for: list[Flight] = []
        self.reads: Reads | None = None
        self.trace: Any = None

    def land(self, _: object = None) -> None:
        """The computation is over, or will be when its task has made this step: who waits is woken for the next."""
        if self.flights.get(self.key) is self:
            del self.flights[self.key]
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)

    def is_over(self) -> bool:
        return self.task is not None and self.task.done()

    def error(self, task: asyncio.Task[Any]) -> BaseException | None:
        """How the computation failed. Each who raises it adds frames of its own: they begin from those of the
        computation, not of each other."""
        error = task.exception()
        if error is None:
            return None
        if self.trace is None:
            self.trace = error.__traceback__
        return error.with_traceback(self.trace)

    def reaches(self, goals: tuple[Flight, ...]) -> bool:
        """Whether this computation is one of those, or waits for one of them."""
        seen: set[int] = set()
        todo = [self]
        while todo:
            flight = todo.pop()
            if flight in goals:
                return True
            if id(flight) not in seen:
                seen.add(id(flight))
                todo.extend(flight.waits_for)
        return False


async def _hit(value: Any) -> Any:
    return value


class Tasks:
    """The coroutine function behind a cached one."""

    def __init__(self, source: Source, retries: bool) -> None:
        self.source, self.cache, self.retries = source, source.cache, retries
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Flight]]
        self._loops = weakref.WeakKeyDictionary()
        self._background: set[asyncio.Task[Any]] = set()

    async def _compute(
        self, flight: Flight, key: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any] | None
    ) -> Any:
        try:
            return await self._result(flight, key, args, kwargs)
        finally:
            flight.land()

    async def _result(
        self, flight: Flight, key: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any] | None
    ) -> Any:
        started, source = self.cache.epoch, self.source
        reads = flight.reads = Reads(key)
        task_reads.set(reads)
        _inside.set((*_inside.get(), flight))
        try:
            value = await source.function(*args, **(kwargs or {}))
        except Exception as error:
            source.keep_error(key, error)
            raise
        finally:
            reads.close()
        if inspect.isgenerator(value) or inspect.isasyncgen(value) or inspect.iscoroutine(value):
            raise TypeError(
                f"a {type(value).__name__} can be used only once, so it cannot be cached: return a list"
            )
        if started == self.cache.epoch:
            source.keep(key, value, reads)
            if source.mapping is None:
                self.cache.offer(key, value, reads, started)
        return value

    def _flight(
        self,
        flights: dict[Hashable, Flight],
        key: Hashable,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
    ) -> tuple[Flight, asyncio.Task[Any]]:
        flight = flights[key] = Flight(flights, key)
        task = flight.task = asyncio.get_running_loop().create_task(self._compute(flight, key, args, kwargs))
        task.add_done_callback(flight.land)  # where it is cancelled before its first step, or was eager
        return flight, task

    def _refresh(
        self,
        flights: dict[Hashable, Flight],
        key: Hashable,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
    ) -> None:
        """Computes a stale result anew in the background."""
        if key in flights or not self.source.take_refresh(key):
            return
        _, task = self._flight(flights, key, args, kwargs)
        self._background.add(task)

        def over(task: asyncio.Task[Any]) -> None:
            self._background.discard(task)
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
            self.source.end_refresh(key, error)

        task.add_done_callback(over)

    async def miss(self, key: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
        loop = asyncio.get_running_loop()
        flights = self._loops.get(loop)
        if flights is None:
            flights = self._loops.setdefault(loop, {})
        may_retry = self.retries
        while True:
            # Between the call and its first step another may have finished.
            value = self.cache.peek(key, MISSING)
            if value is MISSING:
                value = self.source.found(key)
            if value is MISSING:
                value = self.source.old(key)
                if value is not MISSING:
                    self._refresh(flights, key, args, kwargs)
            if value is not MISSING:
                return value
            self.source.check(key)
            flight = flights.get(key)
            leading = flight is None
            if flight is None:
                flight, _ = self._flight(flights, key, args, kwargs)
            task = await self._wait(loop, flight)
            if leading and task.cancelled():
                return task.result()
            if task.cancelled():
                if may_retry:
                    may_retry = False
                    continue
                raise RuntimeError("the computation that was waited for was cancelled from inside")
            error = flight.error(task)
            if error is None:
                if flight.reads is not None:
                    flight.reads.tell()
                return task.result()
            if leading or not may_retry:
                try:
                    raise error
                finally:
                    del error  # or this frame and the error hold each other
            may_retry = False

    async def _wait(self, loop: asyncio.AbstractEventLoop, flight: Flight) -> asyncio.Task[Any]:
        """Until the computation is over; its task. With the last who waits it ends."""
        inside = tuple(f for f in _inside.get() if not f.is_over())
        if inside and flight.reaches(inside):
            raise RuntimeError(
                "a cached computation needs its own result, itself or over others that wait for it; it would wait for ever"
            )
        over = loop.create_future()
        flight.waiters.add(over)
        if inside:
            inside[-1].waits_for.append(flight)
        try:
            await over
        finally:
            flight.waiters.discard(over)
            if inside:
                inside[-1].waits_for.remove(flight)
            task = flight.task
            if not flight.waiters and task is not None and not task.done() and task not in self._background:
                if flight.flights.get(flight.key) is flight:
                    del flight.flights[flight.key]
                task.cancel()
        assert task is not None  # it was made in the step that began the computation
        return task

    def after_fork(self) -> None:
        """In a forked child: no loop of the parent runs here."""
        self._loops.clear()
        self._background.clear()

    def make(
        self, key: Callable[..., Hashable] | None, style: dict[str, Any]
    ) -> Callable[..., Awaitable[Any]]:
        """The callable: looked up natively when it is called, and here where there is no value."""
        native: Callable[..., Awaitable[Any]] = cached_function(
            self.cache, self.source.function, Waiter, key, (_hit, self.miss), **style
        )
        if sys.version_info >= (3, 12):
            return inspect.markcoroutinefunction(native)

        # Before 3.12 `inspect` knows coroutine functions by their code alone.
        async def shim(*args: Any, **kwargs: Any) -> Any:
            return await native(*args, **kwargs)

        return shim


def make(
    source: Source,
    cache: Cache[Any, Any],
    key: Callable[..., Hashable] | None,
    retries: bool,
    style: dict[str, Any],
) -> tuple[Callable[..., Awaitable[Any]], Tasks]:
    """A cached coroutine function, and what is behind it."""
    tasks = Tasks(source, retries)
    return tasks.make(key, style), tasks
