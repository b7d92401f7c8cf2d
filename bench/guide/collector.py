"""W2 of the guide: the collector of a service in asyncio, a program for each way. Prints JSON.

    python collector.py default|guide|m5mem [seconds]

The service keeps 200,000 objects that the collector looks at and 20,000 orders that come and go, and works a good tenth
of the time; each piece of work leaves cycles. Every collection is timed in ``gc.callbacks``, by its
thread's CPU time, so that a busy neighbour is not taken for a pause. In the program's path is
what ran while a piece of work had to wait for it; idle is what ran between.
"""

import asyncio
import gc
import itertools
import json
import sys
import time

PIECES_A_SECOND = 100


class Pauses:
    """What the collector did, with the truth of its own clock."""

    def __init__(self):
        self.path, self.idle, self.working, self._began = [], [], False, 0

    def __call__(self, phase, info):
        if phase == "start":
            self._began = time.thread_time()
        else:
            (self.path if self.working else self.idle).append(time.thread_time() - self._began)


numbers = itertools.count()


def piece(pauses, orders):
    pauses.working = True
    began = time.thread_time()
    work = [{"n": i, "tags": [i]} for i in range(140)]
    for entry in work[:100]:
        entry["self"] = entry
    for entry in work[100:]:
        orders[next(numbers)] = entry
    while len(orders) > 20_000:
        del orders[next(iter(orders))]
    while time.thread_time() - began < 0.001:
        sum(range(200))
    pauses.working = False


async def periodic_gc_management(recorded):
    """The guide's, with its constant for the pause; its load is unknown to it, so it is taken for low."""
    while True:
        gc.collect()
        recorded.append(0.001)
        await asyncio.sleep(5)


async def main():
    way, seconds = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 20.0
    heap = [{"id": i, "price": [i, i + 1]} for i in range(100_000)]
    pauses, recorded, orders, late = Pauses(), [], {}, []
    manager = None
    if way == "guide":
        gc.set_threshold(700, 10, 10)
        task = asyncio.ensure_future(periodic_gc_management(recorded))
    if way == "m5mem":
        import m5mem

        idle = m5mem.gc.Idle(interval=5.0, deadline=20.0, max_load=0.6)
        manager = m5mem.gc.manage(warmup=2.0, tick=0.5, idle_collect=idle)
    end = time.perf_counter() + 4.0
    begun = False
    at = time.perf_counter()
    while True:
        now = time.perf_counter()
        if not begun and now >= end:  # the warm-up is over: from here on it counts
            begun, end = True, now + seconds
            gc.callbacks.append(pauses)
        elif begun and now >= end:
            break
        at += 1 / PIECES_A_SECOND
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        if begun:
            late.append(time.perf_counter() - at)
        piece(pauses, orders)
    gc.callbacks.remove(pauses)
    if way == "guide":
        task.cancel()
    if manager is not None:
        manager.stop()
    late.sort()
    # Where the machine cannot keep up, how late work begins says nothing.
    kept_up = late[len(late) // 2] < 0.005
    print(
        json.dumps(
            {
                "threshold": gc.get_threshold(),
                "path": sum(pauses.path) / seconds * 60,
                "path_max": max(pauses.path, default=0.0),
                "idle": sum(pauses.idle) / seconds * 60,
                "idle_max": max(pauses.idle, default=0.0),
                "recorded": sum(recorded),
                "explicit": len(recorded),
                "late_p99": late[len(late) * 99 // 100] if kept_up else None,
                "late_max": late[-1] if kept_up else None,
                "heap": len(heap),
            }
        )
    )


asyncio.run(main())
