"""The exchange simulator: a WebSocket server that replays the tick stream.

A client subscribes to symbols; when every symbol has a subscriber the market
opens, and the ticks go out at their own pace, one message each. At the end of
the stream every connection is closed with code 1000.

Run as a process of its own (the default), so that the engine's memory is the
engine's alone, it says its port on standard output and lives until its
standard input closes: no orphan survives a killed engine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Iterator

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from trading_engine import wire
from trading_engine.source import add_source_arguments, record_source

HOST = "127.0.0.1"
_SLICE = 0.002  # seconds: ticks due within one slice leave together
_TIMER_NS = 2_000_000  # how late a tick may leave before its delay counts


class Exchange:
    """Serves one stream of records to the subscribers of its symbols."""

    def __init__(self, records: Iterator[wire.Record], symbols: int, accelerate: bool) -> None:
        self._records = records
        self._subscribers: list[ServerConnection | None] = [None] * symbols
        self._missing = symbols
        self._open = asyncio.Event()
        self._accelerate = accelerate
        self._connections: set[ServerConnection] = set()
        self._server: Server | None = None
        self.port = 0
        self.sent = 0

    async def start(self, port: int = 0) -> int:
        """Listens on a free port of the loopback interface; says which."""
        self._server = await serve(
            self._serve, HOST, port, compression=None, close_timeout=2, ping_interval=None
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        return self.port

    async def run(self) -> None:
        """Replays the stream once the market opens, then ends every connection."""
        await self._open.wait()
        await self._replay()
        closing = [ws.close(1000, "end of stream") for ws in list(self._connections)]
        await asyncio.gather(*closing)

    async def stop(self) -> None:
        """Closes every connection and the port."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, ws: ServerConnection) -> None:
        self._connections.add(ws)
        try:
            async for text in ws:
                symbols = json.loads(text)["subscribe"]
                await ws.send(json.dumps({"subscribed": len(symbols)}))
                self._subscribe(ws, symbols)
        except ConnectionClosed:
            pass
        finally:
            self._connections.discard(ws)
            for index, subscriber in enumerate(self._subscribers):
                if subscriber is ws:
                    self._subscribers[index] = None

    def _subscribe(self, ws: ServerConnection, symbols: list[int]) -> None:
        for index in symbols:
            if self._subscribers[index] is None and not self._open.is_set():
                self._missing -= 1
            self._subscribers[index] = ws
        if self._missing <= 0:
            self._open.set()

    async def _replay(self) -> None:
        start_ns = time.monotonic_ns()
        first_ts: int | None = None
        for record in self._records:
            if first_ts is None:
                first_ts = record[1]
            due = start_ns + record[1] - first_ts
            now = time.monotonic_ns()
            if self._accelerate:
                due = now
            elif due > now:
                await asyncio.sleep(max((due - now) / 1e9, _SLICE))
                now = time.monotonic_ns()
            # The timer's own lateness is forgiven; being held up by a slow
            # reader is not: such a tick counts from when it was due.
            stamp = max(due, min(now, due + _TIMER_NS))
            subscriber = self._subscribers[record[2]]
            if subscriber is None:
                continue
            with contextlib.suppress(ConnectionClosed):
                await subscriber.send(wire.encode_tick(record, min(stamp, now)))
                self.sent += 1


async def _serve_until_stdin_closes(args: argparse.Namespace) -> None:
    records, header = record_source(args)
    exchange = Exchange(records, header.symbols, args.accelerate)
    port = await exchange.start(args.port)
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()

    def on_stdin() -> None:
        if not sys.stdin.buffer.raw.read(4096):
            loop.remove_reader(sys.stdin.fileno())
            gone.set()

    loop.add_reader(sys.stdin.fileno(), on_stdin)
    print(json.dumps({"port": port}), flush=True)
    replay = asyncio.create_task(exchange.run())
    try:
        await gone.wait()
    finally:
        replay.cancel()
        await asyncio.gather(replay, return_exceptions=True)
        await exchange.stop()


def main(argv: list[str] | None = None) -> int:
    """`python -m trading_engine.exchange`: serves until standard input closes."""
    parser = argparse.ArgumentParser(prog="trading_engine.exchange", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--accelerate", action="store_true")
    add_source_arguments(parser)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve_until_stdin_closes(parser.parse_args(argv)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
