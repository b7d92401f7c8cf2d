"""A run on a virtual clock: the same messages, no sockets, no waiting.

A tick arrives at its event time. The engine starts on it then, or when it is
done with the one before, and is busy for the processor time that handling it
really took. So latency is what one undisturbed core would show, on a machine
where nothing is undisturbed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain, islice

from trading_engine.engine import Engine
from trading_engine.faults import Injector
from trading_engine.latency import Histogram
from trading_engine.optimized.collector import IDLE_CHECK_NS, ROOM_NS
from trading_engine.wire import Record, encode_tick

_BLOCK = 1024


def warm(engine: Engine, records: Iterator[Record], seconds: float) -> Iterator[Record]:
    """Handles the first `seconds` of event time without measuring; the records that follow."""
    end: int | None = None
    for record in records:
        end = end or record[1] + int(seconds * 1e9)
        if record[1] >= end:
            return chain((record,), records)
        engine.on_message(encode_tick(record, 0))
    return records


def run_offline(
    engine: Engine, records: Iterator[Record], injector: Injector | None = None
) -> dict[str, object]:
    """Replays `records`; tick-to-decision latency and processor time a tick."""
    latency = Histogram()
    clock = time.thread_time_ns
    on_message, on_idle = engine.on_message, engine.on_idle
    busy = free_at = next_idle = 0
    while block := [(r[1], encode_tick(r, 0)) for r in islice(records, _BLOCK)]:
        for ts, text in block:
            room = ts - free_at
            if (
                on_idle is not None
                and ts >= next_idle
                and (room >= ROOM_NS or ts >= next_idle + IDLE_CHECK_NS)
            ):
                # After the tick before, in the time until this one.
                before = clock()
                on_idle(ts, room)
                spent = clock() - before
                busy += spent
                free_at += spent
                next_idle = ts + IDLE_CHECK_NS
            before = clock()
            on_message(text)
            spent = clock() - before
            busy += spent
            free_at = max(free_at, ts) + spent
            latency.add(free_at - ts)
            if injector is not None:
                injector.advance(ts)
    return {
        "mode": "offline",
        "ticks": latency.count,
        "cpu_seconds_per_tick": busy / 1e9 / latency.count if latency.count else None,
        "latency": latency.summary(),
    }
