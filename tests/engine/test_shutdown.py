"""However it ends, the engine leaves nothing behind."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
from support import await_exit, live

from trading_engine import cli
from trading_engine.exchange import HOST, Exchange
from trading_engine.feed import Feed
from trading_engine.live import run_live
from trading_engine.naive import NaiveEngine
from trading_engine.orders import OrderLog
from trading_engine.ticks import StreamSpec, records

FEW = ("--optimized", "--symbols", "6", "--rate", "200", "--connections", "3")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(number, tmp_path: Path):
    orders = tmp_path / "orders.csv"
    with live(*FEW, "--orders", str(orders)) as engine:
        report = engine.stop(number)
        assert report["stopped"] is True
        await_exit(engine.exchange_pid)
    assert orders.exists()


def test_the_exchange_does_not_outlive_a_killed_engine():
    with live(*FEW) as engine:
        engine.process.kill()
        await_exit(engine.exchange_pid)


def options(*words: str) -> argparse.Namespace:
    args = cli.parser().parse_args(words)
    args.fault = None
    return args


async def ended(words: list[str], by_signal: bool) -> dict[str, object]:
    """Runs the engine in this process until its stream ends or SIGTERM comes."""
    reader, writer = os.pipe()
    orders = OrderLog(None)
    args = options(*words, "--ready-fd", str(writer))
    running = asyncio.ensure_future(run_live(args, NaiveEngine(6, orders)))
    if by_signal:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(reader, ready.set)
        await ready.wait()
        loop.remove_reader(reader)
        os.kill(os.getpid(), signal.SIGTERM)
    report = await running
    orders.close()
    os.close(reader)
    return report


@pytest.mark.parametrize("exchange", ["process", "embedded"])
@pytest.mark.parametrize("by_signal", [False, True])
def test_no_task_or_descriptor_is_left(exchange, by_signal):
    words = [*FEW, "--exchange", exchange]
    words += [] if by_signal else ["--accelerate", "--duration", "5"]

    async def scenario() -> None:
        await ended([*FEW, "--accelerate", "--duration", "1"], False)  # opens what stays open
        before = len(os.listdir("/proc/self/fd"))
        report = await ended(words, by_signal)
        assert report["stopped"] is by_signal
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert len(os.listdir("/proc/self/fd")) == before

    asyncio.run(scenario())


def test_a_bug_in_a_handler_is_not_swallowed():
    class Broken(NaiveEngine):
        def on_message(self, text: str) -> int:
            raise KeyError(text)

    orders = OrderLog(None)
    with pytest.raises(KeyError):
        asyncio.run(run_live(options(*FEW, "--exchange", "embedded"), Broken(6, orders)))
    orders.close()


def test_a_connection_that_drops_comes_back_and_an_unpaced_stream_waits_for_it():
    async def scenario() -> None:
        stream = records(StreamSpec(seed=1, symbols=1, rate=100.0, seconds=5.0))
        total = sum(1 for _ in records(StreamSpec(seed=1, symbols=1, rate=100.0, seconds=5.0)))
        exchange = Exchange(stream, 1, accelerate=True)
        port = await exchange.start()
        seen: list[str] = []

        def on_message(text: str) -> int:
            seen.append(text)
            if len(seen) == 50:
                next(iter(exchange._connections)).transport.abort()
            return 0

        feed = Feed(f"ws://{HOST}:{port}", 1, 1, on_message)
        feed.start()
        replay = asyncio.create_task(exchange.run())
        await feed.finished()
        await replay
        await feed.stop()
        await exchange.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        # What was under way when the connection broke is lost; what came after is not.
        assert 50 <= len(seen) <= total
        assert json.loads(seen[-1])["n"] == total

    asyncio.run(scenario())
