"""How long a person waits: `m5 --help`, and `m5 list` of a hundred Python processes, beside `ps` and `py-spy --version`.

python bench/startup/run.py [--processes 100] [--runs 15]

Needs target/release/m5, or M5; ten seconds. Everything in turns, `m5 --help` twice: what the two differ by is noise.
Medians, the spread of the middle half, and the aims; exit code 1 where one is missed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "import asyncio, json; print('ready', flush=True); input()"
# Seconds, for a hundred processes.
AIMS = {"m5 --help": 0.020, "m5 list": 0.300}


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--processes", type=int, default=100)
    options.add_argument("--runs", type=int, default=15)
    asked = options.parse_args()
    m5 = os.environ.get("M5") or str(ROOT / "target/release/m5")
    commands = {
        "m5 --help": [m5, "--help"],
        "m5 list": [m5, "list"],
        "ps aux": ["ps", "aux"],
        "m5 --help again": [m5, "--help"],
    }
    if spy := shutil.which("py-spy"):
        commands["py-spy --version"] = [spy, "--version"]
    running = [start() for _ in range(asked.processes)]
    try:
        for process in running:
            assert process.stdout.readline() == "ready\n"
        times = measured(commands, asked.runs)
    finally:
        for process in running:
            process.communicate("\n")
    print(f"{asked.processes} Python processes, {asked.runs} runs in turns, milliseconds")
    missed = False
    for name, taken in times.items():
        low, middle, high = statistics.quantiles(taken, n=4)
        aim = AIMS.get(name)
        word = "" if aim is None else f"   aim {aim * 1e3:.0f}: {'met' if middle < aim else 'MISSED'}"
        missed |= aim is not None and middle >= aim
        print(f"  {name:<18} {middle * 1e3:7.1f}   ({low * 1e3:.1f} … {high * 1e3:.1f}){word}")
    return int(missed)


def measured(commands: dict[str, list[str]], runs: int) -> dict[str, list[float]]:
    """Seconds of each run; the first of each, which finds nothing in the cache, is left out."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs + 1):
        for name, command in commands.items():
            begin = time.perf_counter()
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
            times[name].append(time.perf_counter() - begin)
            assert done.returncode == 0, (command, done.stderr)
    return {name: taken[1:] for name, taken in times.items()}


def start() -> subprocess.Popen:
    """A process that has loaded what small services load."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


sys.exit(main())
