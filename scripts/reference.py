"""Runs the reference engine for a script, and m5 on it; leaves nothing running."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "out"
M5 = Path(os.environ.get("M5", ROOT / "target" / "release" / "m5"))
_VENV = ROOT / ".venv" / "bin" / "python"
PYTHON = str(_VENV) if _VENV.exists() else sys.executable
_START_LIMIT, _STOP_LIMIT = 900.0, 20.0
_PR_SET_PDEATHSIG = 1


@dataclass
class Engine:
    """A running reference engine, connected to its exchange."""

    pid: int
    port: int
    exchange_pid: int | None
    log: Path


def stop_on_sigterm() -> None:
    """Makes SIGTERM end a script through its `finally` blocks."""

    def leave(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


@contextmanager
def engine(words: list[str], name: str = "engine") -> Iterator[Engine]:
    """Starts the engine and its exchange, waits until it trades, and stops it."""
    OUT.mkdir(exist_ok=True)
    log = OUT / f"{name}.log"
    reader, writer = os.pipe()
    command = [
        PYTHON, "-m", "trading_engine", "--traceable",
        "--ready-fd", str(writer), "--stats", str(OUT / f"{name}.stats.json"), *words,
    ]  # fmt: skip
    env = dict(os.environ, PYTHONPATH=str(ROOT / "examples"))
    with log.open("w") as file:
        # A session of its own, so that Ctrl-C first ends m5, then the engine.
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            pass_fds=(writer,), start_new_session=True, preexec_fn=_die_with_parent,
        )  # fmt: skip
    os.close(writer)
    try:
        with os.fdopen(reader) as pipe:
            ready, _, _ = select.select([pipe], [], [], _START_LIMIT)
            line = pipe.readline() if ready else ""
        if not line:
            raise SystemExit(f"the reference engine did not start; see {log}")
        yield Engine(log=log, **json.loads(line))
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def m5(*words: str) -> int:
    """Runs m5 with the terminal's standard streams; its exit code."""
    print(f"\n$ m5 {' '.join(words)}", flush=True)
    try:
        process = subprocess.Popen([str(M5), *words])
    except FileNotFoundError:
        raise SystemExit(f"MISSING: {M5}\n  what to do: make build") from None
    try:
        return process.wait()
    except KeyboardInterrupt:
        # m5 got the same Ctrl-C: it ends early and saves what it has seen.
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait(_STOP_LIMIT)
        raise
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
