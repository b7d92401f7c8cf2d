#!/usr/bin/env python3
"""What m5 itself takes for a snapshot, as a part of the target's RSS, with and without --spool.

    bench/snapshot/own_memory.py [--m5 target/release/m5] [--megabytes 1000] [--spool DIR] [SHAPE…]

Peaks are of m5's memory without files (RssAnon, looked at every few milliseconds): what lies in the file of --spool can be
written out by the kernel wherever memory is short. The aim is half of the target's RSS, or --spool for the rest. About five
minutes with 1,000 MB.
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
        plain = [taken(command) for _ in range(options.repeat)]
        spooled = [taken([*command, "--spool", options.spool]) for _ in range(options.repeat)]
        target.stdin.close()
    cells = []
    for runs in (plain, spooled):
        seconds, peak = (statistics.median(run[i] for run in runs) for i in (0, 1))
        cells.append((seconds, peak / rss, peak / 2**20))
    (s1, r1, _), (s2, r2, m2) = cells
    print(
        f"{name:13} {rss / 2**20:8.0f} MiB   plain {r1:5.2f} × RSS {s1:6.1f} s   "
        f"--spool {r2:5.2f} × RSS ({m2:.0f} MiB) {s2:6.1f} s",
        flush=True,
    )
    return min(r1, r2) < AIM


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--m5", default=os.environ.get("M5", str(ROOT / "target/release/m5")))
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--spool", default=str(ROOT / "target"))
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("shapes", nargs="*", metavar="SHAPE")
    options = parser.parse_args()
    met = [measure(options, name) for name in options.shapes or SHAPES]
    print(f"aim, {AIM} × RSS plain or with --spool: {'met' if all(met) else 'missed'}")
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
