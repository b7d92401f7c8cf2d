"""The same feed over m5mem's `ManagedWSPool`: it owns the connections, reconnects and closes them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from m5mem.ws import ManagedWSPool
from trading_engine.latency import Histogram

_END_OF_STREAM = 1000


class PoolFeed:
    """Subscribes to every symbol over a pool, and hands ticks on; the same face as `Feed`."""

    def __init__(
        self, address: str, symbols: int, connections: int, on_message: Callable[[str], int]
    ) -> None:
        self._address = address
        self._shares = {f"feed-{i}": range(i, symbols, connections) for i in range(connections)}
        self._waiting = set(self._shares)
        self._running = set(self._shares)
        self._on_message = on_message
        self._over = asyncio.Event()
        self._pool = ManagedWSPool(connections, connect=self._connect, stale_after=300.0)
        self.ready = asyncio.Event()
        self.latency = Histogram()

    def start(self) -> None:
        """Opens the connections."""
        for name in self._shares:
            self._pool.add(self._address, self._handle, name=name, share=name)

    async def finished(self) -> None:
        """Waits until the exchange has ended every connection."""
        await self._over.wait()

    async def stop(self) -> None:
        """Closes what is open; no task or socket is left."""
        await self._pool.close()

    async def _connect(self, address: str, *, share: str) -> _Subscribed:
        """A connection that is subscribed already; it is closed if subscribing fails."""
        ws = await connect(address, compression=None, close_timeout=2)
        try:
            await ws.send(json.dumps({"subscribe": list(self._shares[share])}))
            await ws.recv()
        except BaseException:
            await ws.close()
            raise
        self._waiting.discard(share)
        if not self._waiting:
            self.ready.set()
        return _Subscribed(ws, lambda: self._ended(share))

    def _ended(self, share: str) -> None:
        self._running.discard(share)
        if not self._running:
            self._over.set()

    def _handle(self, text: str) -> None:
        sent = self._on_message(text)
        self.latency.add(time.monotonic_ns() - sent)


class _Subscribed:
    """A connection whose end of stream is an end: the pool must not open it again."""

    def __init__(self, ws: Any, on_end: Callable[[], None]) -> None:
        self._ws = ws
        self._on_end = on_end
        self.transport = ws.transport

    async def recv(self) -> str:
        """The next message; waits for ever once the stream is over."""
        try:
            return await self._ws.recv()
        except ConnectionClosed:
            if self._ws.close_code != _END_OF_STREAM:
                raise
        self._on_end()
        return await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        """Says goodbye to the exchange."""
        await self._ws.close()
