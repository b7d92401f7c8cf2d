"""Whether `m5 alloc` and `m5 stalls` keep to one per cent: CPU of one running process, in turns with and without them.

    python3 bench/alloc/cost.py --m5 target/release/m5 [--python PYTHON] [--minutes 8] [--enough 0.3]
                                [--only alloc stalls second]

The target does the same work over and over and tells the CPU time (CLOCK_PROCESS_CPUTIME_ID) of each block of it. m5 is
attached to it for two seconds, is gone for two seconds, and so on. A ratio is that of a time with m5 to the two without it
around that; noise is the same of a time without m5. Told are trimmed means with a bootstrap interval (95 %). A row ends when
half its interval is below --enough per cent, and at its share of the minutes; what is done is printed at once.

`second` is the second source of `m5 alloc` (stacks of young collections), by taking its rights away; it needs `setpriv`.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
AIM = 0.01
WATCHED, ALONE = 2.0, 1.6
# m5 is attached after so long at most; and what it leaves is over after so long. Seconds.
HEAD, AFTER = 0.5, 0.1
LEAST_PAIRS = 8
WITHOUT = ["setpriv", "--bounding-set=-bpf,-perfmon,-sys_admin", "--inh-caps=-all"]
# What watches, and what the target does meanwhile.
ROWS = [
    ("alloc", "often"),
    ("alloc", "at_times"),
    ("alloc", "rarely"),
    ("alloc", "sparsely"),
    ("alloc", "rests"),
    ("stalls", "turns"),
    ("stalls", "turns_at_times"),
    ("stalls", "turns_rarely"),
    ("second", "collects"),
]


class Steady:
    """The process under test, and the blocks that it has told of: start, end, CPU."""

    def __init__(self, python: str, kind: str) -> None:
        command = [python, str(HERE / "steady.py"), kind]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.blocks: list[tuple[float, float, float]] = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        """Keeps what it tells."""
        for line in self.process.stdout:
            start, end, cpu = map(float, line.split())
            self.blocks.append((start, end, cpu))

    def between(self, start: float, end: float) -> float | None:
        """CPU of the blocks that lie between, on average."""
        took = [cpu for begin, over, cpu in list(self.blocks) if begin >= start and over <= end]
        return statistics.fmean(took) if len(took) >= 5 else None

    def end(self) -> None:
        """Ends it."""
        self.process.kill()
        self.process.wait()


def watch(args: argparse.Namespace, what: str, pid: int) -> dict | None:
    """Attaches m5 for a while; its report."""
    command = [
        args.m5,
        "stalls" if what == "stalls" else "alloc",
        "-p",
        str(pid),
        "-d",
        f"{WATCHED}s",
        "--max-overhead",
        f"{args.budget}%",
        "--json",
    ]
    if what == "second":
        command = [*WITHOUT, *command]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    # 6: too few samples, which is told in the report.
    if ran.returncode not in (0, 6):
        sys.exit(f"{' '.join(command)}: {ran.stderr.strip()}")
    return json.loads(ran.stdout)


def trimmed(values: list[float]) -> float:
    """The mean without a tenth at either end."""
    cut = len(values) // 10
    return statistics.fmean(sorted(values)[cut : len(values) - cut])


def interval(ratios: list[float]) -> tuple[float, float, float]:
    """A trimmed mean, and its interval by bootstrap."""
    chance = random.Random(7)
    means = sorted(trimmed(chance.choices(ratios, k=len(ratios))) for _ in range(1000))
    return means[25], trimmed(ratios), means[975]


def ratios(times: list[float], others: list[float]) -> list[float]:
    """Each of the times to the mean of the two others around it."""
    return [
        t / ((before + after) / 2) - 1 for t, before, after in zip(times, others, others[1:], strict=False)
    ]


def noises(alone: list[float]) -> list[float]:
    """The same as `ratios`, of times without m5 among themselves."""
    return [
        t / ((before + after) / 2) - 1 for before, t, after in zip(alone, alone[1:], alone[2:], strict=False)
    ]


def yields(what: str, reports: list[dict]) -> str:
    """What was seen for it."""
    if what == "stalls":
        said = statistics.median(r["overhead"] for r in reports)
        return f"{statistics.median(r['coverage'] for r in reports):.1%} of turns (m5 says {said:.2%})"
    rate = statistics.median(r["samples"] / r["seconds"] for r in reports)
    said = statistics.median(r["overhead"] for r in reports)
    return f"{rate:.0f} samples a second (m5 says {said:.2%})"


def row(args: argparse.Namespace, what: str, kind: str, until: float) -> str:
    """Measures one row, until the interval is narrow enough or time is over."""
    target = Steady(args.python, kind)
    alone: list[float] = []
    watched: list[float] = []
    reports: list[dict] = []

    def rest() -> None:
        begin, took = time.time() + AFTER, None
        time.sleep(AFTER)
        while took is None and target.process.poll() is None:
            time.sleep(ALONE)
            took = target.between(begin, time.time())
        if took is None:
            sys.exit(f"{kind}: the target ended")
        alone.append(took)

    time.sleep(1)
    rest()
    cost, noise = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
    # A machine that is too busy gets twice its time for the least that says something.
    grace = until + (until - time.time())
    while time.time() < (until if len(watched) >= LEAST_PAIRS else grace):
        began = time.time()
        report = watch(args, what, target.process.pid)
        over = time.time()
        took = target.between(began + HEAD, min(began + report["seconds"], over))
        if took is None or over - began - report["seconds"] > HEAD:
            # The machine was too busy for m5 to attach in time: this one says nothing.
            continue
        rest()
        watched.append(took)
        reports.append(report)
        if len(watched) >= LEAST_PAIRS:
            cost = interval(ratios(watched, alone))
            noise = interval(noises(alone))
            if max(cost[2] - cost[0], noise[2] - noise[0]) / 2 < args.enough / 100:
                break
    target.end()
    if len(watched) < LEAST_PAIRS:
        return f"{what:7} {kind:15} too busy a machine"
    low, middle, high = cost
    verdict = "holds" if high <= AIM else "does not hold" if low > AIM else "open"
    return (
        f"{what:7} {kind:15} {middle:+7.2%} ({low:+.2%} … {high:+.2%})  noise {noise[1]:+.2%} "
        f"({noise[0]:+.2%} … {noise[2]:+.2%})  {len(watched):3} times  ≤ 1 %: {verdict}  {yields(what, reports)}"
    )


def main() -> None:
    """Prints a row after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--m5", required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--budget", type=float, default=1, help="what m5 may take, per cent")
    parser.add_argument("--enough", type=float, default=0.3, help="half the interval, per cent")
    parser.add_argument("--only", nargs="*", default=[], help="rows whose watcher or work is so named")
    args = parser.parse_args()
    rows = [r for r in ROWS if not args.only or set(r) & set(args.only)]
    if shutil.which("setpriv") is None:
        print("second: left out, as setpriv is missing (util-linux)")
        rows = [r for r in rows if r[0] != "second"]
    end = time.time() + 60 * args.minutes
    for n, (what, kind) in enumerate(rows):
        until = time.time() + (end - time.time()) / (len(rows) - n)
        print(row(args, what, kind, until), flush=True)


if __name__ == "__main__":
    main()
