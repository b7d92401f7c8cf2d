"""One connection of a pool, over all its reconnects: what is known of it, and what it counts."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from typing import Any, Callable

log = logging.getLogger("m5mem.ws")
Handler = Callable[..., Any]
STATES = ("connecting", "open", "backoff", "closing", "closed")
# What can end a slot for good.
ENDS = ("removed", "closed", "cancelled", "failed")


class Owner(asyncio.Task):  # type: ignore[type-arg]
    """A task that knows whether it is to end itself, or something that it awaits was cancelled.

    What runs inside may cancel this task for purposes of its own and deal with that, as `asyncio.timeout` and task
    groups do: that is no reason to end.
    """

    # Why the pool lets it end, where it does.
    leaving: str | None = None
    _asked = False

    def cancel(self, *args: Any, **kwargs: Any) -> bool:
        self._asked = True
        return super().cancel(*args, **kwargs)

    @property
    def asked(self) -> bool:
        """Whether it is to end."""
        if self.leaving is not None:
            return True
        cancelling: Callable[[], int] | None = getattr(self, "cancelling", None)
        return self._asked if cancelling is None else cancelling() > 0

    def settle(self) -> None:
        """Code of a user has returned. A cancellation that it dealt with is over; one that it swallowed is not."""
        if self.leaving is None and not hasattr(self, "cancelling"):
            self._asked = False  # before 3.11 nobody can tell one from the other
        if self.asked:
            raise asyncio.CancelledError


def positional(function: Callable[..., Any]) -> int:
    """How many positional arguments a function takes; one where that cannot be said."""
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
        self.wants_slot = positional(handler) >= 2
        self.state = "connecting"
        self.connection: Any = None
        self.last_activity = time.monotonic()
        self.handling_since: float | None = None
        self.handler_seconds = self.handler_max_seconds = 0.0
        self.attempt = 0
        self.last_error: str | None = None
        self.task: Owner | None = None
        self.ended: str | None = None
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

    def handled(self, now: float) -> None:
        """The handler is done with a message."""
        since, self.handling_since, self.last_activity = self.handling_since, None, now
        took = 0.0 if since is None else now - since
        self.handler_seconds += took
        if took > self.handler_max_seconds:
            self.handler_max_seconds = took

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

    def end(self, task: asyncio.Task[None]) -> str:
        """The owner is gone, be it before its first step: says so, and why (one of `ENDS`)."""
        self.state = "closed"
        leaving = self.task.leaving if self.task is not None else None
        if not task.cancelled() and task.exception() is not None:
            self.ended, self.last_error = "failed", repr(task.exception())
            log.error("connection %s ended for good: %s", self.name, self.last_error)
        elif leaving is not None:
            self.ended = leaving
            log.info("connection %s was %s", self.name, leaving)
        else:
            self.ended = "cancelled"
            log.warning("connection %s ended for good: its task was cancelled from outside", self.name)
        return self.ended

    def stats(self) -> dict[str, Any]:
        """State and counters."""
        return {
            "uri": self.uri,
            "state": self.state,
            "ended": self.ended,
            "last_error": self.last_error,
            "handling": self.handling,
            "handler_seconds": self.handler_seconds,
            "handler_max_seconds": self.handler_max_seconds,
            "queued": self.queued,
            "paused": self.paused,
            **self.counts,
        }
