"""Event time told to whoever watches: one number in a file, rewritten in place."""

from __future__ import annotations

import os
from pathlib import Path

_WIDTH = 20  # digits and a point, so that a rewrite leaves nothing of the number before


class EventClock:
    """Keeps the seconds of event time since the first tick in a file."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._first = 0

    def tell(self, now: int) -> None:
        """Writes event time `now`; nothing before the first tick."""
        if not now:
            return
        self._first = self._first or now
        os.pwrite(self._fd, b"%0*.6f\n" % (_WIDTH, (now - self._first) / 1e9), 0)

    def close(self) -> None:
        """Ends telling."""
        os.close(self._fd)
