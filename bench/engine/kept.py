"""Runs that were made are kept, so that a long comparison can be made in several sittings."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import measure
from measure import Load, Values


def _code() -> str:
    """What is measured: the engine, and the package where it is there. Another one begins anew."""
    files = sorted((measure.ROOT / "examples" / "trading_engine").rglob("*.py"))
    files += sorted((measure.ROOT / "python" / "m5mem").glob("_native*.so"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


class Kept:
    """Runs by what was run; new ones are made until the time is over."""

    def __init__(self, path: Path, minutes: float | None, fresh: bool) -> None:
        self.path, self.code = path, _code()
        self.end = None if minutes is None else time.monotonic() + 60 * minutes
        self.runs: dict[str, Values] = {}
        if path.exists() and not fresh:
            kept = json.loads(path.read_text())
            self.runs = kept["runs"] if kept["code"] == self.code else {}

    def offline(self, load: Load, seconds: float, words: list[str], turn: int = 0) -> Values:
        return self._one(measure.offline, load, seconds, words, turn)

    def live(self, load: Load, seconds: float, words: list[str], turn: int = 0) -> Values:
        return self._one(measure.live, load, seconds, words, turn)

    def _one(
        self,
        run: Callable[[Load, float, list[str]], Values],
        load: Load,
        seconds: float,
        words: list[str],
        turn: int,
    ) -> Values:
        name = " ".join(
            [run.__name__, str(load.symbols), f"{load.rate:g}", f"{seconds:g}", str(turn), *words]
        )
        if name not in self.runs:
            if self.end is not None and time.monotonic() >= self.end:
                raise SystemExit(f"{len(self.runs)} runs are kept in {self.path}; the same command goes on")
            self.runs[name] = run(load, seconds, words)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self.path.with_suffix(".new")
            fresh.write_text(json.dumps({"code": self.code, "runs": self.runs}))
            fresh.replace(self.path)
        return self.runs[name]
