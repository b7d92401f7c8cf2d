"""Starts the target, talks to it, and says what the kernel knows of it."""

import os
import re
import select
import subprocess
from pathlib import Path

PROGRAM = Path(__file__).resolve().parent / "target.py"


class TooLong(Exception):
    """The target did not answer in time."""


class Target:
    def __init__(self, python, row, timeout):
        command = [
            python,
            "-W",
            "ignore::DeprecationWarning",
            str(PROGRAM),
            str(row.objects),
            str(row.megabytes * 1_000_000),
        ]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.timeout = timeout
        self.pending = b""
        self.line(300)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    @property
    def pid(self):
        return self.process.pid

    def line(self, timeout=None):
        while b"\n" not in self.pending:
            ready, _, _ = select.select([self.process.stdout], [], [], timeout or self.timeout)
            if not ready:
                raise TooLong
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                raise RuntimeError("the target ended")
            self.pending += more
        line, _, self.pending = self.pending.partition(b"\n")
        return line.decode().strip()

    def ask(self, word):
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()
        return self.line()

    def gap(self):
        """Longest gap between two ticks, and the time lost in gaps of more than a millisecond."""
        longest, lost = map(float, self.ask("gap").split())
        return longest, lost

    def rss(self):
        return self.status("VmRSS")

    def peak(self):
        return self.status("VmHWM")

    def reset_peak(self):
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def status(self, field):
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+)", text).group(1)) * 1024
