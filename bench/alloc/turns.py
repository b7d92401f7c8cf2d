"""How true `m5 stalls` is: each turn of a loop against stamps of the loop itself, and how long turns are divided.

    python3 bench/alloc/turns.py --m5 target/release/m5 PYTHON... [--seconds 20]
                                 [--loop asyncio|uvloop|gevent|trio|epoll] [--packages FOLDER]

Each PYTHON runs an asyncio loop whose waits are patched: it stamps the end of each (`time.monotonic_ns`), and the beginning
of the next. A turn of m5 lasts from call to call of the kernel, so that it is a little longer than the stamps within it. Told
are the median, the 99th percentile and the worst of the difference, in microseconds, for turns whose thread did not wait for a
processor, and for all. The other loops (from FOLDER, where they are not installed) have no such stamps: of them only how turns
are divided is told.

Every other turn makes one kind of stall on purpose: a collection, another thread that holds the GIL (without a GIL one that
collects, for which all threads stand), a lock, a busy processor, cold pages, a call of the kernel, or lines of Python. The
truth of each is told by the loop itself: what its thread ran (CLOCK_THREAD_CPUTIME_ID), how long it waited for a processor
(`/proc/thread-self/schedstat`), and what its collections took (`gc.callbacks`); the rest was waited. What the kernel runs for
a cold page counts as run by both; but the thread's clock goes on from its wake, and m5's from the switch to it a little later.
Told are the shares of the part that was made, by the loop and by m5, and how far those are apart in points of the turn: median
and worst. A turn that goes on for more than a fiftieth of the stall after it, as the other thread still has the GIL, is left
out, and counted.
"""

from __future__ import annotations

import argparse
import bisect
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

LOOPS = ("asyncio", "uvloop", "gevent", "trio", "epoll")
# A turn goes on for such a part of a stall after it at most.
WHOLE = 50
# Nanoseconds.
ABOVE = 100_000
CLOSE, CLOSE_UNSTAMPED = 300_000, 1_000_000

TARGET = r"""
import asyncio, gc, json, mmap, os, random, signal, subprocess, sys, threading, time
clock, folder = time.monotonic_ns, sys.argv[1]
stamps, notes, now = [], [], {}
def schedstat():
    with open('/proc/thread-self/schedstat') as file: return int(file.read().split()[1])
class Node: pass
kept = [Node() for _ in range(150000)]
for node in kept: node.me = node
gc.collect(); gc.disable()
main = threading.get_ident()
took = [0, 0]
def collected(phase, info):
    if threading.get_ident() != main: return
    if phase == 'start': took[1] = clock()
    else: took[0] += clock() - took[1]
gc.callbacks.append(collected)
with_gil = getattr(sys, '_is_gil_enabled', lambda: True)()
numbers = [str(i * 7919 % 1000003) for i in range(200000)]
go, done, lock = threading.Semaphore(0), threading.Semaphore(0), threading.Lock()
def rival_thread():
    while True:
        go.acquire()
        if with_gil: sorted(numbers); sorted(numbers)
        else: gc.collect()
        done.release()
threading.Thread(target=rival_thread, daemon=True).start()
def ran(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end: sum(range(5000))
def collector(): gc.collect()
def other_thread():
    go.release()
    end = clock() + 40_000_000
    while clock() < end: sum(range(200))
def a_lock():
    lock.acquire()
    lock.acquire(timeout=0.03)
    lock.release()
allowed = os.sched_getaffinity(0)
RIVAL = '''
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
os.sched_setaffinity(0, [int(sys.argv[1])])
os.write(1, b"here")
while os.getppid() == int(sys.argv[2]): pass
'''
rival = subprocess.Popen([sys.argv[2], '-I', '-c', RIVAL, str(min(allowed)), str(os.getpid())], stdout=subprocess.PIPE)
rival.stdout.read(4)
os.kill(rival.pid, signal.SIGSTOP)
def processor():
    os.sched_setaffinity(0, [min(allowed)])
    os.kill(rival.pid, signal.SIGCONT)
    ran(0.03)
    os.kill(rival.pid, signal.SIGSTOP)
    os.sched_setaffinity(0, allowed)
SIZE, path = mmap.PAGESIZE, os.path.join(folder, 'pages')
with open(path, 'wb') as file:
    for _ in range(8192): file.write(os.urandom(SIZE))
    file.flush(); os.fsync(file.fileno())
order = random.Random(1).sample(range(8192), 1000)
def cold():
    global pages
    file = os.open(path, os.O_RDONLY)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    pages = mmap.mmap(file, 0, mmap.MAP_SHARED, mmap.PROT_READ)
    if hasattr(pages, 'madvise'): pages.madvise(mmap.MADV_RANDOM)
    os.close(file)
def faults():
    for page in order: pages[page * SIZE]
def call(): time.sleep(0.03)
def lines(): ran(0.03)
def counted():
    return [clock(), time.thread_time_ns(), schedstat(), took[0]]
KINDS = [collector, other_thread, a_lock, processor, faults, call, lines]
def turns():
    some, number = random.Random(3).random, 0
    while not stop.is_set():
        cold()
        yield 0.002
        kind = KINDS[number % len(KINDS)]
        number += 1
        before = counted()
        kind()
        after = counted()
        notes.append([kind.__name__, before[0]] + [b - a for a, b in zip(before, after)])
        yield 0.002
        # Where it goes on for longer, a lock or a call that is waited for next would be followed by a wait for the GIL.
        if kind is other_thread: done.acquire()
        for _ in range(20):
            ran(0.0002 + 0.003 * some())
            yield 0.001 * some()
stop = threading.Event()
def told():
    sys.stdin.readline()
    stop.set()
threading.Thread(target=told, daemon=True).start()
async def run(sleep):
    for seconds in turns(): await sleep(seconds)
def stamped():
    loop = asyncio.new_event_loop()
    wait = loop._selector.select
    def select(timeout=None):
        stamps.append(clock())
        got = wait(timeout)
        stamps.append(clock())
        return got
    loop._selector.select = select
    return loop
kind = sys.argv[3]
if kind == 'asyncio':
    start = lambda: stamped().run_until_complete(run(asyncio.sleep))
elif kind == 'uvloop':
    import uvloop
    start = lambda: uvloop.new_event_loop().run_until_complete(run(asyncio.sleep))
elif kind == 'trio':
    import trio
    start = lambda: trio.run(run, trio.sleep)
elif kind == 'gevent':
    import gevent
    def start():
        for seconds in turns(): gevent.sleep(seconds)
else:
    import select
    poll = select.epoll().poll
    def start():
        for seconds in turns(): poll(seconds)
print('ready', flush=True)
start()
rival.kill()
print(json.dumps({'stamps': stamps, 'notes': notes, 'gil': with_gil}), flush=True)
"""

PARTS = {
    "collector": "collector",
    "other_thread": "other",
    "a_lock": "lock",
    "processor": "processor",
    "faults": "faults",
    "call": "call",
    "lines": "ran",
}


def watched(python: str, args: argparse.Namespace) -> tuple[dict, dict]:
    """What the loop stamped, and what m5 tells of it."""
    environment = dict(os.environ, PYTHONPATH=str(args.packages)) if args.packages else None
    with tempfile.TemporaryDirectory(dir=".") as folder:
        program = Path(folder, "turns_target.py")
        program.write_text(TARGET)
        command = [python, str(program), folder, sys.executable, args.loop]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        target = subprocess.Popen(command, env=environment, **pipes)
        try:
            if target.stdout.readline() != "ready\n":
                raise RuntimeError(f"{python} does not start")
            options = ["--above", "100us", "--max-overhead", "100%", "--top", "1000000", "--json"]
            watch = [args.m5, "stalls", "-p", str(target.pid), "-d", f"{args.seconds}s", *options]
            told = subprocess.run(watch, capture_output=True, text=True, check=False)
            if not told.stdout:
                raise RuntimeError(told.stderr)
            stamps = target.communicate("\n")[0]
        finally:
            target.kill()
            target.wait()
    return json.loads(stamps), json.loads(told.stdout)


def offset(truth: list[tuple[int, int]], seen: list[tuple[int, int]], close: int) -> int:
    """What is to be added to m5's times, which count from its own beginning: where most turns fit."""
    longest = sorted(seen, key=lambda turn: -turn[1])[:5]
    starts = {start // close for start, _ in truth} | {start // close + 1 for start, _ in truth}

    def fits(add: int) -> int:
        return sum((start + add) // close in starts for start, _ in seen[:300])

    tries = [start - at for at, length in longest for start, own in truth if abs(own - length) < close]
    return max(tries, key=fits)


def quantiles(values: list[float]) -> str:
    """Median, 99th percentile and worst."""
    values = sorted(values)
    at = min(len(values) - 1, int(0.99 * len(values)))
    return f"median {statistics.median(values):.1f}, 99 % {values[at]:.1f}, worst {values[-1]:.1f}"


def lengths(pairs: list[tuple[int, dict]]) -> None:
    """Prints how m5's lengths differ from the loop's."""

    def waited(turn: dict) -> bool:
        return (turn["division"]["processor_s"] or 0.0) > 0.0

    for name, some in (
        ("not waiting for a processor", [p for p in pairs if not waited(p[1])]),
        ("all", pairs),
    ):
        if some:
            off = [turn["division"]["seconds"] * 1e6 - length / 1e3 for length, turn in some]
            print(f"  {len(some)} turns, {name}: longer by µs {quantiles(off)}; least {min(off):.1f}")


def parts(turn: dict) -> dict[str, float]:
    """A turn of m5 by the names of the kinds."""
    told = turn["division"]
    return {
        "collector": sum(told["collector_s"]) + told["collector_unknown_s"],
        "other": told["gil_s"],
        "lock": told["locks_s"],
        "processor": told["processor_s"] or 0.0,
        "faults": told["faults_s"] or 0.0,
        "call": told["calls_s"],
        "ran": told["running_s"],
    }


def truth_of(note: list, gil: bool) -> dict[str, float]:
    """What the loop itself tells of a stall: seconds by kind."""
    kind, _, *times = note
    wall, cpu, delay, collected = (ns / 1e9 for ns in times)
    made = {"processor": delay, "collector": min(collected, cpu), "ran": max(0.0, cpu - collected)}
    rest = max(0.0, wall - cpu - delay)
    name = PARTS[kind]
    if name in ("collector", "processor", "ran"):
        # Whatever it waited for besides.
        made["any"] = rest
    elif name == "other" and not gil:
        made["collector"] += rest
    else:
        made[name] = rest
    return made


def divided(pairs: list[tuple[list, dict]], gil: bool) -> None:
    """Prints how m5's parts differ from what was made."""
    for kind, name in PARTS.items():
        all_of = [(note, turn) for note, turn in pairs if note[0] == kind]
        whole = [(n, t) for n, t in all_of if t["division"]["seconds"] - n[2] / 1e9 < n[2] / 1e9 / WHOLE]
        own = [(truth_of(note, gil), turn) for note, turn in whole]
        name = "collector" if name == "other" and not gil else name
        if not own:
            print(f"  {kind:13} not seen")
            continue
        off = []
        for made, turn in own:
            told = parts(turn)
            off.append(100.0 * abs(told[name] - made.get(name, 0.0)) / turn["division"]["seconds"])
        share = [made.get(name, 0.0) / turn["division"]["seconds"] for made, turn in own]
        told = [parts(turn)[name] / turn["division"]["seconds"] for _, turn in own]
        print(
            f"  {kind:13} {len(own):3} turns: truth {100 * statistics.median(share):5.1f} %,"
            f" told {100 * statistics.median(told):5.1f} % of the turn (medians);"
            f" off by {statistics.median(off):.2f} (median), {max(off):.2f} (worst) points;"
            f" {len(all_of) - len(whole)} left out"
        )


def compared(stamped: dict, told: dict) -> tuple[list, list]:
    """Turns of m5 beside lengths by the loop, and beside what was made in them."""
    marks = stamped["stamps"][1:]
    truth = [(a, b - a) for a, b in zip(marks[::2], marks[1::2])]
    # Without stamps a stall itself is the turn: it begins a little later.
    truth = truth or [(note[1], note[2]) for note in stamped["notes"]]
    turns = [t for t in told["turns"] if not t["began_before"] and not t["lasts"]]
    turns.sort(key=lambda turn: turn["at_s"])
    seen = [(round(t["at_s"] * 1e9), round(t["division"]["seconds"] * 1e9)) for t in turns]
    close = CLOSE if stamped["stamps"] else CLOSE_UNSTAMPED
    add = offset(truth, seen, close)
    begins, noted = [at + add for at, _ in seen], [note[1] for note in stamped["notes"]]
    pairs, notes = [], []
    for start, length in truth:
        # The turn that begins nearest: what one of them does not have is a short one, or was not seen.
        after = bisect.bisect(begins, start)
        near = min(
            range(max(0, after - 1), min(len(begins), after + 1)), key=lambda n: abs(begins[n] - start)
        )
        if abs(begins[near] - start) < close and length >= ABOVE:
            pairs.append((length, turns[near]))
            first = bisect.bisect_left(noted, start)
            last = bisect.bisect_left(noted, start + length)
            notes += [(note, turns[near]) for note in stamped["notes"][first:last]]
    return pairs, notes


def main() -> None:
    """Prints a block for each interpreter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--m5", required=True)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--loop", choices=LOOPS, default=LOOPS[0])
    parser.add_argument("--packages", type=Path)
    parser.add_argument("pythons", nargs="+", metavar="PYTHON")
    args = parser.parse_args()
    for python in args.pythons:
        stamped, told = watched(python, args)
        pairs, notes = compared(stamped, told)
        print(f"{os.path.relpath(python)}, {args.loop}: m5 told {len(told['turns'])} turns over 0.1 ms")
        if stamped["stamps"]:
            lengths(pairs)
        divided(notes, stamped["gil"])


if __name__ == "__main__":
    main()
