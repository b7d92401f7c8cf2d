"""How near the pauses of `m5 gc` are to the truth, at 30, 400 and 4,000 collections a second, asleep and at work between.

    python bench/gc-coverage/exact.py [--m5 target/release/m5] [--python PYTHON] [--turns 5] [--seconds 2]

One program asks for the same collection again and again, in C, between two readings of the clock: neither Python nor a
callback is within. It is watched in turns. While nobody watches, the clock says how long the collections are; while m5
does, m5 says it. The medians are laid beside one another: what traps add cannot hide in the truth, and what m5 takes off
for them is put to the test. Each line is a rate; the noise is what the turns without m5 differ by, first half from second.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time

import truths

PROGRAM = """
import gc, sys, threading, time
sys.path.insert(0, sys.argv[3])
import truth
class Node: pass
def churn(n):
    for _ in range(n):
        node = Node(); node.me = node
kept = {i: str(i) for i in range(200000)}
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
gc.set_threshold(0)
gc.collect(); gc.freeze()
rate, asleep = float(sys.argv[1]), sys.argv[2] == 'asleep'
print('ready', flush=True)
due = time.monotonic()
while not stop.is_set():
    churn(300); truth.collect()
    due = max(due + 1 / rate, time.monotonic())
    if asleep: time.sleep(max(0, due - time.monotonic()))
    i = 0
    while time.monotonic() < due:
        i = (i * 1103515245 + 12345) % 200000; kept[i]
truth.dump(sys.argv[3] + '/exact')
"""
KINDS = [(30, "asleep"), (30, "at work"), (400, "asleep"), (400, "at work"), (4000, "at work")]
# What m5 promises of the median, microseconds.
AIM = 5.0
# Around the beginning and the end of a watch a collection belongs to neither side, nanoseconds.
EDGE = 100_000_000


def run(options, rate, between, directory):
    """What m5 said of the pauses that it watched, and what the clock said of the others, by turn; microseconds."""
    command = [options.python, "-c", PROGRAM, str(rate), between, directory]
    target = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert target.stdout.readline() == "ready\n"
    told, edges = [], [time.monotonic_ns() + EDGE]
    for _ in range(options.turns):
        time.sleep(options.seconds)
        edges.append(time.monotonic_ns())
        watch = [options.m5, "gc", str(target.pid), "--duration", f"{options.seconds}s", "--json"]
        said = subprocess.run([*watch, "--max-overhead", "100%"], capture_output=True, text=True)
        if not said.stdout:
            sys.exit(f"{' '.join(watch)}: {said.stderr}")
        report = json.loads(said.stdout)
        if report["source"] != "watchpoint":
            sys.exit(f"this machine does not let m5 watch: {report['choice']}")
        told += [length * 1e6 for length in report["pauses"]["duration_seconds"][1:]]
        edges.append(time.monotonic_ns() + EDGE)
    target.communicate("\n")
    notes = truths.noted(f"{directory}/exact")
    spans = list(zip(edges[::2], edges[1::2], strict=False))
    unwatched = [[(b - a) / 1e3 for a, b, _ in notes if low <= a <= high] for low, high in spans]
    return told, unwatched


def main():
    """Runs and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--m5", default="target/release/m5")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    options = parser.parse_args()
    worst = 0.0
    with tempfile.TemporaryDirectory() as directory:
        truths.compiled(options.python, directory)
        for rate, between in KINDS:
            told, true = run(options, rate, between, directory)
            flat = list(itertools.chain.from_iterable(true))
            middle = statistics.median(flat)
            halves = [
                statistics.median(itertools.chain.from_iterable(half)) for half in (true[::2], true[1::2])
            ]
            error = statistics.median(told) - middle
            worst = max(worst, abs(error))
            low, _, high = statistics.quantiles(flat, n=4)
            print(
                f"{rate:>5}/s {between:>7}: true {middle:.1f} µs ({low:.1f} to {high:.1f}; noise {halves[0] - halves[1]:+.1f}),"
                f" m5 {statistics.median(told):.1f} µs of {len(told)}: {error:+.1f} µs",
                flush=True,
            )
    print(
        f"worst median error {worst:.1f} µs, at most {AIM} wanted: {'shown' if worst <= AIM else 'not shown'}"
    )


main()
