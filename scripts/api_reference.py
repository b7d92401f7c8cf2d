"""Writes docs/m5mem/api.md from the docstrings of the package; `--check` says whether it is up to date.

Run it with a Python that has m5mem.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
import textwrap
from pathlib import Path

import m5mem
import m5mem.fds
import m5mem.gc
import m5mem.indicators
import m5mem.metrics
import m5mem.ws

PAGE = Path(__file__).resolve().parent.parent / "docs" / "m5mem" / "api.md"
MODULES = [m5mem, m5mem.indicators, m5mem.gc, m5mem.ws, m5mem.fds, m5mem.metrics]


def signature(thing: object) -> str:
    try:
        found = inspect.signature(thing)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return "(...)"
    plain = [p.replace(annotation=p.empty) for p in found.parameters.values()]
    return str(found.replace(parameters=plain, return_annotation=found.empty))


def text(thing: object) -> str:
    return (inspect.getdoc(thing) or "").strip()


def fields(cls: type) -> dict[str, str]:
    """What stands below the fields of a data class."""
    if not dataclasses.is_dataclass(cls):
        return {}
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body  # type: ignore[attr-defined]
    pairs = zip(body, body[1:])
    return {
        field.target.id: below.value.value
        for field, below in pairs
        if isinstance(field, ast.AnnAssign)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    }


def members(cls: type) -> list[str]:
    """Public methods and properties of a class and of its bases in this package."""
    lines = []
    said_of_fields = fields(cls)
    for name in sorted(dir(cls)):
        if name.startswith("_"):
            continue
        owner = next((c for c in cls.__mro__ if name in vars(c)), None)
        if owner is None or not owner.__module__.startswith("m5mem"):
            continue
        member = inspect.getattr_static(cls, name)
        member = getattr(
            member, "__func__", member
        )  # a static method has a text of its own about static methods
        said = " ".join((said_of_fields[name] if name in said_of_fields else text(member)).split())
        said = f": {said}" if said else ""
        called = callable(getattr(cls, name, None))
        shown = (
            signature(getattr(cls, name))
            .replace("(self, /, ", "(")
            .replace("(self, ", "(")
            .replace("(self)", "()")
        )
        shown = shown.replace("(self, /)", "()").replace("(/, ", "(")
        lines.append(f"- `{name}{shown if called else ''}`{said}")
    return lines


def page() -> str:
    out = ["# The API of m5mem", "", "Made from the docstrings by `scripts/api_reference.py`.", ""]
    for module in MODULES:
        out += [f"## {module.__name__}", "", text(module), ""]
        for name in sorted(module.__all__, key=str.lower):
            thing = getattr(module, name)
            if inspect.ismodule(thing) or name == "__version__":
                continue
            if not (inspect.isclass(thing) or callable(thing)):
                continue
            out += [f"### {name}", "", f"`{name}{signature(thing)}`", "", text(thing), ""]
            if inspect.isclass(thing):
                out += [*members(thing), ""]
    return "\n".join(line.rstrip() for line in "\n".join(out).splitlines()).rstrip() + "\n"


def main() -> int:
    fresh = page()
    if "--check" in sys.argv[1:]:
        if PAGE.exists() and PAGE.read_text() == fresh:
            return 0
        print(f"{PAGE.name} is not what the docstrings say: run scripts/api_reference.py", file=sys.stderr)
        return 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
