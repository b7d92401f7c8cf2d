"""The WebSocket pool stays flat: messages, and connections that end in every way. M5_SLOW=1 runs them in length."""

import asyncio
import logging
import time

import pytest
from levels import SLOW, flat_in_loop, operations
from servers import FAST, Raw, until, uri_of

from m5mem.ws import ManagedWSPool

pytest.importorskip("websockets")
from websockets.asyncio.server import serve

SECONDS = 30 if SLOW else 4
HASTY = {**FAST, "open_timeout": 0.02, "close_timeout": 0.02, "backoff_base": 1e-4, "backoff_max": 1e-3}


@pytest.fixture(autouse=True)
def silent():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_messages():
    """10⁶ messages, or as many as fit: half of them to a coroutine handler, one in a hundred raises."""

    async def main():
        wanted = asyncio.Queue()

        async def feed(ws):
            while (n := await wanted.get()) is not None:
                for i in range(n):
                    await ws.send(f"message {i}" * 3)

        def handler(message):
            nonlocal count
            count += 1
            if count % 100 == 0:
                raise ValueError(message)
            return asyncio.sleep(0) if count % 2 else None

        count = 0
        async with serve(feed, "127.0.0.1", 0, close_timeout=0.2, compression=None) as server:
            async with ManagedWSPool(**FAST, stale_after=1000) as pool:
                slot = pool.add(uri_of(server), handler, compression=None)

                async def work(n):
                    end = count + n
                    wanted.put_nowait(n)
                    await until(lambda: count >= end, 120)
                    assert slot.counts["connects"] == 1

                await flat_in_loop(work, operations(), SECONDS)
            wanted.put_nowait(None)  # the server waits for its handler
        return slot.counts["messages"]

    began = time.monotonic()
    count = asyncio.run(asyncio.wait_for(main(), 300))
    print(f"{count} messages in {time.monotonic() - began:.1f} s")


async def hangs(reader, writer):
    await asyncio.sleep(3600)


async def half_open(reader, writer):
    await reader.readline()
    writer.write_eof()
    await asyncio.sleep(3600)


async def kicks(ws):
    await ws.send("x")
    await ws.close(1012)


async def talks(ws):
    await ws.send("x")
    await ws.wait_closed()


def fails(message):
    raise ValueError(message)


async def cycle(uri, way, i):
    """One pool, one connection that ends in one way, and nothing left."""
    async with ManagedWSPool(**HASTY) as pool:
        slot = pool.add(uri, fails if way == "handler raises" else len, name="x")
        if way == "cancelled":
            for _ in range(i % 60):
                await asyncio.sleep(0)
            slot.task.cancel()
        elif way in ("refused", "hangs", "half-open"):
            await until(lambda: slot.counts["failures"] >= 1)
        elif way == "kicked":
            await until(lambda: slot.counts["disconnects"] >= 1)
        elif way == "removed":
            await until(lambda: slot.state == "open")
            await pool.remove("x")
        else:
            await until(lambda: slot.counts["messages"] >= 1)
    assert slot.state == "closed" and not pool._chores


@pytest.mark.parametrize(
    "way", ["cancelled", "refused", "hangs", "half-open", "kicked", "removed", "handler raises"]
)
def test_connections(way):
    async def main():
        server = (
            Raw(hangs if way == "hangs" else half_open)
            if way in ("hangs", "half-open")
            else serve(kicks if way == "kicked" else talks, "127.0.0.1", 0, close_timeout=0.1)
        )
        async with server as server:
            uri = "ws://127.0.0.1:1" if way == "refused" else getattr(server, "uri", None) or uri_of(server)
            before = len(asyncio.all_tasks())

            def over():
                if isinstance(server, Raw):
                    server.forget()  # also what it accepted late
                return len(asyncio.all_tasks()) <= before

            async def work(n):
                for i in range(n):
                    await cycle(uri, way, i)
                await until(over)

            await work(70)  # abc's caches of classes fill
            await flat_in_loop(work, 2000 if SLOW else 50, SECONDS * 2)

    asyncio.run(asyncio.wait_for(main(), 300))
