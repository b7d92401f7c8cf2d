"""Reads the same values as one m5 sample, so many times, the way a careful user of psutil would."""

import os
import sys
import time
from collections import Counter

import psutil


def kinds(pid):
    """Descriptors by kind: psutil has only their number and the regular files."""
    count = Counter()
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        link = os.readlink(f"{folder}/{name}")
        count[link.split(":")[0] if link[0] != "/" else "file"] += 1
    return count


process = psutil.Process(int(sys.argv[1]))
connections = getattr(process, "net_connections", None) or process.connections
for _ in range(int(sys.argv[2])):
    with process.oneshot():
        row = (
            process.memory_info(),
            process.cpu_times(),
            process.num_threads(),
            process.num_ctx_switches(),
            process.num_fds(),
            kinds(process.pid),
            process.status(),
        )
        states = Counter((c.status, c.raddr) for c in connections("tcp"))
    time.sleep(0.01)
