"""How much of the collections of twenty kinds of load `m5 gc` sees within a budget, and whether what it says of the rest
is true.

    python bench/gc-coverage/run.py [--m5 target/release/m5] [--python PYTHON] [--seconds 8] [--runs 5] [--beside 0] [LOAD...]

The last five kinds are held out: nothing was fitted to them. `--beside` starts so many programs that only calculate, so
that the load waits for its processor. Each load notes its own collections by a callback in C. A line a load and budget:
collections happened and seen by generation, the longest one and the sum, true and reported; then how often the interval
held the true sum, and how often the longest was right (of the collections that m5 says it knows the longest of). Last, all
kinds together and the worst.
"""

import argparse
import bisect
import dataclasses
import itertools
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import truths

HERE = pathlib.Path(__file__).parent
LOADS = [
    "idle",
    "quiet",
    "engine",
    "busy",
    "storm",
    "rare_long",
    "bursts",
    "threads",
    "short_threads",
    "seconds_long",
    "ends_midway",
    "sleeper",
    "handed_over",
    "lumpy",
    "subinterpreters",
    "freezer",
    "retuned",
    "prefork",
    "documents",
    "pool",
]
HELD_OUT = LOADS[-5:]
# What the truth and a watched pause may differ by, each: what m5 promises of a pause; seconds.
EACH = 5e-6
# Runs whose interval holds the truth, at least, of all.
HELD = 0.95
# And what the callback of a target that slept for long misses, at most.
COLD = 30e-6
# The callback's code and what calls it have fallen out of the caches after so long, nanoseconds.
WARM = 500_000
# What a start that m5 tells may be off the callback's clock by, nanoseconds: it comes from a wall clock.
CLOCKS = 20_000
# Traps of m5's own within the pauses of each generation. The target feels them; m5 takes them off.
TRAPS = (0, 1, 2)


@dataclasses.dataclass
class Machine:
    """What measuring takes, seconds: a trap, and what lies between a collection's ends and the callback's."""

    trap: float
    warm: float
    cold: float

    def edges(self, notes):
        """How much longer the collections may be, at most, than the callback noted."""
        idle = [b[0] - a[1] for a, b in itertools.pairwise(notes)]
        return sum(self.warm if gap < WARM else self.cold for gap in [WARM, *idle])


def build(python, directory):
    """Compiles the truth for this Python; returns what measuring takes on this machine."""
    truths.compiled(python, directory)
    subprocess.run(["cc", "-O1", HERE / "trap.c", "-o", f"{directory}/trap"], check=True)
    said = subprocess.check_output([f"{directory}/trap", "0", "50", "1000"], text=True)
    trap = float(said.split("median ")[1].split(",")[0]) * 1e-6
    said = subprocess.check_output([python, HERE / "edges.py", directory], text=True)
    return Machine(trap, *(float(word) * 1e-6 for word in said.split()))


def measure(options, load, budget, directory):
    """One run: the report and the truth within it; None where the load could not be started."""
    command = [options.python, HERE / "loads.py", load, directory]
    target = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert target.stdout.readline() == "ready\n"
    watch = [options.m5, "gc", str(target.pid), "--duration", f"{options.seconds}s", "--json"]
    watch += ["--max-overhead", budget]
    said = subprocess.run(watch, capture_output=True, text=True)
    if target.poll() is None and load != "ends_midway":
        target.stdin.write("\n")
        target.stdin.flush()
    target.communicate()
    if options.keep:
        pathlib.Path(options.keep, f"{load}-{budget}-{time.time_ns()}.json").write_text(said.stdout)
    if not said.stdout:
        sys.exit(f"{' '.join(watch)}: {said.stderr}")
    return json.loads(said.stdout), truths.noted(f"{directory}/truth")


def around(report, begun, mine, true):
    """What the pauses that m5 saw hold more than their callbacks noted, one by one, seconds.

    A target that loses its processor between the flag and the callback pauses for all of that; the callback cannot know.
    """
    log, starts = report["pauses"], [note[0] for note in mine]
    more = []
    for start, length in zip(log["start_seconds"], log["duration_seconds"], strict=True):
        start = begun + start * 1e9
        first = bisect.bisect_left(starts, start - CLOCKS)
        if first < len(mine) and mine[first][0] <= start + length * 1e9:
            more.append(length - true[first])
    return more


def judge(report, notes, machine):
    """What is told against what is true, over the collections within the recording."""
    gc = report["gc"]
    happened = gc["happened"]
    begun = report["recorded"]["started_unix_seconds"] * 1e9 - (time.time_ns() - time.monotonic_ns())
    end = begun + report["recorded"]["observed_seconds"] * 1e9
    mine = [n for n in notes if begun <= n[0] and n[1] <= end]
    true = [(b - a) / 1e9 - TRAPS[g] * machine.trap for a, b, g in mine]
    total, slack = sum(true), EACH * len(true) + 0.002 * sum(true)
    more = around(report, begun, mine, true)
    usual = statistics.median(more) if more else 0.0
    waited = sum(m - usual for m in more if m > usual + machine.cold)
    told = gc["pause_total"]
    at_least = gc["at_least"]
    if told is None:
        held = happened == 0 or gc["seen"] == 0
    else:
        # A collection on the edge of the recording counts on either side.
        edge = max(true, default=0.0) if len(mine) != happened else 0.0
        low = told["low"] - slack - edge - waited - machine.edges(mine)
        high = told["high"] + slack + edge
        held = low <= total and (at_least or total <= high) and abs(usual) <= COLD + machine.cold
    longest = max(true, default=0.0)
    reported = gc["max_seconds"] or 0.0
    near = reported - longest + 0.02 * longest >= -30e-6
    near = near and reported - longest <= 0.02 * longest + 30e-6 + machine.cold + waited
    right = near or not gc["longest_known"]
    full = [g for _, _, g in mine if g == 2]
    seen_full = gc["generations"][2]["seen"] or 0
    return {
        "true": len(mine),
        "happened": happened,
        "seen": gc["seen"],
        "full": (len(full), seen_full),
        "longest": (longest, reported),
        "total": (total, told),
        "held": held,
        "right": right,
        "near": near,
        "lost": gc["lost"],
        "at_least": at_least,
        "width": (told["high"] - told["low"]) / told["value"]
        if told and told["value"] and not at_least
        else None,
    }


def main():
    """Runs and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--m5", default="target/release/m5")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--budgets", default="0.1%,1%,100%")
    parser.add_argument("--keep", help="a folder for the reports as JSON")
    parser.add_argument("--beside", type=int, default=0, help="programs that calculate beside")
    parser.add_argument("loads", nargs="*")
    options = parser.parse_args()
    beside = [subprocess.Popen([options.python, "-c", "while True: pass"]) for _ in range(options.beside)]
    try:
        run(options)
    finally:
        for busy in beside:
            busy.kill()


def run(options):
    """Every load within every budget."""
    held, right, near, runs, kinds = [], [], [], 0, {}
    with tempfile.TemporaryDirectory() as directory:
        machine = build(options.python, directory)
        head = f"{'load':>13} {'budget':>6} | {'true':>7} {'counted':>7} {'seen':>7} | full true/seen |"
        print(head + " longest true/told | total true / told [interval] | held longest")
        for load in options.loads or LOADS:
            for budget in options.budgets.split(","):
                rows = []
                for _ in range(options.runs):
                    rows.append(judge(*measure(options, load, budget, directory), machine))
                runs += len(rows)
                held += [r["held"] for r in rows]
                right += [r["right"] for r in rows]
                near += [r["near"] for r in rows]
                kinds.setdefault(load, []).extend(rows)
                show(load, budget, rows)
    held_out = [r["held"] for kind in kinds if kind in HELD_OUT for r in kinds[kind]]
    print(
        f"interval held the truth in {sum(held)} of {runs} runs, {sum(held_out)} of {len(held_out)} of the kinds held out;"
        f" the longest right where it is called known in {sum(right)}, right whatever it is called in {sum(near)}:"
        f" {'shown' if sum(held) >= HELD * runs and sum(right) == runs else 'not shown'}"
    )
    worst = min(kinds, key=lambda kind: statistics.mean(r["held"] for r in kinds[kind]))
    rows = kinds[worst]
    print(f"the worst kind: {worst}, held in {sum(r['held'] for r in rows)} of {len(rows)}")
    widths = {kind: [r["width"] for r in kinds[kind] if r["width"] is not None] for kind in kinds}
    widths = {kind: statistics.median(of) for kind, of in widths.items() if of}
    if widths:
        widest = max(widths, key=widths.get)
        middle = statistics.median(widths.values())
        print(
            f"interval's width over its value, median: {middle:.3f}; the widest kind: {widest}, {widths[widest]:.3f}"
        )


def show(load, budget, rows):
    """The middle run by seen, and how often it held."""
    row = sorted(rows, key=lambda r: r["seen"])[len(rows) // 2]
    told = row["total"][1]
    said = (
        f"{told['value'] * 1e3:.2f} [{told['low'] * 1e3:.2f}, {told['high'] * 1e3:.2f}]"
        if told
        else "unknown"
    )
    said += " at least" if row["at_least"] else ""
    full = f"{row['full'][0]}/{row['full'][1]}"
    print(
        f"{load:>13} {budget:>6} | {row['true']:>7} {row['happened']:>7} {row['seen']:>7} | {full:>14} |"
        f" {row['longest'][0] * 1e3:.3f}/{row['longest'][1] * 1e3:.3f} ms | {row['total'][0] * 1e3:.2f} / {said} ms |"
        f" {sum(r['held'] for r in rows)}/{len(rows)} {sum(r['right'] for r in rows)}/{len(rows)}"
        f" ({sum(r['near'] for r in rows)} near)"
        + (f" LOST {statistics.median(r['lost'] for r in rows)}" if any(r["lost"] for r in rows) else ""),
        flush=True,
    )


main()
