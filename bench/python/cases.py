"""The cases: an operation, and for each peer a maker of what runs it."""

from __future__ import annotations

import functools
import importlib.util

CASES = {}
# Why a peer is faster where one is: it is printed below the case.
WHY = {}
ROW = (101.0, 102.0, 100.0, 101.5, 10.0)


def have(module):
    return importlib.util.find_spec(module) is not None


def case(title, peer, needs=None, loops=20_000):
    """Registers a maker: it gives a function that runs the operation once, in code that `timed` repeats."""

    def register(make):
        if needs is None or have(needs):
            CASES.setdefault(title, {})[peer] = (make, loops)
        return make

    return register


def timed(statement, scope):
    """A function of n that runs the statement n times with the names of scope as locals: no call around it."""
    names = ", ".join(scope)
    source = f"def run(n, {names}):\n for _ in range(n):\n  {statement}\n"
    space = {}
    exec(source, space)
    return functools.partial(space["run"], **scope)
