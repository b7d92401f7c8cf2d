"""Running the reference engine from a test: as a process, ready by a pipe."""

from __future__ import annotations

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

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LIMIT = 300


def command(*words: str) -> list[str]:
    """The command line that runs the engine with `words`."""
    return [sys.executable, "-m", "trading_engine", "--log-level", "WARNING", *words]


def environment(**extra: str) -> dict[str, str]:
    """This environment, with the examples on the path."""
    return dict(os.environ, PYTHONPATH=os.pathsep.join([str(EXAMPLES), *filter(None, sys.path)]), **extra)


def run(*words: str, **env: str) -> dict[str, object]:
    """Runs the engine to its end; what it printed."""
    done = subprocess.run(
        command(*words), env=environment(**env), capture_output=True, text=True, timeout=LIMIT
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@dataclass
class Running:
    """A live engine, connected; `process.stdout` ends with its report."""

    process: subprocess.Popen[str]
    pid: int
    port: int
    exchange_pid: int

    def stop(self, number: int = signal.SIGTERM) -> dict[str, object]:
        """Signals the engine and waits for its orderly end; its report."""
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=LIMIT)
        assert self.process.returncode == 0
        return json.loads(out)


@contextmanager
def live(*words: str) -> Iterator[Running]:
    """A live engine that has said it is ready; killed on the way out if need be."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        command("--ready-fd", str(writer), *words),
        env=environment(), stdout=subprocess.PIPE, text=True, pass_fds=(writer,),
    )  # fmt: skip
    os.close(writer)
    try:
        with os.fdopen(reader) as pipe:
            if not select.select([pipe], [], [], LIMIT)[0]:
                raise TimeoutError("the engine did not become ready")
            facts = json.loads(pipe.readline())
        yield Running(process, facts["pid"], facts["port"], facts["exchange_pid"])
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(LIMIT)
        assert process.stdout is not None
        process.stdout.close()


def await_exit(pid: int) -> None:
    """Waits until a process that may not be our child is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not select.select([handle], [], [], LIMIT)[0]:
            raise TimeoutError(f"process {pid} is still there")
    finally:
        os.close(handle)
