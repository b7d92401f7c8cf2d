"""Captures at every bad moment: near memory limits, while the target executes, forks, gets signals or filters, and
with m5 killed or stopped. Prints a table; every column behind "refused" should be 0.

    python3 bench/safety/run.py [--m5 target/release/m5] [--python python3] [--memory N] [--moments N] [--kills N]

Needs root for the memory limits (left out with a word elsewhere).
"""

import argparse
import collections
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
GROUPS = [Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")]


class Target:
    """A program of `targets.py`, in a cgroup or not. It answers each line with its count of wrong results."""

    def __init__(self, python, kind, group=None):
        def join():
            if group:
                (group / "cgroup.procs").write_text(str(os.getpid()))

        self.process = subprocess.Popen(
            [python, "-u", str(HERE / "targets.py"), kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=join,
        )
        self.pid = self.process.pid
        assert self.process.stdout.readline() == "ready\n"

    def verdict(self):
        """`dead`, `changed` (wrong results, traced still, children left), or `fine`."""
        if self.process.poll() is not None:
            return "dead"
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().split()
        except OSError:
            return "dead"
        status = Path(f"/proc/{self.pid}/status").read_text()
        traced = "TracerPid:\t0\n" not in status
        return "fine" if answer == ["0"] and not traced else "changed"

    def end(self):
        self.process.kill()
        self.process.wait()


def capture(m5, pid, method="auto", group=None, pause="2s"):
    def join():
        if group:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    command = [
        m5,
        "snapshot",
        "--lang",
        "en",
        "--json",
        "--top",
        "1",
        "--method",
        method,
        "--max-pause",
        pause,
    ]
    return subprocess.Popen(
        [*command, "-p", str(pid)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=join,
    )


def word(process):
    """How a capture ended: its method, or why not."""
    out, error = process.communicate()
    if process.returncode == 0:
        info = json.loads(out).get("info") or {}
        return info.get("method", "no heap"), info.get("pause_seconds")
    if process.returncode < 0:
        return "m5 ended by the kernel", None
    first = (error.splitlines() or ["?"])[0]
    kinds = ["itself may need", "may need", "max-pause", "executed another", "starting", "seccomp"]
    return next((k for k in kinds if k in first), first[:60]), None


def new_group():
    for root in GROUPS:
        group = root / f"m5-safety-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if any((group / name).exists() for name in ("memory.usage_in_bytes", "memory.current")):
            return group
        group.rmdir()
    return None


def first(group, *names):
    return next(group / n for n in names if (group / n).exists())


class Table:
    def __init__(self):
        self.rows = []

    def add(self, name, words, verdicts, longest, allowed):
        taken = sum(words[w] for w in ("fork", "freeze", "live"))
        refused = sum(words.values()) - taken
        over = sum(p > allowed for p in longest)
        self.rows.append(
            (name, sum(words.values()), taken, refused, verdicts["dead"], verdicts["changed"], over)
        )
        print(f"  {name}: {dict(words)}", file=sys.stderr)

    def show(self):
        head = ("what", "captures", "taken", "refused", "targets dead", "changed", "stood too long")
        widths = [max(len(str(r[i])) for r in [head, *self.rows]) for i in range(len(head))]
        for row in [head, *self.rows]:
            print(
                "  ".join(
                    str(c).ljust(w) if i == 0 else str(c).rjust(w)
                    for i, (c, w) in enumerate(zip(row, widths))
                )
            )
        return sum(r[4] + r[5] + r[6] for r in self.rows)


def near_limits(args, table):
    group = new_group()
    if group is None:
        print("left out: no memory cgroup can be made here", file=sys.stderr)
        return
    usage = first(group, "memory.usage_in_bytes", "memory.current")
    limit = first(group, "memory.limit_in_bytes", "memory.max")
    for kind in ("numeric", "objects"):
        for inside in (False, True):
            words, verdicts, pauses = collections.Counter(), collections.Counter(), []
            limit.write_text(str(1 << 50))
            target = Target(args.python, kind, group)
            for i in range(args.memory // 4):
                limit.write_text(str(1 << 50))
                used = int(usage.read_text())
                limit.write_text(str(used + used * (5 + 95 * i // max(1, args.memory // 4 - 1)) // 100))
                how, pause = word(capture(args.m5, target.pid, group=group if inside else None))
                words[how] += 1
                pauses += [pause] if pause else []
                verdict = target.verdict()
                verdicts[verdict] += 1
                if verdict == "dead":
                    limit.write_text(str(1 << 50))
                    target = Target(args.python, kind, group)
            target.end()
            table.add(
                f"limit +5 % … +100 %, {kind}, m5 {'inside' if inside else 'outside'}",
                words,
                verdicts,
                pauses,
                2.1,
            )
    for _ in range(100):
        try:
            group.rmdir()
            break
        except OSError:
            time.sleep(0.02)


def random_moments(args, table, rng):
    for kind in ("executes", "forks", "threads", "signals", "filters"):
        words, verdicts, pauses = collections.Counter(), collections.Counter(), []
        target = Target(args.python, kind)
        for _ in range(args.moments // 5):
            running = capture(args.m5, target.pid, rng.choice(["auto", "auto", "freeze", "fork"]))
            time.sleep(rng.uniform(0.002, 0.08))
            if kind in ("executes", "filters"):
                os.kill(target.pid, signal.SIGUSR1)
                if kind == "executes":
                    target.process.stdout.readline()
            how, pause = word(running)
            words[how] += 1
            pauses += [pause] if pause else []
            verdict = target.verdict()
            verdicts[verdict] += 1
            if verdict == "dead":
                target = Target(args.python, kind)
        target.end()
        table.add(f"while it {kind}", words, verdicts, pauses, 2.1)


def kills_and_stops(args, table, rng):
    for name, number in (("killed", signal.SIGKILL), ("stopped", signal.SIGSTOP)):
        words, verdicts, stood = collections.Counter(), collections.Counter(), []
        target = Target(args.python, "threads")
        for _ in range(args.kills // 2):
            running = capture(args.m5, target.pid, rng.choice(["fork", "freeze"]), pause="500ms")
            time.sleep(rng.uniform(0.002, 0.1))
            running.send_signal(number)
            if number == signal.SIGSTOP:
                began = time.monotonic()
                while "t" in states(target.pid) and time.monotonic() - began < 10:
                    time.sleep(0.005)
                stood.append(time.monotonic() - began)
                running.send_signal(signal.SIGCONT)
            running.communicate()
            words["fork"] += 1
            verdict = target.verdict()
            verdicts[verdict] += 1
            if verdict == "dead":
                target = Target(args.python, "threads")
        target.end()
        table.add(f"m5 {name} at random moments", words, verdicts, stood, 0.6)


def states(pid):
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found.add((task / "stat").read_text().rsplit(") ", 1)[1][0])
    return found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--m5", default="target/release/m5")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--memory", type=int, default=200, help="captures near limits")
    parser.add_argument("--moments", type=int, default=200, help="captures at random moments")
    parser.add_argument("--kills", type=int, default=1000, help="kills and stops of m5")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng, table = random.Random(args.seed), Table()
    near_limits(args, table)
    random_moments(args, table, rng)
    kills_and_stops(args, table, rng)
    sys.exit(1 if table.show() else 0)


if __name__ == "__main__":
    main()
