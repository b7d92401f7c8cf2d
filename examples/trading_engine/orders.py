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
    """Collects order lines on disk, not in memory; closes into a sorted file."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        folder = path.parent if path is not None else None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = tempfile.NamedTemporaryFile(  # noqa: SIM115
            "w+", dir=folder, prefix=".orders-", delete=False
        )
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
        temporary = Path(self._file.name)
        if not self._sorted:
            self._file.seek(0)
            lines = sorted(self._file)
            self._file.seek(0)
            self._file.writelines(lines)
            self._file.truncate()
        self._file.close()
        self.digest = file_digest(temporary)
        if self._path is None:
            temporary.unlink()
        else:
            temporary.chmod(0o644)
            os.replace(temporary, self._path)
        return self.digest


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sha.update(block)
    return sha.hexdigest()
