"""The decorator `cached`: the native lookup in front, and here what happens on a miss.

A miss is computed once however many callers wait for it (single-flight). An error is nobody's but the caller's
whose call raised it: those who waited compute for themselves, so nothing of an exception is kept.
"""

from __future__ import annotations

import _thread
import asyncio
import functools
import inspect
import sys
import weakref
from collections.abc import Awaitable, Hashable
from typing import Any, Callable, NamedTuple, TypeVar, overload

from . import _registry
from ._native import Cache, LRUCache, TTLCache, cached_function, make_key

F = TypeVar("F", bound=Callable[..., Any])
_MISSING = object()


class CacheInfo(NamedTuple):
    """As `functools.lru_cache` gives it."""

    hits: int
    misses: int
    maxsize: int | None
    currsize: int


class _Flight:
    """What threads wait on for a computation in another thread."""

    __slots__ = ("_lock", "_result")

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._lock.acquire()
        self._result: tuple[bool, Any] = (False, None)

    def wait(self) -> tuple[bool, Any]:
        """Whether there is a value, and the value."""
        with self._lock:
            return self._result

    def land(self, *value: Any) -> None:
        """The computation is over, with a value or without."""
        if value:
            self._result = (True, value[0])
        self._lock.release()


class _TaskFlight:
    """A computation under way in a task of its own: a caller that is cancelled does not take the others along, and
    the computation ends with the last who waits."""

    __slots__ = ("task", "waiting")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        self.waiting = 0

    async def wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Until the computation is over: what `asyncio.wait` does, for one task."""
        over = loop.create_future()

        def wake(_: asyncio.Task[Any]) -> None:
            if not over.done():
                over.set_result(None)

        self.waiting += 1
        self.task.add_done_callback(wake)
        try:
            await over
        finally:
            self.waiting -= 1
            self.task.remove_done_callback(wake)


async def _hit(value: Any) -> Any:
    return value


def _coroutine_function(
    function: Callable[..., Awaitable[Any]], cache: Cache, key: Callable[..., Hashable] | None
) -> Callable[..., Awaitable[Any]]:
    loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _TaskFlight]]
    loops = weakref.WeakKeyDictionary()

    async def compute(name: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        started = cache.epoch
        value = await function(*args, **kwargs)
        if started == cache.epoch:
            cache.offer(name, value)
        return value

    async def miss(name: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
        # Between the call and its first step another may have finished.
        value = cache.peek(name, _MISSING)
        if value is not _MISSING:
            return value
        loop = asyncio.get_running_loop()
        flights = loops.setdefault(loop, {})
        flight = flights.get(name)
        leading = flight is None
        if flight is None:
            flight = flights[name] = _TaskFlight(loop.create_task(compute(name, args, kwargs or {})))
        task = flight.task
        try:
            await flight.wait(loop)
        finally:
            if flights.get(name) is flight and (task.done() or not flight.waiting):
                del flights[name]
            if not flight.waiting and not task.done():
                task.cancel()
        if leading or not (task.cancelled() or task.exception()):
            return task.result()
        return await miss(name, args, kwargs)

    native: Callable[..., Awaitable[Any]] = cached_function(cache, function, _Flight, key, (_hit, miss))
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(native)

    # Before 3.12 `inspect` knows coroutine functions by their code alone.
    async def shim(*args: Any, **kwargs: Any) -> Any:
        return await native(*args, **kwargs)

    return shim


def _finish(wrapper: Any, cache: Cache, key: Callable[..., Hashable] | None, label: str) -> Any:
    def cache_info() -> CacheInfo:
        stats = cache.stats()
        return CacheInfo(stats["hits"], stats["misses"], cache.maxsize, stats["entries"])

    def cache_clear() -> None:
        cache.clear()

    def cache_key(*args: Any, **kwargs: Any) -> Hashable:
        return make_key(args, kwargs) if key is None else key(*args, **kwargs)

    def invalidate(*args: Any, **kwargs: Any) -> bool:
        return cache.invalidate(cache_key(*args, **kwargs))

    wrapper.cache = cache
    wrapper.cache_info = cache_info
    wrapper.cache_clear = cache_clear
    wrapper.cache_key = cache_key
    wrapper.invalidate = invalidate
    _registry.add("cache", label, cache)
    return wrapper


@overload
def cached(maxsize: F) -> F: ...
@overload
def cached(
    maxsize: int | None = 128,
    *,
    max_bytes: int | None = None,
    ttl: float | None = None,
    key: Callable[..., Hashable] | None = None,
    sizeof: Callable[[Any], int] | None = None,
    name: str | None = None,
) -> Callable[[F], F]: ...
def cached(
    maxsize: Any = 128,
    *,
    max_bytes: int | None = None,
    ttl: float | None = None,
    key: Callable[..., Hashable] | None = None,
    sizeof: Callable[[Any], int] | None = None,
    name: str | None = None,
) -> Any:
    """Keeps the results of a function or of a coroutine function.

    At most ``maxsize`` of them (``None``: any number), at most ``max_bytes`` by their real size (``sizeof``
    replaces how it is measured), each for at most ``ttl`` seconds; the least recently used goes first. ``key``
    makes the key from the arguments. Without it a `CandleBuffer` among the arguments stands in the key with its
    ``version``, so that a result is never older than the data; with a key of your own put ``buffer.version`` in.

    A coroutine function is looked up when it is called. Tasks that ask for the same wait for one computation, which
    goes on as long as one of them waits.

    The result has ``cache``, ``cache_info()``, ``cache_clear()``, ``cache_key(...)`` and ``invalidate(...)``.
    """
    if callable(maxsize):
        return cached()(maxsize)
    if sizeof is not None and max_bytes is None:
        raise ValueError("sizeof needs max_bytes, the bound that it is for")

    def decorate(function: Any) -> Any:
        cache: Cache
        if ttl is None:
            cache = LRUCache(maxsize, sizeof, max_bytes=max_bytes)
        else:
            cache = TTLCache(maxsize, ttl, None, sizeof, max_bytes=max_bytes)
        label = name or f"{function.__module__}.{function.__qualname__}"
        if inspect.iscoroutinefunction(function):
            wrapper = _coroutine_function(function, cache, key)
        else:
            wrapper = cached_function(cache, function, _Flight, key)
        functools.update_wrapper(wrapper, function)
        return _finish(wrapper, cache, key, label)

    return decorate
