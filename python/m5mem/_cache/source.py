"""Where a missing result comes from: the function, or what is kept of it for an outage.

* errors are kept for ``error_ttl`` seconds, so that a failing backend is asked once in that time;
* a result that is too old is given for ``stale_ttl`` seconds more while one computation in the background replaces
  it (stale-while-revalidate, and stale-if-error);
* results may live in a mapping that is not ours.
"""

from __future__ import annotations

import _thread
import time

from .._native import Cache, LRUCache, Reads, TTLCache, task_reads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

MISSING: Any = object()
# Errors are small; so many keys may fail at once before the oldest is asked again.
_ERRORS = 4096
# Threads that compute stale results anew, over all functions. Where all are busy the stale result is given again.
_MOST_REFRESHING = 4
_refreshing = 0
_AFTER_FAILURE = 1.0


def without_frames(error: BaseException) -> BaseException:
    """The same error without the frames that it went through, which would keep their variables alive; itself where
    it cannot be copied."""
    import copy

    try:
        twin = copy.copy(error)
    except Exception:
        return error
    if type(twin) is not type(error) or twin is error:
        return error
    twin.__traceback__ = twin.__context__ = twin.__cause__ = None
    return twin


class Source:
    """A function with what is kept of it beside its cache."""

    def __init__(
        self,
        function: Callable[..., Any],
        cache: Cache[Any, Any],
        *,
        mapping: Any = None,
        lock: Any = None,
        error_ttl: float | None = None,
        stale_ttl: float | None = None,
    ) -> None:
        self.function, self.cache, self.mapping = function, cache, mapping
        self.lock = lock if lock is not None else _thread.RLock()
        self.own_lock = lock is None
        self.errors: Cache[Any, BaseException] | None = TTLCache(_ERRORS, error_ttl) if error_ttl else None
        self.error_ttl = error_ttl
        self.stale: Cache[Any, Any] | None = None
        if stale_ttl:
            self.stale = TTLCache(cache.maxsize, (cache.ttl or 0.0) + stale_ttl, max_bytes=cache.max_bytes)
        self.counts = {"hits": 0, "misses": 0, "stale": 0, "refreshes": 0, "refresh_errors": 0}
        self._busy: dict[Any, object] = {}
        self._not_before: Cache[Any, float] = LRUCache(_ERRORS)

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing but the function."""
        return self.mapping is None and self.errors is None and self.stale is None

    def _count(self, what: str) -> None:
        with _guard:
            self.counts[what] += 1

    def found(self, key: Any) -> Any:
        """The value in the mapping, or `MISSING`."""
        if self.mapping is not None:
            with self.lock:
                value = self.mapping.get(key, MISSING)
            self._count("hits" if value is not MISSING else "misses")
            return value
        return MISSING

    def check(self, key: Any) -> None:
        """Raises the error that is kept."""
        error = self.errors.peek(key) if self.errors is not None else None
        if error is not None:
            raise without_frames(error).with_traceback(None)

    def old(self, key: Any) -> Any:
        """The result that is too old but may still be given."""
        value = self.stale.peek(key, MISSING) if self.stale is not None else MISSING
        if value is not MISSING:
            self._count("stale")
        return value

    def keep_error(self, key: Any, error: BaseException) -> None:
        if self.errors is not None and isinstance(error, Exception):
            self.errors.offer(key, without_frames(error))

    def keep(self, key: Any, value: Any, reads: Reads) -> None:
        """Keeps a fresh result beside the cache."""
        if self.stale is not None:
            self.stale.offer(key, value, reads)
        # A mapping that is not ours cannot tell when the data of a result have changed: such a result is not kept.
        if self.mapping is not None and not len(reads):
            try:
                with self.lock:
                    self.mapping[key] = value
            except ValueError:
                pass  # too large for it, as cachetools says

    def take_refresh(self, key: Any) -> bool:
        """Whether the caller is to compute this key anew: nobody does, and the last failure is long enough ago."""
        if time.monotonic() < self._not_before.peek(key, 0.0):
            return False
        mine = object()
        if self._busy.setdefault(key, mine) is not mine:
            return False
        self._count("refreshes")
        return True

    def end_refresh(self, key: Any, error: BaseException | None) -> None:
        self._busy.pop(key, None)
        if error is not None:
            self._count("refresh_errors")
            self._not_before[key] = time.monotonic() + (self.error_ttl or _AFTER_FAILURE)
            import logging

            logging.getLogger("m5mem.cached").warning("a stale result could not be computed anew: %r", error)

    def forget(self, key: Any = MISSING) -> bool:
        """Drops what is kept beside the cache, of one key or of all; whether there was a result."""
        for kept in (self.stale, self.errors):
            if kept is not None:
                if key is MISSING:
                    kept.clear()
                else:
                    kept.pop(key, None)
        if self.mapping is None:
            return False
        with self.lock:
            if key is MISSING:
                self.mapping.clear()
                return True
            return self.mapping.pop(key, MISSING) is not MISSING

    def after_fork(self) -> None:
        """In a forked child: what other threads were doing will never end."""
        self._busy.clear()
        if self.own_lock:
            self.lock = _thread.RLock()

    # For functions; coroutine functions have `tasks`.

    def compute(self, key: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> tuple[Any, bool]:
        """The result, and whether the cache is to keep it."""
        value = self.found(key)
        if value is not MISSING:
            return value, False
        value = self.old(key)
        if value is not MISSING:
            self._refresh(key, args, kwargs)
            return value, False
        self.check(key)
        return self._run(key, args, kwargs)[0], self.mapping is None

    def _run(self, key: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> tuple[Any, Reads]:
        reads = Reads(key)
        token = task_reads.set(reads)
        try:
            value = self.function(*args, **(kwargs or {}))
        except Exception as error:
            self.keep_error(key, error)
            raise
        finally:
            task_reads.reset(token)
            reads.close()
        self.keep(key, value, reads)
        return value, reads

    def _refresh(self, key: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> None:
        global _refreshing
        with _guard:
            if _refreshing >= _MOST_REFRESHING:
                return
            _refreshing += 1
            forks = _forks
        if not self.take_refresh(key):
            with _guard:
                _refreshing -= forks == _forks
            return

        def work() -> None:
            problem: BaseException | None = None
            try:
                started = self.cache.epoch
                value, reads = self._run(key, args, kwargs)
                self.cache.offer(key, value, reads, started)
            except BaseException as error:
                problem = error
            over(problem)

        def over(problem: BaseException | None) -> None:
            global _refreshing
            with _guard:
                if forks == _forks:
                    _refreshing -= 1
            self.end_refresh(key, problem)

        import threading

        try:
            threading.Thread(target=work, name="m5mem-refresh", daemon=True).start()
        except RuntimeError as error:  # no thread to be had: the stale result is given again
            over(error)


# Re-entrant: the collector may run code that comes back here.
_guard = _thread.RLock()
_forks = 0


def after_fork() -> None:
    """In a forked child the refreshing threads are gone, and what they held."""
    global _refreshing, _forks, _guard
    _refreshing, _guard = 0, _thread.RLock()
    _forks += 1
