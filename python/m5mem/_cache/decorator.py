"""The decorator `cached`: the native lookup in front, and what happens on a miss behind it."""

from __future__ import annotations

import os
import weakref

from .. import _registry
from .._native import Cache, CachedFunction, LRUCache, TTLCache, after_fork, cached_function, make_key
from . import source as _source
from .kinds import is_coroutine_function, is_generator_function
from .source import Source
from .waiter import Waiter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from .info import CacheInfo


class _Owner:
    """Stands in the keys of one function of several that share a cache."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name}>"


# What has to be put right in a forked child.
_living: weakref.WeakSet[Any] = weakref.WeakSet()


def _after_fork() -> None:
    after_fork()
    _registry.after_fork()
    _source.after_fork()
    for thing in list(_living):
        thing.after_fork()


os.register_at_fork(after_in_child=_after_fork)


def _prefix(cache: Any, native: bool, label: str) -> Any:
    """What tells this function's keys from others' in a shared cache; the first needs nothing."""
    if not native:
        return label
    return _Owner(label) if cache.share() else None


def _describe(function: Any) -> str:
    info = function.cache_info()
    bound = "unbounded" if info.maxsize is None else info.maxsize
    asked = info.hits + info.misses
    share = f", {100 * info.hits / asked:.0f} % hits" if asked else ""
    return f"<m5mem.cached {function.__module__}.{function.__qualname__}: {info.currsize}/{bound} entries{share}>"


CachedFunction.__repr__ = _describe  # type: ignore[assignment, method-assign, unused-ignore]
# Pickled, and copied, by reference, as every function is.
CachedFunction.__reduce__ = lambda self: self.__qualname__  # type: ignore[method-assign, attr-defined]
CachedFunction.__copy__ = lambda self: self  # type: ignore[attr-defined, method-assign, unused-ignore]
CachedFunction.__deepcopy__ = lambda self, memo: self  # type: ignore[attr-defined, method-assign, unused-ignore]


def _finish(
    wrapper: Any,
    source: Source,
    key: Callable[..., Any] | None,
    style: dict[str, Any],
    parameters: dict[str, Any],
) -> Any:
    cache, mapping = source.cache, source.mapping

    def cache_info() -> CacheInfo:
        from .info import CacheInfo

        if mapping is not None:
            bound = getattr(mapping, "maxsize", None)
            return CacheInfo(source.counts["hits"], source.counts["misses"], bound, len(mapping))
        stats = cache.stats()
        return CacheInfo(stats["hits"], stats["misses"], cache.maxsize, stats["entries"])

    def cache_clear() -> None:
        cache.clear()
        source.forget()

    def cache_key(*args: Any, **kwargs: Any) -> Any:
        if key is not None:
            return key(*args, **kwargs)
        return make_key(args, kwargs, style["typed"], style["prefix"])

    def invalidate(*args: Any, **kwargs: Any) -> bool:
        name = cache_key(*args, **kwargs)
        beside = source.forget(name)
        return cache.invalidate(name) or beside

    def cache_stats() -> dict[str, int]:
        return {**cache.stats(), **{k: v for k, v in source.counts.items() if k not in ("hits", "misses")}}

    wrapper.cache = cache if mapping is None else mapping
    wrapper.cache_info = cache_info
    wrapper.cache_stats = cache_stats
    wrapper.cache_clear = cache_clear
    wrapper.cache_key = cache_key
    wrapper.cache_parameters = lambda: dict(parameters)
    wrapper.invalidate = invalidate
    return wrapper


def _cache_for(given: Any, options: dict[str, Any]) -> tuple[Cache[Any, Any], Any]:
    """The native cache, and the mapping of the caller where it is none of ours."""
    bounds = {k: options[k] for k in ("max_bytes", "ttl", "sizeof")}
    if given is None or isinstance(given, (int, float)):
        if options["sizeof"] is not None and options["max_bytes"] is None:
            raise ValueError("sizeof needs max_bytes, the bound that it is for")
        jitter = options["ttl_jitter"]
        if options["ttl"] is None:
            if jitter or options["stale_ttl"]:
                raise ValueError("ttl_jitter and stale_ttl need a ttl")
            return LRUCache(given, options["sizeof"], max_bytes=options["max_bytes"]), None
        ttl = options["ttl"]
        return TTLCache(
            given, ttl, None, options["sizeof"], max_bytes=options["max_bytes"], jitter=jitter
        ), None
    if any(v is not None for v in bounds.values()) or options["ttl_jitter"]:
        raise ValueError(
            "max_bytes, ttl, ttl_jitter and sizeof are for a cache of its own; the given one has its bounds"
        )
    if isinstance(given, type) or not (hasattr(given, "__setitem__") and hasattr(given, "get")):
        what = f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
        raise TypeError(f"a number of results or a mapping is needed, not {what}")
    if isinstance(given, Cache) and not given.overridden:
        if options["stale_ttl"] and given.ttl is None:
            raise ValueError("stale_ttl needs a ttl: give a TTLCache")
        return given, None
    if options["stale_ttl"]:
        raise ValueError("stale_ttl needs a ttl= or a TTLCache of m5mem")
    return LRUCache(0), given


def cached(
    cache: Any = 128,
    *,
    maxsize: Any = 128,
    key: Callable[..., Any] | None = None,
    typed: bool = False,
    max_bytes: int | None = None,
    ttl: float | None = None,
    ttl_jitter: float = 0.0,
    stale_ttl: float | None = None,
    errors: str = "share",
    error_ttl: float | None = None,
    sizeof: Callable[[Any], int] | None = None,
    lock: Any = None,
    info: bool = True,
    name: str | None = None,
) -> Any:
    """Keeps the results of a function or of a coroutine function.

    ``cache`` is a number of results (``None``: any number), or a mapping: an `LRUCache` or `TTLCache`, one of
    cachetools, a dict. Several functions may share a mapping; without ``key`` their results stay apart.

    The bounds of a cache of its own: ``maxsize`` results (the same as ``cache``), ``max_bytes`` by their real size
    (``sizeof`` replaces how it is measured), each for at most ``ttl`` seconds, less a share of up to ``ttl_jitter`` by
    chance; the least recently used goes first.

    ``key`` makes the key from the arguments; ``typed`` tells ``1`` from ``1.0``. A result that was computed from a
    `CandleBuffer` or an indicator is given only as long as those have not changed, wherever the function found them,
    and they need not be in the key. (What a computation reads in threads of its own is seen where it passes its
    context, as `asyncio.to_thread` does, and otherwise where the buffer is an argument.)

    A missing result is computed once however many threads or tasks ask for it (single-flight); they share its value,
    and with ``errors="share"`` its error. With ``errors="retry"`` those who waited for an error compute once more,
    together. A computation that needs its own result is a `RuntimeError`, not a hang.

    For an outage: ``error_ttl`` keeps errors so many seconds; ``stale_ttl`` gives a result that is older than ``ttl``
    for so many seconds more while it is computed anew in the background.

    ``lock`` guards a mapping that is not safe for threads (there is one by default); ``info`` is accepted as in
    cachetools. Coroutine functions are looked up when they are called. Generators are refused.

    The result has ``cache``, ``cache_info()``, ``cache_stats()``, ``cache_clear()``, ``cache_key(...)``,
    ``cache_parameters()`` and ``invalidate(...)``.
    """
    if callable(cache) and not hasattr(cache, "__setitem__"):
        return cached()(cache)
    if errors not in ("share", "retry"):
        raise ValueError("errors must be 'share' or 'retry'")
    if any(t is not None and not t >= 0 for t in (error_ttl, stale_ttl)):
        raise ValueError("error_ttl and stale_ttl are seconds, 0 or more")
    if key is not None and not callable(key):
        raise TypeError(f"key makes a key of the arguments: a function is needed, not {type(key).__name__}")
    given = maxsize if isinstance(cache, int) and cache == 128 else cache
    options = {
        "max_bytes": max_bytes,
        "ttl": ttl,
        "ttl_jitter": ttl_jitter,
        "stale_ttl": stale_ttl,
        "sizeof": sizeof,
    }
    own = given is None or isinstance(given, (int, float))
    _cache_for(given, options)  # a wrong argument is told here, not when the function is made

    def decorate(function: Any) -> Any:
        if not callable(function):
            raise TypeError(f"a function is needed, not {type(function).__name__}: {function!r:.80}")
        if is_generator_function(function):
            raise TypeError("a generator can be used only once, so it cannot be cached: return a list")
        store, mapping = _cache_for(given, options)
        label = (
            name or f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"
        )
        prefix = None if own or key is not None else _prefix(given, mapping is None, label)
        style: dict[str, Any] = {"typed": typed, "prefix": prefix}
        source = Source(function, store, mapping=mapping, lock=lock, error_ttl=error_ttl, stale_ttl=stale_ttl)
        retries = errors == "retry"
        if is_coroutine_function(function):
            from . import tasks

            wrapper, behind = tasks.make(source, store, key, retries, style)
            wrapper._tasks = behind  # type: ignore[attr-defined]
            _living.add(behind)
        elif source.is_plain:
            wrapper = cached_function(store, function, Waiter, key, retries=retries, **style)
        else:
            wrapper = cached_function(
                store, source.compute, Waiter, key, retries=retries, keyed=True, **style
            )
        import functools  # with what it brings a third of this package's import: not before a function is there

        functools.update_wrapper(wrapper, function)
        _living.add(source)
        parameters: dict[str, Any] = {
            "maxsize": store.maxsize,
            "typed": typed,
            "errors": errors,
            "error_ttl": error_ttl,
        }
        parameters.update(options, key=key)
        if mapping is None:
            _registry.add("cache", label, store)
        return _finish(wrapper, source, key, style, parameters)

    return decorate
