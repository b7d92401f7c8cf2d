"""Each injected fault leaks what it says, at the rate it says, and nothing by default."""

from __future__ import annotations

import asyncio
import gc
import os

import pytest
from support import live

from trading_engine.exchange import HOST, Exchange
from trading_engine.faults import Fault, Injector, Order

SECOND = 1_000_000_000


@pytest.fixture
def injector():
    made: list[Injector] = []

    def make(kind: str, rate: float = 10.0, size: int = 4096) -> Injector:
        made.append(Injector(Fault(kind, rate, size)))
        return made[-1]

    yield make
    for one in made:
        asyncio.run(one.close())


def open_fds(pid: int | str = "self") -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_the_rate_is_in_event_time(injector):
    leak = injector("list", rate=4.0)
    for quarter in range(41):
        leak.advance(7 * SECOND + quarter * SECOND // 4)
    assert len(leak.list) == 40
    assert all(len(item) == 4096 for item in leak.list)


def test_cache_keys_never_come_again(injector):
    leak = injector("cache")
    leak.advance(0)
    leak.advance(30 * SECOND)
    assert len(leak.cache) == 300


def test_cycles_stay_until_somebody_collects(injector):
    gc.collect()
    leak = injector("cycle")
    leak.advance(0)
    leak.advance(50 * SECOND)
    assert not gc.isenabled()
    alive = sum(isinstance(found, Order) for found in gc.get_objects())
    assert alive == 500
    gc.collect()
    assert not any(isinstance(found, Order) for found in gc.get_objects())


def test_files_stay_open(injector):
    before = open_fds()
    leak = injector("fd")
    leak.advance(0)
    leak.advance(5 * SECOND)
    assert open_fds() - before == 50


def test_native_memory_is_real_and_unknown_to_python(injector):
    def anonymous() -> int:
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("RssAnon"))
        return int(line.split()[1]) * 1024

    leak = injector("native", rate=100.0, size=65536)
    leak.advance(0)
    before = anonymous()
    leak.advance(10 * SECOND)
    assert anonymous() - before >= 0.9 * 1000 * 65536
    assert not leak.list
    assert not leak.cache


def test_connections_are_kept_open():
    async def scenario() -> None:
        exchange = Exchange(iter(()), 1, accelerate=True)
        port = await exchange.start()
        leak = Injector(Fault("connection", 10.0), f"ws://{HOST}:{port}")
        before = open_fds()
        leak.advance(0)
        leak.advance(2 * SECOND)
        while len(leak.connections) < 20:
            await asyncio.sleep(0)
        assert open_fds() - before == 40  # both ends are in this process
        await leak.close()
        await exchange.stop()
        assert open_fds() < before
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


def test_a_connection_leak_needs_a_server():
    with pytest.raises(ValueError, match="live run"):
        Injector(Fault("connection"))


def test_a_live_engine_leaks_files_only_when_asked():
    few = ("--optimized", "--symbols", "4", "--rate", "200", "--connections", "3", "--duration", "60")
    with live(*few) as engine:
        sober = open_fds(engine.pid)
        engine.stop()
    with live(*few, "--accelerate", "--duration", "20h", "--leak", "fd") as engine:
        while open_fds(engine.pid) < sober + 50:
            os.sched_yield()
        assert engine.process.poll() is None
        engine.stop()
