"""What exists now, for metrics: weak references by kind and name, so that nothing is kept alive for being counted."""

from __future__ import annotations

import _thread
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Re-entrant: the collector may run code that registers something.
_guard = _thread.RLock()
_things: dict[str, dict[str, weakref.ReferenceType[Any]]] = {}


def add(kind: str, name: str, thing: Any) -> str:
    """Registers ``thing``; a name that is taken gets a number behind it. Gives the name that it has."""
    with _guard:
        names = _things.setdefault(kind, {})
        for dead in [n for n, ref in names.items() if ref() is None]:
            del names[dead]
        unique, number = name, 1
        while unique in names:
            number += 1
            unique = f"{name}#{number}"
        names[unique] = weakref.ref(thing)
        return unique


def alive(kind: str) -> list[tuple[str, Any]]:
    """Name and thing of all of this kind that still exist."""
    with _guard:
        pairs = [(name, ref()) for name, ref in _things.get(kind, {}).items()]
    return [(name, thing) for name, thing in pairs if thing is not None]


def after_fork() -> None:
    """In a forked child: a thread that held the guard is gone."""
    global _guard
    _guard = _thread.RLock()
