"""`m5 gc --optimize` on the reference engine and on two programs that are not ours.

    python bench/gc-optimize/run.py              a minute a window
    python bench/gc-optimize/run.py -d 15s --only web

FastAPI and Celery come from PyPI into out/gc-optimize. Trust the ratios: both
windows of a trial are of the same process, one right after the other.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUT = ROOT / "out" / "gc-optimize"
NEEDS = ["fastapi", "uvicorn", "httpx", "celery"]
# The engine fills its candles for a while; what is still growing cannot be judged by its memory.
WARM_UP = {"engine": 45.0, "web": 15.0, "worker": 8.0}


def environment() -> str:
    """The interpreter of a virtual environment that has what the programs need."""
    python = OUT / "venv" / "bin" / "python"
    if not (OUT / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", str(OUT / "venv")], check=True)
        requirements = ROOT / "examples" / "trading_engine" / "requirements.txt"
        install = [str(python), "-m", "pip", "install", "-q", *NEEDS, "-r", str(requirements)]
        subprocess.run(install, check=True)
        (OUT / "complete").touch()
    return str(python)


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def commands(python: str, scratch: str) -> dict[str, tuple[list[str], list[str] | None]]:
    """Each program, and what puts load on it."""
    port = str(free_port())
    web = [python, str(HERE / "programs" / "web.py"), port]
    worker = [python, str(HERE / "programs" / "worker.py"), scratch]
    engine = [python, str(ROOT / "examples" / "trading_engine"), "--symbols", "500", "--rate", "2000"]
    return {
        "engine": ([*engine, "--log-level", "ERROR"], None),
        "web": (web, [*web, "load"]),
        "worker": (worker, [*worker, "load"]),
    }


@contextlib.contextmanager
def running(command: list[str] | None):
    """A program in a group of its own, ended with the block."""
    if command is None:
        yield None
        return
    quiet = subprocess.DEVNULL
    program = subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        yield program
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGTERM)
        try:
            program.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGKILL)
            program.wait()


def optimize(m5: str, pid: int, duration: str) -> dict:
    """The document of one run of m5."""
    command = [m5, "gc", "--optimize", "--json", "-d", duration, "-p", str(pid)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if not done.stdout:
        raise SystemExit(f"m5 ended with {done.returncode} and said nothing")
    return json.loads(done.stdout)


def rows(name: str, document: dict) -> list[str]:
    """A line for each trial."""
    out = []
    for trial in document["optimization"]["trials"]:
        judged = trial["judgement"]
        before, after, ratio = judged["before"], judged["after"], judged["ratio"] or {}
        rss = judged["rss"] or [0, 0]
        outcome = judged["outcome"]
        percent = [f"{(ratio.get(k, float('nan')) - 1) * 100:+.1f} %" for k in ("estimate", "lower", "upper")]
        cells = [
            name,
            str(tuple(trial["proposal"]["thresholds"])),
            f"{before['share_of_wall'] * 60e3:.1f} -> {after['share_of_wall'] * 60e3:.1f}",
            f"{percent[0]} ({percent[1]} … {percent[2]})",
            f"{before['p95'] * 1e3:.2f} -> {after['p95'] * 1e3:.2f}",
            f"{before['max'] * 1e3:.1f} -> {after['max'] * 1e3:.1f}",
            f"{(rss[1] / rss[0] - 1) * 100:+.1f} %" if rss[0] else "-",
            "kept" if outcome == "keep" else outcome["reject"],
        ]
        out.append("| " + " | ".join(cells) + " |")
    if not out:
        out = [f"| {name} | nothing worth trying: {document['findings']} |"]
    return out


def main() -> int:
    """Runs each program, tunes it, prints a table, and writes out/bench/gc-optimize.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-d", "--duration", default="60s", help="length of a window")
    parser.add_argument("--only", action="append", choices=("engine", "web", "worker"))
    parser.add_argument("--m5", default=str(ROOT / "target" / "release" / "m5"))
    args = parser.parse_args()
    python = environment()
    documents = {}
    print("| program | thresholds | pause, ms a minute | change (95 %) | P95, ms | longest, ms | RSS | |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name, (program, load) in commands(python, scratch).items():
            if args.only and name not in args.only:
                continue
            with running(program) as target, running(load):
                time.sleep(WARM_UP[name])
                documents[name] = optimize(args.m5, target.pid, args.duration)
            print("\n".join(rows(name, documents[name])), flush=True)
    path = ROOT / "out" / "bench" / "gc-optimize.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(documents))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
