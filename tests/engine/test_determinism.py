"""The orders depend on the ticks and on nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from support import run

from trading_engine import strategy, ticks
from trading_engine.naive import NaiveEngine
from trading_engine.offline import run_offline
from trading_engine.orders import OrderLog

SHORT = ("--symbols", "8", "--rate", "150", "--duration", "40", "--seed", "7")


@pytest.fixture(scope="module")
def offline() -> dict[str, object]:
    return run(*SHORT, "--offline")


def test_a_run_is_repeated_to_the_byte(offline, tmp_path: Path):
    file = tmp_path / "orders.csv"
    again = run(*SHORT, "--offline", "--orders", str(file), PYTHONHASHSEED="12345")
    assert offline["order_events"] > 20
    assert again["orders_sha256"] == offline["orders_sha256"]
    data = file.read_bytes()
    assert hashlib.sha256(data).hexdigest() == offline["orders_sha256"]
    lines = data.decode().splitlines()
    assert lines == sorted(lines)
    assert not file.with_name(file.name + ".partial").exists()


@pytest.mark.parametrize("exchange", ["process", "embedded"])
@pytest.mark.parametrize("connections", ["3", "7"])
def test_live_connections_change_no_decision(offline, exchange, connections):
    live = run(*SHORT, "--accelerate", "--exchange", exchange, "--connections", connections)
    assert live["mode"] == "live"
    assert live["ticks"] == offline["ticks"]
    assert live["orders_sha256"] == offline["orders_sha256"]


@pytest.mark.parametrize("how", [["--offline"], ["--accelerate"]])
def test_a_warm_up_is_part_of_the_stream_and_not_of_what_is_measured(offline, how):
    words = [*SHORT[:-4], "--seed", "7", "--warm-up", "10", "--duration", "30", *how, "--measure-gc"]
    warm = run(*words)
    assert warm["orders_sha256"] == offline["orders_sha256"]
    if how == ["--offline"]:  # live and accelerated, the end may come before anybody looks
        assert 0 < warm["ticks"] < offline["ticks"]


def test_a_file_is_the_stream_it_was_made_from(offline, tmp_path: Path):
    path = tmp_path / "ticks.bin"
    ticks.write_file(path, ticks.StreamSpec(seed=7, symbols=8, rate=150.0, seconds=40.0))
    replayed = run("--source", str(path), "--offline")
    assert replayed["orders_sha256"] == offline["orders_sha256"]


def test_another_seed_is_another_market(offline):
    other = run("--symbols", "8", "--rate", "150", "--duration", "40", "--seed", "8", "--offline")
    assert other["orders_sha256"] != offline["orders_sha256"]


def test_no_decision_was_a_matter_of_rounding(offline):
    assert offline["decision_margin"] > 1e-7


@pytest.mark.parametrize("name", ["BREAKOUT", "STOP_ATRS", "RISK"])
def test_a_planted_bug_shows_in_the_hash(monkeypatch, name):
    def digest() -> str:
        orders = OrderLog(None)
        stream = ticks.StreamSpec(seed=7, symbols=4, rate=100.0, seconds=60.0)
        run_offline(NaiveEngine(4, orders), ticks.records(stream))
        assert orders.count
        return orders.close()

    honest = digest()
    monkeypatch.setattr(strategy, name, getattr(strategy, name) * 1.5)
    assert digest() != honest
