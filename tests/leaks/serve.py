"""A service that does one case again and again, for a watcher from outside: `python serve.py CASE [per second]`."""

import sys

import cases
from paced import at_rate


def filling_cache():
    """The trap, for a watcher from outside: 20 MB in four minutes at 10 a second, and nothing after."""
    import functools

    global _filling
    if "_filling" not in globals():
        _filling = functools.lru_cache(maxsize=2400)(lambda i: bytearray(8192))
    _filling(next(cases._numbers))


def idle():
    """Work that keeps nothing."""
    sum(list(range(1000)))


def main():
    work = globals().get(sys.argv[1]) or getattr(cases, sys.argv[1])
    at_rate(work, float(sys.argv[2]) if len(sys.argv) > 2 else 10.0)


if __name__ == "__main__":
    main()
