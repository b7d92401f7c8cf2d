"""Programs that hold memory free after a burst: they say "ready", then answer lines.

`trim`: call malloc_trim(0) and say bytes of RSS before and after, and seconds. `rss`: bytes of RSS.
`check`: whether all live data is as it was. Anything else: say nothing but "ok".
"""

import ctypes
import json
import os
import random
import sys
import threading
import time
from pathlib import Path

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
    """A Celery worker (pool solo, broker in memory) after a burst of tasks."""
    import pickle
    import zlib

    import celery
    from celery.contrib.testing.worker import start_worker

    app = celery.Celery("bench", broker="memory://", backend="cache+memory://")
    app.conf.update(worker_hijack_root_logger=False, task_ignore_result=True, worker_log_color=False)
    results = {}

    @app.task
    def work(number):
        size = random.Random(number).randrange(2000, 90000)
        message = zlib.compress(pickle.dumps(os.urandom(size)))
        results[number] = pickle.dumps([pickle.loads(zlib.decompress(message))[::-1] for _ in range(2)])
        if number % 100 == 0:
            kept.add()
        if number == TASKS - 1:
            results.clear()
            done.set()

    done = threading.Event()
    TASKS = 3000
    with start_worker(app, pool="solo", perform_ping_check=False, loglevel="CRITICAL"):
        for number in range(TASKS):
            work.delay(number)
        if not done.wait(300):
            raise SystemExit("the worker did not do its tasks")
        return_to_questions()


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
    """The naive reference engine after a minute of ticks: its candles and windows live on."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
    from trading_engine.cli import check, parser
    from trading_engine.engine import build
    from trading_engine.offline import warm
    from trading_engine.orders import OrderLog
    from trading_engine.source import record_source

    args = parser().parse_args(["--offline", "--duration", "70"])
    if wrong := check(args):
        raise SystemExit(wrong)
    args.fault = None
    engine = build(args, OrderLog(None), None)
    warm(engine, record_source(args)[0], 60.0)
    kept.engine = engine
    return_to_questions()


PROGRAMS = {f.__name__: f for f in (json_threads, pandas_burst, worker, django_burst, naive_engine)}


def return_to_questions():
    """Says that it is ready, and answers until nobody asks."""
    print("ready", flush=True)
    while line := sys.stdin.readline().strip():
        if line == "trim":
            before, began = rss(), time.perf_counter()
            libc.malloc_trim(0)
            print(before, rss(), time.perf_counter() - began, flush=True)
        elif line == "rss":
            print(rss(), flush=True)
        elif line == "check":
            print(int(kept.right()), flush=True)
        else:
            print("ok", flush=True)
    sys.stdout.flush()
    # Neither the worker nor the engine has anything to clear up.
    os._exit(0)


def main():
    PROGRAMS[sys.argv[1]]()
    return_to_questions()


if __name__ == "__main__":
    main()
