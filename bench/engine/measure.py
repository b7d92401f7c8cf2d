"""One run of the reference engine, live or on its virtual clock, as numbers."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import reference  # noqa: E402

OUT = ROOT / "out" / "bench"
WARM_UP = 210.0  # seconds of event time: 200 candles, and the ticks that are kept
PAGE = os.sysconf("SC_PAGE_SIZE")
Values = dict[str, Any]


@dataclass(frozen=True)
class Load:
    """What the exchange sends."""

    symbols: int
    rate: float
    connections: int

    def ticks(self, seconds: float) -> Path:
        """A file of the first `seconds` of the stream, made once."""
        path = OUT / f"ticks-{self.symbols}-{self.rate:g}-{seconds:g}.bin"
        if not path.exists():
            OUT.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".tmp")
            words = [
                "--symbols", str(self.symbols), "--rate", str(self.rate),
                "--seconds", str(seconds), "--out", str(temporary),
            ]  # fmt: skip
            _python("trading_engine.ticks", words)
            temporary.rename(path)
        return path


def _python(module: str, words: list[str]) -> str:
    env = dict(os.environ, PYTHONPATH=str(ROOT / "examples"))
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def offline(load: Load, seconds: float, words: list[str]) -> Values:
    """Processor time and latency on the virtual clock, collections a minute of event time."""
    source = str(load.ticks(WARM_UP + seconds))
    words = [
        "--offline", "--source", source, "--warm-up", str(WARM_UP), "--measure-gc",
        "--log-level", "WARNING", *words,
    ]  # fmt: skip
    told = json.loads(_python("trading_engine", words))
    return {
        "orders": told["orders_sha256"],
        "margin": told["decision_margin"],
        "cpu": told["cpu_seconds_per_tick"],
        "peak": told["peak_rss_bytes"],
        **_latency(told["latency"]),
        **_collections(told["gc"], seconds),
    }


def live(load: Load, seconds: float, words: list[str]) -> Values:
    """Memory from outside, collections and latency from inside; the exchange is another process."""
    name = "bench-live"
    words = [
        "--symbols", str(load.symbols), "--rate", str(load.rate), "--duration", str(seconds),
        "--connections", str(load.connections), "--warm-up", str(WARM_UP),
        "--measure-gc", "--log-level", "WARNING", *words,
    ]  # fmt: skip
    samples: list[tuple[float, int]] = []
    with reference.engine(words, name) as engine:
        began = time.monotonic()
        peak = 0
        while rss := _rss(engine.pid):
            samples.append((time.monotonic() - began, rss))
            peak = _peak(engine.pid) or peak
            time.sleep(1.0)
    told = json.loads((reference.OUT / f"{name}.stats.json").read_text())
    late = [rss for at, rss in samples if at >= seconds * 2 / 3] or [samples[-1][1]]
    return {
        "orders": told["orders_sha256"],
        "rss": statistics.median(late),
        "peak": peak,
        "growth": _growth([s for s in samples if s[0] >= seconds / 3]),
        **_latency(told["latency"]),
        **_collections(told["gc"], seconds),
    }


def _latency(summary: Values) -> Values:
    return {f"latency_{name}": summary[name] for name in ("p50", "p99", "p999", "max")}


def _collections(gc: Values, seconds: float) -> Values:
    minutes = seconds / 60
    path = gc["in_path"]
    old = [gc["generations"][g] for g in (1, 2)]
    return {
        "gc_count": sum(g["count"] for g in gc["generations"]) / minutes,
        "gc_total": sum(g["total"] for g in gc["generations"]) / minutes,
        "gc_path": path["total"] / minutes,
        "gc_p50": path["p50"],
        "gc_p95": path["p95"],
        "gc_p99": path["p99"],
        "gc_max": max((g["max"] or 0.0) for g in gc["generations"]),
        "gc_old_p95": max((g["p95"] or 0.0) for g in old),
    }


def _rss(pid: int) -> int:
    """Resident bytes; 0 once the process has ended (a zombie has none)."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0


def _peak(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) * 1024 if lines else 0


def _growth(samples: list[tuple[float, int]]) -> float | None:
    """Bytes a minute: the median of the slopes between pairs half the span apart."""
    half = len(samples) // 2
    if half < 10:
        return None
    pairs = zip(samples[:half], samples[half:])
    return statistics.median((b[1] - a[1]) / (b[0] - a[0]) * 60 for a, b in pairs)
