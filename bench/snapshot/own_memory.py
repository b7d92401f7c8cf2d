#!/usr/bin/env python3
"""What m5 itself takes for a snapshot, as a part of the target's RSS: as it is, held in memory, and with a folder named.

    bench/snapshot/own_memory.py [--m5 target/release/m5] [--megabytes 1000] [--spool DIR] [--fsync] [SHAPE…]

The three are taken in turns. Peaks are of m5's memory without files (RssAnon, looked at every few milliseconds): what lies in
a file can be written out by the kernel wherever memory is short. The aim is half of the target's RSS without being asked
(`--spool auto`, the default; m5's results would go to the folder of --spool). With --fsync another program adds 4 KiB to a
file on the same disk every 10 ms meanwhile, with fsync each time, and says how long that took. About seven minutes with
1,000 MB.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AIM = 0.5
# Bytes that one takes, about, and how many are made.
SHAPES = {
    "tuples": (88, "kept = [(i, i / 3) for i in range(n)]"),
    "instances": (
        200,
        "class Node:\n    def __init__(self, i): self.number, self.text = i, 'node %d' % i\n"
        "kept = [Node(i) for i in range(n)]",
    ),
    "dictionaries": (500, "kept = [{'id': i, 'name': 'name %d' % i, 'tags': ['x%d' % i]} for i in range(n)]"),
    "texts": (75, "kept = ['text %d' % i for i in range(n)]"),
    "numeric": (1_000_100, "import array\nkept = [array.array('d', [i]) * 125_000 for i in range(n)]"),
}


def status(pid, *names):
    """Fields of its status, bytes."""
    text = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return [int(fields[name].split()[0]) * 1024 if name in fields else 0 for name in names]


def taken(command):
    """Seconds, and the highest anonymous memory of the command."""
    began, peak = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as m5:
        while m5.poll() is None:
            try:
                peak = max(peak, *status(m5.pid, "RssAnon"))
            except OSError:
                break
            time.sleep(0.004)
        error = m5.stderr.read()
    if m5.returncode:
        raise SystemExit(f"{' '.join(command)}: {m5.returncode}: {error}")
    return time.perf_counter() - began, peak


class Writer:
    """Whoever writes to the same disk: how long it waits for it."""

    CODE = """
import os, sys, time, threading
ends = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ends.set()), daemon=True).start()
file, took = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND), []
os.unlink(sys.argv[1])
print('ready', flush=True)
while not ends.wait(0.01):
    began = time.perf_counter()
    os.write(file, bytes(4096))
    os.fsync(file)
    took.append(time.perf_counter() - began)
took.sort()
print(took[len(took) // 2], took[len(took) * 99 // 100], took[-1])
"""

    def __init__(self, options):
        self.options = options

    def __enter__(self):
        command = [sys.executable, "-c", self.CODE, str(Path(self.options.spool) / "m5-own-memory-writer")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.said = [float(word) * 1e3 for word in self.process.stdout.readline().split()]
        self.process.wait()


def measure(options, name):
    """One shape: a row, and whether --spool keeps it below the aim."""
    each, program = SHAPES[name]
    count = options.megabytes * 1_000_000 // each
    code = (
        f"import sys, gc\ngc.disable()\nn = {count}\n{program}\nprint('ready', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [options.python, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as target:
        assert target.stdout.readline() == "ready\n"
        (rss,) = status(target.pid, "VmRSS")
        command = [options.m5, "snapshot", "-p", str(target.pid), "--max-pause", "10s", "--json"]
        ways = {"as it is": "auto", "in memory": "none", "a folder": options.spool}
        runs, waits = {way: [] for way in ways}, {way: [] for way in ways}
        for _ in range(options.repeat):
            for way, spool in ways.items():
                one = [*command, "--spool", spool]
                if not options.fsync:
                    runs[way].append(taken(one))
                    continue
                with Writer(options) as writer:
                    runs[way].append(taken(one))
                waits[way].append(writer.said)
        target.stdin.close()
    print(f"{name:13} {rss / 2**20:8.0f} MiB", end="")
    parts = {}
    for way in ways:
        seconds, peak = (statistics.median(run[i] for run in runs[way]) for i in (0, 1))
        parts[way] = peak / rss
        print(f"   {way} {peak / rss:5.2f} × RSS ({peak / 2**20:.0f} MiB) {seconds:5.1f} s", end="")
        if options.fsync:
            median, p99, most = (statistics.median(said[i] for said in waits[way]) for i in range(3))
            print(f", fsync {median:.1f}/{p99:.1f}/{most:.0f} ms", end="")
    print(flush=True)
    return parts["as it is"] < AIM


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--m5", default=os.environ.get("M5", str(ROOT / "target/release/m5")))
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--spool", default=str(ROOT / "target"))
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--fsync", action="store_true")
    parser.add_argument("shapes", nargs="*", metavar="SHAPE")
    options = parser.parse_args()
    met = [measure(options, name) for name in options.shapes or SHAPES]
    print(f"aim, {AIM} × RSS without being asked: {'met' if all(met) else 'missed'}")
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
