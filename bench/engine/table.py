"""Tables of medians and ratios for people."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from measure import Values

MB, MS, US = 1e6, 1e3, 1e6
# key, title, factor, unit, aim: what the optimised engine's share of the naive value may be
Row = tuple[str, str, float, str, float | None]
LIVE: list[Row] = [
    ("rss", "RSS at the end", 1 / MB, "MB", 0.35),
    ("peak", "RSS peak", 1 / MB, "MB", None),
    ("growth", "growth, last two thirds", 1 / MB, "MB/min", None),
    ("gc_count", "collections a minute", 1, "", None),
    ("gc_total", "pauses a minute, all", MS, "ms", None),
    ("gc_path", "pauses a minute, in the ticks' path", MS, "ms", 0.01),
    ("gc_p50", "pause P50, in path", MS, "ms", None),
    ("gc_p95", "pause P95, in path", MS, "ms", None),
    ("gc_p99", "pause P99, in path", MS, "ms", None),
    ("gc_old_p95", "pause P95, generations 1 and 2", MS, "ms", None),
    ("gc_max", "longest pause", MS, "ms", None),
    ("latency_p50", "tick to decision P50", MS, "ms", None),
    ("latency_p99", "tick to decision P99", MS, "ms", None),
    ("latency_p999", "tick to decision P99.9", MS, "ms", None),
]
OFFLINE: list[Row] = [
    ("cpu", "processor time a tick", US, "µs", 0.1),
    ("gc_path", "pauses a minute, in the ticks' path", MS, "ms", 0.01),
    ("gc_max", "longest pause", MS, "ms", None),
    ("latency_p50", "tick to decision P50", MS, "ms", None),
    ("latency_p99", "tick to decision P99", MS, "ms", 0.01),
    ("latency_p999", "tick to decision P99.9", MS, "ms", None),
]


def median(runs: list[Values], key: str) -> float | None:
    """The median of what was measured; None when nothing was."""
    values = [run[key] for run in runs if run.get(key) is not None]
    return statistics.median(values) if values else None


def _number(value: float | None, factor: float) -> str:
    return "—" if value is None else f"{value * factor:,.3g}" if abs(value * factor) < 1000 else (
        f"{value * factor:,.0f}"
    )  # fmt: skip


def compare(title: str, rows: list[Row], modes: dict[str, list[Values]]) -> list[str]:
    """The naive engine, which is the first, beside the others: values, then shares of the naive one."""
    (first, naive), *others = modes.items()
    head = f"{first:>12}" + "".join(f"{mode:>12}{'ratio':>9}" for mode, _ in others)
    out = [f"\n{title} (median of {len(naive)})", f"{'':38}{head}  aim"]
    for key, name, factor, unit, aim in rows:
        before = median(naive, key)
        line = f"{name + (f', {unit}' if unit else ''):38}{_number(before, factor):>12}"
        ratios = []
        for _, runs in others:
            after = median(runs, key)
            ratio = after / before if before and after is not None else None
            ratios.append(ratio)
            shown = "—" if ratio is None else f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.5f}"
            line += f"{_number(after, factor):>12}{shown:>9}"
        word = ""
        if aim is not None and ratios and None not in ratios:
            word = f"<= {aim}: {'met' if max(ratios) <= aim else 'MISSED'}"
        out.append(f"{line}  {word}".rstrip())
    return out


def ablation(title: str, runs: dict[str, Values]) -> list[str]:
    """One line a set of optimisations."""
    columns: list[tuple[str, Callable[[Values], str]]] = [
        ("CPU a tick, µs", lambda v: _number(v["cpu"], US)),
        ("RSS peak, MB", lambda v: _number(v["peak"], 1 / MB)),
        ("GC in path, ms/min", lambda v: _number(v["gc_path"], MS)),
        ("longest, ms", lambda v: _number(v["gc_max"], MS)),
        ("P99, ms", lambda v: _number(v["latency_p99"], MS)),
    ]
    out = [f"\n{title}", f"{'':20}" + "".join(f"{name:>20}" for name, _ in columns)]
    for name, values in runs.items():
        out.append(f"{name:20}" + "".join(f"{show(values):>20}" for _, show in columns))
    return out
