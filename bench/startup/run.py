"""How long a person waits: `m5 --help`, and `m5 list` of a hundred Python processes, beside `ps` and `py-spy --version`.

python bench/startup/run.py [--processes 100] [--runs 15]

Needs target/release/m5, or M5. Everything in turns; medians, and the spread of the middle half.
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


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--processes", type=int, default=100)
    options.add_argument("--runs", type=int, default=15)
    asked = options.parse_args()
    m5 = os.environ.get("M5") or str(ROOT / "target/release/m5")
    commands = {"m5 --help": [m5, "--help"], "m5 list": [m5, "list"], "ps aux": ["ps", "aux"]}
    if spy := shutil.which("py-spy"):
        commands["py-spy --version"] = [spy, "--version"]
    running = [start() for _ in range(asked.processes)]
    try:
        for process in running:
            assert process.stdout.readline() == "ready\n"
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(asked.runs + 1):
            for name, command in commands.items():
                begin = time.perf_counter()
                subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
                times[name].append(time.perf_counter() - begin)
    finally:
        for process in running:
            process.communicate("\n")
    print(f"{asked.processes} Python processes, {asked.runs} runs in turns, milliseconds")
    for name, taken in times.items():
        low, middle, high = statistics.quantiles(taken[1:], n=4)
        print(f"  {name:<18} {middle * 1e3:7.1f}   ({low * 1e3:.1f} … {high * 1e3:.1f})")


def start() -> subprocess.Popen:
    """A process that has loaded what small services load."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


main()
