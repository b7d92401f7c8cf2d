"""The decorator `cached`: the native lookup in front, and here what happens on a miss.

A miss is computed once however many callers wait for it (single-flight). An error is nobody's but the caller's
whose call raised it: those who waited compute for themselves, so nothing of an exception is kept.
"""

from __future__ import annotations

import _thread
import asyncio
import functools
import inspect
import weakref
from typing import Any, Awaitable, Callable, Hashable, NamedTuple, TypeVar, overload

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
    """A computation under way in some thread."""

    __slots__ = ("lock", "owner", "value")

    def __init__(self) -> None:
        self.lock = _thread.allocate_lock()
        self.lock.acquire()
        self.owner = _thread.get_ident()
        self.value = _MISSING


class _Epoch:
    """Counts invalidations: what was computed before one is not stored after it."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


def _thread_miss(function: Callable[..., Any], cache: Cache, epoch: _Epoch) -> Callable[..., Any]:
    flights: dict[Hashable, _Flight] = {}
    guard = _thread.allocate_lock()

    def miss(key: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
        kwargs = kwargs or {}
        while True:
            with guard:
                flight = flights.get(key)
                if flight is None:
                    mine = flights[key] = _Flight()
            if flight is None:
                break
            if flight.owner == _thread.get_ident():  # it calls itself with its own arguments
                return function(*args, **kwargs)
            with flight.lock:
                pass
            if flight.value is not _MISSING:
                return flight.value
        started = epoch.number
        try:
            # Somebody may have finished between the caller's look into the cache and now.
            value = mine.value = cache.peek(key, _MISSING)
            if value is not _MISSING:
                return value
            value = mine.value = function(*args, **kwargs)
            if started == epoch.number:
                cache.offer(key, value)
            return value
        finally:
            with guard:
                if flights.get(key) is mine:
                    del flights[key]
            mine.lock.release()

    return miss


class _TaskFlight:
    """A computation under way in a task of its own: a caller that is cancelled does not take the others along."""

    __slots__ = ("task", "waiting")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        self.waiting = 0


def _coroutine_wrapper(
    function: Callable[..., Awaitable[Any]], cache: Cache, key: Callable[..., Hashable] | None, epoch: _Epoch
) -> Callable[..., Awaitable[Any]]:
    get = cache.get
    loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _TaskFlight]]
    loops = weakref.WeakKeyDictionary()

    async def compute(name: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        started = epoch.number
        value = await function(*args, **kwargs)
        if started == epoch.number:
            cache.offer(name, value)
        return value

    async def wait(name: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        loop = asyncio.get_running_loop()
        flights = loops.setdefault(loop, {})
        flight = flights.get(name)
        leading = flight is None
        if flight is None:
            flight = flights[name] = _TaskFlight(loop.create_task(compute(name, args, kwargs)))
        flight.waiting += 1
        task = flight.task
        try:
            await asyncio.wait([task])
        finally:
            flight.waiting -= 1
            if flights.get(name) is flight and (task.done() or not flight.waiting):
                del flights[name]
            if not flight.waiting and not task.done():
                task.cancel()
        if leading or not (task.cancelled() or task.exception()):
            return task.result()
        return await wait(name, args, kwargs)

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        name = make_key(args, kwargs) if key is None else key(*args, **kwargs)
        value = get(name, _MISSING)
        if value is not _MISSING:
            return value
        return await wait(name, args, kwargs)

    return wrapper


def _finish(wrapper: Any, cache: Cache, key: Callable[..., Hashable] | None, epoch: _Epoch, label: str) -> Any:
    def cache_info() -> CacheInfo:
        stats = cache.stats()
        return CacheInfo(stats["hits"], stats["misses"], cache.maxsize, stats["entries"])

    def cache_clear() -> None:
        epoch.number += 1
        cache.clear()

    def cache_key(*args: Any, **kwargs: Any) -> Hashable:
        return make_key(args, kwargs) if key is None else key(*args, **kwargs)

    def invalidate(*args: Any, **kwargs: Any) -> bool:
        epoch.number += 1
        return cache.pop(cache_key(*args, **kwargs), _MISSING) is not _MISSING

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
        epoch = _Epoch()
        if inspect.iscoroutinefunction(function):
            return _finish(_coroutine_wrapper(function, cache, key, epoch), cache, key, epoch, label)
        wrapper = cached_function(cache, _thread_miss(function, cache, epoch), key)
        functools.update_wrapper(wrapper, function)
        return _finish(wrapper, cache, key, epoch, label)

    return decorate
