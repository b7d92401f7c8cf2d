"""Everything in jemalloc (PYTHONMALLOC=malloc, LD_PRELOAD), which says of itself how much of it is in use.

It says "ready", and answers each line with a line of JSON: bytes in use, the size of page it was built for, how many
orders there are.
"""

import ctypes
import json
import sys


class Order:
    """Kept."""

    def __init__(self, i):
        self.number, self.text, self.legs = i, str(i) * 9, [i] * 3


orders = [Order(i) for i in range(20000)]
# Blocks of every kind of size, and what a burst left behind.
bodies = [b"x" * (40 + i % 9000) for i in range(16000)]
burst = [bytes(2_000_000) for _ in range(20)]
del bodies[::2], burst

library = ctypes.CDLL(None)


def number(name):
    """One of its figures."""
    value, size = ctypes.c_size_t(), ctypes.c_size_t(ctypes.sizeof(ctypes.c_size_t))
    assert library.mallctl(name, ctypes.byref(value), ctypes.byref(size), None, ctypes.c_size_t(0)) == 0, name
    return value.value


print("ready", flush=True)
for _ in sys.stdin:
    epoch = ctypes.c_uint64(1)
    library.mallctl(b"epoch", None, None, ctypes.byref(epoch), ctypes.c_size_t(8))
    said = {"allocated": number(b"stats.allocated"), "page": number(b"arenas.page"), "orders": len(orders)}
    print(json.dumps({**said, "wrong": [], "turns": {}}), flush=True)
