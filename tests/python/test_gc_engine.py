"""The manager on the reference engine, its guard where garbage grows, and how busy a loop is."""

import asyncio
import gc
import json
import os
import subprocess
import sys
import time

import pytest

import m5mem.gc

HERE = os.path.dirname(os.path.abspath(__file__))


def test_on_the_reference_engine():
    pytest.importorskip("pandas")
    engine = os.path.join(HERE, "managed_engine.py")
    # The folder of the package goes along: it may be there by PYTHONPATH alone.
    done = subprocess.run([sys.executable, engine], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    saw = json.loads(done.stdout)
    seldom = not getattr(
        sys, "_is_gil_enabled", lambda: True
    )()  # such a build waits for a quarter more objects
    assert seldom or sum(saw["unmanaged"]) > 10
    # Every collection is in the figures, in the path or in idle time; those in the path are few.
    assert saw["managed"] == [path + idle for path, idle in zip(saw["path"], saw["idle"])]
    assert seldom or sum(saw["path"]) < sum(saw["unmanaged"]) / 2
    assert sum(saw["idle"]) > 0 and saw["idle_seconds"] > 0
    assert saw["while"]["frozen"] and len(saw["while"]["callbacks"]) == len(saw["before"]["callbacks"]) + 1
    assert saw["after"] == saw["before"]
    assert 0 < saw["load"] <= 1


def test_the_guard_falls_back_where_garbage_grows():
    class Bracket:
        """As bracket orders hold each other."""

        def __init__(self):
            self.other = self

    async def main():
        before = gc.get_threshold(), list(gc.callbacks)
        idle = m5mem.gc.Idle(max_load=1.0, interval=0.02, deadline=0.05, full_interval=0.02, pause_budget=10)
        guard = m5mem.gc.Guard(max_garbage=2000)
        with m5mem.gc.manage(
            warmup=0, tick=0.005, idle_collect=idle, guard=guard, thresholds=(100_000, 50, 50)
        ) as manager:
            while manager.state == "warm-up":
                await asyncio.sleep(0.001)
            rounds = manager.rounds["idle"]
            while manager.rounds["idle"] < rounds + 3:  # a little garbage is no reason
                [Bracket() for _ in range(5)]
                await asyncio.sleep(0.001)
            assert manager.state == "managed" and gc.get_threshold() == (100_000, 50, 50)
            while manager.state == "managed":
                [Bracket() for _ in range(3000)]
                await asyncio.sleep(0.001)
            assert manager.state == "fallback" and "unreachable" in manager.reason
            assert gc.get_threshold() == before[0] and gc.get_freeze_count() <= m5mem.gc.limits.IMMORTAL
            assert gc.isenabled()
            # Normal collection goes on, and is measured.
            path = manager.snapshot()["path"][0]["collections"]
            while manager.snapshot()["path"][0]["collections"] <= path:
                [Bracket() for _ in range(3000)]
            rounds = dict(manager.rounds)
            await asyncio.sleep(0.2)
            assert manager.rounds == rounds  # nothing is moved any more
        assert (gc.get_threshold(), list(gc.callbacks)) == before

    asyncio.run(asyncio.wait_for(main(), 60))


def test_how_busy_a_loop_is():
    async def load(work):
        manager = m5mem.gc.manage(warmup=1000, tick=0.01, idle_collect=False)
        try:
            for _ in range(60):
                end = time.thread_time() + work
                while time.thread_time() < end:
                    pass
                await asyncio.sleep(0.01 if work < 0.01 else 0)
            return manager.load
        finally:
            manager.stop()

    async def main():
        calm, busy = await load(0.0), await load(0.012)
        assert calm is not None and busy is not None and 0 <= calm < busy <= 1

    asyncio.run(asyncio.wait_for(main(), 60))
