"""What threads wait on for a computation in another thread."""

from __future__ import annotations

import _thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NOTHING, VALUE, ERROR = 0, 1, 2


class Waiter:
    """One computation under way. `wait` gives how it ended, and its value or its error."""

    __slots__ = ("_again", "_landed", "_lock", "_trace")

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._lock.acquire()
        self._landed: tuple[int, Any] = (NOTHING, None)
        self._trace: Any = None
        self._again: list[Waiter] = []

    def wait(self) -> tuple[int, Any]:
        with self._lock:
            pass
        kind, value = self._landed
        if kind == ERROR:
            # Each who raises it adds frames of its own: they begin from those of the computation, not of each other.
            value = value.with_traceback(self._trace)
        return kind, value

    def land(self, kind: int, value: Any) -> None:
        """The computation is over."""
        self._landed = (kind, value)
        self._trace = value.__traceback__ if kind == ERROR else None
        self._lock.release()

    def again(self) -> tuple[bool, Waiter]:
        """For those who waited for an error and try once more: whether the caller is the first, who computes, and
        what the others wait on meanwhile."""
        mine = Waiter()
        self._again.append(mine)
        return self._again[0] is mine, self._again[0]
