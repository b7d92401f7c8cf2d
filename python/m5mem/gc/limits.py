"""What a user may set: when to collect in idle time, when to go back to normal, when to give memory back."""

from __future__ import annotations

from dataclasses import dataclass

# CPython 3.12 moves immortal objects to the frozen ones by itself, some hundreds of them. More than these were
# frozen by the program, which a restore must not undo.
IMMORTAL = 2000


@dataclass(frozen=True)
class Idle:
    """When to collect in idle time. Seconds all."""

    max_load: float = 0.3
    """Share of the time that the loop's thread works; above it is no idle time."""
    interval: float = 30.0
    """At least so long between two rounds."""
    deadline: float = 120.0
    """After so long without a round one comes whatever the load is."""
    full_interval: float = 300.0
    """At least so long between two full collections."""
    full_deadline: float = 1800.0
    """After so long a full collection comes although it is expected to exceed the budget."""
    pause_budget: float = 0.005
    """A collection that is expected to take longer is put off."""

    def __post_init__(self) -> None:
        if not self.pause_budget >= 0:
            raise ValueError("pause_budget is 0 seconds or more")
        if not 0 < self.max_load <= 1:
            raise ValueError("max_load is a share: above 0, at most 1")
        if not 0 <= self.interval <= self.deadline or not 0 <= self.full_interval <= self.full_deadline:
            raise ValueError("intervals are 0 or more, and deadlines not before them")


@dataclass(frozen=True)
class Guard:
    """When to go back to normal collection."""

    max_rss_growth: int = 64 << 20
    """Bytes of RSS above the level after the warm-up."""
    max_garbage: int = 100_000
    """Unreachable objects found by one idle round."""


@dataclass(frozen=True)
class Trim:
    """When to give free native memory back."""

    budget: float = 0.05
    """Seconds that one may take. One that is expected to take longer is put off; after one that did, the next comes twice
    as late."""
    interval: float = 300.0
    """At least so long between two."""
    deadline: float = 3600.0
    """After so long without one it comes although it is expected to exceed the budget: it cannot be cut short."""

    def __post_init__(self) -> None:
        if not self.budget > 0 or not 0 <= self.interval <= self.deadline:
            raise ValueError("budget is above 0 seconds, interval 0 or more, deadline not before it")
