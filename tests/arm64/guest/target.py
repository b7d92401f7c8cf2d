"""What the guest's tests look at: it allocates, collects, computes and waits, and checks itself.

It says "ready" and answers each line on its input with a line of JSON: its collections by gc.callbacks and gc.get_stats,
what went wrong so far, how far each thread got. After "still" it makes no objects until "on", and says what there is by
gc.get_objects. It ends with its input.
"""

import ctypes
import gc
import json
import os
import sys
import threading
import time

wrong = []
turns = {}
collections = []
rest = threading.Event()
resting = threading.Event()


class Known:
    """Of these there are KNOWN."""

    def __init__(self, i):
        self.i = [i]


KNOWN = 3000
keep = [Known(i) for i in range(KNOWN)]
heap = [{i: [i]} for i in range(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)]


def each(name):
    """Runs a function in a thread of its own over and over."""

    def begin(work):
        turns[name] = 0

        def run():
            while True:
                began = time.monotonic()
                work()
                turns[name] += 1
                # Leaves the guest's two processors to others most of the time.
                time.sleep(0.005 + 2 * (time.monotonic() - began))

        threading.Thread(target=run, daemon=True).start()
        return work

    return begin


sums = set()


@each("compute")
def _compute():
    total = 0.0
    for i in range(2000):
        total += 1.0 / (1.0 + i * 0.5)
    sums.add(total)
    if len(sums) > 1:
        wrong.append(f"a sum came to {sums}")


state = os.path.join(os.path.dirname(os.path.abspath(__file__)), "state.so")
try:
    native = ctypes.CDLL(state)
except OSError as error:
    native = None
    print(f"without vectors: {error}", file=sys.stderr)
if native is not None:
    for register in ("plain", "scalable", "jumps"):
        getattr(native, register).restype = ctypes.c_long
        getattr(native, register).argtypes = (ctypes.c_long,)

    def turning(register):
        """A thread whose state only the processor knows."""

        @each(register)
        def _turn():
            found = getattr(native, register)(3000000)
            if found not in (0, -1):
                wrong.append(f"{found} of the state of {register} was lost")

    for register in ("plain", "scalable", "jumps"):
        turning(register)

spare = []


@each("allocate")
def _allocate():
    if rest.is_set():
        spare.clear()
        resting.set()
        return
    spare.append([[] for _ in range(400)])
    if len(spare) > 100:
        spare.clear()


def told(phase, info):
    """What gc.callbacks says."""
    now = time.monotonic_ns()
    if phase == "start":
        collections.append([now, None, info["generation"]])
    elif collections:
        collections[-1][1] = now


def counted():
    """How many objects of each type the interpreter itself can find."""
    counts = {}
    for o in gc.get_objects():
        kind = type(o)
        name = (
            f"{kind.__module__}.{kind.__qualname__}" if kind.__module__ != "builtins" else kind.__qualname__
        )
        counts[name] = counts.get(name, 0) + 1
    return counts


def answer(line):
    """What is said to a line."""
    if line == "still":
        rest.set()
        resting.wait()
        gc.collect()
        return {"objects": counted()}
    if line == "on":
        rest.clear()
        resting.clear()
    return {
        "collections": collections,
        "stats": [s["collections"] for s in gc.get_stats()],
        "wrong": wrong,
        "turns": turns,
    }


gc.callbacks.append(told)
print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps(answer(line.strip())), flush=True)
