"""Whether a process stays flat: floors of objects, blocks, descriptors and RSS over rounds of the same work.

A part of 10⁶ operations runs in rounds. The first ones warm up (caches of the interpreter, arenas, lazily made
objects); then the lowest level of the first half of the rounds is compared with that of the second. A floor does
not see what comes and goes, and sees what stays.
"""

import asyncio
import contextlib
import gc
import heapq
import os
import sys
import time

SLOW = os.environ.get("M5_SLOW") == "1"
ROUNDS = 10
WARMUP = 3
PAGE = os.sysconf("SC_PAGE_SIZE")
# What the rounds themselves may leave: numbers in the lists of levels, a resized table.
MAY_STAY = {"objects": 60, "blocks": 150, "descriptors": 0, "rss": 2 << 20}


def operations(million=1_000_000, short=40_000):
    """How many of an operation a test does: 10⁶ where there is time (M5_SLOW=1)."""
    return million if SLOW else short


def level():
    gc.collect()
    with open("/proc/self/statm", "rb") as file:
        rss = int(file.read().split()[1]) * PAGE
    return {
        "objects": len(gc.get_objects()),
        "blocks": sys.getallocatedblocks(),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "rss": rss,
    }


def judge(levels):
    """Fails where a floor rose by more than may stay."""
    levels = levels[WARMUP:]
    half = len(levels) // 2
    for name, most in MAY_STAY.items():
        seen = [row[name] for row in levels]
        rose = min(seen[half:]) - min(seen[:half])
        assert rose <= most, f"{name} rose by {rose}: {seen}"


@contextlib.contextmanager
def frozen():
    """What is there already is not looked at: collections and counts are of the work alone, and quick."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def flat(work, times):
    """Does ``work(n)`` in rounds, ``times`` operations in all after the warm-up."""
    levels = []
    with frozen():
        for _ in range(WARMUP + ROUNDS):
            work(times // ROUNDS)
            levels.append(level())
    judge(levels)


def forget_cancelled_timers(loop):
    """A loop keeps cancelled timers until a hundred of them are there: they are not what stays."""
    kept = [handle for handle in loop._scheduled if not handle._cancelled]
    heapq.heapify(kept)
    loop._scheduled[:], loop._timer_cancelled_count = kept, 0


async def flat_in_loop(work, times, seconds=float("inf")):
    """The same for a coroutine function; ends early, after whole rounds, when the time is over."""
    levels, end = [], time.monotonic() + seconds
    with frozen():
        while len(levels) < WARMUP + 4 or (len(levels) < WARMUP + ROUNDS and time.monotonic() < end):
            await work(times // ROUNDS)
            forget_cancelled_timers(asyncio.get_running_loop())
            levels.append(level())
    judge(levels)
