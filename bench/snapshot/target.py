"""A heap of a given size under a ticker: the longest gap between two ticks is the pause that the target feels.

Reads commands on standard input: `reset`, `gap` (prints the longest gap in seconds), or the name of a peer, which
is then run here, in the process, as its users run it.
"""

import gc
import sys
import threading
import time


class Item:
    __slots__ = ("number", "text")

    def __init__(self, i):
        self.number = i + 1000
        self.text = str(i)


def build(objects, bytes_wanted):
    gc.disable()
    count = objects // 4
    items = [Item(i) for i in range(count)]
    table = {i: (items[i],) for i in range(count // 2)}
    filler = [bytes([i % 256]) * 4000 for i in range(max(0, bytes_wanted - objects * 50) // 4033)]
    gc.freeze()
    gc.enable()
    return items, table, filler


longest = 0.0


def tick():
    global longest
    last = time.perf_counter()
    while True:
        # Busy, not asleep: what is measured is how long nothing ran, not how long a timer took.
        now = time.perf_counter()
        if now - last > longest:
            longest = now - last
        last = now


def peer(name):
    began = time.perf_counter()
    gc.unfreeze()
    if name == "objgraph":
        import objgraph

        objgraph.most_common_types()
    elif name == "guppy3":
        from guppy import hpy

        str(hpy().heap())
    elif name == "pympler":
        from pympler import muppy, summary

        summary.summarize(muppy.get_objects())
    return time.perf_counter() - began


def main():
    global longest
    heap = build(int(sys.argv[1]), int(sys.argv[2]))
    sys.setswitchinterval(0.0001)
    threading.Thread(target=tick, daemon=True).start()
    print("ready", len(heap), flush=True)
    for line in sys.stdin:
        word = line.strip()
        if word == "reset":
            longest = 0.0
            print("ok", flush=True)
        elif word == "gap":
            print(longest, flush=True)
        else:
            print(peer(word), flush=True)


main()
