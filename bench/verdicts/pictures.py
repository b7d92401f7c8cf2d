#!/usr/bin/env python3
"""One trace of every family of every set as a drawing, for docs/verdicts.md.

cargo run --release -p m5-bench-verdicts --bin unseen -- --traces 1 --seed 5 --export FOLDER/02
cargo run --release -p m5-bench-verdicts --bin unseen -- --traces 1 --seed 5 --events --export FOLDER/03
python bench/verdicts/pictures.py FOLDER docs/pictures/verdicts.svg

A folder a set, in order of name. Each picture is the floors of 48 parts of the window, between the lowest and the
highest; the number says how far apart those are. Healthy families are blue, leaking ones red.
"""

import sys
from html import escape
from pathlib import Path

CELLS = 48
COLUMNS = 4
WIDTH, HEIGHT, LINE = 216, 58, 26
HEAD = 30


def floors(values):
    """The floor of each of 48 parts."""
    parts = [values[len(values) * i // CELLS : len(values) * (i + 1) // CELLS] for i in range(CELLS)]
    return [sorted(part)[len(part) // 10] for part in parts if part]


def picture(file, x, y):
    """One family at its place."""
    lines = file.read_text().splitlines()
    leaks = float(lines[0].split(",")[1]) > 0.0
    level = floors([float(line.split(",")[1]) for line in lines[1:]])
    low, high = min(level), max(level)
    points = [
        (round(i * (WIDTH - 20) / (len(level) - 1)), round(LINE * (1 - (v - low) / ((high - low) or 1.0))))
        for i, v in enumerate(level)
    ]
    steps = "".join(f"l{b[0] - a[0]} {b[1] - a[1]}" for a, b in zip(points, points[1:], strict=False))
    name = escape(file.name.rsplit("-", 1)[0].replace("_", " "))
    span = f"{100 * (high / low - 1):.1f} %" if low > 0 else ""
    colour = "c0392b" if leaks else "1f5fa8"
    return (
        f'<text x="{x}" y="{y + 12}">{name} <tspan fill="#777">{span}</tspan></text>'
        f'<path d="M{x} {y + 18 + points[0][1]}{steps}" stroke="#{colour}"/>'
    )


def main():
    """Write the drawing."""
    folder, out = map(Path, sys.argv[1:3])
    parts, y = [], 8
    for part in sorted(folder.iterdir()):
        files = sorted(part.iterdir())
        parts.append(
            f'<text x="10" y="{y + 18}" font-weight="bold" font-size="14">set {part.name.lstrip("0")}</text>'
        )
        y += HEAD
        for i, file in enumerate(files):
            parts.append(picture(file, 10 + i % COLUMNS * WIDTH, y + i // COLUMNS * HEIGHT))
        y += -(-len(files) // COLUMNS) * HEIGHT + 10
    width = COLUMNS * WIDTH + 10
    out.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" font-family="sans-serif"'
        f' font-size="11" fill="none"><rect width="{width}" height="{y}" fill="#fff"/>'
        '<g fill="#222">' + "\n".join(p for p in parts).replace("<path", '<path fill="none"') + "</g></svg>\n"
    )


if __name__ == "__main__":
    main()
