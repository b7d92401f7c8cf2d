"""How much m5 explains of programs that keep memory and references where few look: `python tests/leaks/coverage.py M5`.

Pictures, frames and tables of Arrow have allocators of their own; greenlets keep the frames of Python on stacks that no
thread runs on. Of each program at least 99 % of RSS have a name, and 99 % of the counts of references are explained.
Programs whose packages cannot be had are left out, with a word.
"""

import json
import os
import subprocess
import sys

from home import HERE, environment, interpreter

LEAST = 0.99

ARROW = """
import pyarrow, polars
from PIL import Image
tables = [pyarrow.table({"a": list(range(20000)), "b": ["x%d" % i for i in range(20000)]}) for _ in range(10)]
frames = [polars.DataFrame({"p": [float(i) for i in range(30000)]}) for _ in range(10)]
images = [Image.new("RGB", (800, 600), (i, 2, 3)) for i in range(20)]
smaller = [image.resize((400, 300)) for image in images]
mean = polars.concat(frames).select(polars.col("p").mean())
ordered = pyarrow.concat_tables(tables).sort_by("a")
del ordered
"""

GEVENT = """
import gevent, gevent.event, gevent.pool
class Order:
    def __init__(self, number):
        self.number, self.lines = number, [number, str(number)]
go = gevent.event.Event()
def work(number):
    order = Order(number)
    def inner(more):
        kept = [order, more, {number: more}]
        go.wait()
        return kept
    return inner(Order(-number))
group = gevent.pool.Group()
for number in range(500):
    group.spawn(work, number)
gevent.sleep(0.01)
"""

SQLALCHEMY = """
import asyncio
from sqlalchemy.util import await_only, greenlet_spawn
class Order:
    def __init__(self, number):
        self.number, self.lines = number, [number, str(number)]
loop = asyncio.new_event_loop()
go = asyncio.Event()
def sync(number):
    order = Order(number)
    kept = [order, {number: Order(-number)}]
    await_only(go.wait())
    return kept
tasks = [loop.create_task(greenlet_spawn(sync, number)) for number in range(500)]
loop.run_until_complete(asyncio.sleep(0.01))
"""

PROGRAMS = [("arrow", "pyarrow==17.0.0 polars==1.9.0 pillow==10.4.0", ARROW, ["3.11"])]
EVERY = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15"]
PROGRAMS += [("gevent", "gevent==24.2.1", GEVENT, EVERY)]
PROGRAMS += [("sqlalchemy", "sqlalchemy[asyncio]==2.0.36", SQLALCHEMY, EVERY)]


def coverage(m5, python, code, variables):
    """Shares of RSS and of the counts of references that a snapshot explains."""
    program = code + "\nimport sys\nprint('ready', flush=True)\nsys.stdin.read()\n"
    service = subprocess.Popen(
        [python, "-c", program],
        cwd=HERE,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if service.stdout.readline().strip() != "ready":
            raise RuntimeError("the program did not start")
        take = [m5, "snapshot", "-p", str(service.pid), "--json"]
        done = subprocess.run(take, capture_output=True, text=True, timeout=300, check=True)
        found = json.loads(done.stdout)["info"]["coverage"]
        return found["rss_explained"], found["refcounts_explained"]
    finally:
        service.kill()
        service.wait()


def main():
    m5, wrong = os.path.abspath(sys.argv[1]), 0
    for name, requirement, code, versions in PROGRAMS:
        for version in versions:
            title = "%-12s %-5s" % (name, version)
            python = interpreter(version)
            variables = python and environment(python, requirement)
            if not variables:
                print("skipped  %s no such interpreter or no wheel" % title, flush=True)
                continue
            rss, counts = coverage(m5, python, code, variables)
            ok = min(rss, counts) >= LEAST
            wrong += not ok
            word = "ok" if ok else "WRONG"
            print("%-8s %s RSS %.2f %%, counts %.2f %%" % (word, title, 100 * rss, 100 * counts), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
