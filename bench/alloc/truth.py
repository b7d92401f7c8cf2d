"""`m5 alloc` beside the truth: programs of which every allocation is counted, line by line.

    python3 bench/alloc/truth.py --m5 target/release/m5 [--python PYTHON] [--times 3] [--seconds 10] [--only NAME …]

PYTHON (3.11 to 3.14, with its headers) runs each program of `programs.py` twice: once with every allocation counted by
`counts.c`, which a C compiler must make, and once as it is, while m5 watches. Told are, of the lines with at least 2 % of all
allocations, how many are within m5's interval; how far its shares are from the true ones (half the sum of all differences: 0 is
equal, 1 is nothing in common); and whether the rate's interval holds the program's own count. Also what share of the bytes
comes by other ways than those that m5 sees: as zeros (calloc), and made larger in place (realloc). Programs whose packages
PYTHON lacks are left out.
"""

from __future__ import annotations

import argparse
import collections
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).parent
TIMES = 40
LEAST = 0.02
sys.path.insert(0, str(HERE))
from programs import PROGRAMS  # noqa: E402


def compiled(python: str, directory: str) -> None:
    """Makes the module that counts."""
    script = "import sysconfig as s; print(s.get_path('include'), s.get_config_var('EXT_SUFFIX'))"
    asked = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True)
    include, suffix = asked.stdout.split()
    command = ["cc", "-O2", "-shared", "-fPIC", f"-I{include}", str(HERE / "counts.c")]
    subprocess.run([*command, "-o", str(Path(directory) / f"counts{suffix}")], check=True)


def key(function: str, file: str, line: int | None) -> tuple[str, str, int]:
    """A line, as either tells it."""
    return function.rsplit(".", 1)[-1], Path(file).name, max(line or 0, 0)


class Counted:
    """What a program allocates in one call of its work."""

    def __init__(self, python: str, name: str, directory: str) -> None:
        command = [python, str(HERE / "programs.py"), name, "count", str(TIMES)]
        ran = subprocess.run(
            command, capture_output=True, text=True, check=True, env={"PYTHONPATH": directory}
        )
        lines, self.ways = json.loads(ran.stdout)
        calls: collections.Counter = collections.Counter()
        for function, file, line, count, _ in lines:
            calls[key(function, file, line)] += count
        self.each_call = calls.total() / TIMES
        self.shares = {line: count / calls.total() for line, count in calls.items()}

    def unseen(self) -> str:
        """What comes by other ways."""
        bytes_ = [way[1] for way in self.ways]
        calloc, realloc = (b / max(sum(bytes_), 1) for b in bytes_[1:])
        return f"of its bytes {calloc:.1%} come as zeros, {realloc:.1%} by growing"


class Live:
    """The program as it is, and how many calls it had done by when."""

    def __init__(self, python: str, name: str) -> None:
        command = [python, str(HERE / "programs.py"), name, "run"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()
        self.told: list[tuple[int, float]] = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        """Keeps what it tells."""
        for line in self.process.stdout:
            done, now = line.split()
            self.told.append((int(done), float(now)))

    def rate(self, since: int) -> float:
        """Calls a second since it had told so often."""
        (first, begin), (last, end) = self.told[since], self.told[-1]
        return (last - first) / (end - begin)


def watched(args: argparse.Namespace, counted: Counted, live: Live) -> dict:
    """One look of m5, beside the truth."""
    since = max(len(live.told) - 1, 0)
    command = [args.m5, "alloc", "-p", str(live.process.pid), "-d", f"{args.seconds}s", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode not in (0, 6):
        sys.exit(f"{' '.join(command)}: {ran.stderr.strip()}")
    told = json.loads(ran.stdout)
    sites = {key(*(s["frame"][k] for k in ("function", "file", "line"))): s for s in told["sites"]}
    shares: collections.Counter = collections.Counter()
    for site in told["sites"]:
        shares[key(*(site["frame"][k] for k in ("function", "file", "line")))] += site["share"]
    large = [line for line, share in counted.shares.items() if share >= LEAST]

    def holds(line: tuple) -> bool:
        low, high = sites[line]["share_interval"] if line in sites else (0, 0)
        return low <= counted.shares[line] <= high

    every = set(counted.shares) | set(shares)
    rate = live.rate(since) * counted.each_call
    low, high = told.get("per_second_interval") or (0, 0)
    return {
        "held": sum(map(holds, large)),
        "lines": len(large),
        "distance": sum(abs(counted.shares.get(line, 0) - shares[line]) for line in every) / 2,
        "rate": low <= rate <= high,
        "told": f"{told['per_second'] / rate:.2f}" if told["per_second"] else "not told",
        "samples": told["samples"],
    }


def main() -> None:
    """Prints a row for each program, and what they come to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--m5", required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--only", nargs="*", default=list(PROGRAMS))
    args = parser.parse_args()
    everything = []
    with tempfile.TemporaryDirectory() as directory:
        compiled(args.python, directory)
        for name in args.only:
            try:
                counted = Counted(args.python, name, directory)
            except subprocess.CalledProcessError as error:
                print(f"{name:16} left out: {error.stderr.strip().splitlines()[-1]}")
                continue
            live = Live(args.python, name)
            looks = [watched(args, counted, live) for _ in range(args.times)]
            live.process.kill()
            everything += looks
            held, lines = (sum(look[k] for look in looks) for k in ("held", "lines"))
            apart = [look["distance"] for look in looks]
            print(
                f"{name:16} {held} of {lines} lines within; distance {sum(apart) / len(apart):.3f} "
                f"(worst {max(apart):.3f}); rate within {sum(look['rate'] for look in looks)} of {len(looks)}, "
                f"told / true {', '.join(look['told'] for look in looks)}; "
                f"{sum(look['samples'] for look in looks) // len(looks)} samples; {counted.unseen()}",
                flush=True,
            )
    held, lines = (sum(look[k] for look in everything) for k in ("held", "lines"))
    apart = [look["distance"] for look in everything]
    print(
        f"all: {held} of {lines} lines within; distance {sum(apart) / max(len(apart), 1):.3f}, worst {max(apart):.3f}"
    )


if __name__ == "__main__":
    main()
