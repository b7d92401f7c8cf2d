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
_AHEAD = 5_000  # ticks sent without waiting that may be under way at once
_TURN = 0.02  # seconds between looks for a subscriber that is gone
_TIMER_NS = 2_000_000  # how late a tick may leave before its delay counts


class Exchange:
    """Serves one stream of records to the subscribers of its symbols."""

    def __init__(
        self, records: Iterator[wire.Record], symbols: int, accelerate: bool, warm_up: float = 0.0
    ) -> None:
        self._records = records
        self._subscribers: list[ServerConnection | None] = [None] * symbols
        self._missing = symbols
        self._open = asyncio.Event()
        self._accelerate = accelerate
        self._warm_up_ns = int(warm_up * 1e9)
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
        start_ns = opening_ts = 0
        for record in self._records:
            now = time.monotonic_ns()
            opening_ts = opening_ts or record[1] + self._warm_up_ns
            unpaced = record[1] < opening_ts or self._accelerate
            if unpaced:
                due = now
                if self.sent % _AHEAD == _AHEAD - 1:
                    await self._settle()
            else:
                start_ns = start_ns or now
                due = start_ns + record[1] - opening_ts
            if due > now:
                await asyncio.sleep(max((due - now) / 1e9, _SLICE))
                now = time.monotonic_ns()
            # The timer's own lateness is forgiven; being held up by a slow
            # reader is not: such a tick counts from when it was due.
            stamp = max(due, min(now, due + _TIMER_NS))
            while unpaced and self._subscribers[record[2]] is None:
                await asyncio.sleep(_TURN)  # nothing is lost for want of a clock
            subscriber = self._subscribers[record[2]]
            if subscriber is None:
                continue
            with contextlib.suppress(ConnectionClosed):
                await subscriber.send(wire.encode_tick(record, min(stamp, now)))
                self.sent += 1

    async def _settle(self) -> None:
        """Waits until every engine has read what was sent.

        The kernel holds megabytes for each connection: without this a fast
        exchange is half a minute ahead, and keepalive pings time out behind it.
        """
        pongs = []
        for ws in list(self._connections):
            with contextlib.suppress(ConnectionClosed):
                pongs.append(await ws.ping())
        await asyncio.gather(*pongs, return_exceptions=True)


async def _serve_until_stdin_closes(args: argparse.Namespace) -> None:
    records, header = record_source(args)
    exchange = Exchange(records, header.symbols, args.accelerate, args.warm_up)
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
