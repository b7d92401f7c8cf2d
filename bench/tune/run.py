"""What m5 tune recommends for four programs, and a second, independent measurement of it.

    python bench/tune/run.py [--m5 target/release/m5] [--python python3] [-n 5] [--again 7] [--most 600] [program …]

The second measurement starts each program anew, as it is and with what was recommended in turns, and measures without m5:
/proc/PID/statm (the median of the last third of a run), and pauses by gc.callbacks inside of the program. Of `steady`, on
which no setting has any effect, nothing should be recommended. A search ends after `--most` seconds at the latest.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")

# Threads that parse bodies one after the other and live on, as a server's pool does.
BODIES = """
import json, random, threading, time
turns = [threading.Event() for _ in range(7)]
turns[0].set()
def work(number):
    turns[number].wait()
    draw = random.Random(number)
    bodies = [json.loads(json.dumps([{"id": i, "text": "x" * draw.randrange(600)} for i in range(40)])) for _ in range(250)]
    kept.append([body[0]["text"] for body in bodies[::25]])
    del bodies
    turns[number + 1].set()
    over.wait()
kept, over = [], threading.Event()
threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
for thread in threads: thread.start()
turns[6].wait()
time.sleep(1.0)
over.set()
"""
# A crowd of objects in cycles, made while much lives: full collections take the time.
CYCLES = """
import time
live = [[i] for i in range(200_000)]
end = time.monotonic() + 4.0
while time.monotonic() < end:
    pair = [[None], [None]]
    pair[0][0], pair[1][0] = pair[1], pair[0]
"""
STEADY = """
import time
data = bytearray(30 << 20)
data[::4096] = b"x" * len(data[::4096])
time.sleep(1.5)
"""


WARM_UP = 0.5
# What the second measurement puts before a program: its pauses go to a file at its end.
PROBE = (
    """
import atexit, gc, os, threading, time
_began, _sum = [0.0], [0.0]
def _told(phase, info):
    now = time.perf_counter()
    if phase == "start": _began[0] = now
    else: _sum[0] += now - _began[0]
gc.callbacks.append(_told)
atexit.register(lambda: open(os.environ["PAUSES"], "w").write(str(_sum[0])))
if lines := os.environ.get("LINES"):
    _timer = threading.Timer(%s, exec, (lines,)); _timer.daemon = True; _timer.start()
"""
    % WARM_UP
)


def programs(python):
    # Under a second a run where nothing else wants the processor, most of it after its imports.
    small = ["--offline", "--symbols", "10", "--rate", "200", "--duration", "40"]
    engine = [python, str(ROOT / "examples" / "trading_engine"), *small, "--quiet", "--log-level", "ERROR"]
    return {
        "engine": (engine, []),
        "bodies": ([python, "-c", BODIES], []),
        "cycles": ([python, "-c", CYCLES], ["--goal", "pause,rss,peak,cpu"]),
        "steady": ([python, "-c", STEADY], []),
    }


def once(command, environment, lines):
    """Bytes of the last third, and seconds in pauses where the program can tell them."""
    with tempfile.NamedTemporaryFile("r") as pauses:
        if "-c" in command:
            command = [*command[:-1], PROBE + command[-1]]
        environment = {**os.environ, "PYTHONHASHSEED": "0", **environment}
        environment |= {"PAUSES": pauses.name, "LINES": "\n".join(lines)}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        seen = []
        while process.poll() is None:
            try:
                with open(f"/proc/{process.pid}/statm") as file:
                    seen.append(int(file.read().split()[1]) * PAGE)
            except (OSError, IndexError):
                pass
            time.sleep(0.02)
        if process.returncode:
            raise SystemExit(f"{command[0]} ended with {process.returncode}")
        told = pauses.read()
    seen = [rss for rss in seen if rss]
    return statistics.median(seen[len(seen) * 2 // 3 :]), float(told) if told else None


def search(line, most):
    """The report of m5 tune; what it has after so many seconds, if it takes longer."""
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        return process.communicate(timeout=most)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        return process.communicate()


def again(command, environment, lines, count):
    pairs = [(once(command, {}, []), once(command, environment, lines)) for _ in range(count)]
    for what, unit, scale in (("RSS", "MiB", MIB), ("pauses", "ms", 1e-3)):
        index = 0 if what == "RSS" else 1
        both = [(old[index], new[index]) for old, new in pairs if old[index] and new[index]]
        if not both:
            continue
        ratios = sorted(new / old for old, new in both)
        base, new = (statistics.median(pair[i] for pair in both) / scale for i in (0, 1))
        middle = statistics.median(ratios)
        print(
            f"    again, {len(both)} pairs, {what}: {base:.1f} → {new:.1f} {unit}, "
            f"× {middle:.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--m5", default="target/release/m5")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("-n", type=int, default=5)
    parser.add_argument("--again", type=int, default=7)
    parser.add_argument("--most", type=float, default=600)
    parser.add_argument("programs", nargs="*")
    arguments = parser.parse_args()
    known = programs(arguments.python)
    for name in arguments.programs or known:
        command, options = known[name]
        began = time.monotonic()
        line = [
            arguments.m5,
            "tune",
            "-n",
            str(arguments.n),
            "--warmup",
            f"{WARM_UP * 1000:.0f}ms",
            *options,
            "--json",
            "--",
            *command,
        ]
        said, errors = search(line, arguments.most)
        if not said:
            print(f"{name}: {errors.strip().splitlines()[-1]}", flush=True)
            continue
        told = json.loads(said)
        runs = sum(len(row["screening"]) + len(row["runs"]) for row in told["tried"])
        environment = dict(told["recommended"])
        words = " ".join([*(f"{k}={v}" for k, v in environment.items()), *told.get("recommended_python", [])])
        print(
            f"{name}: {runs} runs in {time.monotonic() - began:.0f} s{'' if told['complete'] else ' (ended)'}; "
            f"recommended: {words or 'nothing'}",
            flush=True,
        )
        for row in told["tried"]:
            if row["stage"] in ("proved", "costly"):
                first = {o["goal"]: o for o in row["outcomes"]}
                for goal, o in first.items():
                    print(
                        f"    {row['name']} {row['stage']}: {goal} × {o['ratio']:.3f} ({o['lower']:.3f} to {o['upper']:.3f})"
                    )
        if environment or told["recommended_python"]:
            again(command, environment, told["recommended_python"], arguments.again)


if __name__ == "__main__":
    main()
