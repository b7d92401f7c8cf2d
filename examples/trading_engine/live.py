"""A live run: exchange, connections, engine, signals, and an orderly end."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from trading_engine.engine import Engine
from trading_engine.faults import Injector
from trading_engine.feed import Feed
from trading_engine.source import record_source, source_options

log = logging.getLogger("trading_engine")
_EXCHANGE_GOODBYE = 5.0  # seconds for the exchange's process to leave


@asynccontextmanager
async def exchange(args: argparse.Namespace) -> AsyncIterator[tuple[str, int | None]]:
    """The exchange that the options ask for: its address, and its pid if it is ours."""
    if args.exchange == "process":
        async with _exchange_process(args) as found:
            yield found
    elif args.exchange == "embedded":
        from trading_engine.exchange import HOST, Exchange

        records, header = record_source(args)
        server = Exchange(records, header.symbols, args.accelerate)
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
            raise RuntimeError("the exchange did not start; its message is above")
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


async def run_live(args: argparse.Namespace, engine: Engine) -> dict[str, object]:
    """Runs until the stream ends or a signal comes; what was measured."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with exchange(args) as (address, exchange_pid):
            injector = Injector(args.fault, address) if args.fault else None
            feed = Feed(address, args.symbols, args.connections, _handler(engine, injector))
            try:
                await _run_feed(args, feed, stop, address, exchange_pid)
            finally:
                await feed.stop()
                if injector is not None:
                    await injector.close()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    return {"mode": "live", "stopped": stop.is_set(), "latency": feed.latency.summary()}


def _handler(engine: Engine, injector: Injector | None):
    if injector is None:
        return engine.on_message

    def on_message(text: str) -> int:
        sent = engine.on_message(text)
        injector.advance(engine.now)
        return sent

    return on_message


async def _run_feed(
    args: argparse.Namespace,
    feed: Feed,
    stop: asyncio.Event,
    address: str,
    exchange_pid: int | None,
) -> None:
    feed.start()
    finished = asyncio.ensure_future(feed.finished())
    stopped = asyncio.ensure_future(stop.wait())
    ready = asyncio.ensure_future(feed.ready.wait())
    try:
        await asyncio.wait({finished, stopped, ready}, return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            port = int(address.rsplit(":", 1)[1].split("/")[0])
            announce(args, {"pid": os.getpid(), "port": port, "exchange_pid": exchange_pid})
        await asyncio.wait({finished, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if finished.done():
            finished.result()
    finally:
        for task in (finished, stopped, ready):
            task.cancel()
        await asyncio.gather(finished, stopped, ready, return_exceptions=True)
