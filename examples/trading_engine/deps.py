"""Says plainly which third-party packages are missing, before any import fails."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path

REQUIRED = ("websockets", "numpy", "pandas")


def missing(names: Iterable[str] = REQUIRED) -> list[str]:
    """The packages of `names` that this interpreter cannot find."""
    return [name for name in names if importlib.util.find_spec(name) is None]


def advice(names: Iterable[str] = REQUIRED) -> str:
    """One sentence for the user: what is missing and how to get it; or ''."""
    absent = missing(names)
    if not absent:
        return ""
    file = Path(__file__).with_name("requirements.txt")
    return f"MISSING on this Python: {', '.join(absent)}. Install with: python -m pip install -r {file}"
