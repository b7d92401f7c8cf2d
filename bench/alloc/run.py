"""What `m5 alloc` and `m5 stalls` cost their target: CPU a round, in turns with nothing and with the peers.

    python3 bench/alloc/run.py --m5 target/release/m5 [--python PYTHON] [--rounds 8] [--seconds 3] [--only NAME …]

One process does all: each round it works once under each contender, in an order of chance, and tells the CPU that it
took. A figure is the median of the ratios to the same round without anything, with the middle half of them. `memray
attach` takes part where PYTHON has memray and a debugger is installed.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
# Attaching takes this much of a slot at its beginning, seconds.
HEAD = 2
MEMRAY = "memray attach"


class Target:
    """The process under test."""

    def __init__(self, python: str) -> None:
        self.process = subprocess.Popen(
            [python, str(HERE / "target.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.line()

    def line(self) -> str:
        """Its next line."""
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the target ended")
        return line

    def work(self, kind: str, seconds: float, trace: str = "") -> float:
        """CPU seconds a round."""
        self.process.stdin.write(f"{kind} {seconds} {trace}\n")
        self.process.stdin.flush()
        done, cpu = map(float, self.line().split())
        return cpu / done


def watched(
    target: Target, kind: str, seconds: float, command: list[str], attaches: bool
) -> tuple[float, str]:
    """CPU seconds a round while a command watches, and what it printed."""
    watcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    # Only what is worked once the watcher has begun counts: one that attaches by a debugger ends when it has, and needs a target
    # that allocates for that.
    target.work(kind, HEAD)
    while attaches and watcher.poll() is None:
        target.work(kind, 0.2)
    cost = target.work(kind, seconds)
    out, _ = watcher.communicate()
    return cost, out


def served(directory: str) -> list[str]:
    """Options of an exporter that counts turns, and traces no pauses for more than its half of the budget."""
    config = Path(directory) / "m5.toml"
    config.write_text("event_loop_turns = true\n")
    return ["--listen", "127.0.0.1:0", "--config", str(config)]


def contenders(args: argparse.Namespace, pid: int, directory: str) -> dict[str, tuple[str, list[str] | None]]:
    """By name: what the target does meanwhile, and the command that watches it."""
    span = f"{HEAD + args.seconds + 1:.0f}s"
    m5 = [args.m5]
    found: dict[str, tuple[str, list[str] | None]] = {
        "m5 alloc": ("objects", [*m5, "alloc", "-p", str(pid), "-d", span, "--json"]),
        "m5 alloc --survival": (
            "objects",
            [*m5, "alloc", "-p", str(pid), "-d", span, "--survival", "--json"],
        ),
        "tracemalloc": ("objects", None),
        "m5 stalls": ("turns", [*m5, "stalls", "-p", str(pid), "-d", span, "--json"]),
        "m5 serve": ("turns", [*m5, "serve", "-p", str(pid), "-d", span, *served(directory)]),
    }
    if args.memray:
        output = str(Path(directory) / "memray.bin")
        attach = [
            args.python,
            "-m",
            "memray",
            "attach",
            "--trace-python-allocators",
            "-f",
            "-o",
            output,
            "--duration",
        ]
        found[MEMRAY] = ("objects", [*attach, str(int(HEAD + args.seconds + 1)), str(pid)])
    return found


def lack_of_memray(python: str) -> str | None:
    """What `memray attach` needs and is missing; nothing where it can be run."""
    ran = subprocess.run([python, "-m", "memray", "--version"], capture_output=True, check=False)
    if ran.returncode:
        return f"{python} has no memray: install it in a virtual environment (pip install memray) and give its --python"
    if not (shutil.which("gdb") or shutil.which("lldb")):
        return "a debugger is missing: install gdb or lldb"
    return None


def main() -> None:
    """Runs the rounds and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--m5", required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only", nargs="*", default=[], help="contenders whose name begins so")
    args = parser.parse_args()
    lack = lack_of_memray(args.python)
    args.memray = lack is None
    if lack:
        print(f"{MEMRAY}: left out, {lack}")
    target = Target(args.python)
    ratios: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    coverage: list[float] = []
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(args.rounds):
            named = list(contenders(args, target.process.pid, directory).items())
            named = [n for n in named if not args.only or n[0].startswith(tuple(args.only))]
            for name, (kind, command) in random.sample(named, len(named)):
                before = target.work(kind, args.seconds)
                if command is None:
                    cost = target.work(kind, args.seconds, "trace")
                else:
                    cost, out = watched(target, kind, args.seconds, command, name == MEMRAY)
                    if name.startswith("m5 alloc"):
                        told = json.loads(out)
                        rates.setdefault(name, []).append(told["samples"] / told["seconds"])
                    elif name == "m5 stalls":
                        coverage.append(json.loads(out)["coverage"])
                after = target.work(kind, args.seconds)
                ratios.setdefault(name, []).append(cost / ((before + after) / 2))
    target.process.kill()
    print(f"{'':22} CPU a round   middle half of {args.rounds} rounds")
    for name, all_ratios in ratios.items():
        low, middle, high = statistics.quantiles(all_ratios, n=4)
        print(f"{name:22} {middle - 1:+10.1%}    {low - 1:+.1%} … {high - 1:+.1%}")
    for name, seen in rates.items():
        print(f"samples a second, {name}: {statistics.median(seen):.0f}")
    if coverage:
        print(f"turns that m5 stalls saw: {statistics.median(coverage):.1%} of the time")


if __name__ == "__main__":
    main()
