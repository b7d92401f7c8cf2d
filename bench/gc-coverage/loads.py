"""The loads: each is a program that collects in its own way until it is told to stop, or ends by itself.

    python loads.py NAME DIRECTORY

It prints `ready`, reads a line from standard input in a thread of its own, and then writes what `truth` noted to
DIRECTORY/truth.
"""

import asyncio
import concurrent.futures
import functools
import gc
import json
import os
import queue
import random
import sys
import threading
import time

sys.path.insert(0, sys.argv[2])
import truth

stop = threading.Event()
END = f"{sys.argv[2]}/truth"


class Node:
    pass


def churn(times):
    for _ in range(times):
        node = Node()
        node.me = node


def idle():
    while not stop.wait(0.05):
        pass


def quiet():
    while not stop.wait(0.7):
        churn(100)
        gc.collect(random.choice((0, 1, 2)))


def engine():
    kept = [[i] for i in range(100_000)]
    while not stop.wait(0.02):
        churn(600)
        kept[random.randrange(len(kept))] = [0]


def busy():
    while not stop.wait(0.0005):
        churn(400)


def storm():
    while not stop.is_set():
        churn(5000)


def rare_long():
    kept = [[i] for i in range(400_000)]
    last = time.monotonic()
    while not stop.wait(0.0005):
        churn(400)
        if time.monotonic() - last > 1.5:
            gc.collect()
            last = time.monotonic()
    return kept


def bursts():
    while not stop.wait(random.uniform(0.5, 1.5)):
        churn(random.choice((50_000, 200_000, 500_000)))


def threads():
    workers = [threading.Thread(target=busy) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def short_threads():
    while not stop.is_set():
        workers = [threading.Thread(target=churn, args=(800,)) for _ in range(20)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


def seconds_long():
    kept = [[i] for i in range(6_000_000)]
    while not stop.wait(2.0):
        churn(3000)
        gc.collect()
    return kept


def ends_midway():
    begun = time.monotonic()
    while time.monotonic() - begun < 4.0 and not stop.is_set():
        churn(3000)
        gc.collect(random.choice((0, 1, 2)))
    truth.dump(END)
    os._exit(0)


def sleeper():
    """An event loop that sleeps a thousand times a second: it waits for its processor after each."""

    async def turn():
        while not stop.is_set():
            churn(100)
            await asyncio.sleep(0.001)

    asyncio.run(turn())


def handed_over():
    """Threads that hand work to one another through queues."""
    here, there = queue.Queue(), queue.Queue()

    def work(take, give):
        while not stop.is_set():
            try:
                take.get(timeout=0.05)
            except queue.Empty:
                continue
            churn(150)
            give.put(1)

    workers = [threading.Thread(target=work, args=pair) for pair in ((here, there), (there, here)) * 2]
    for _ in range(3):
        here.put(1)
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def lumpy():
    """Batches and rests of all sizes."""
    kept = []
    while not stop.wait(min(0.2, random.lognormvariate(-6, 1.5))):
        churn(min(100_000, int(random.lognormvariate(7, 1.5))))
        kept.append([[i] for i in range(random.randrange(2000))])
        del kept[: random.choice((0, 0, 0, 3))]


# Runs until the other end of the pipe is closed.
WITHIN = """
import gc, select, sys
sys.path.insert(0, {folder!r})
import truth
gc.callbacks.append(truth.note)
class Node: pass
while not select.select([{pipe}], [], [], 0.0005)[0]:
    for _ in range({times}):
        node = Node(); node.me = node
gc.disable()
"""


def subinterpreters():
    """Three interpreters beside the main one, each in a thread of its own."""
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    ours, theirs = os.pipe()

    def within(times):
        code = WITHIN.format(folder=sys.argv[2], pipe=ours, times=times)
        interpreters.run_string(interpreters.create(), code)

    workers = [threading.Thread(target=within, args=(times,)) for times in (200, 500, 2000)]
    for worker in workers:
        worker.start()
    busy()
    os.close(theirs)
    for worker in workers:
        worker.join()


def freezer():
    """What lives is frozen and thawed."""
    kept = []
    while not stop.wait(0.001):
        churn(2000)
        kept = [[i] for i in range(random.randrange(30_000))] if random.random() < 0.05 else kept
        if random.random() < 0.1:
            random.choice((gc.freeze, gc.unfreeze))()
    gc.unfreeze()
    return kept


def retuned():
    """Thresholds change while it works."""
    while not stop.wait(0.002):
        churn(3000)
        if random.random() < 0.05:
            gc.set_threshold(*random.choice(((700, 10, 10), (100, 5, 5), (10_000, 50, 10), (300, 2, 2))))


def prefork():
    """A parent that works and starts children, which collect for themselves."""
    while not stop.wait(0.001):
        churn(600)
        if random.random() < 0.02:
            child = os.fork()
            if not child:
                churn(5000)
                os._exit(0)
            os.waitpid(child, 0)


def documents():
    """Requests with documents of all sizes; some fail, and their traces are cycles."""
    kept = []
    while not stop.wait(random.expovariate(500)):
        rows = min(20_000, int(random.paretovariate(0.8) * 30))
        text = json.dumps([{"id": i, "of": [i, {"a": i}]} for i in range(rows)])
        try:
            parsed = json.loads(text)
            own = {"parsed": parsed}
            own["self"] = own
            raise ValueError(own)
        except ValueError as error:
            kept.append((error, parsed if random.random() < 0.1 else None))
        del kept[:-20]


def pool():
    """Tasks in a pool of threads, with a cache that grows."""

    @functools.lru_cache(maxsize=50_000)
    def cached(key):
        return [[key, i] for i in range(10)]

    def task(size):
        churn(size)
        return [cached(random.randrange(100_000)) for _ in range(size // 20)]

    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        while not stop.is_set():
            list(executor.map(task, [random.choice((20, 200, 2000)) for _ in range(8)]))
            stop.wait(0.002)


# Nothing of m5 was fitted to these.
HELD_OUT = {f.__name__: f for f in (freezer, retuned, prefork, documents, pool)}
LOADS = {f.__name__: f for f in (idle, quiet, engine, busy, storm, rare_long, bursts, threads, short_threads)}
LOADS |= {
    f.__name__: f for f in (seconds_long, ends_midway, sleeper, handed_over, lumpy, subinterpreters)
} | HELD_OUT


def main():
    gc.collect()
    # The first and the last to be called are the two ends of the collection that m5 sees, about.
    gc.callbacks.append(truth.note)
    threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
    print("ready", flush=True)
    kept = LOADS[sys.argv[1]]()
    gc.disable()
    del kept
    truth.dump(END)
    print("done", flush=True)


main()
