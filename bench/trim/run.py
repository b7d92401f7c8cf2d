"""What m5 trim gives back, beside an in-process malloc_trim(0) of the same program and gdb's call of it.

    python bench/trim/run.py [--m5 target/release/m5] [--python python3] [--rounds 3] [--recheck 60s]

Each program runs three times a round, fresh: it trims itself, gdb has it trim itself, m5 trims it, in turns. Medians of the
rounds, the longest stop of all; the live data is checked afterwards. Programs whose modules are not there are left out and
named.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
MIB = 1 << 20


class Program:
    def __init__(self, python, name):
        pipe = subprocess.PIPE
        command = [python, str(HERE / "programs.py"), name]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        if self.process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"{name} did not start")

    def ask(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def end(self):
        right = self.ask("check") == ["1"]
        self.process.stdin.close()
        if self.process.wait() or not right:
            raise RuntimeError("live data changed")


def by_itself(python, name):
    program = Program(python, name)
    before, after, seconds = map(float, program.ask("trim"))
    program.end()
    return {"before": before, "back": before - after, "stop": seconds}


def by_gdb(python, name):
    """What people do from outside today: gdb stops the process and calls the function in it."""
    if not shutil.which("gdb"):
        return None
    program = Program(python, name)
    before = float(program.ask("rss")[0])
    command = ["gdb", "-nx", "-batch", "-p", str(program.process.pid)]
    began = time.perf_counter()
    done = subprocess.run(
        [*command, "-ex", "call (int)malloc_trim(0)"], capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - began
    after = float(program.ask("rss")[0])
    program.end()
    if "$1 = " not in done.stdout:
        return None
    return {"back": before - after, "stop": seconds}


def by_m5(arguments, name):
    program = Program(arguments.python, name)
    options = ["--min", "0", "--recheck", arguments.recheck, "--json", "--max-pause", arguments.max_pause]
    command = [arguments.m5, "trim", "-p", str(program.process.pid), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise RuntimeError(done.stderr)
    told = json.loads(done.stdout)
    program.end()
    later = told["later"] or {}
    return {
        "before": told["rss_before_bytes"],
        "back": told["rss_before_bytes"] - (told["rss_after_bytes"] or told["rss_before_bytes"]),
        "stop": told["longest_stop_seconds"] or 0.0,
        "stops": told["stops"],
        "ended": told["ended"],
        "later": later.get("rss_bytes"),
        "faults": later.get("minor_faults"),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--m5", default="target/release/m5")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recheck", default="60s")
    parser.add_argument("--max-pause", default="5ms")
    parser.add_argument("programs", nargs="*")
    arguments = parser.parse_args()
    names = arguments.programs or ["json_threads", "pandas_burst", "worker", "django_burst", "naive_engine"]
    print(
        "program         RSS MiB  malloc_trim MiB (ms)  gdb MiB (ms, with its start)   m5 MiB   of it  "
        "longest stop ms, their median (stops)  later MiB  faults"
    )
    for name in names:
        own, ours, gdb = [], [], []
        try:
            for _ in range(arguments.rounds):
                own.append(by_itself(arguments.python, name))
                ours.append(by_m5(arguments, name))
                gdb.append(by_gdb(arguments.python, name))
        except RuntimeError as error:
            print(f"{name:15} left out: {error}")
            continue
        middle = lambda rows, key: statistics.median(row[key] for row in rows)  # noqa: E731
        back, itself = middle(ours, "back"), middle(own, "back")
        called = [row for row in gdb if row]
        by_call = (
            f"{middle(called, 'back') / MIB:8.1f} ({1e3 * middle(called, 'stop'):5.0f})"
            if called
            else "       –"
        )
        later = [row["later"] for row in ours if row["later"] is not None]
        stops = [1e3 * row["stop"] for row in ours]
        columns = [
            f"{name:15} {middle(ours, 'before') / MIB:7.1f} {itself / MIB:10.1f} ({1e3 * middle(own, 'stop'):5.1f})",
            f"{by_call} {back / MIB:12.1f} {100 * back / max(itself, 1):6.1f} %",
            f"{max(stops):8.2f} {statistics.median(stops):6.2f} ({middle(ours, 'stops'):.0f})",
            f"{statistics.median(later) / MIB if later else float('nan'):12.1f}",
            f"{middle(ours, 'faults') if later else '-'}  {' '.join(sorted({r['ended'] for r in ours}))}",
        ]
        print(*columns, flush=True)


if __name__ == "__main__":
    main()
