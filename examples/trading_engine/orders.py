"""The orders file: one line an event, the same bytes for the same decisions.

seq,kind,time,symbol,id,side,qty,price

`seq` is the tick that caused the line, in twelve digits, so that sorting the
lines as text puts them in the order of the ticks. Live connections deliver
in an order of their own; the file is sorted when it is closed.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import IO

_BLOCK = 1 << 20


def order_line(
    kind: str, seq: int, ts: int, symbol: str, order_id: int, side: str, qty: int, price: float
) -> str:
    """One line of the file; `kind` is NEW or FILL."""
    return f"{seq:012d},{kind},{ts},{symbol},{order_id},{side},{qty},{price}\n"


class OrderLog:
    """Collects order lines on disk, not in memory; closes into a sorted file.

    Until then they are in `NAME.partial`, so that a file under the given name
    is always complete.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: IO[str]
        if path is None:
            self._file = tempfile.TemporaryFile("w+")  # noqa: SIM115
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.with_name(path.name + ".partial").open("w+")
        self._last = ""
        self._sorted = True
        self.count = 0
        self.digest = ""

    def write(self, line: str) -> None:
        """Adds one line."""
        if line < self._last:
            self._sorted = False
        self._last = line
        self.count += 1
        self._file.write(line)

    def close(self) -> str:
        """Sorts, renames, and gives the SHA-256 of the file."""
        if self.digest:
            return self.digest
        with self._file as file:
            file.seek(0)
            if not self._sorted:
                lines = sorted(file)
                file.seek(0)
                file.writelines(lines)
                file.seek(0)
            self.digest = _digest(file)
        if self._path is not None:
            os.replace(self._file.name, self._path)
        return self.digest


def _digest(file: IO[str]) -> str:
    sha = hashlib.sha256()
    while block := file.read(_BLOCK):
        sha.update(block.encode())
    return sha.hexdigest()
