"""Every optimisation, alone and together, decides what the naive engine decides."""

from __future__ import annotations

import gc
import random

import pytest
from support import live, run

from trading_engine import cli, deps, frames, market, ticks, wire
from trading_engine.naive import NaiveEngine
from trading_engine.offline import run_offline
from trading_engine.optimized.book import ArrayBook
from trading_engine.optimized.candles import CandleRing
from trading_engine.optimized.collector import ROOM_NS, IdleCollector
from trading_engine.optimized.engine import OptimizedEngine
from trading_engine.optimized.parts import PARTS, factories
from trading_engine.optimized.ticks import TickRing
from trading_engine.orders import OrderLog
from trading_engine.pauses import PauseMeter

SPEC = ticks.StreamSpec(seed=11, symbols=6, rate=120.0, seconds=60.0, burst=0.5)
SECOND = 1_000_000_000


def orders_of(light: frozenset[str] | None) -> tuple[str, int]:
    orders = OrderLog(None)
    if light is None:
        engine = NaiveEngine(SPEC.symbols, orders)
    else:
        engine = OptimizedEngine(SPEC.symbols, orders, factories(light))
    run_offline(engine, ticks.records(SPEC))
    return orders.close(), orders.count


@pytest.fixture(scope="module")
def naive() -> tuple[str, int]:
    return orders_of(None)


SETS = [frozenset(), frozenset(PARTS), *(frozenset({part}) for part in PARTS)]


@pytest.mark.parametrize("light", SETS, ids=lambda light: "+".join(sorted(light)) or "none")
def test_the_orders_are_the_naive_ones(naive, light):
    assert naive[1] > 20
    assert orders_of(light) == naive


def test_a_live_run_without_pandas_decides_alike():
    words = ("--symbols", "8", "--rate", "150", "--duration", "40", "--seed", "7", "--accelerate")
    light = run(*words, "--optimized", "--measure-gc")
    assert light["orders_sha256"] == run(*words)["orders_sha256"]
    assert light["gc"]["in_path"]["count"] <= 2


def test_neither_pandas_nor_numpy_is_loaded():
    with live("--symbols", "5", "--rate", "200", "--optimized") as engine:
        with open(f"/proc/{engine.pid}/maps") as maps:
            text = maps.read()
        assert "numpy" not in text
        assert "pandas" not in text
        engine.stop()


def test_the_book_holds_the_levels_that_the_naive_book_holds():
    generator = random.Random(5)
    light, heavy = ArrayBook(), market.OrderBook()
    for seq in range(5_000):
        price = (6400 + generator.randint(-40, 40)) / 64
        tick = (seq, seq, generator.randint(0, 1), 0, generator.randint(1, 500), price)
        light.apply(*tick)
        heavy.apply(market.Tick("S000", *tick))
        assert light.levels() == (heavy.bids, heavy.asks)
        assert [list(side) for side in light.levels()] == [list(heavy.bids), list(heavy.asks)]
        assert light.spread == heavy.spread


def test_the_tick_ring_forgets_the_oldest():
    ring = TickRing(3, capacity=7)
    kept: list[wire.Record] = []
    for seq in range(1, 40):
        record = (seq, seq * 10, 3, seq % 2, 0, seq * 5, seq / 64)
        ring.append(*(record[:2] + record[3:]))
        kept = [*kept, record][-7:]
        assert list(ring) == kept
        assert ring.traded == sum(one[5] for one in kept)


def test_candles_and_indicators_equal_a_computation_over_the_window():
    generator = random.Random(6)
    light, heavy = CandleRing(), frames.CandleStore(["S000"])
    ts, price = 0, 6400
    for seq in range(6_000):
        ts += generator.randint(1, 400_000_000)
        price = max(1, price + generator.randint(-9, 9))
        tick = (seq, ts, 0, 0, generator.randint(1, 200), price / 64)
        closed = light.add(*tick)
        assert heavy.add(market.Tick("S000", *tick)) == closed
        if closed and light.count % 50 < 3:
            window = heavy.window("S000", 200)
            assert light.window(200) == [tuple(row) for row in window.to_numpy().tolist()]
            expected, seen = frames.indicators(window), light.indicators()
            if expected is None:
                assert seen is None
                continue
            assert seen is not None
            assert seen._replace(std=0) == expected._replace(std=0)
            assert seen.std == pytest.approx(expected.std, rel=1e-9)
    assert light.count > 1_000


class Ring:
    """Garbage in a cycle."""

    def __init__(self) -> None:
        self.me = self


def test_the_collector_uses_idle_time_and_gives_collection_back():
    meter = PauseMeter()
    collector = IdleCollector(meter)
    assert gc.isenabled()
    frozen = gc.get_freeze_count()
    collector.start()
    meter.start()
    try:
        assert not gc.isenabled()
        now = 1
        for _ in range(1_300):  # 130 s, idle all along
            Ring()
            now += SECOND // 10
            collector.idle(now, ROOM_NS)
        assert collector.collections[2] >= 2
        assert collector.collections[1] >= 5
        assert collector.collections[0] >= 90
        assert meter.in_path.count == 0
        assert gc.get_freeze_count() > 0
    finally:
        meter.stop()
        collector.stop()
    assert gc.isenabled()
    assert gc.get_freeze_count() == frozen


def test_without_idle_time_a_deadline_collects():
    meter = PauseMeter()
    collector = IdleCollector(meter)
    collector.start()
    meter.start()
    try:
        for tenth in range(1, 100):
            collector.idle(tenth * SECOND // 10, 0)
    finally:
        meter.stop()
        collector.stop()
    assert collector.collections[0] == 2
    assert meter.in_path.count == 2


@pytest.mark.parametrize("how", ["--offline", "--accelerate"])
def test_the_parts_of_m5mem_decide_alike(how):
    pytest.importorskip("m5mem")
    words = ("--symbols", "8", "--rate", "150", "--duration", "40", "--seed", "7", how)
    assert run(*words, "--m5mem")["orders_sha256"] == run(*words)["orders_sha256"]


def test_m5mem_is_asked_for_by_name_when_it_is_missing(capsys, monkeypatch):
    monkeypatch.setattr(deps, "missing", lambda names: [n for n in names if n == "m5mem"])
    assert cli.main(["--m5mem", "--offline", "--duration", "1"]) == 2
    assert "m5mem" in capsys.readouterr().err
