"""What lies between a collection's ends and what its callback notes, without m5: the call of `gc.collect` seen from
outside less what the callback has of it, the middle one, in microseconds: first where the calls follow one another, then
after a sleep.

    python edges.py DIRECTORY
"""

import gc
import statistics
import sys
import time

sys.path.insert(0, sys.argv[1])
import truth


def edges(times, asleep):
    """Calls from outside, and what the callback noted of each."""
    outside = []
    for _ in range(times):
        time.sleep(asleep)
        begun = time.monotonic_ns()
        gc.collect(0)
        outside.append(time.monotonic_ns() - begun)
    return outside


gc.disable()
gc.callbacks.append(truth.note)
outside = edges(200, 0) + edges(40, 0.02)
gc.callbacks.clear()
truth.dump(f"{sys.argv[1]}/edges")
with open(f"{sys.argv[1]}/edges", encoding="ascii") as file:
    inside = [int(b) - int(a) for a, b, _ in map(str.split, file)]
more = [a - b for a, b in zip(outside, inside)]
print(statistics.median(more[:200]) / 1e3, statistics.median(more[200:]) / 1e3)
