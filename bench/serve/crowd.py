"""A crowd of small Python processes for an exporter to watch: `crowd.py NUMBER`.

They are forked from one interpreter, hold a few files and a socket pair each, and make a little garbage now and then.
Says `ready` when all of them run; ends them when its input ends.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys


def member() -> None:
    """One process: descriptors, and a collection every few seconds."""
    files = [open(os.devnull) for _ in range(5)]  # noqa: SIM115
    pair = socket.socketpair()
    while True:
        select.select([], [], [], 5.0)
        for _ in range(1000):
            cycle: list[object] = []
            cycle.append(cycle)
    del files, pair


def main() -> int:
    """Forks them, waits, and ends them."""
    pids = []
    for _ in range(int(sys.argv[1])):
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.close(0)
            member()
        pids.append(pid)
    print("ready", flush=True)
    sys.stdin.read()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in pids:
        os.waitpid(pid, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
