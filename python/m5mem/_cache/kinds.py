"""What kind of function one is, without `inspect` and `functools`, which cost more than the rest of this package to
import: where a function needs them they are there."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200


def _flags(function: Any) -> int:
    functools = sys.modules.get("functools")
    while functools is not None and isinstance(function, functools.partial):
        function = function.func
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None:
        called = vars(type(function)).get("__call__")
        code = getattr(called, "__code__", None)
    return getattr(code, "co_flags", 0)


def is_coroutine_function(function: Any) -> bool:
    """Whether calls give coroutines."""
    if _flags(function) & _COROUTINE:
        return True
    # A function that was marked as one was marked by `inspect`.
    inspect = sys.modules.get("inspect")
    return inspect is not None and bool(inspect.iscoroutinefunction(function))


def is_generator_function(function: Any) -> bool:
    """Whether calls give generators, async ones too."""
    return bool(_flags(function) & (_GENERATOR | _ASYNC_GENERATOR))
