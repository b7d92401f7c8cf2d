"""The engine's side of the WebSockets: one task a connection.

A connection that drops is opened again with backoff; one that the exchange
ends with code 1000 is over. Whatever happens, the socket is closed before its
task ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from trading_engine.latency import Histogram

log = logging.getLogger("trading_engine")

_FIRST_WAIT, _LONGEST_WAIT = 0.2, 10.0
_END_OF_STREAM = 1000


class Feed:
    """Subscribes to every symbol over several connections, and hands ticks on."""

    def __init__(
        self, address: str, symbols: int, connections: int, on_message: Callable[[str], int]
    ) -> None:
        self._address = address
        self._shares = [range(i, symbols, connections) for i in range(connections)]
        self._on_message = on_message
        self._waiting = set(self._shares)
        self._tasks: list[asyncio.Task[None]] = []
        self.ready = asyncio.Event()
        self.latency = Histogram()

    def start(self) -> None:
        """Opens the connections."""
        self._tasks = [asyncio.create_task(self._keep(share)) for share in self._shares]

    async def finished(self) -> None:
        """Waits until the exchange has ended every connection."""
        await asyncio.gather(*self._tasks)

    async def stop(self) -> None:
        """Closes what is open; no task or socket is left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, share: range) -> None:
        wait = _FIRST_WAIT
        while True:
            try:
                if await self._receive(share):
                    return
                wait = _FIRST_WAIT
            except (OSError, ConnectionClosed, InvalidHandshake) as error:
                log.warning("connection lost (%s), again in %.1f s", error, wait)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)

    async def _receive(self, share: range) -> bool:
        """One connection from its start to its end; True at the end of the stream."""
        on_message, latency, clock = self._on_message, self.latency, time.monotonic_ns
        async with connect(self._address, compression=None, close_timeout=2) as ws:
            await ws.send(json.dumps({"subscribe": list(share)}))
            await ws.recv()
            self._waiting.discard(share)
            if not self._waiting:
                self.ready.set()
            async for text in ws:
                sent = on_message(text)
                latency.add(clock() - sent)
            return ws.close_code == _END_OF_STREAM
