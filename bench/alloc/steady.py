"""A service that does the same work over and over, and tells what each block of it took: see `cost.py`.

steady.py KIND      prints "time.time() at the start, at the end, CPU nanoseconds" of each block
"""

import asyncio
import collections
import gc
import itertools
import sys
import time
import zlib

# About so long a block takes, seconds of CPU.
BLOCK = 0.02
# And no longer than this, seconds, where it rests for most of the time: five of them are told of within a watch.
LONGEST = 0.1
BYTES = bytes(range(256)) * 256


class Tick:
    """A tick of a market."""

    def __init__(self, number):
        self.number = number
        self.price = number * 1.25
        self.name = "tick %d" % number


kept = collections.deque(maxlen=1000)
growing = []


def allocates():
    """A hundred allocations, most of which die at once."""
    for number in range(20):
        tick = Tick(number)
        [tick.price, tick.price + 1], {"name": tick.name}
    kept.append(tick)


def computes(times):
    """Work that hardly allocates."""
    for _ in range(times):
        zlib.crc32(BYTES)


def often(rounds):
    """Allocates all the time."""
    for _ in range(rounds):
        allocates()


def collects(rounds):
    """The same, and keeps so much that young collections come; a full one would last for longer than a block."""
    gc.set_threshold(700, 10, 1_000_000)
    gc.enable()
    for _ in range(rounds):
        allocates()
        growing.extend([] for _ in range(10))
        if len(growing) > 20_000:
            growing.clear()


def at_times(rounds):
    """Allocates for a tenth of the time."""
    for _ in range(rounds):
        allocates()
        computes(10)


def rarely(rounds):
    """Allocates for a hundredth of the time."""
    for _ in range(rounds):
        allocates()
        computes(100)


def sparsely(rounds):
    """Makes one object in about a millisecond of work that allocates nothing: each finds the caches full of other things."""
    for number in range(rounds):
        kept.append(Tick(number))
        for _ in itertools.repeat(None, 100):
            BYTES.find(b"on")


def rests(rounds):
    """Waits for most of the time, as a service does between requests."""
    for _ in range(rounds):
        for _ in range(100):
            allocates()
        time.sleep(0.01)


async def _turns(rounds, times):
    for _ in range(rounds):
        await asyncio.sleep(0)
        computes(times)


def turns(rounds):
    """Turns of a loop that do nothing: the most calls of the kernel that a loop can make."""
    asyncio.run(_turns(rounds, 0))


def turns_at_times(rounds):
    """Turns of a loop that work."""
    asyncio.run(_turns(rounds, 10))


async def _turns_and_rests(rounds):
    for _ in range(rounds):
        await asyncio.sleep(0.01)
        for _ in range(100):
            allocates()


def turns_rarely(rounds):
    """A loop that waits for most of the time."""
    asyncio.run(_turns_and_rests(rounds))


KINDS = {
    kind.__name__: kind
    for kind in (often, collects, at_times, rarely, sparsely, rests, turns, turns_at_times, turns_rarely)
}


def main():
    """Works until nobody reads any more."""
    gc.disable()
    kind, rounds = KINDS[sys.argv[1]], 1
    while True:
        begin, began = time.process_time(), time.monotonic()
        kind(rounds)
        if time.process_time() - begin >= BLOCK or time.monotonic() - began >= LONGEST:
            break
        rounds *= 2
    while True:
        start, cpu = time.time(), time.process_time_ns()
        kind(rounds)
        cpu = time.process_time_ns() - cpu
        print(start, time.time(), cpu, flush=True)


try:
    main()
except (BrokenPipeError, KeyboardInterrupt):
    # Standard output is gone: nothing may be written at the end either.
    sys.stdout = None
