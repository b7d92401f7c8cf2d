#!/usr/bin/env python3
"""What a snapshot costs the target and m5, by method and size of the heap, beside peers.

    bench/snapshot/run.py --quick        # 100 MB and 1 M objects: about two minutes
    bench/snapshot/run.py                # also 1 GB and 10 M objects: about fifteen minutes

The pause is the longest gap between two ticks of a thread in the target that ticks every 100 µs; `lost` is the time in
all gaps of more than a millisecond; `blocked` is what the thread that serves feels: the pause, or the whole run of a
peer that the program itself must call (`× fork` compares that). m5's methods run in turn on one target, --repeat
times; peers run once, each on a target of its own, after them. Figures are medians; they depend on the machine and on
what else runs there: compare within one run only. Peers come from PyPI into a virtual environment of their own; one
that cannot be had or cannot attach is listed with the reason.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import contenders
from contenders import Unavailable
from target_driver import Target, TooLong

ROOT = Path(__file__).resolve().parent.parent.parent
# pyheap itself is given by --pyheap; it needs pyelftools.
PACKAGES = ("objgraph", "guppy3", "pympler", "memray", "midden", "pyelftools")


class Row(NamedTuple):
    name: str
    objects: int
    megabytes: int
    quick: bool


ROWS = [
    Row("100 MB", 200_000, 100, True),
    Row("1 M objects", 1_000_000, 0, True),
    Row("1 GB", 1_000_000, 1_000, False),
    Row("10 M objects", 10_000_000, 0, False),
]


def environment(options):
    """The Python of the targets, with every peer that can be installed; and why others cannot."""
    home = ROOT / "target/bench-snapshot-venv"
    python = home / "bin/python"
    if not python.exists():
        subprocess.run([options.python, "-m", "venv", str(home)], check=True)
    reasons = {}
    for package in PACKAGES:
        command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", package]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            reasons[package] = "pip: " + (result.stderr.strip().splitlines() or ["no word"])[-1][:160]
    return str(python), reasons


def measured(target, work):
    """Runs `work` between two looks at the target."""
    target.ask("reset")
    time.sleep(0.3)
    noise = target.gap()[0]
    before = target.rss()
    target.reset_peak()
    target.ask("reset")
    result = work()
    result["pause_seconds"], result["lost_seconds"] = target.gap()
    result["noise_seconds"] = noise
    result["target_grown_bytes"] = target.rss() - before
    result["target_peak_grown_bytes"] = max(0, target.peak() - before)
    return result


def median(runs):
    keys = {key for run in runs for key, value in run.items() if isinstance(value, (int, float))}
    return {key: statistics.median(run[key] for run in runs if run.get(key) is not None) for key in keys}


def ours(row, python, options):
    runs = {method: [] for method in contenders.METHODS}
    failed, forks = {}, []
    with Target(python, row, options.timeout) as target:
        rss = target.rss()
        for _ in range(options.repeat):
            forks.append(float(target.ask("fork")))
            for method in contenders.METHODS:
                try:
                    work = partial(contenders.m5, options.m5, method, target, options.timeout)
                    runs[method].append(measured(target, work))
                except (Unavailable, subprocess.TimeoutExpired) as error:
                    failed[method] = str(error)
    results = {f"m5 {m}": median(r) if r else {"unavailable": failed.get(m)} for m, r in runs.items()}
    return rss, statistics.median(forks), results


def theirs(name, row, python, options):
    attach = {
        "memray attach": lambda t: contenders.memray(python, t, options.timeout),
        "midden": lambda t: contenders.midden(python, t, options.timeout),
        "pyheap": lambda t: contenders.pyheap(options.pyheap, python, t, options.timeout),
        "heapspy": contenders.heapspy,
    }
    try:
        with Target(python, row, options.timeout) as target:
            if name in attach:
                return measured(target, lambda: attach[name](target))
            return measured(target, lambda: contenders.inside(name, python, target))
    except Unavailable as error:
        return {"unavailable": str(error)}
    except (TooLong, subprocess.TimeoutExpired):
        return {"unavailable": f"took more than {options.timeout:.0f} s and was given up"}
    except (RuntimeError, OSError) as error:
        return {"unavailable": f"the target did not survive: {error}"}


def show(row, rss, bare, results):
    print(f"\n{row.name}: {row.objects / 1e6:g} M objects, RSS {rss / 2**20:.0f} MiB")
    head = ("", "pause", "blocked", "× fork", "lost", "total", "objects/s", "own peak", "target peak")
    widths = (14, 11, 12, 9, 10, 10, 11, 10, 12)
    print("  " + "".join(h.ljust(w) if i == 0 else h.rjust(w) for i, (h, w) in enumerate(zip(head, widths))))
    fork = results.get("m5 fork", {}).get("pause_seconds")
    for name, result in results.items():
        if "unavailable" in result:
            print(f"  {name:14} {result['unavailable']}")
            continue
        pause = result["pause_seconds"]
        blocked = result["seconds"] if name in contenders.INSIDE else pause
        peak = result.get("own_peak_bytes")
        cells = (
            f"{pause * 1e3:.1f} ms",
            f"{blocked * 1e3:.1f} ms",
            f"{blocked / fork:.1f}" if fork else "-",
            f"{result['lost_seconds']:.2f} s",
            f"{result['seconds']:.2f} s",
            f"{result.get('objects', row.objects) / result['seconds'] / 1e6:.2f} M",
            f"{peak / 2**20:.0f} MiB" if peak else "inside",
            f"{result['target_peak_grown_bytes'] / 2**20:+.1f} MiB",
        )
        print(f"  {name:14}" + "".join(c.rjust(w) for c, w in zip(cells, widths[1:])), end="")
        print(f"  ({contenders.NOTES[name]})" if name in contenders.NOTES else "")
    noise = max(r["noise_seconds"] for r in results.values() if "noise_seconds" in r)
    own = results.get("m5 fork", {}).get("own_pause_seconds")
    print(
        f"  longest gap while nobody looked: {noise * 1e3:.1f} ms; a bare fork() takes {bare * 1e3:.1f} ms",
        end="",
    )
    print(f", m5 held the target for {own * 1e3:.1f} ms" if own else "", flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the small heaps only")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the targets")
    parser.add_argument("--m5", default=os.environ.get("M5"), help="the program; it is built where not given")
    parser.add_argument(
        "--pyheap", default=os.environ.get("PYHEAP"), help="a checkout of pyheap's repository"
    )
    parser.add_argument("--repeat", type=int, default=3, help="runs of each of m5's methods")
    parser.add_argument(
        "--timeout", type=float, default=120, help="seconds after which a contender is given up"
    )
    parser.add_argument("--no-peers", action="store_true", help="m5 alone")
    parser.add_argument("--rows", help="only rows whose names contain this")
    parser.add_argument("--json", default=str(ROOT / "out/bench-snapshot.json"), help="where the figures go")
    options = parser.parse_args()
    if not options.m5:
        subprocess.run(["cargo", "build", "--release", "-q", "-p", "m5-cli"], cwd=ROOT, check=True)
        options.m5 = str(ROOT / "target/release/m5")
    python, reasons = (options.python, {}) if options.no_peers else environment(options)
    peers = [] if options.no_peers else [*contenders.INSIDE, "memray attach", "midden", "pyheap", "heapspy"]
    document = {"schema": "m5.bench-snapshot/1", "loadavg": os.getloadavg(), "rows": []}
    for row in ROWS:
        wanted = (row.quick or not options.quick) and (options.rows or "") in row.name
        if not wanted:
            continue
        rss, fork, results = ours(row, python, options)
        for name in peers:
            package = name.split()[0]
            known = reasons.get(package)
            results[name] = {"unavailable": known} if known else theirs(name, row, python, options)
        show(row, rss, fork, results)
        figures = {"rss_bytes": rss, "bare_fork_seconds": fork, "results": results}
        document["rows"].append({**row._asdict(), **figures})
    Path(options.json).parent.mkdir(parents=True, exist_ok=True)
    Path(options.json).write_text(json.dumps(document, indent=1))
    print(f"\nfigures in {options.json}")


if __name__ == "__main__":
    main()
