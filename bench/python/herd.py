"""A herd: 2,000 wait for one call that fails. What that costs beyond the one call, in tasks and in threads.

    python bench/python/herd.py [--waiters 2000] [--rounds 5]

Tasks: CPU time of the loop's thread from the first call to the last error, beside as many plain coroutines that fail.
Threads: the sum of what each of them spends between its call and its error (making, starting and ending threads is not
in it), beside threads that wait for one lock, which is the least that waiting costs. A peer that is not installed is
left out.
"""

import argparse
import asyncio
import importlib.util
import statistics
import sys
import threading
import time

import m5mem


def have(module):
    return importlib.util.find_spec(module) is not None


def of_tasks(make, waiters):
    """Calls, and seconds of CPU."""
    calls = []

    @make
    async def fail(x):
        calls.append(x)
        await asyncio.sleep(0)
        raise ValueError(x)

    async def storm():
        errors = await asyncio.gather(*[fail(1) for _ in range(waiters)], return_exceptions=True)
        assert all(isinstance(e, ValueError) for e in errors)

    loop = asyncio.new_event_loop()
    began = time.thread_time()
    loop.run_until_complete(storm())
    took = time.thread_time() - began
    loop.close()
    return len(calls), took


def of_threads(make, waiters):
    """Calls, and seconds of CPU of all waiters."""
    calls, go, spent = [], threading.Event(), [0.0] * waiters

    @make
    def fail(x):
        calls.append(x)
        go.wait()
        raise ValueError(x)

    def work(i):
        began = time.thread_time()
        try:
            fail(1)
        except ValueError:
            spent[i] = time.thread_time() - began

    threading.stack_size(128 << 10)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(waiters)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)  # they all wait
    go.set()
    for thread in threads:
        thread.join()
    assert all(spent)
    return len(calls), sum(spent)


def one_lock(function):
    """The first computes, the others wait for one lock and fail."""
    first, lock = threading.Lock(), threading.Lock()

    def call(x):
        if first.acquire(False):
            with lock:
                return function(x)
        with lock:
            raise ValueError

    return call


def peers():
    tasks = {"m5mem": m5mem.cached(maxsize=8), "(plain coroutines that fail)": lambda f: f}
    threads = {"m5mem": m5mem.cached(maxsize=8), "(one lock)": one_lock}
    if have("async_lru"):
        import async_lru

        tasks["async_lru"] = async_lru.alru_cache(maxsize=8)
    if have("cachetools"):
        import cachetools

        threads["cachetools, condition="] = lambda f: cachetools.cached(
            cachetools.LRUCache(8), condition=threading.Condition()
        )(f)
    return {"tasks": (of_tasks, tasks), "threads": (of_threads, threads)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--waiters", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, m5mem {m5mem.__version__}; {arguments.waiters} waiters")
    for kind, (measure, makers) in peers().items():
        seen = {name: [] for name in makers}
        for _ in range(arguments.rounds):
            for name, make in makers.items():
                seen[name].append(measure(make, arguments.waiters))
        print(f"\n{kind}")
        for name, runs in seen.items():
            took = statistics.median(seconds for _, seconds in runs)
            print(f"  {name:32} {runs[-1][0]:6,} calls  {took * 1e3:8.1f} ms")


if __name__ == "__main__":
    main()
