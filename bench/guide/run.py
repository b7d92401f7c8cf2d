"""The guide's W1, W2 and W3, its code beside m5mem's, measured: what `docs/m5mem/cookbook.md` says they save.

    python bench/guide/run.py [--rounds 3] [--json FILE]

Needs m5mem (built for release), pandas, cachetools and websockets. Every way is a process of its own, in turns; medians.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
WAYS = {
    "windows": ("guide", "uncached", "m5mem"),
    "collector": ("default", "guide", "m5mem"),
    "connections": ("guide", "m5mem"),
}
MS, US, MB = 1e3, 1e6, 1e-6
# Program, key, what it is, factor, unit.
ROWS = [
    ("windows", "wrong", "W1 windows that are stale, of 4,000", 1, ""),
    ("windows", "median", "W1 a tick: window and ATR, median", US, "µs"),
    ("windows", "p99", "W1 a tick, P99", US, "µs"),
    ("windows", "rss", "W1 RSS, 50 symbols", MB, "MB"),
    ("windows", "buffer", "W1 a buffer of 200 candles", 1e-3, "kB"),
    ("collector", "path", "W2 pauses in the path, a minute", MS, "ms"),
    ("collector", "path_max", "W2 longest pause in the path", MS, "ms"),
    ("collector", "idle", "W2 pauses between, a minute", MS, "ms"),
    ("collector", "idle_max", "W2 longest pause between", MS, "ms"),
    ("collector", "late_p99", "W2 work begins late, P99", MS, "ms"),
    ("collector", "late_max", "W2 work begins late, worst", MS, "ms"),
    ("connections", "cleanup", "W3 five half-open peers parted from", 1, "s"),
    ("connections", "again", "W3 connections that come back, of 5", 1, ""),
    ("connections", "fds", "W3 descriptors left at the end", 1, ""),
]


def run(program, way):
    command = [sys.executable, str(HERE / f"{program}.py"), way]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="write all runs here")
    arguments = parser.parse_args()
    runs = {}
    for _ in range(arguments.rounds):
        for program, ways in WAYS.items():
            for way in ways:
                runs.setdefault(f"{program} {way}", []).append(run(program, way))
    print(f"Python {sys.version.split()[0]}; medians of {arguments.rounds} rounds")
    print(f"{'':40}{'default':>12}{'guide':>12}{'uncached':>12}{'m5mem':>12}")
    for program, key, what, factor, unit in ROWS:
        line = f"{what + (f', {unit}' if unit else ''):40}"
        for way in ("default", "guide", "uncached", "m5mem"):
            seen = runs.get(f"{program} {way}")
            values = [r[key] for r in seen or () if r[key] is not None]
            value = statistics.median(values) * factor if values else None
            line += f"{'' if value is None else f'{value:,.2f}'.rstrip('0').rstrip('.'):>12}"
        print(line)
    explicit = [r for r in runs["collector guide"] if r["explicit"]]
    if explicit:
        claimed = statistics.median(r["recorded"] / r["explicit"] for r in explicit) * MS
        print(f"\nW2: the guide records {claimed:g} ms for each collection of its own; the longest is above.")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(runs, indent=1))


if __name__ == "__main__":
    main()
