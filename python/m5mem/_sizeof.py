"""How many bytes a value really costs: containers with what is in them, arrays with the memory that they keep."""

from __future__ import annotations

import sys
import types
from typing import Any, Callable

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


def _whole(array: Any) -> Any:
    """What an array is a view of, and keeps whole."""
    depth = 0
    while depth < 8 and isinstance(getattr(getattr(array, "base", None), "nbytes", None), int):
        array, depth = array.base, depth + 1
    return array


def _pandas(value: Any) -> int:
    """What pandas counts, and what a slice keeps besides of the frame that it was cut from."""
    used = value.memory_usage(deep=True, index=True)
    total = int(used.sum() if hasattr(used, "sum") else used)
    views: dict[int, list[int]] = {}
    for column in (c for _, c in value.items()) if value.ndim == 2 else (value,):
        array = column.values
        if hasattr(array, "base") and isinstance(getattr(array, "nbytes", None), int):
            whole = _whole(array)
            views.setdefault(id(whole), [whole.nbytes]).append(-array.nbytes)
    return total + sum(max(0, sum(bytes_of)) for bytes_of in views.values())


def _polars(value: Any) -> int:
    """What polars counts is a slice's own rows; Arrow, where it is loaded anyway, knows the buffers that those
    keep, up to their last row."""
    if "pyarrow" not in sys.modules:
        return int(value.estimated_size())
    total = 0
    for column in value.get_columns() if hasattr(value, "get_columns") else (value,):
        used = int(column.estimated_size())
        if column.dtype.is_numeric() or column.dtype.is_temporal():  # those are handed over without a copy
            used = max(used, int(column.to_arrow().get_total_buffer_size()))
        total += used
    return total


# What other libraries call it: polars' frames and series, pyarrow's arrays, batches and tables (the buffers that they
# keep, whole), torch's tensors (their storage).
_FOREIGN: list[tuple[str, Callable[[Any], int]]] = [
    ("estimated_size", _polars),
    ("get_total_buffer_size", lambda v: v.get_total_buffer_size()),
    ("untyped_storage", lambda v: v.untyped_storage().nbytes()),
]


def _arrays(value: Any) -> int | None:
    """Bytes of an array or a frame, duck-typed: neither NumPy nor pandas is imported for it."""
    if hasattr(value, "memory_usage") and hasattr(value, "iloc"):
        return _pandas(value)
    for name, ask in _FOREIGN:
        if hasattr(type(value), name):
            return int(ask(value)) + 112
    nbytes = getattr(value, "nbytes", None)
    if isinstance(nbytes, int):
        return max(nbytes, int(_whole(value).nbytes)) + 112
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
