"""Programs that hold memory free after a burst: they say "ready", then answer lines.

`trim`: call malloc_trim(0) and say bytes of RSS before and after, and seconds. `check`: whether all live data is as it was.
Anything else: say nothing but "ok".
"""

import ctypes
import json
import os
import random
import sys
import threading
import time

libc = ctypes.CDLL(None)


def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Kept:
    """Live data between what is freed, with what it must be."""

    def __init__(self):
        self.random = random.Random(1)
        self.all = []

    def add(self):
        seed = self.random.randrange(256)
        size = self.random.randrange(600, 4000)
        self.all.append((bytes([seed]) * size, seed, size))

    def right(self):
        return all(data == bytes([seed]) * size for data, seed, size in self.all)


kept = Kept()


def json_threads():
    """Bodies of requests, parsed by four threads and dropped."""

    def work(number):
        draw = random.Random(number)
        held = []
        for turn in range(900):
            body = json.dumps(
                [{"id": i, "name": "x" * draw.randrange(600), "of": list(range(20))} for i in range(40)]
            )
            held.append((body, json.loads(body), bytes(draw.randrange(600, 60000))))
            if turn % 30 == 0:
                kept.add()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def pandas_burst():
    """Frames read, merged, grouped and dropped."""
    import io

    import pandas

    for _ in range(6):
        text = io.StringIO("\n".join(["a,b,c"] + [f"{i % 977},{i},name {i % 5003}" for i in range(120_000)]))
        frame = pandas.read_csv(text)
        both = frame.merge(frame.groupby("a")["b"].mean().reset_index(), on="a")
        kept.add()
        del frame, both


def worker():
    """Tasks of a queue as Celery's solo worker runs them: pickled in, worked on, pickled out."""
    import pickle
    import zlib

    results = {}
    for task in range(3000):
        message = zlib.compress(
            pickle.dumps({"task": task, "args": [os.urandom(random.Random(task).randrange(2000, 90000))]})
        )
        args = pickle.loads(zlib.decompress(message))["args"]
        results[task] = pickle.dumps([args[0][::-1] for _ in range(2)])
        if task % 100 == 0:
            kept.add()
    results.clear()


def django_burst():
    """Pages of two thousand rows rendered by Django's templates."""
    import django
    from django.conf import settings
    from django.template import Context, Engine

    settings.configure()
    django.setup()
    template = Engine().from_string(
        "{% for r in rows %}<tr><td>{{ r.a }}</td><td>{{ r.b|upper }}</td></tr>{% endfor %}"
    )
    pages = []
    for page in range(60):
        rows = [{"a": i, "b": "name %d" % i} for i in range(2000)]
        pages.append(template.render(Context({"rows": rows})))
        pages.append(json.dumps(rows))
        if page % 3 == 0:
            kept.add()


def naive_engine():
    """The naive engine's warm-up: windows of ticks copied for every indicator."""
    import numpy

    windows = []
    for tick in range(2500):
        window = numpy.arange(float(200 + tick % 4000))
        windows.append([window.copy() for _ in range(8)])
        if len(windows) > 800:
            windows = windows[400:]
        if tick % 50 == 0:
            kept.add()
    windows.clear()


PROGRAMS = {f.__name__: f for f in (json_threads, pandas_burst, worker, django_burst, naive_engine)}


def main():
    PROGRAMS[sys.argv[1]]()
    print("ready", flush=True)
    while line := sys.stdin.readline().strip():
        if line == "trim":
            before, began = rss(), time.perf_counter()
            libc.malloc_trim(0)
            print(before, rss(), time.perf_counter() - began, flush=True)
        elif line == "check":
            print(int(kept.right()), flush=True)
        else:
            print("ok", flush=True)


if __name__ == "__main__":
    main()
