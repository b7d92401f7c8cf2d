"""A live run: exchange, connections, engine, signals, and an orderly end."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from trading_engine.engine import Engine
from trading_engine.faults import Injector
from trading_engine.feed import Feed
from trading_engine.optimized.collector import IDLE_CHECK_NS, ROOM_NS
from trading_engine.progress import EventClock
from trading_engine.source import record_source, source_options

log = logging.getLogger("trading_engine")
_GLANCE = 0.05  # seconds between looks at event time during the warm-up
_PUNCTUAL = 0.001  # seconds a timer may be late on a loop that is idle
_EXCHANGE_GOODBYE = 5.0  # seconds for the exchange's process to leave


class ExchangeFailed(RuntimeError):
    """The exchange's process ended before it said its port."""


@asynccontextmanager
async def exchange(args: argparse.Namespace) -> AsyncIterator[tuple[str, int | None]]:
    """The exchange that the options ask for: its address, and its pid if it is ours."""
    if args.exchange == "process":
        async with _exchange_process(args) as found:
            yield found
    elif args.exchange == "embedded":
        from trading_engine.exchange import HOST, Exchange

        records, header = record_source(args)
        server = Exchange(records, header.symbols, args.accelerate, args.warm_up)
        port = await server.start()
        replay = asyncio.create_task(server.run())
        try:
            yield f"ws://{HOST}:{port}", None
        finally:
            replay.cancel()
            await asyncio.gather(replay, return_exceptions=True)
            await server.stop()
    else:
        yield args.exchange, None


@asynccontextmanager
async def _exchange_process(args: argparse.Namespace) -> AsyncIterator[tuple[str, int]]:
    words = [sys.executable, "-m", "trading_engine.exchange", *source_options(args)]
    if args.accelerate:
        words.append("--accelerate")
    env = dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parent.parent))
    # A session of its own: Ctrl-C reaches the engine, which closes its
    # connections first and then lets the exchange go.
    child = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=env,
        start_new_session=True,
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        line = await child.stdout.readline()
        if not line:
            raise ExchangeFailed("the exchange did not start; its message is above")
        yield f"ws://127.0.0.1:{json.loads(line)['port']}", child.pid
    finally:
        child.stdin.close()
        try:
            await asyncio.wait_for(child.wait(), _EXCHANGE_GOODBYE)
        except asyncio.TimeoutError:
            child.kill()
            await child.wait()


def announce(args: argparse.Namespace, facts: dict[str, object]) -> None:
    """Says that the engine runs, to whoever asked for it: one line of JSON."""
    line = json.dumps(facts) + "\n"
    if args.ready_fd is not None:
        with os.fdopen(args.ready_fd, "w") as pipe:
            pipe.write(line)
    if args.ready_file is not None:
        temporary = args.ready_file.with_name(args.ready_file.name + ".tmp")
        temporary.write_text(line)
        os.replace(temporary, args.ready_file)
    log.info("ready: %s", line.strip())


async def run_live(
    args: argparse.Namespace, engine: Engine, on_ready: Callable[[], None] | None = None
) -> dict[str, object]:
    """Runs until the stream ends or a signal comes; what was measured.

    `on_ready` is called once every connection is there and the warm-up is over.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with exchange(args) as (address, exchange_pid):
            injector = Injector(args.fault, address) if args.fault else None
            feed = _feed_class(args)(address, args.symbols, args.connections, _handler(engine, injector))

            async def began() -> None:
                await _warm(args, feed, engine)
                if args.warm_up:
                    feed.latency.clear()
                if on_ready is not None:
                    on_ready()
                port = int(address.rsplit(":", 1)[1].split("/")[0])
                announce(args, {"pid": os.getpid(), "port": port, "exchange_pid": exchange_pid})
                await asyncio.gather(_tell_idle(engine), _tell_time(args.clock, engine))

            try:
                await _run_feed(feed, stop, began)
            finally:
                await feed.stop()
                if injector is not None:
                    await injector.close()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    return {
        "mode": "live",
        "stopped": stop.is_set(),
        "ticks": feed.latency.count,
        # Without waiting, a tick's age is how many are queued before it.
        "latency": None if args.accelerate else feed.latency.summary(),
    }


def _feed_class(args: argparse.Namespace) -> type[Feed]:
    if not args.m5mem:
        return Feed
    from trading_engine.pool_feed import PoolFeed

    return PoolFeed


def _handler(engine: Engine, injector: Injector | None):
    if injector is None:
        return engine.on_message

    def on_message(text: str) -> int:
        sent = engine.on_message(text)
        injector.advance(engine.now)
        return sent

    return on_message


async def _run_feed(feed: Feed, stop: asyncio.Event, began: Callable[[], Awaitable[None]]) -> None:
    """Until the stream ends or `stop`; `began` runs beside it."""
    feed.start()
    finished = asyncio.ensure_future(feed.finished())
    stopped = asyncio.ensure_future(stop.wait())
    beside = asyncio.ensure_future(began())
    tasks = {finished, stopped, beside}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if beside.done():
            beside.result()
            await asyncio.wait({finished, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if finished.done():
            finished.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _warm(args: argparse.Namespace, feed: Feed, engine: Engine) -> None:
    """Waits until every connection is there, and event time is past the warm-up."""
    await feed.ready.wait()
    first = 0
    while args.warm_up:
        first = first or engine.now
        if first and engine.now - first >= args.warm_up * 1e9:
            return
        await asyncio.sleep(_GLANCE)


async def _tell_time(path: Path | None, engine: Engine) -> None:
    """Keeps event time in a file for whoever watches."""
    if path is None:
        return
    with contextlib.closing(EventClock(path)) as clock:
        while True:
            clock.tell(engine.now)
            await asyncio.sleep(_GLANCE)


async def _tell_idle(engine: Engine) -> None:
    """Tells the engine when the loop has nothing to do: when a timer comes on time."""
    if engine.on_idle is None:
        return
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + IDLE_CHECK_NS / 1e9
        await asyncio.sleep(due - loop.time())
        on_time = loop.time() - due < _PUNCTUAL
        engine.on_idle(time.monotonic_ns(), ROOM_NS if on_time else 0)
