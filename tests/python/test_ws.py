"""The pool against a hostile server on loopback: after every path no task and no descriptor is left."""

import asyncio
import socket
import struct
import sys

import pytest
from servers import FAST, Raw, run, until, uri_of

from m5mem.fds import FdMonitor
from m5mem.ws import ManagedWSPool, PoolFull

websockets = pytest.importorskip("websockets")
from websockets.asyncio.server import serve  # noqa: E402


def test_messages_arrive_and_all_is_gone_after_close():
    async def scenario():
        async def feed(ws):
            for i in range(100):
                await ws.send(str(i))
            assert await ws.recv() == "hello"
            await ws.wait_closed()

        got = []
        async with serve(feed, "127.0.0.1", 0) as server:
            async with ManagedWSPool(**FAST) as pool:
                slot = pool.add(uri_of(server), got.append, name="a")
                with pytest.raises(ConnectionError):
                    await pool.send("a", "early")
                await until(lambda: len(got) == 100)
                assert pool.active_connections == 1 and pool.states()["open"] == 1
                await pool.send("a", "hello")
                assert pool.stats()["a"]["messages"] == 100
                with pytest.raises(ValueError, match="already"):
                    pool.add(uri_of(server), got.append, name="a")
            assert slot.state == "closed" and got == [str(i) for i in range(100)]
            with pytest.raises(RuntimeError, match="closed"):
                pool.add("ws://127.0.0.1:1", print)

    run(scenario)


def test_a_server_that_kicks_is_met_with_backoff():
    async def scenario():
        async def kick(ws):
            await ws.send("x")
            await ws.close(1012)

        async with serve(kick, "127.0.0.1", 0) as server:
            async with ManagedWSPool(**FAST) as pool:
                slot = pool.add(uri_of(server), lambda m: None)
                await until(lambda: slot.counts["disconnects"] >= 10)
                assert slot.attempt >= 9  # a message alone does not start the count anew

    run(scenario)


def test_backoff_grows_to_its_bound_and_starts_anew_after_uptime():
    pool = ManagedWSPool(backoff_base=1, backoff_max=8)
    for attempt, bound in [(0, 1), (1, 2), (3, 8), (10, 8), (5000, 8)]:
        delays = [pool._terms.delay(attempt) for _ in range(200)]
        assert all(0 <= d <= bound for d in delays) and max(delays) > bound * 0.5


@pytest.mark.parametrize("behaviour", ["refuses", "hangs", "half-closes", "garbage", "resets"])
def test_servers_that_never_become_websockets(behaviour):
    async def scenario():
        async def hangs(reader, writer):
            await asyncio.sleep(3600)

        async def half_closes(reader, writer):
            await reader.readline()
            writer.write_eof()
            await asyncio.sleep(3600)

        async def garbage(reader, writer):
            writer.write(b"\xff\x00" * 1000)
            await writer.drain()

        async def resets(reader, writer):
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        behave = {"hangs": hangs, "half-closes": half_closes, "garbage": garbage, "resets": resets}
        async with Raw(behave.get(behaviour, hangs)) as server:
            uri = server.uri if behaviour != "refuses" else "ws://127.0.0.1:1"
            async with ManagedWSPool(**FAST) as pool:
                slot = pool.add(uri, lambda m: None)
                await until(lambda: slot.counts["failures"] >= 3)
                assert pool.active_connections == 0 and slot.last_error
            assert not [t for t in asyncio.all_tasks() if "m5mem" in repr(t)]
            port = server.uri.rpartition(":")[2]
            assert not [p for p, _ in FdMonitor(interval=None).peers() if p.endswith(":" + port)]

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_silent_peer_is_stale():
    async def scenario():
        async def silent(ws):
            await ws.wait_closed()

        async with serve(silent, "127.0.0.1", 0) as server:
            async with ManagedWSPool(stale_after=0.1, **FAST) as pool:
                slot = pool.add(uri_of(server), lambda m: None)
                await until(lambda: slot.counts["stale"] >= 3 and slot.counts["connects"] >= 3)
            async with ManagedWSPool(stale_after=1000, **FAST) as pool:
                slot = pool.add(uri_of(server), lambda m: None)
                await until(lambda: slot.state == "open")
                assert await pool.cleanup_stale_connections() == 0
                slot.last_activity -= 2000
                assert await pool.cleanup_stale_connections() == 1
                await until(lambda: slot.counts["connects"] == 2 and slot.state == "open")

    run(scenario)


def test_flood_and_a_peer_that_does_not_close():
    async def scenario():
        stop = asyncio.Event()

        async def flood(ws):
            try:
                while not stop.is_set():
                    await ws.send(b"x" * 10_000)
            except websockets.ConnectionClosed:
                pass

        async def slow(message):
            await asyncio.sleep(0.001)

        async with serve(flood, "127.0.0.1", 0, close_timeout=0.2, compression=None) as server:
            async with ManagedWSPool(**FAST) as pool:
                slot = pool.add(uri_of(server), slow)
                await until(lambda: slot.counts["messages"] >= 20)
            stop.set()

    run(scenario)


def test_errors_in_the_handler_are_counted():
    async def scenario():
        async def feed(ws):
            for i in range(10):
                await ws.send(str(i))
            await ws.wait_closed()

        seen = []

        def handler(message):
            seen.append(message)
            raise ValueError(message)

        async with serve(feed, "127.0.0.1", 0) as server:
            async with ManagedWSPool(**FAST) as pool:
                slot = pool.add(uri_of(server), handler)
                await until(lambda: slot.counts["handler_errors"] == 10)
                assert slot.counts["connects"] == 1 and len(seen) == 10

    run(scenario)


def test_cancelled_at_every_step():
    """Owners cancelled after 0, 1, 2 … turns of the loop, so in every state that a connection passes through."""

    async def scenario():
        async def feed(ws):
            await ws.send("x")
            await ws.wait_closed()

        async with serve(feed, "127.0.0.1", 0) as server:
            for turns in range(60):
                pool = ManagedWSPool(**FAST)
                slot = pool.add(uri_of(server), lambda m: None)
                for _ in range(turns):
                    await asyncio.sleep(0)
                slot.task.cancel()
                await pool.close()
                assert slot.task.done() and not pool._chores

    run(scenario)


def test_remove_and_limit():
    async def scenario():
        async def feed(ws):
            await ws.wait_closed()

        async with serve(feed, "127.0.0.1", 0) as server:
            async with ManagedWSPool(2, **FAST) as pool:
                for name in "ab":
                    pool.add(uri_of(server), print, name=name)
                with pytest.raises(PoolFull, match="2 connections"):
                    pool.add(uri_of(server), print, name="c")
                assert "no connections" not in repr(pool) and repr(pool).endswith(", at most 2>")
                await until(lambda: pool.active_connections == 2)
                await pool.remove("a")
                assert list(pool.stats()) == ["b"]
                pool.add(uri_of(server), print, name="c")

    run(scenario)


def test_what_no_attempt_would_mend_is_told_at_once(monkeypatch):
    async def scenario():
        async with ManagedWSPool(2, **FAST) as pool:
            for wrong in ("localhost:80", "http://localhost", ""):
                with pytest.raises(ValueError, match="no address of a WebSocket"):
                    pool.add(wrong, print)
            monkeypatch.setitem(sys.modules, "websockets.asyncio.client", None)
            with pytest.raises(ImportError, match="install websockets"):
                pool.add("ws://localhost:1", print)
            assert not pool.stats() and "no connections" in repr(pool)

    run(scenario)


def test_any_connection_with_recv_and_close():
    async def scenario():
        class Fake:
            closed = 0

            def __init__(self):
                self.queue = ["one", "two"]

            async def recv(self):
                if self.queue:
                    return self.queue.pop(0)
                await asyncio.sleep(0.02)
                raise ConnectionError("gone")

            async def close(self):
                Fake.closed += 1
                if Fake.closed == 1:
                    await asyncio.sleep(3600)  # never comes back
                raise OSError("in close")

        async def connect(uri):
            return Fake()

        got = []
        async with ManagedWSPool(
            connect=connect, **{k: v for k, v in FAST.items() if k != "ping_interval"}
        ) as pool:
            slot = pool.add("fake://", got.append)
            await until(lambda: slot.counts["connects"] >= 3)
        assert (
            got[:4] == ["one", "two"] * 2
            and slot.counts["aborted"] == 1
            and Fake.closed == slot.counts["connects"]
        )

    run(scenario)


def test_bad_arguments():
    with pytest.raises(ValueError):
        ManagedWSPool(0)
    with pytest.raises(ValueError):
        ManagedWSPool(stale_after=0)
