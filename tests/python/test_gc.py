"""The manager against a Python callback beside it, and that it leaves everything as it found it."""

import asyncio
import ctypes
import gc
import time
import weakref

import pytest

import m5mem.gc
from m5mem._native import GcMonitor

IMMORTAL = m5mem.gc.limits.IMMORTAL  # what CPython 3.12 freezes by itself is below


@pytest.fixture(autouse=True)
def untouched():
    before = gc.get_threshold(), list(gc.callbacks), gc.isenabled()
    yield
    assert (gc.get_threshold(), list(gc.callbacks), gc.isenabled()) == before
    assert gc.get_freeze_count() <= IMMORTAL


def cycles(n):
    for _ in range(n):
        loop = []
        loop.append(loop)


def test_monitor_sees_what_a_callback_sees():
    monitor, seen = GcMonitor(), []

    def callback(phase, info):
        if phase == "stop":
            seen.append((info["generation"], info["collected"]))

    native = monitor.callback
    gc.collect()
    gc.callbacks[:0] = [native]
    gc.callbacks.append(callback)
    try:
        cycles(5000)
        for generation in (0, 1, 2):
            gc.collect(generation)
    finally:
        gc.callbacks.remove(native)
        gc.callbacks.remove(callback)
    path = monitor.snapshot()["path"]
    for generation in range(3):
        of = [c for g, c in seen if g == generation]
        assert path[generation]["collections"] == len(of) and path[generation]["collected"] == sum(of)
        assert 0 < path[generation]["p50"] <= path[generation]["p95"] <= path[generation]["max"]
        buckets, count, total = monitor.buckets(generation)
        assert count == len(of) and [n for _, n in buckets] == sorted(n for _, n in buckets)
        assert total == pytest.approx(path[generation]["pause_total"])
    native("stop", {"generation": 1})  # without a start: ignored
    native("start", None)
    native("stop", {})
    native()


def test_freeze_and_restore():
    manager = m5mem.gc.manage(warmup=0, tick=0.005, thresholds=(5000, 20, 20))
    deadline = time.monotonic() + 10
    while manager.snapshot()["state"] != "managed" and time.monotonic() < deadline:
        time.sleep(0.005)
    snapshot = manager.snapshot()
    assert (
        snapshot["state"] == "managed"
        and snapshot["frozen"] > IMMORTAL
        and snapshot["threshold"] == (5000, 20, 20)
    )
    assert snapshot["idle"][2]["collections"] == 1
    manager.stop()
    manager.stop()
    assert manager.snapshot()["state"] == "stopped" and manager.idle() == 0


def test_thresholds_are_chosen():
    with m5mem.gc.manage(warmup=1000, freeze_after_warmup=False) as manager:
        before = gc.get_threshold()
        cycles(20_000)
        manager._warmup = 0
        manager._step()
        chosen = gc.get_threshold()
        assert manager.state == "managed" and before[0] <= chosen[0] <= before[0] * 4
        assert chosen[1:] == before[1:]
    assert gc.get_threshold() == before


class Simulated:
    """A program that fills the young generation at a rate. A young collection takes what ``pause(threshold)`` says."""

    def __init__(self, rate, pause):
        self.rate, self.pause = rate, pause
        self.now = self.total = self.longest = 0.0
        self.count = 0

    def run(self, seconds):
        first = gc.get_threshold()[0]
        collections = int(seconds * self.rate / first)
        for _ in range(collections):
            took = self.pause(first)
            self.total += took
            self.longest = max(self.longest, took)
        self.count += collections
        self.now += seconds

    def snapshot(self):
        young = {
            "collections": self.count,
            "pause_total": self.total,
            "max": self.longest,
            "p95": self.longest,
        }
        others = {"collections": 0, "pause_total": 0.0, "max": None}
        return {"path": [young, others, others]}


@pytest.mark.parametrize(
    ("pause", "ends", "why"),
    [
        # A collection costs the same however much it looks at: the more seldom the better, up to the goal.
        (lambda first: 1e-4, 100_000, None),
        # What it costs grows with what it looks at: no step costs more, and none is expected above the budget.
        (lambda first: first * 1e-7, 48_000, None),
        # It grows faster: the first step that costs more is taken back.
        (lambda first: (first / 700) ** 1.5 * 1e-4, 700, "cost more"),
        # It leaps where the survivors come in: taken back at once.
        (lambda first: 1e-4 if first < 10_000 else 0.1, 2800, "took 100.0 ms"),
    ],
)
def test_a_threshold_climbs_as_long_as_it_pays(pause, ends, why):
    from m5mem.gc.thresholds import Ladder

    before = gc.get_threshold()
    was_enabled = gc.isenabled()
    gc.disable()
    gc.set_threshold(700, 10, 10)
    try:
        program = Simulated(100_000, pause)
        program.run(10)
        ladder = Ladder(program, 0.0, program.now, goal=100_000, budget=0.005)
        for _ in range(500):
            program.run(1)
            ladder.look(program.now)
            if ladder.done:
                break
        assert ladder.done and gc.get_threshold()[1:] == (10, 10)
        assert gc.get_threshold()[0] <= ends and gc.get_threshold()[0] >= ends / 5
        assert (why is None and ladder.reason is None) or why in ladder.reason
    finally:
        gc.set_threshold(*before)
        if was_enabled:
            gc.enable()


def test_idle_rounds_in_a_loop():
    async def main():
        idle = m5mem.gc.Idle(
            interval=0.01, deadline=100, full_interval=0.02, full_deadline=100, pause_budget=10
        )
        manager = m5mem.gc.manage(warmup=0, tick=0.005, idle_collect=idle, thresholds=None)
        try:
            while manager.rounds["full"] < 2:
                cycles(10)
                await asyncio.sleep(0.005)
            snapshot = manager.snapshot()
            assert snapshot["rounds"]["idle"] >= 2 and snapshot["load"] < 0.9
            assert sum(g["collected"] for g in snapshot["idle"]) > 0
        finally:
            manager.stop()

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_busy_loop_meets_the_deadline_and_the_budget():
    async def main():
        idle = m5mem.gc.Idle(
            max_load=1e-9, interval=0.0, deadline=0.02, full_interval=0.0, full_deadline=1e6, pause_budget=0.0
        )
        manager = m5mem.gc.manage(warmup=0, tick=0.005, idle_collect=idle, thresholds=None)
        try:
            while manager.rounds["deadline"] < 3:
                sum(range(10_000))
                await asyncio.sleep(0)
            assert manager.rounds["idle"] == 0 and manager.rounds["full"] == 0
            assert (
                manager.rounds["put_off"] >= 3
            )  # the freeze showed that a full one takes longer than nothing
        finally:
            manager.stop()

    asyncio.run(asyncio.wait_for(main(), 30))


def test_guard():
    guard = m5mem.gc.Guard(max_garbage=100)
    with m5mem.gc.manage(warmup=0, tick=1000, guard=guard, thresholds=(10**6, 10, 10)) as manager:
        manager._step()
        assert manager.state == "managed"
        cycles(500)
        assert manager.idle() >= 500
        assert (
            manager.state == "fallback"
            and "unreachable" in manager.reason
            and gc.get_freeze_count() <= IMMORTAL
        )
        assert gc.get_threshold() != (10**6, 10, 10)
    with m5mem.gc.manage(warmup=0, tick=1000, guard=m5mem.gc.Guard(max_rss_growth=-(1 << 40))) as manager:
        manager._step()
        manager._step()
        assert manager.state == "fallback" and "RSS" in manager.reason


def test_explicit_idle_collects():
    class Node:
        pass

    with m5mem.gc.manage(warmup=1000, tick=1000) as manager:
        node = Node()
        node.me, ref = node, weakref.ref(node)
        del node
        manager.idle(full=True)
        assert ref() is None and manager.snapshot()["rounds"]["explicit"] == 1


def test_bad_arguments():
    for arguments in (
        {"thresholds": "fast"},
        {"warmup": -1},
        {"tick": 0},
        {"idle_collect": True},
    ):
        with pytest.raises(ValueError):
            m5mem.gc.manage(**arguments)
    with pytest.raises(ValueError):
        m5mem.gc.Idle(max_load=0)
    with pytest.raises(ValueError):
        m5mem.gc.Idle(interval=10, deadline=5)


def test_one_manager_at_a_time():
    before = gc.get_threshold()
    with m5mem.gc.manage(warmup=1000, tick=1000) as manager:
        assert m5mem.gc.current() is manager
        with pytest.raises(RuntimeError, match="managed already"):
            m5mem.gc.manage()
    assert m5mem.gc.current() is None and gc.get_threshold() == before
    m5mem.gc.manage(warmup=1000, tick=1000).stop()


def test_trim_gives_free_memory_back():
    from m5mem._trim import Trimmer, rss

    trimmer = Trimmer(budget=10, interval=0)
    if trimmer.unavailable:
        pytest.skip(trimmer.unavailable)
    # Blocks of 64 KiB with one small block after each: freed, they stay with malloc. Asked for directly: Python's own
    # blocks lie elsewhere where there is no GIL.
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    large, small = [], []
    for _ in range(2000):
        large.append(libc.malloc(65536))
        ctypes.memset(large[-1], 1, 65536)
        small.append(libc.malloc(600))
    held = rss()
    for block in large:
        libc.free(block)
    trimmer.trim()
    assert held - rss() > 50 << 20 and trimmer.count == 1 and small
    assert trimmer.look() and trimmer.look() in (True, False)
    trimmer.join()
    tight = Trimmer(budget=1e-12, interval=1)
    tight.trim()
    assert tight.put_off == 1 and not tight.look()  # it took longer than it may: later
    # What is expected to take longer waits, but not for ever.
    if trimmer.snapshot()["expected_seconds"] is not None:
        waits = Trimmer(budget=1e-12, interval=0)
        assert not waits.look() and (waits.count, waits.put_off) == (0, 1) and waits.expected_seconds > 1e-12
        at_last = Trimmer(budget=1e-12, interval=0, deadline=0)
        assert at_last.look()
        at_last.join()
        assert at_last.count == 1

    with m5mem.gc.manage(warmup=0, tick=0.005, thresholds=None, trim=m5mem.gc.Trim(interval=0.0)) as manager:
        while manager.state != "managed":
            pass
        manager.idle(full=True)
        while manager.snapshot()["trim"]["count"] < 1:
            pass
    assert manager.snapshot()["trim"]["unavailable"] is None
    with pytest.raises(ValueError):
        m5mem.gc.Trim(budget=0)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_collects_as_the_program_said():
    import os

    before, callbacks = gc.get_threshold(), list(gc.callbacks)
    with m5mem.gc.manage(warmup=1000, tick=0.001, thresholds=(5000, 20, 20)):
        child = os.fork()
        if child == 0:
            import signal

            signal.alarm(20)
            fine = gc.get_threshold() == before and m5mem.gc.current() is None and gc.callbacks == callbacks
            with m5mem.gc.manage(warmup=1000, tick=0.001):
                os._exit(0 if fine else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_subinterpreter_is_told():
    import sys

    try:
        import _interpreters as interpreters
    except ImportError:
        pytest.skip("no subinterpreters to be had from Python here")
    other = interpreters.create()
    code = f"""
import sys
sys.path[:] = {sys.path!r}
try:
    import m5mem
except ImportError as error:
    assert "one interpreter" in str(error), error
else:
    assert False
"""
    problem = interpreters.run_string(other, code)
    interpreters.destroy(other)
    assert problem is None, problem.formatted
