"""Parts of m5mem beside their peers: ns an operation, all in one interleaved run, medians, ratios.

    python bench/python/bench.py [--rounds 15] [--json FILE] [--only WORD]

CPU time of the thread, so that a busy neighbour costs little. A peer that is not installed is left out. Trust the
ratios: the machine's speed cancels out in them, and every peer of a case runs in each round. Where a peer is faster
than m5mem, it is said by how much, and why.
"""

import argparse
import gc
import json
import statistics
import sys
import time

import arrays  # noqa: F401  (each registers its cases)
import caches  # noqa: F401
import candles  # noqa: F401
import coroutines  # noqa: F401
import values  # noqa: F401
from cases import CASES, WHY

import m5mem


def measure(rounds, only):
    runs = {}
    for title, peers in CASES.items():
        if only not in title:
            continue
        for peer, (make, loops) in peers.items():
            run = make()
            run(max(1, loops // 10))
            runs[title, peer] = (run, loops, [])
    gc.collect()
    gc.disable()
    for _ in range(rounds):
        for run, loops, times in runs.values():
            start = time.thread_time_ns()
            run(loops)
            times.append((time.thread_time_ns() - start) / loops)
        gc.collect()
    gc.enable()
    out = {}
    for (title, peer), (_, _, times) in runs.items():
        out.setdefault(title, {})[peer] = statistics.median(times)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", help="write the medians (seconds an operation) here")
    parser.add_argument("--only", default="", help="cases with this word in their title")
    arguments = parser.parse_args()
    results = measure(arguments.rounds, arguments.only)
    print(
        f"Python {sys.version.split()[0]}, m5mem {m5mem.__version__}; medians of {arguments.rounds} interleaved rounds"
    )
    for title, peers in results.items():
        base = next(ns for peer, ns in peers.items() if peer.startswith("m5mem"))
        print(f"\n{title}")
        for peer, ns in sorted(peers.items(), key=lambda pair: pair[1]):
            print(f"  {peer:32} {ns:12,.0f} ns  {ns / base:9.2f}×")
        # What stands in brackets is the floor, not a peer.
        faster = {peer: base - ns for peer, ns in peers.items() if ns < base and not peer.startswith("(")}
        if faster:
            by = ", ".join(f"{peer} by {ns:,.0f} ns" for peer, ns in faster.items())
            print(f"  faster: {by}. {WHY.get(title, 'Not explained.')}")
    if arguments.json:
        seconds = {title: {peer: ns * 1e-9 for peer, ns in peers.items()} for title, peers in results.items()}
        with open(arguments.json, "w") as file:
            json.dump(
                {"schema": "m5.bench-python/1", "python": sys.version, "seconds": seconds}, file, indent=1
            )


if __name__ == "__main__":
    main()
