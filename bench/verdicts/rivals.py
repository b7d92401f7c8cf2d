#!/usr/bin/env python3
"""Forecasters and a change-point method on the very series that m5 judged.

    cargo run --release -p m5-bench-verdicts --bin unseen -- --held-out --traces 20 --export FOLDER
    pip install numpy statsforecast ruptures
    python bench/verdicts/rivals.py FOLDER

A series is cut into 32 floors, each the mean of the lowest third of its values, as m5 does. Each rival says where the
floor will be a day after the last sample, with the 90 % interval of its own, and raises an alarm as its users would:

- AutoETS, AutoTheta (statsforecast): the lower end of the forecast is above the last floor by a twentieth.
- PELT (ruptures): change points of the mean and the slope of what follows the last of them; an alarm where a line
  through that (p < 0.01) rises by 1 % a window and more. Its forecast is that line.

Per family: alarms in percent (of a leaking family: of its series that grow by 10 % a window and more), how often the
interval held, and the pinball loss in percent of the level (quantiles 0.05, 0.5, 0.95; less is better).
"""

import argparse
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np

BLOCKS = 32
DAY = 86_400.0
QUANTILES = (0.05, 0.5, 0.95)
STRONG = 0.10


def floors(points):
    """Floors of the blocks of a series: moments and values."""
    edges = np.linspace(points[0, 0], points[-1, 0], BLOCKS + 1)
    at = np.clip(np.searchsorted(edges, points[:, 0], side="right") - 1, 0, BLOCKS - 1)
    times, values = [], []
    for i in range(BLOCKS):
        block = points[at == i]
        if len(block):
            lower = np.sort(block[:, 1])[: -(-len(block) // 3)]
            times.append(block[:, 0].mean())
            values.append(lower.mean())
    # A gap is filled: these methods know of none.
    middles = (edges[:-1] + edges[1:]) / 2
    return middles, np.interp(middles, times, values)


def statsforecast_rival(make):
    """A model of statsforecast as a rival."""

    def rival(times, values):
        step = times[1] - times[0]
        ahead = round(DAY / step)
        out = make().forecast(y=values, h=ahead, level=[90])
        low, value, high = out["lo-90"][-1], out["mean"][-1], out["hi-90"][-1]
        return low > 1.05 * values[-1], (low, value, high)

    return rival


def change_points(times, values):
    """A line through what follows the last change point."""
    import ruptures

    noise = np.median(np.abs(np.diff(values))) * 1.4826 / np.sqrt(2)
    penalty = 3 * np.log(len(values)) * max(noise, 1e-6 * abs(values.mean())) ** 2
    signal = np.column_stack([values, times / times[-1], np.ones_like(times)])
    ends = ruptures.Pelt(model="linear", min_size=5).fit(signal).predict(pen=penalty)
    begin = ends[-2] if len(ends) > 1 else 0
    t, v = times[begin:], values[begin:]
    slope, level = np.polyfit(t - t[-1], v, 1)
    rest = v - level - slope * (t - t[-1])
    spread = np.sqrt((rest**2).sum() / max(len(t) - 2, 1))
    error = spread / np.sqrt(((t - t.mean()) ** 2).sum())
    window = times[-1] - times[0]
    alarm = slope > 2.6 * error and slope * window > 0.01 * level
    value = level + slope * DAY
    room = 1.645 * np.hypot(spread, error * DAY)
    return alarm, (value - room, value, value + room)


def rivals():
    """Name and function of each rival."""
    from statsforecast.models import AutoETS, AutoTheta

    return {
        "AutoETS": statsforecast_rival(lambda: AutoETS(season_length=1)),
        "AutoTheta": statsforecast_rival(lambda: AutoTheta(season_length=1)),
        "PELT": change_points,
    }


def loss(forecast, truth):
    """Mean pinball loss over the three quantiles."""
    parts = (
        q * (truth - v) if truth >= v else (1 - q) * (v - truth)
        for q, v in zip(QUANTILES, forecast, strict=True)
    )
    return sum(parts) / len(QUANTILES)


def main():
    """Judge every series of a folder and print a line a family."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("folder", type=Path)
    warnings.simplefilter("ignore")
    methods = rivals()
    scores = defaultdict(lambda: defaultdict(list))
    for file in sorted(arguments.parse_args().folder.iterdir()):
        with file.open() as lines:
            truth, growth = map(float, lines.readline()[1:].split(","))
            points = np.loadtxt(lines, delimiter=",", ndmin=2)
        family = "real" if ".csv-" in file.name else file.name.rsplit("-", 1)[0].replace("_", " ")
        times, values = floors(points)
        level = abs(values[-1]) or 1.0
        for name, method in methods.items():
            try:
                alarm, forecast = method(times, values)
            except (ValueError, FloatingPointError, np.linalg.LinAlgError, ZeroDivisionError):
                continue
            low, _, high = forecast
            counts = growth == 0.0 or growth >= STRONG
            scores[family][name].append(
                (alarm if counts else None, low <= truth <= high, loss(forecast, truth) / level)
            )
    print(f"{'':28}" + "".join(f"{name:>26}" for name in methods))
    print(f"{'family':28}" + f"{'alarm %':>10}{'held %':>8}{'loss':>8}" * len(methods))
    for family, by_name in scores.items():
        cells = ""
        for name in methods:
            rows = by_name[name]
            alarms = [row[0] for row in rows if row[0] is not None]
            share = 100 * sum(alarms) / len(alarms) if alarms else float("nan")
            held, lost = (
                (100 * np.mean([row[i] for row in rows]) for i in (1, 2)) if rows else (float("nan"),) * 2
            )
            cells += f"{share:10.1f}{held:8.1f}{lost:8.2f}"
        print(f"{family:28}{cells}")


if __name__ == "__main__":
    main()
