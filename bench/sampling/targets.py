"""The processes that are looked at: one that waits, and one that works and collects."""

from __future__ import annotations

import subprocess
import sys

# Twenty files, sockets in pairs, three threads: as much to read as a small service has.
_IDLE = """
import socket, sys, threading
stop = threading.Event()
for _ in range(3):
    threading.Thread(target=stop.wait, daemon=True).start()
server = socket.create_server(("127.0.0.1", 0))
pairs = []
for _ in range(5):
    client = socket.create_connection(server.getsockname())
    pairs.append((client, server.accept()[0]))
files = [open("/dev/null") for _ in range(20)]
print("ready", flush=True)
sys.stdin.read()
"""

# Answers each number of seconds with the CPU seconds that a unit of work took meanwhile.
_WORK = """
import sys, time
class Node:
    __slots__ = ("me", "data")
keep = [Node() for _ in range(20000)]
def unit():
    for _ in range(2000):
        node = Node(); node.me = node; node.data = [1, 2, 3]
print("ready", flush=True)
for line in sys.stdin:
    end, units, begin = time.perf_counter() + float(line), 0, time.process_time()
    while time.perf_counter() < end:
        unit(); units += 1
    print((time.process_time() - begin) / units, flush=True)
"""


class _Target:
    program = ""

    def __enter__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", self.program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._process.stdout.readline()
        self.pid = self._process.pid
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


class Idle(_Target):
    """Waits, with descriptors, sockets and threads."""

    program = _IDLE


class Worker(_Target):
    """Works: about a hundred young collections a second, some old ones."""

    program = _WORK

    def measure(self, seconds: float) -> float:
        """CPU seconds of a unit of work, over so many seconds."""
        print(seconds, file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())
