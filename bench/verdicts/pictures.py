#!/usr/bin/env python3
"""One trace of every family as a line of text, for docs/verdicts.md.

cargo run --release -p m5-bench-verdicts --bin unseen -- --traces 1 --export FOLDER
python bench/verdicts/pictures.py FOLDER
"""

import sys
from pathlib import Path

CELLS = 48
BARS = "▁▂▃▄▅▆▇█"


def picture(values):
    """The floor of each of 48 parts, between the lowest and the highest."""
    parts = [values[len(values) * i // CELLS : len(values) * (i + 1) // CELLS] for i in range(CELLS)]
    floors = [sorted(part)[len(part) // 10] for part in parts if part]
    low, high = min(floors), max(floors)
    span = (high - low) or 1.0
    bars = "".join(BARS[min(7, int(8 * (v - low) / span))] for v in floors)
    return bars, 100 * (high / low - 1) if low > 0 else 0.0


def main():
    """A line a file, in order of name."""
    for file in sorted(Path(sys.argv[1]).iterdir()):
        rows = file.read_text().splitlines()[1:]
        bars, percent = picture([float(row.split(",")[1]) for row in rows])
        print(f"{file.name.rsplit('-', 1)[0].replace('_', ' '):26}{bars}  {percent:5.1f} %")


if __name__ == "__main__":
    main()
