"""A pool of objects that are dear to make: leases return by ``with``."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Generator
from types import TracebackType
from typing import Any, Callable, Generic, TypeVar

from . import _registry

T = TypeVar("T")
_pools: weakref.WeakSet[Any] = weakref.WeakSet()


def _after_fork() -> None:
    for pool in list(_pools):
        pool._after_fork()


os.register_at_fork(after_in_child=_after_fork)


class PoolTimeout(TimeoutError):
    """No object came back within the time."""


class Lease(Generic[T]):
    """An object out of a pool, until the end of the ``with`` block or `release`."""

    __slots__ = ("_object", "_out", "_pool")

    def __init__(self, pool: Pool[T], obj: T) -> None:
        self._pool = pool
        self._object = obj
        self._out = True

    @property
    def object(self) -> T:
        """The leased object; an error after it went back."""
        if not self._out:
            raise RuntimeError("this lease is over: the object is back in its pool")
        return self._object

    def release(self, *, broken: bool = False) -> None:
        """Gives the object back; ``broken`` drops it instead. A second call does nothing."""
        if self._out:
            self._out = False
            self._pool._return(self._object, broken)
            del self._object

    def __enter__(self) -> T:
        return self.object

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __del__(self) -> None:
        if getattr(self, "_out", False):
            self._out = False
            self._pool._lost()


def _call(turn: Any) -> None:
    """Tells who waits that it may look."""
    if not turn.done():
        turn.set_result(None)


class AsyncLease(Generic[T]):
    """What `Pool.alease` gives: await it for a `Lease`, or use it with ``async with`` for the object."""

    def __init__(self, pool: Pool[T], timeout: float | None) -> None:
        self._pool, self._timeout = pool, timeout
        self._lease: Lease[T] | None = None

    def __await__(self) -> Generator[Any, None, Lease[T]]:
        return self._pool._lease_in_loop(self._timeout).__await__()

    async def __aenter__(self) -> T:
        self._lease = await self
        return self._lease.object

    async def __aexit__(self, *error: object) -> None:
        if self._lease is not None:
            self._lease.release()


class Pool(Generic[T]):
    """At most ``max_size`` objects of ``factory``, reused one after the other.

    ``reset(obj)`` runs when an object comes back; where it raises, the object is dropped and the error is counted.
    ``lease(timeout)`` waits for one when all are out (``timeout=0``: not at all). A lease that is forgotten frees
    its place when it is collected, and is counted in ``lost``. In asyncio use ``alease``, which waits without blocking
    the loop; there ``factory`` may give an awaitable.

    A forked child begins with the idle objects and with nothing leased; what must not be shared over a fork (sockets)
    is to be left with `clear` before it.
    """

    def __init__(
        self,
        factory: Callable[[], T],
        reset: Callable[[T], Any] | None = None,
        max_size: int = 16,
        *,
        name: str = "pool",
    ) -> None:
        for what, given in (("factory", factory), ("reset", reset)):
            if not callable(given) and not (what == "reset" and given is None):
                raise TypeError(f"{what} must be callable, not {type(given).__name__}")
        if max_size < 1:
            raise ValueError("max_size must be 1 or more")
        self._factory, self._reset, self.max_size = factory, reset, max_size
        self._idle: deque[T] = deque()
        # Re-entrant: the collector may run a forgotten lease's __del__ in the middle of a call.
        self._free = threading.Condition(threading.RLock())
        self._out = 0
        self._waiting: deque[tuple[Any, Any]] = deque()
        self._forks = 0
        _pools.add(self)
        self.created = self.reused = self.dropped = self.lost = self.reset_errors = 0
        self.name = _registry.add("pool", name, self)

    def __repr__(self) -> str:
        return f"<m5mem.Pool {self.name!r}: {self._out} out, {len(self._idle)} idle, at most {self.max_size}>"

    def __reduce__(self) -> Any:
        raise TypeError("a Pool is neither copied nor pickled: what it leases belongs to one process")

    def lease(self, timeout: float | None = None) -> Lease[T]:
        """An object of the pool; `PoolTimeout` where none came within ``timeout`` seconds (``None``: wait)."""
        with self._free:
            if not self._free.wait_for(lambda: self._idle or self._out < self.max_size, timeout):
                raise PoolTimeout(f"all {self.max_size} objects of pool {self.name!r} are out")
            self._out += 1
            if self._idle:
                self.reused += 1
                return Lease(self, self._idle.pop())
        try:
            made = self._factory()
        except BaseException:
            self._give_up()
            raise
        with self._free:
            self.created += 1
        return Lease(self, made)

    def alease(self, timeout: float | None = None) -> AsyncLease[T]:
        """As `lease`, for coroutines: ``async with pool.alease() as obj``, or ``lease = await pool.alease()``."""
        return AsyncLease(self, timeout)

    async def _lease_in_loop(self, timeout: float | None) -> Lease[T]:
        import asyncio
        import inspect

        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout
        while True:
            with self._free:
                if self._idle or self._out < self.max_size:
                    self._out += 1
                    if self._idle:
                        self.reused += 1
                        return Lease(self, self._idle.pop())
                    break
                turn: asyncio.Future[None] = loop.create_future()
                entry = (loop, turn)
                self._waiting.append(entry)
            left = None if end is None else max(0.0, end - loop.time())
            try:
                await asyncio.wait([turn], timeout=left)
            except BaseException:
                with self._free:
                    if entry in self._waiting:
                        self._waiting.remove(entry)
                    else:
                        self._wake()  # it was this one's turn: now it is the next one's
                raise
            with self._free:
                if entry in self._waiting:
                    self._waiting.remove(entry)
                    raise PoolTimeout(f"all {self.max_size} objects of pool {self.name!r} are out")
        try:
            made: Any = self._factory()
            if inspect.isawaitable(made):
                made = await made
        except BaseException:
            self._give_up()
            raise
        with self._free:
            self.created += 1
        return Lease(self, made)

    def _wake(self) -> None:
        """One thread and one task may look; the lock is held."""
        self._free.notify()
        while self._waiting:
            loop, turn = self._waiting.popleft()
            if turn.done() or loop.is_closed():
                continue
            loop.call_soon_threadsafe(_call, turn)
            return

    def _give_up(self) -> None:
        with self._free:
            self._out -= 1
            self._wake()

    def _return(self, obj: T, broken: bool) -> None:
        if not broken and self._reset is not None:
            try:
                self._reset(obj)
            except Exception:
                broken = True
                with self._free:
                    self.reset_errors += 1
        with self._free:
            self._out = max(0, self._out - 1)
            if broken:
                self.dropped += 1
            else:
                self._idle.append(obj)
            self._wake()

    def _lost(self) -> None:
        with self._free:
            self._out -= 1
            self.lost += 1
            self._wake()

    def _after_fork(self) -> None:
        """In a forked child: threads and tasks that leased or waited are gone."""
        self._free = threading.Condition(threading.RLock())
        self._out = 0
        self._waiting.clear()

    def clear(self) -> None:
        """Drops the objects that are not out."""
        with self._free:
            self.dropped += len(self._idle)
            self._idle.clear()

    def stats(self) -> dict[str, int]:
        """Counters, and how many objects are idle and out now."""
        with self._free:
            return {
                "idle": len(self._idle),
                "leased": self._out,
                "max_size": self.max_size,
                "created": self.created,
                "reused": self.reused,
                "dropped": self.dropped,
                "lost": self.lost,
                "reset_errors": self.reset_errors,
            }
