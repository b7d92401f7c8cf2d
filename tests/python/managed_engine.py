"""The reference engine in this process, first as it is and then managed: prints what a callback beside it saw.

Started by test_gc_engine.py, in a process of its own so that the heap is the engine's.
"""

import asyncio
import gc
import itertools
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "examples"))

import m5mem.gc
from trading_engine.naive import NaiveEngine
from trading_engine.orders import OrderLog
from trading_engine.ticks import StreamSpec, records
from trading_engine.wire import encode_tick

TICKS = 6000


class Counter:
    """Collections by generation, as a plain callback counts them."""

    def __init__(self):
        self.counts = [0, 0, 0]

    def __call__(self, phase, info):
        if phase == "stop":
            self.counts[info["generation"]] += 1


async def run(engine, stream):
    for _ in range(TICKS // 50):
        for record in itertools.islice(stream, 50):
            engine.on_message(encode_tick(record, 0))
        await asyncio.sleep(0.001)  # between bursts the loop is idle


def state():
    return {
        "thresholds": gc.get_threshold(),
        "enabled": gc.isenabled(),
        "callbacks": [repr(c) for c in gc.callbacks],
        "frozen": gc.get_freeze_count() > m5mem.gc.limits.IMMORTAL,
    }


async def main():
    gc.set_threshold(200, 10, 10)  # the same on every version, and often
    engine = NaiveEngine(20, OrderLog(None))
    stream = records(StreamSpec(1, 20, 2000.0, None, 0.0))
    await run(engine, stream)
    out = {"before": state()}
    counter = Counter()
    gc.callbacks.append(counter)
    await run(engine, stream)
    out["unmanaged"] = list(counter.counts)
    gc.callbacks.remove(counter)
    idle = m5mem.gc.Idle(max_load=1.0, interval=0.05, deadline=5.0, full_interval=0.1, pause_budget=1.0)
    with m5mem.gc.manage(warmup=0.2, tick=0.01, idle_collect=idle) as manager:
        while manager.state == "warm-up":
            await run(engine, stream)
        gc.callbacks.append(counter)
        counter.counts[:] = [0, 0, 0]
        begun = manager.snapshot()
        await run(engine, stream)
        ended = manager.snapshot()
        gc.callbacks.remove(counter)
        out["managed"] = list(counter.counts)
        for kind in ("path", "idle"):
            out[kind] = [
                after["collections"] - before["collections"]
                for before, after in zip(begun[kind], ended[kind])
            ]
            out[kind + "_seconds"] = sum(
                after["pause_total"] - before["pause_total"]
                for before, after in zip(begun[kind], ended[kind])
            )
        out["while"] = state()
        out["load"] = manager.load
    out["after"] = state()
    print(json.dumps(out))


asyncio.run(main())
