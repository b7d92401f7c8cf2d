"""Servers on loopback that behave badly, for the tests of the WebSocket pool."""

import asyncio
import os

FAST = dict(open_timeout=0.3, close_timeout=0.3, backoff_base=0.01, backoff_max=0.02, ping_interval=None)


async def until(condition, seconds=20):
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "did not happen"
        await asyncio.sleep(0.005)


class Raw:
    """A TCP server with a behaviour instead of a protocol."""

    def __init__(self, behave):
        self.behave, self.seen = behave, 0

    async def __aenter__(self):
        self.writers, self.tasks = [], set()

        async def handle(reader, writer):
            self.seen += 1
            self.tasks.add(task := asyncio.current_task())
            task.add_done_callback(self.tasks.discard)
            self.writers.append(writer)
            try:
                await self.behave(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                writer.close()

        self.server = await asyncio.start_server(handle, "127.0.0.1", 0)
        self.uri = "ws://127.0.0.1:%d" % self.server.sockets[0].getsockname()[1]
        return self

    def forget(self):
        """Ends the connections that are there."""
        for writer in self.writers:
            writer.transport.abort()
        for task in self.tasks:
            task.cancel()
        self.writers.clear()

    async def __aexit__(self, *error):
        self.forget()
        self.server.close()
        await self.server.wait_closed()


def uri_of(server):
    return "ws://127.0.0.1:%d" % list(server.sockets)[0].getsockname()[1]


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
