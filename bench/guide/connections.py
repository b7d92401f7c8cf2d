"""W3 of the guide: connections and descriptors, a program for each way. Prints JSON.

    python connections.py guide|m5mem

Five peers finish the handshake, send one message, and then are gone without a farewell: half-open. All five are found
stale at once. Then the peers come back: how many connections carry messages again, and how many descriptors are left.
"""

import asyncio
import json
import os
import sys
import time

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

PEERS, CLOSE = 5, 1.0


def fds():
    return len(os.listdir("/proc/self/fd"))


class ManagedWSPool:
    """The guide's, as it stands. (`conn.closed` and `conn.last_activity` do not exist in websockets 14 and later; what
    it would read is given to it here.)"""

    def __init__(self, max_connections=10):
        self.pool = []
        self.max_connections = max_connections

    async def cleanup_stale_connections(self):
        stale_connections = []
        for conn in self.pool:
            if conn.closed or time.time() - conn.last_activity > 300:
                stale_connections.append(conn)
        for conn in stale_connections:
            await conn.close()
            self.pool.remove(conn)


async def of_guide(uris, silence, got):
    pool = ManagedWSPool()
    for uri in uris:
        connection = await connect(uri, close_timeout=CLOSE, ping_interval=None)
        connection.closed, connection.last_activity = False, time.time()
        pool.pool.append(connection)
        got.append(await connection.recv())
    silence.set()
    for connection in pool.pool:
        connection.last_activity -= 301
    began = time.monotonic()
    await pool.cleanup_stale_connections()
    return time.monotonic() - began, pool


async def of_m5mem(uris, silence, got):
    from m5mem.ws import ManagedWSPool

    pool = ManagedWSPool(PEERS, stale_after=1.0, close_timeout=CLOSE, backoff_base=0.05, ping_interval=None)
    slots = [pool.add(uri, got.append, name=f"peer {i}") for i, uri in enumerate(uris)]
    while len(got) < PEERS:
        await asyncio.sleep(0.01)
    silence.set()
    while not all(slot.counts["stale"] for slot in slots):
        await asyncio.sleep(0.005)
    began = time.monotonic()
    while any(slot.counts["disconnects"] < 1 or slot.state == "closing" for slot in slots):
        await asyncio.sleep(0.005)
    return time.monotonic() - began, pool


async def main():
    way = sys.argv[1]
    silence, got = asyncio.Event(), []

    async def peer(socket):
        await socket.send("hello")
        if silence.is_set():
            await socket.wait_closed()
        await silence.wait()
        # From here on nothing that comes is answered, the farewell neither: half-open.
        socket.transport.pause_reading()
        await asyncio.sleep(1000)

    servers = [await serve(peer, "127.0.0.1", 0, ping_interval=None, close_timeout=0.1) for _ in range(PEERS)]
    uris = ["ws://127.0.0.1:%d" % next(iter(s.sockets)).getsockname()[1] for s in servers]
    before = fds()
    took, pool = await (of_guide if way == "guide" else of_m5mem)(uris, silence, got)
    heard = len(got)
    await asyncio.sleep(2.0)
    again = (
        len(got) - heard
        if way == "guide"
        else min(PEERS, sum(s.counts["connects"] - 1 for s in _slots(pool)))
    )
    if way != "guide":
        await pool.close()
    print(json.dumps({"cleanup": took, "again": again, "peers": PEERS, "fds": fds() - before}), flush=True)
    os._exit(0)  # the peers hang


def _slots(pool):
    return [keeper.slot for keeper in pool._keepers.values()]


asyncio.run(main())
