"""Memory that is free and was not returned, among blocks whose contents are known; it speaks as target.py does.

With the word "threads" others allocate and free meanwhile, so that the allocator takes its locks.
"""

import ctypes
import json
import sys
import threading
import time

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = (ctypes.c_size_t,)
libc.free.argtypes = (ctypes.c_void_p,)

SIZE = 24 << 10
wrong = []
turns = {}


def block(number):
    """One that is filled with its number."""
    at = libc.malloc(SIZE)
    ctypes.memset(at, number & 255, SIZE)
    return at, number


def holds(at, number):
    """Whether it still is."""
    return ctypes.string_at(at, SIZE) == bytes([number & 255]) * SIZE


def churn():
    """Allocates, looks, frees."""
    turns["churn"] = 0
    while True:
        mine = [block(i) for i in range(50)]
        time.sleep(0.002)
        wrong.extend(f"block {number} was changed" for at, number in mine if not holds(at, number))
        for at, _ in mine:
            libc.free(at)
        turns["churn"] += 1


blocks = [block(i) for i in range(2000)]
kept = blocks[::20]
for i, (at, _) in enumerate(blocks):
    if i % 20:
        libc.free(at)
if "threads" in sys.argv[1:]:
    for _ in range(2):
        threading.Thread(target=churn, daemon=True).start()
print("ready", flush=True)
for _line in sys.stdin:
    wrong.extend(f"kept block {number} was changed" for at, number in kept if not holds(at, number))
    print(json.dumps({"wrong": wrong, "turns": turns}), flush=True)
