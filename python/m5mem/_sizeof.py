"""How many bytes a value really costs: containers with what is in them, arrays with the memory that they keep."""

from __future__ import annotations

import sys
import types
from typing import Any

# What many values share: it is not counted.
_SHARED = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    type(None),
    bool,
)


# What other libraries call it: polars' frames and series, pyarrow's arrays, batches and tables (the buffers that they
# keep, whole), torch's tensors (their storage).
_FOREIGN: list[tuple[str, Any]] = [
    ("estimated_size", lambda v: v.estimated_size()),
    ("get_total_buffer_size", lambda v: v.get_total_buffer_size()),
    ("untyped_storage", lambda v: v.untyped_storage().nbytes()),
]


def _arrays(value: Any) -> int | None:
    """Bytes of an array or a frame, duck-typed: neither NumPy nor pandas is imported for it."""
    usage = getattr(value, "memory_usage", None)
    if usage is not None and hasattr(value, "iloc"):
        used = usage(deep=True, index=True)
        return int(used.sum() if hasattr(used, "sum") else used)
    for name, ask in _FOREIGN:
        if hasattr(type(value), name):
            return int(ask(value)) + 112
    nbytes = getattr(value, "nbytes", None)
    if isinstance(nbytes, int):
        base, depth = getattr(value, "base", None), 0
        while base is not None and depth < 8:  # a view keeps what it was cut from
            nbytes = max(
                nbytes, getattr(base, "nbytes", 0) if isinstance(getattr(base, "nbytes", 0), int) else 0
            )
            base, depth = getattr(base, "base", None), depth + 1
        return nbytes + 112
    return None


def sizeof(value: Any) -> int:
    """Bytes of ``value`` and of everything that only it can be thought to hold; each object counts once."""
    seen: set[int] = set()
    todo = [value]
    total = 0
    while todo:
        item = todo.pop()
        if id(item) in seen or isinstance(item, _SHARED):
            continue
        seen.add(id(item))
        if isinstance(item, (str, bytes, bytearray, int, float, complex)):
            total += sys.getsizeof(item)
            continue
        array = _arrays(item)
        if array is not None:
            total += array
            continue
        total += sys.getsizeof(item)
        if isinstance(item, dict):
            todo.extend(item.keys())
            todo.extend(item.values())
        elif isinstance(item, (list, tuple, set, frozenset)) or type(item).__name__ == "deque":
            todo.extend(item)
        else:
            attributes = getattr(item, "__dict__", None)
            if isinstance(attributes, dict):
                todo.append(attributes)
            for name in getattr(type(item), "__slots__", ()):
                slot = getattr(item, name, None) if isinstance(name, str) else None
                if slot is not None:
                    todo.append(slot)
    return total
