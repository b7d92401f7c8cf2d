"""Odd shapes in every format: `python bench/snapshot/shapes.py target/release/m5 [SHAPE…]`.

Half a million nested lists, a million linked nodes, a hundred thousand frames, one dictionary of ten million: each must take
seconds in every format, as an ordinary heap does. Times are those of the whole command, the least of two runs.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHAPES = {
    "ordinary": """
class Node:
    def __init__(self, i): self.number, self.text = i, "node %d" % i
kept = [Node(i) for i in range(500_000)]
ready()
""",
    "nested_lists": """
kept = []
for _ in range(500_000): kept = [kept]
ready()
""",
    "linked_nodes": """
class Node:
    __slots__ = ("next",)
kept = None
for _ in range(1_000_000):
    node = Node(); node.next = kept; kept = node
ready()
""",
    "deep_frames": """
sys.setrecursionlimit(200_000)
threading.stack_size(1 << 30)
def down(n):
    if n: return down(n - 1)
    ready()
thread = threading.Thread(target=down, args=(100_000,)); thread.start(); thread.join()
""",
    "one_dict": """
kept = {i: None for i in range(10_000_000)}
ready()
""",
}
PROLOGUE = (
    "import os, sys, threading\ndef ready():\n    print('ready', flush=True); sys.stdin.read(); os._exit(0)\n"
)
FORMATS = ("text", "json", "html", "pprof", "folded", "heapsnapshot")
RUNS = 2
LIMIT = 300


def seconds(m5, pid, kind):
    """The least time of a snapshot in that format, and the size of what it wrote."""
    best, size = None, 0
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            began = time.perf_counter()
            command = [m5, "snapshot", "-p", str(pid), "--format", kind, "-o", str(out)]
            subprocess.run(command, check=True, capture_output=True, timeout=LIMIT)
            took = time.perf_counter() - began
            best, size = min(best or took, took), out.stat().st_size
    return best, size


def main():
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("m5")
    asked.add_argument("shapes", nargs="*", choices=[[], *SHAPES])
    options = asked.parse_args()
    m5 = str(Path(options.m5).resolve())
    print("%-14s" % "shape", *("%14s" % kind for kind in FORMATS))
    for name in options.shapes or SHAPES:
        command = [sys.executable, "-c", PROLOGUE + SHAPES[name]]
        target = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert target.stdout.readline() == "ready\n"
            cells = []
            for kind in FORMATS:
                try:
                    cells.append(
                        "%6.2f s %5d K" % ((took := seconds(m5, target.pid, kind))[0], took[1] >> 10)
                    )
                except subprocess.CalledProcessError as error:
                    cells.append("exit %d" % error.returncode)
                except subprocess.TimeoutExpired:
                    cells.append("> %d s" % LIMIT)
            print("%-14s" % name, *("%14s" % cell for cell in cells), flush=True)
        finally:
            target.kill()
            target.wait()


if __name__ == "__main__":
    main()
