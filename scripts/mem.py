"""The guide's commands, each on `--pid` (or PID) or, without it, on the reference engine.

    python scripts/mem.py baseline [--pid PID] [--duration 30m] [more words for m5 …]
    python scripts/mem.py health | snapshot | gc …

The guide's own names work too: mem_baseline.py, mem_snapshot.py, gc_profiler.py.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

import reference

_DURATIONS = {"baseline": "30m", "gc": "5m"}
_WARM_UP = 15  # seconds of a fresh engine before a quick look at it


def m5_words(task: str, pid: int, duration: str | None, more: list[str]) -> list[str]:
    """The m5 command line for a task."""
    words = [task, "-p", str(pid)]
    if task != "snapshot":
        words += ["--profile", "trading"]  # the guide's numbers
    if task in _DURATIONS:
        words += ["-d", duration or _DURATIONS[task]]
    if task == "baseline" and "--save" not in more:
        words += ["--save", str(reference.OUT / "baseline.json")]
    return words + more


def main(argv: list[str] | None = None) -> int:
    """Runs one task; m5's exit code."""
    parser = argparse.ArgumentParser(prog="mem.py", description=__doc__)
    parser.add_argument("task", choices=["baseline", "health", "snapshot", "gc"])
    parser.add_argument("--pid", type=int, default=_pid_from_environment())
    parser.add_argument("--duration")
    args, more = parser.parse_known_args(argv)
    reference.stop_on_sigterm()
    reference.OUT.mkdir(exist_ok=True)
    if args.pid is not None:
        return reference.m5(*m5_words(args.task, args.pid, args.duration, more))
    words = os.environ.get("ENGINE_ARGS", "").split()
    with reference.engine(words, args.task) as engine:
        print(f"No PID given: the reference engine runs as {engine.pid}.", flush=True)
        if args.task in ("health", "snapshot"):
            print(f"Letting it warm up for {_WARM_UP} s.", flush=True)
            time.sleep(_WARM_UP)
        return reference.m5(*m5_words(args.task, engine.pid, args.duration, more))


def _pid_from_environment() -> int | None:
    text = os.environ.get("PID", "")
    return int(text) if text else None


if __name__ == "__main__":
    sys.exit(main())
