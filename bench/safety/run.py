"""Captures at every bad moment: near memory limits, while the target executes, forks, gets signals or filters, and
with m5 killed or stopped. Prints a table; every column behind "refused" should be 0.

    python3 bench/safety/run.py [--m5 target/release/m5] [--python python3] [--memory N] [--moments N] [--kills N]
                                [--jobs N] [--seed N] [--tally FILE]

With --tally each row is kept in FILE as soon as it is done, and the table sums up all that FILE holds: runs with other seeds
add to it, and a run that was broken off goes on with the rows that are missing.

Needs root for the memory limits (left out with a word elsewhere). Each row has targets of its own; --jobs of them are
filled at a time (as many as there are processors). Without an option it is the whole campaign: 1,400 captures, about ten
minutes on two processors that have nothing else to do.
"""

import argparse
import collections
import concurrent.futures
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
# Words of captures that were taken, and that were broken off on purpose.
TAKEN, BROKEN = ("fork", "freeze", "live"), ("killed", "stopped")
GROUPS = [Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")]


class Target:
    """A program of `targets.py`, in a cgroup or not. It answers each line with its count of wrong results."""

    def __init__(self, python, kind, group=None):
        def join():
            if group:
                (group / "cgroup.procs").write_text(str(os.getpid()))

        self.process = subprocess.Popen(
            [python, "-W", "ignore", "-u", str(HERE / "targets.py"), kind],
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
        group = root / f"m5-safety-{os.getpid()}-{time.monotonic_ns()}"
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


class Row:
    """What became of captures of one kind."""

    def __init__(self, name, allowed):
        self.name, self.allowed = name, allowed
        self.words, self.verdicts, self.pauses = collections.Counter(), collections.Counter(), []

    def add(self, how, pause, verdict):
        self.words[how] += 1
        self.verdicts[verdict] += 1
        self.pauses += [pause] if pause else []

    def kept(self):
        """As JSON keeps it."""
        return {
            "name": self.name,
            "allowed": self.allowed,
            "words": self.words,
            "verdicts": self.verdicts,
            "pauses": self.pauses,
        }

    def sum_up(self, kept):
        """Adds a row of another run."""
        self.words.update(kept["words"])
        self.verdicts.update(kept["verdicts"])
        self.pauses += kept["pauses"]

    def cells(self):
        all = sum(self.words.values())
        taken = sum(self.words[w] for w in TAKEN)
        broken = sum(self.words[w] for w in BROKEN)
        over = sum(p > self.allowed for p in self.pauses)
        dead, changed = self.verdicts["dead"], self.verdicts["changed"]
        return (self.name, all, taken, broken, all - taken - broken, dead, changed, over)


def show(rows):
    head = ("what", "captures", "taken", "broken off", "refused", "targets dead", "changed", "stood too long")
    table = [head, *(row.cells() for row in rows)]
    widths = [max(len(str(r[i])) for r in table) for i in range(len(head))]
    for row in table:
        first, *others = (
            str(c).ljust(w) if i == 0 else str(c).rjust(w) for i, (c, w) in enumerate(zip(row, widths))
        )
        print("  ".join([first, *others]))
    return sum(sum(r[5:]) for r in table[1:])


def near_limits(args, kind, inside):
    row = Row(f"limit +5 % … +100 %, {kind}, m5 {'inside' if inside else 'outside'}", 2.1)
    group = new_group()
    if group is None:
        print("left out: no memory cgroup can be made here", file=sys.stderr)
        return row
    usage = first(group, "memory.usage_in_bytes", "memory.current")
    limit = first(group, "memory.limit_in_bytes", "memory.max")
    limit.write_text(str(1 << 50))
    target = Target(args.python, kind, group)
    count = args.memory // 4
    for i in range(count):
        limit.write_text(str(1 << 50))
        used = int(usage.read_text())
        limit.write_text(str(used + used * (5 + 95 * i // max(1, count - 1)) // 100))
        how, pause = word(capture(args.m5, target.pid, group=group if inside else None))
        verdict = target.verdict()
        row.add(how, pause, verdict)
        if verdict == "dead":
            limit.write_text(str(1 << 50))
            target = Target(args.python, kind, group)
    target.end()
    for _ in range(100):
        try:
            group.rmdir()
            break
        except OSError:
            time.sleep(0.02)
    return row


def random_moments(args, kind, _):
    row, rng = Row(f"while it {kind}", 2.1), random.Random(f"{args.seed} {kind}")
    target = Target(args.python, kind)
    for _ in range(args.moments // 5):
        running = capture(args.m5, target.pid, rng.choice(["auto", "auto", "freeze", "fork"]))
        time.sleep(rng.uniform(0.002, 0.08))
        if kind in ("executes", "filters"):
            os.kill(target.pid, signal.SIGUSR1)
            if kind == "executes":
                target.process.stdout.readline()
        how, pause = word(running)
        verdict = target.verdict()
        row.add(how, pause, verdict)
        if verdict == "dead":
            target = Target(args.python, kind)
    target.end()
    return row


def kills_and_stops(args, name, part):
    row, rng = Row(f"m5 {name} at random moments", 0.6), random.Random(f"{args.seed} {name} {part}")
    target = Target(args.python, "threads")
    for _ in range(args.kills // 4):
        running = capture(args.m5, target.pid, rng.choice(["fork", "freeze", "live"]), pause="500ms")
        time.sleep(rng.uniform(0.002, 0.15))
        stood = None
        if name == "killed":
            running.kill()
        else:
            running.send_signal(signal.SIGSTOP)
            stood = stood_for(target.pid)
            # Often it ends what it was at; where it was stopped before it had begun, it is not waited for.
            running.kill() if rng.random() < 0.5 else running.send_signal(signal.SIGCONT)
        running.communicate()
        verdict = target.verdict()
        row.add(name, stood, verdict)
        if verdict == "dead":
            target = Target(args.python, "threads")
    target.end()
    return row


def stood_for(pid):
    """How long a target was still seen to stand. Where there are more programs than processors, who watches is kept from one
    too: it goes before others as far as it may, and its own waits are not counted."""
    before = priority()
    began = seen = time.monotonic()
    try:
        while "t" in states(pid) and seen - began < 10:
            seen = time.monotonic()
            time.sleep(0.005)
    finally:
        before()
    return seen - began


def priority():
    """Goes before all others where the system allows it; gives what takes it back."""
    if os.geteuid() != 0:
        return lambda: None
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        return lambda: os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    except OSError:
        # A control group without real-time bandwidth.
        nice = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, -20)
        return lambda: os.setpriority(os.PRIO_PROCESS, 0, nice)


def states(pid):
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found.add((task / "stat").read_text().rsplit(") ", 1)[1][0])
    return found


class Tally:
    """Rows that are done, by seed and row, in a file or only here."""

    def __init__(self, path):
        self.path, self.rows = path, {}
        if path and path.exists():
            self.rows = json.loads(path.read_text())

    def add(self, key, row):
        self.rows[key] = row.kept()
        if self.path:
            part = self.path.with_suffix(".part")
            part.write_text(json.dumps(self.rows))
            part.replace(self.path)

    def summed(self):
        """One row for each name, in the order in which they were first done."""
        rows = {}
        for key in sorted(self.rows):
            kept = self.rows[key]
            rows.setdefault(kept["name"], Row(kept["name"], kept["allowed"])).sum_up(kept)
        return list(rows.values())


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
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="rows at a time")
    parser.add_argument("--tally", type=Path, help="keep what is done here and add to what is there")
    args = parser.parse_args()
    parts = [(near_limits, kind, inside) for kind in ("numeric", "objects") for inside in (False, True)]
    parts += [(random_moments, kind, None) for kind in ("executes", "forks", "threads", "signals", "filters")]
    parts += [(kills_and_stops, name, part) for part in (1, 2) for name in ("killed", "stopped")]
    began, tally = time.monotonic(), Tally(args.tally)
    sizes = f"{args.memory}/{args.moments}/{args.kills}"
    with concurrent.futures.ProcessPoolExecutor(args.jobs) as pool:
        running = {}
        for number, (work, *what) in enumerate(parts):
            key = f"{number:02} {args.seed} {sizes}"
            if key not in tally.rows:
                running[pool.submit(work, args, *what)] = key
        for done in concurrent.futures.as_completed(running):
            row = done.result()
            tally.add(running[done], row)
            print(f"  {row.name}: {dict(row.words)}", file=sys.stderr, flush=True)
    bad = show(tally.summed())
    refusals = collections.Counter()
    for row in tally.rows.values():
        refusals.update({w: n for w, n in row["words"].items() if w not in TAKEN and w not in BROKEN})
    print("refused:", ", ".join(f"{word} {count}" for word, count in refusals.most_common()) or "none")
    print(f"in {(time.monotonic() - began) / 60:.0f} minutes")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
