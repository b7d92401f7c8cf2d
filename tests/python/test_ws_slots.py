"""Slots of a `ManagedWSPool`: what ends one and what does not, handlers, on_open."""

import asyncio

import pytest
from servers import FAST, run, until, uri_of

from m5mem.ws import ManagedWSPool

websockets = pytest.importorskip("websockets")
from websockets.asyncio.server import serve  # noqa: E402


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


@pytest.mark.parametrize("way", ["timeout", "group", "old"])
def test_code_inside_may_cancel_its_own_task(way):
    """Timeouts and task groups cancel the task that they run in, and deal with it: the slot goes on."""
    if way == "timeout" and not hasattr(asyncio, "timeout"):
        pytest.skip("3.11 and later")
    if way == "group" and not hasattr(asyncio, "TaskGroup"):
        pytest.skip("3.11 and later")

    async def fails():
        raise ValueError

    async def inner():
        if way == "timeout":
            async with asyncio.timeout(0.001):
                await asyncio.sleep(100)
        elif way == "group":
            async with asyncio.TaskGroup() as group:
                group.create_task(fails())
                await asyncio.sleep(100)
        else:  # as libraries for older versions do
            task = asyncio.current_task()
            asyncio.get_running_loop().call_soon(task.cancel)
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                getattr(task, "uncancel", int)()

    async def scenario():
        _, connect = faked(["inside", "raise", "good"])
        got = []

        async def handler(message):
            got.append(message)
            if message == "inside":
                await inner()
            if message == "raise":
                raise asyncio.CancelledError

        async with ManagedWSPool(connect=connect) as pool:
            slot = pool.add("ws://x", handler)
            await until(lambda: got[-1:] == ["good"])
            assert slot.counts["cancellations"] == 1 and slot.state == "open" and slot.ended is None
            assert slot.counts["handler_errors"] == (way != "old")

    run(scenario)


@pytest.mark.skipif(not hasattr(asyncio.Task, "cancelling"), reason="before 3.11 it cannot be told")
def test_a_handler_that_swallows_the_end_does_not_keep_the_loop():
    _, connect = faked(["a", "b"])

    async def main():
        pool = ManagedWSPool(connect=connect)
        inside = asyncio.Event()

        async def stubborn(message):
            try:
                inside.set()
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                pass

        pool.add("ws://x", stubborn)
        await inside.wait()

    asyncio.run(asyncio.wait_for(main(), 30))


def test_every_end_of_a_slot_is_said_and_counted(caplog):
    async def scenario():
        _, connect = faked(["a"])
        async with ManagedWSPool(connect=connect) as pool:
            slots = {name: pool.add("ws://x", lambda m: None, name=name) for name in ("one", "two", "three")}
            await until(lambda: all(s.counts["messages"] for s in slots.values()))
            await pool.remove("one")
            slots["two"].task.cancel()
            await until(lambda: slots["two"].ended == "cancelled")
            assert pool.stats()["two"]["ended"] == "cancelled" and pool.states()["closed"] == 1
            assert pool.totals()["messages"] == 3  # what was removed is still counted
            assert pool.ended == {"removed": 1, "closed": 0, "cancelled": 1, "failed": 0}
        assert pool.ended == {"removed": 1, "closed": 1, "cancelled": 1, "failed": 0}
        assert pool.totals()["messages"] == 3

    with caplog.at_level("INFO", logger="m5mem.ws"):
        run(scenario)
    said = "\n".join(r.getMessage() for r in caplog.records)
    for text in ("one was removed", "two ended for good: its task was cancelled", "three was closed"):
        assert text in said


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
