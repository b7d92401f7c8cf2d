"""A service under the benchmark: it reads `KIND SECONDS [trace]`, works so long, and answers with rounds and CPU seconds."""

import asyncio
import sys
import time
import tracemalloc


class Tick:
    """A tick of a market."""

    def __init__(self, number):
        self.number = number
        self.price = number * 1.25
        self.name = "tick %d" % number


kept = []


def objects():
    """Allocates as a feed handler does: most of it dies at once, one in twenty lives."""
    for number in range(20):
        tick = Tick(number)
        [tick.price, tick.price + 1], {"name": tick.name}
    kept.append(tick)
    if len(kept) > 100_000:
        kept.clear()


async def turns(deadline):
    """Turns of a loop that do nothing, each with a wait: the most calls that a loop can make."""
    done = 0
    while time.monotonic() < deadline:
        for _ in range(100):
            await asyncio.sleep(0)
        done += 100
    return done


def work(kind, seconds):
    """Rounds done, and their CPU seconds."""
    deadline, begin = time.monotonic() + seconds, time.process_time()
    if kind == "turns":
        done = asyncio.run(turns(deadline))
    else:
        done = 0
        while time.monotonic() < deadline:
            for _ in range(100):
                objects()
            done += 100
    return done, time.process_time() - begin


def main():
    """Serves standard input."""
    print("ready", flush=True)
    for line in sys.stdin:
        kind, seconds, *trace = line.split()
        if trace:
            tracemalloc.start()
        done, cpu = work(kind, float(seconds))
        tracemalloc.stop()
        print(done, cpu, flush=True)


main()
