"""The pool against a hostile server on loopback: after every path no task and no descriptor is left."""

import asyncio
import os
import socket
import struct

import pytest
from servers import FAST, Raw, until, uri_of

from m5mem.fds import FdMonitor
from m5mem.ws import ManagedWSPool, PoolFull

websockets = pytest.importorskip("websockets")
from websockets.asyncio.server import serve  # noqa: E402


def fds():
    return len(os.listdir("/proc/self/fd"))


def run(scenario):
    """Runs a scenario; nothing may be left of it but the server's own."""

    async def main():
        await asyncio.sleep(0)  # the loop's own descriptors exist
        before, tasks = fds(), asyncio.all_tasks()
        await scenario()
        await until(lambda: asyncio.all_tasks() == tasks, 5)
        await until(lambda: fds() <= before, 5)

    asyncio.run(asyncio.wait_for(main(), 60))


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
        delays = [pool._delay(attempt) for _ in range(200)]
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
                await until(lambda: pool.active_connections == 2)
                await pool.remove("a")
                assert list(pool.stats()) == ["b"]
                pool.add(uri_of(server), print, name="c")

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


class Fake:
    """A connection of a scripted peer: each item of ``script`` is a message, or an exception for recv() to raise."""

    def __init__(self, script):
        self.script, self.sent, self.closed = list(script), [], False

    async def recv(self):
        await asyncio.sleep(0)
        if not self.script:
            await asyncio.Event().wait()
        item = self.script.pop(0)
        if isinstance(item, BaseException):
            raise item
        return item

    async def send(self, message):
        self.sent.append(message)

    async def close(self):
        self.closed = True


def faked(*scripts):
    made = []

    async def connect(uri, **options):
        made.append(Fake(scripts[min(len(made), len(scripts) - 1)]))
        return made[-1]

    return made, connect


def test_on_open_subscribes_after_each_reconnect():
    async def scenario():
        made, connect = faked(["a", ConnectionError()], ["b", asyncio.CancelledError()], ["c"])
        got = []

        async def subscribe(connection, slot):
            assert not got or got[-1][1] == "one"
            await connection.send(f"subscribe {slot.name}")

        async with ManagedWSPool(connect=connect, backoff_base=0.001, backoff_max=0.002) as pool:
            slot = pool.add("ws://x", lambda m, s: got.append((m, s.name)), name="one", on_open=subscribe)
            await until(lambda: len(got) == 3)
            assert got == [("a", "one"), ("b", "one"), ("c", "one")] and slot.counts["connects"] == 3
            # recv() that ends by a cancellation of something inside is a lost connection, not the slot's end.
            assert slot.counts["cancellations"] == 1 and slot.state == "open"
        assert all(m.sent == ["subscribe one"] and m.closed for m in made)

    run(scenario)


@pytest.mark.parametrize("error", [ValueError("no"), asyncio.CancelledError()])
def test_on_open_that_fails(error):
    async def scenario():
        made, connect = faked(["never"])
        fails = [error, error]

        async def subscribe(connection):
            if fails:
                raise fails.pop()

        got = []
        async with ManagedWSPool(connect=connect, backoff_base=0.001, backoff_max=0.002) as pool:
            slot = pool.add("ws://x", got.append, on_open=subscribe)
            await until(lambda: got == ["never"])
            assert slot.counts["open_errors"] == 2 and [m.closed for m in made] == [True, True, False]

    run(scenario)


def test_a_cancellation_inside_the_handler():
    async def scenario():
        made, connect = faked(["raise", "await", "good"])
        got = []

        async def handler(message):
            if message == "raise":
                raise asyncio.CancelledError
            if message == "await":
                inner = asyncio.ensure_future(asyncio.sleep(100))
                inner.cancel()
                await inner
            got.append(message)

        async with ManagedWSPool(connect=connect) as pool:
            slot = pool.add("ws://x", handler)
            await until(lambda: got == ["good"])
            assert slot.counts["cancellations"] == 2 and slot.state == "open" and len(made) == 1

    run(scenario)


def test_the_end_of_the_loop_ends_the_slots():
    """`asyncio.run` cancels what is left: an owner that took that for an inner cancellation would hang it."""
    made, connect = faked(["a"])

    async def main():
        pool = ManagedWSPool(connect=connect)

        async def forever(message):
            await asyncio.sleep(1000)

        pool.add("ws://x", forever)
        await until(lambda: made)
        await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_slow_handler_is_not_a_silent_peer():
    async def scenario():
        made, connect = faked(["slow", "hung", "good"])
        go, got = asyncio.Event(), []

        async def handler(message):
            if message == "slow":
                await go.wait()
            if message == "hung":
                await asyncio.sleep(1000)
            got.append(message)

        async with ManagedWSPool(connect=connect, stale_after=0.05) as pool:
            slot = pool.add("ws://x", handler, handler_timeout=5)
            await until(lambda: slot.counts["handler_slow"] == 1)
            assert slot.counts["stale"] == 0 and slot.handling >= 0.05 and len(made) == 1
            assert await pool.cleanup_stale_connections() == 0
            slot.handler_timeout = 0.05
            go.set()
            await until(lambda: "good" in got)
            assert slot.counts["handler_timeouts"] == 1 and got == ["slow", "good"]
            stats = pool.stats()[slot.name]
            assert (
                stats["handler_max_seconds"] >= 0.05 and stats["queued"] is None and stats["paused"] is None
            )
            # The peer is silent from here on: that is stale.
            await until(lambda: slot.counts["stale"] >= 1)

    run(scenario)


def test_what_waits_is_seen():
    async def scenario():
        async def feed(ws):
            for i in range(200):
                await ws.send(str(i))
            await ws.wait_closed()

        go = asyncio.Event()

        async def handler(message):
            await go.wait()

        async with serve(feed, "127.0.0.1", 0) as server, ManagedWSPool(**FAST) as pool:
            slot = pool.add(uri_of(server), handler)
            await until(lambda: (slot.queued or 0) > 3)
            assert slot.paused in (True, None) and slot.handling > 0
            go.set()
            await until(lambda: slot.counts["messages"] == 200)

    run(scenario)
