"""The reference engine side by side on the same ticks: naive, optimised by hand, and over the package m5mem (where it is
installed).

    python bench/engine/run.py            a few minutes
    python bench/engine/run.py --long     live runs of 30 minutes each
    python bench/engine/run.py --minutes 7   begins no run after that; the same command goes on

Modes alternate, so that what else the machine does falls on both. Trust the
ratios. Latency and processor time are those of the virtual clock (`offline`),
memory and growth those of live runs over WebSockets, with the exchange in a
process of its own. Three and a half minutes of ticks go by before anything is measured,
so that what fills up is full.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import sys

import measure
import table
from kept import Kept
from measure import Load, Values

LOADS = {50: Load(50, 1000.0, 5), 500: Load(500, 1000.0, 10)}
MODES = {"naive": [], "optimised": ["--optimized"], "m5mem": ["--m5mem"]}
PARTS = ("ticks", "book", "candles", "orders", "gc")


def interleave(one, repeats: int) -> dict[str, list[Values]]:
    """`one(words, turn)` for each mode in turn, `repeats` times."""
    out: dict[str, list[Values]] = {mode: [] for mode in MODES}
    for turn in range(repeats):
        for mode, words in MODES.items():
            out[mode].append(one(words, turn))
    return out


def agree(runs: list[Values]) -> str:
    """The one hash of the orders; an exit if there are two."""
    hashes = {run["orders"] for run in runs}
    if len(hashes) != 1:
        raise SystemExit(f"the orders differ between runs: {sorted(hashes)}")
    return hashes.pop()


def ablate(kept: Kept, load: Load, seconds: float, own: list[str]) -> dict[str, Values]:
    """Each optimisation alone, then all but each; `own` says whose."""
    sets: dict[str, list[str]] = {"naive": []}
    sets.update({f"only {part}": [*own, "--optimize", part] for part in PARTS})
    sets.update({f"all but {part}": [*own, "--without", part] for part in PARTS})
    sets["all"] = [*own, "--optimized"]
    runs = {name: kept.offline(load, seconds, words) for name, words in sets.items()}
    agree(list(runs.values()))
    return runs


def main() -> int:
    """Measures, prints, and writes out/bench/engine.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--long", action="store_true", help="live runs of 30 minutes, more repeats")
    parser.add_argument("--symbols", type=int, choices=LOADS, action="append")
    parser.add_argument("--live", type=float, metavar="SECONDS", help="length of a live run")
    parser.add_argument("--live-repeats", type=int, default=1, help="live runs of each mode, in turn")
    parser.add_argument("--offline", type=float, metavar="SECONDS", default=60.0, help="event time")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--no-ablation", action="store_true")
    parser.add_argument(
        "--ablation", action="store_true", help="at 500 symbols too: there each pandas variant takes minutes"
    )
    parser.add_argument("--minutes", type=float, help="begin no run after so many; they are kept")
    parser.add_argument("--fresh", action="store_true", help="forget the runs that were kept")
    args = parser.parse_args()
    kept = Kept(measure.OUT / "engine-runs.json", args.minutes, args.fresh or args.minutes is None)
    if importlib.util.find_spec("m5mem") is None:
        print("m5mem is not installed: its column is left out")
        del MODES["m5mem"]
    seconds = args.live or (1800.0 if args.long else 60.0)
    usual = {50: 3, 500: 1} if not args.long else {50: 5, 500: 3}
    print(f"CPython {platform.python_version()}, {platform.machine()}; live {seconds:g} s, "
          f"offline {args.offline:g} s of event time", flush=True)  # fmt: skip
    document: Values = {"python": platform.python_version(), "loads": {}}
    for symbols in args.symbols or LOADS:
        load = LOADS[symbols]
        name = f"{symbols} symbols, {load.rate:g} ticks/s"
        virtual = interleave(
            lambda w, t, load=load: kept.offline(load, args.offline, w, t), args.repeats or usual[symbols]
        )
        digest = agree([run for runs in virtual.values() for run in runs])
        print("\n".join(table.compare(f"{name}, virtual clock", table.OFFLINE, virtual)))
        print(f"orders: one SHA-256 in all runs, {digest[:16]}…", flush=True)
        real = interleave(lambda w, t, load=load: kept.live(load, seconds, w, t), args.live_repeats)
        agree([run for runs in real.values() for run in runs])
        print("\n".join(table.compare(f"{name}, live", table.LIVE, real)), flush=True)
        document["loads"][symbols] = {"offline": virtual, "live": real}
        if not args.no_ablation and (symbols == 50 or args.long or args.ablation):
            runs = ablate(kept, load, args.offline, ["--m5mem"] if "m5mem" in MODES else [])
            print("\n".join(table.ablation(f"{name}, ablation, virtual clock", runs)), flush=True)
            document["loads"][symbols]["ablation"] = runs
    measure.OUT.mkdir(parents=True, exist_ok=True)
    path = measure.OUT / "engine.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    print(f"\n{path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
