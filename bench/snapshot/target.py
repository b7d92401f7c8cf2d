"""A heap of a given size under a ticker of 100 µs: what a snapshot costs the program that it is taken of.

Reads words on standard input and answers each with a line: `reset`; `gap` (the longest gap between two ticks and the
sum of all gaps of more than a millisecond, in seconds); `fork` (seconds of a bare one); or the name of a peer, which is
then run here, in the main thread, as its users run it (answers with its seconds, or with `error` and the reason).
"""

import gc
import os
import sys
import threading
import time

TICK = 0.0001
NOTICED = 0.001


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
    gc.collect()
    gc.enable()
    return items, table, filler


class Ticker(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.reset()

    def reset(self):
        self.longest = self.lost = 0.0

    @staticmethod
    def key(number):
        return number

    def run(self):
        last = time.perf_counter()
        while True:
            time.sleep(TICK)
            # As any program, it asks the C library for memory, and C calls back into Python: some peers wait for
            # that to get in.
            bytearray(600)
            sorted((0,), key=self.key)
            now = time.perf_counter()
            gap = now - last
            last = now
            if gap > self.longest:
                self.longest = gap
            if gap > NOTICED:
                self.lost += gap


def objgraph():
    import objgraph

    return objgraph.most_common_types()


def guppy3():
    from guppy import hpy

    return str(hpy().heap())


def pympler():
    from pympler import muppy, summary

    return summary.summarize(muppy.get_objects())


PEERS = {"objgraph": objgraph, "guppy3": guppy3, "pympler": pympler}


def fork():
    """What the kernel takes for a copy of the page tables: no snapshot by a copy can pause for less."""
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        os._exit(0)
    seconds = time.perf_counter() - began
    os.waitpid(child, 0)
    return seconds


def run_peer(name):
    began = time.perf_counter()
    try:
        PEERS[name]()
    except Exception as error:
        return f"error {type(error).__name__}: {error}".replace("\n", " ")
    return time.perf_counter() - began


def main():
    heap = build(int(sys.argv[1]), int(sys.argv[2]))
    ticker = Ticker()
    ticker.start()
    print("ready", len(heap), flush=True)
    for line in sys.stdin:
        word = line.strip()
        if word == "reset":
            ticker.reset()
            print("ok", flush=True)
        elif word == "gap":
            print(ticker.longest, ticker.lost, flush=True)
        elif word == "fork":
            print(fork(), flush=True)
        else:
            print(run_peer(word), flush=True)


main()
