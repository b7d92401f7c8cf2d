"""What m5 tune recommends for four programs, and a second, independent measurement of it.

    python bench/tune/run.py [--m5 target/release/m5] [--python python3] [-n 5] [--again 7] [program …]

The second measurement starts each program anew, as it is and with what was recommended in turns, and reads
/proc/PID/statm itself: the median of the last third of a run. Of `steady`, on which no setting has any effect, nothing
should be recommended.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
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


def programs(python):
    engine = [python, str(ROOT / "examples" / "trading_engine"), "--offline", "--duration", "20", "--quiet"]
    return {
        "engine": (engine, []),
        "bodies": ([python, "-c", BODIES], []),
        "cycles": ([python, "-c", CYCLES], ["--goal", "pause,rss,peak,cpu"]),
        "steady": ([python, "-c", STEADY], []),
    }


def once(command, environment):
    process = subprocess.Popen(
        command, env={**os.environ, "PYTHONHASHSEED": "0", **environment}, stdout=subprocess.DEVNULL
    )
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
    seen = [rss for rss in seen if rss]
    return statistics.median(seen[len(seen) * 2 // 3 :])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--m5", default="target/release/m5")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("-n", type=int, default=5)
    parser.add_argument("--again", type=int, default=7)
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
            "500ms",
            *options,
            "--json",
            "--",
            *command,
        ]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if not done.stdout:
            print(f"{name}: {done.stderr.strip().splitlines()[-1]}")
            continue
        told = json.loads(done.stdout)
        runs = sum(len(row["screening"]) + len(row["runs"]) for row in told["tried"])
        environment = dict(told["recommended"])
        said = " ".join([*(f"{k}={v}" for k, v in environment.items()), *told.get("recommended_python", [])])
        print(
            f"{name}: {runs} runs in {time.monotonic() - began:.0f} s; recommended: {said or 'nothing'}",
            flush=True,
        )
        for row in told["tried"]:
            if row["stage"] in ("proved", "costly"):
                first = {o["goal"]: o for o in row["outcomes"]}
                for goal, o in first.items():
                    print(
                        f"    {row['name']} {row['stage']}: {goal} × {o['ratio']:.3f} ({o['lower']:.3f} to {o['upper']:.3f})"
                    )
        if not environment:
            continue
        pairs = [(once(command, {}), once(command, environment)) for _ in range(arguments.again)]
        ratios = sorted(new / old for old, new in pairs)
        base = statistics.median(old for old, _ in pairs) / MIB
        new = statistics.median(new for _, new in pairs) / MIB
        spread = f"{ratios[0]:.3f} to {ratios[-1]:.3f}"
        print(f"    again, {arguments.again} pairs: {base:.1f} → {new:.1f} MiB, ratios {spread}", flush=True)


if __name__ == "__main__":
    main()
